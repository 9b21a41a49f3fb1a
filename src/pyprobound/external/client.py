"""A small client for motif databases on the web."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .._version import __version__
from ..checkpoint import write_atomically
from ..errors import PyproboundError

T = TypeVar("T")

Opener = Callable[..., Any]
"""Called as ``opener(request, timeout=seconds)``, as ``urllib.request.urlopen``."""

_PIECE = 1 << 16
_TEMPORARY_FAILURES = frozenset({408, 425, 429, 500, 502, 503, 504})


class MotifDownloadError(PyproboundError, ConnectionError):
    """A motif could not be downloaded, or what came was no motif."""


class WebClient:
    """Fetches texts, politely: with time limits, few retries, and a cache on disk.

    Args:
        timeout: The seconds to wait for an answer, and for each further piece of it.
        retries: How often to try again after a failure that may pass.
        pause: The seconds before the first of these; each later pause is twice as
            long.
        cache_folder: Where answers are kept; by default below the folder for caches
            of the operating system. They never expire: a motif under a versioned
            name does not change.
        max_bytes: The size above which an answer is refused.
        opener: What opens a request, for proxies and the like.
        longest: The seconds that a whole answer may take.

    Raises:
        ValueError: A limit is not positive, or ``retries`` or ``pause`` is negative.
    """

    def __init__(
        self,
        timeout: float = 5.0,
        retries: int = 2,
        pause: float = 0.5,
        cache_folder: str | os.PathLike[str] | None = None,
        max_bytes: int = 1 << 24,
        opener: Opener | None = None,
        longest: float = 60.0,
    ) -> None:
        limits = {"timeout": timeout, "max_bytes": max_bytes, "longest": longest}
        for name, limit in limits.items():
            if not limit > 0:
                raise ValueError(f"{name} must be positive, not {limit}")
        if retries < 0 or pause < 0:
            raise ValueError(
                f"retries and pause must be 0 or more, not {retries} and {pause}"
            )
        self.longest = longest
        self.timeout = timeout
        self.retries = retries
        self.pause = pause
        self.max_bytes = max_bytes
        self._cache_folder = None if cache_folder is None else Path(cache_folder)
        self._open: Opener = urllib.request.urlopen if opener is None else opener

    @property
    def cache_folder(self) -> Path:
        """Where answers are kept."""
        if self._cache_folder is None:
            import pooch

            self._cache_folder = Path(pooch.os_cache("pyprobound")) / "motifs"
        return self._cache_folder

    def fetch(self, url: str, parse: Callable[[str], T]) -> T:
        """Fetches and parses a text; only what can be parsed gets into the cache.

        Args:
            url: The address, with the scheme http or https.
            parse: Turns the text into what is wanted; raises ``ValueError`` for a
                text that is something else.

        Raises:
            MotifDownloadError: The address cannot be reached, answers with an error,
                or with something else than expected.
            ValueError: The address is not one of the web.
        """
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"the address {url!r} must begin with http:// or https://")
        path = self._cached_file(url)
        try:
            return parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pass  # not there, or damaged: fetched again
        text = self._download(url)
        try:
            result = parse(text)
        except ValueError as error:
            raise MotifDownloadError(
                f"the answer from {url} is not what was asked for: {error}"
            ) from error
        self._keep(path, text)
        return result

    def _cached_file(self, url: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", url.partition("://")[2])[-60:]
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        return self.cache_folder / f"{digest}-{readable.strip('-.')}"

    def _keep(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda p: _write(p, text))
        except OSError:
            pass  # a cache that cannot be written to is no reason to fail

    def _download(self, url: str) -> str:
        pause = self.pause
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(pause)
                pause *= 2
            try:
                return self._request(url)
            except MotifDownloadError:  # an OSError too, but trying again is useless
                raise
            except urllib.error.HTTPError as error:
                with error:
                    failure = f"the server answered {error.code} {error.reason}"
                if error.code not in _TEMPORARY_FAILURES:
                    break
            except (OSError, http.client.HTTPException) as error:
                failure = str(getattr(error, "reason", error)) or type(error).__name__
        raise MotifDownloadError(
            f"could not download {url}: {failure}; check the name and the network"
            " connection, or download the file by other means and pass its path"
        )

    def _request(self, url: str) -> str:
        request = urllib.request.Request(  # noqa: S310 - fetch checks the scheme
            url, headers={"User-Agent": f"pyprobound/{__version__}"}
        )
        with self._open(request, timeout=self.timeout) as response:
            if url.startswith("https:") and not response.geturl().startswith("https:"):
                raise MotifDownloadError(
                    f"{url} leads to {response.geturl()}, which is not encrypted"
                )
            content = self._content(response, url)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MotifDownloadError(
                f"the answer from {url} is not text: {error}"
            ) from error

    def _content(self, response: Any, url: str) -> bytes:
        """Reads an answer piece by piece, as a slow one has no end.

        Raises:
            MotifDownloadError: It is too large.
            OSError: It takes too long.
            http.client.IncompleteRead: It ends too early.
        """
        declared = response.headers.get("Content-Length", "")
        size = int(declared) if declared.isdecimal() else None
        end = time.monotonic() + self.longest
        content = bytearray()
        while size is None or len(content) < size:
            piece = response.read1(_PIECE)
            if not piece:
                break
            content += piece
            if len(content) > self.max_bytes:
                raise MotifDownloadError(
                    f"the answer from {url} is larger than {self.max_bytes} bytes"
                )
            if time.monotonic() > end:
                raise TimeoutError(f"the answer takes longer than {self.longest:g} s")
        if size is not None and len(content) < size:
            raise http.client.IncompleteRead(bytes(content), size - len(content))
        return bytes(content)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
