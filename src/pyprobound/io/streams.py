"""Reads bytes from files, pipes and the standard input, gzipped or not."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ..errors import InputError

STANDARD_INPUT = Path("-")
MAX_BYTES = 1 << 40
"""The most bytes that are read, after decompression."""

_GZIP_START = b"\x1f\x8b"
_ZSTANDARD_START = b"\x28\xb5\x2f\xfd"
_BZIP2_START = b"BZh"
_XZ_START = b"\xfd7zXZ"
_OTHERS = {
    _ZSTANDARD_START: ("zstd", "zstd -dc"),
    _BZIP2_START: ("bzip2", "bzip2 -dc"),
    _XZ_START: ("xz", "xz -dc"),
}


@dataclass
class ByteStream:
    """A source of bytes.

    Attributes:
        path: Where they come from; ``-`` is the standard input.
        size: The size of the file as it is stored; None if that is not known.
        consumed: How many of its bytes have been read.
    """

    path: Path
    file: io.BufferedReader
    size: int | None
    consumed: int = 0

    def chunks(self, size: int, max_bytes: int = MAX_BYTES) -> Iterator[bytes]:
        """Iterates over the text, decompressed.

        Args:
            size: The most bytes of a chunk.
            max_bytes: The most bytes of the text.

        Raises:
            InputError: The bytes cannot be read, their compressed form is damaged or
                unknown, they are no text, or there are too many.
        """
        total = 0
        for chunk in self._decompressed(size):
            total += len(chunk)
            if total > max_bytes:
                raise InputError(
                    f"the text is larger than {max_bytes:,} bytes, the most that is"
                    " read; split it",
                    path=self.path,
                )
            yield chunk

    def _decompressed(self, size: int) -> Iterator[bytes]:
        start = self.file.peek(6)[:6]
        if not start:
            raise InputError("there is nothing in it (0 bytes)", path=self.path)
        for magic, (name, command) in _OTHERS.items():
            if start.startswith(magic):
                raise InputError(
                    f"is compressed by {name}; decompress it first, for instance by"
                    f" {command} FILE | pyprobound score MODEL -",
                    path=self.path,
                )
        counting = cast("IO[bytes]", _Counting(self))
        try:
            if not start.startswith(_GZIP_START):
                while chunk := counting.read(size):
                    yield chunk
                return
            with gzip.GzipFile(fileobj=counting) as unzipped:
                while chunk := unzipped.read(size):
                    yield chunk
        except EOFError:
            raise InputError(
                "the gzip data are truncated: they end before their last block does;"
                " copy or download them again",
                path=self.path,
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"the gzip data are damaged ({error}); copy or download them again",
                path=self.path,
            ) from None
        except OSError as error:
            raise InputError(f"cannot be read ({error})", path=self.path) from error


class _Counting:
    """A file that tells its stream how much was read; it need not be seekable."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.file.read(size)
        self._stream.consumed += len(chunk)
        return chunk


@contextmanager
def open_stream(path: str | Path) -> Iterator[ByteStream]:
    """Opens a file, a named pipe, or the standard input.

    Args:
        path: The file; ``-`` for the standard input.

    Raises:
        InputError: The file cannot be opened.
    """
    path = Path(path)
    if path == STANDARD_INPUT:
        source = cast("io.BufferedReader", sys.stdin.buffer)
        yield ByteStream(path, _peekable(source), None)
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except IsADirectoryError:
        raise InputError("expected a file, but this is a folder", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from error
    with file:
        size = path.stat().st_size if path.is_file() else None
        yield ByteStream(path, file, size)


def _peekable(source: io.BufferedReader) -> io.BufferedReader:
    """The standard input; a replacement in tests may be unable to look ahead."""
    return source if hasattr(source, "peek") else io.BufferedReader(source)
