"""Reads a text file, gzipped or not, in blocks of whole lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import InputError

BLOCK_BYTES = 1 << 25
# A line this long is no row of a count table; it stops a file that expands to
# endless zeros after its first block.
MAX_LINE_BYTES = 1 << 20
MAX_TEXT_BYTES = 1 << 36

_GZIP_START = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Some consecutive lines of a file.

    Attributes:
        text: The lines; each but the last one of the file ends with a newline.
        first_line: The number of the first one, counted from 1.
    """

    text: bytes
    first_line: int


def read_blocks(
    path: Path, block_bytes: int = BLOCK_BYTES, max_bytes: int = MAX_TEXT_BYTES
) -> Iterator[Block]:
    """Iterates over the lines of a file in blocks.

    Args:
        path: A file; it is decompressed if it begins like a gzip file.
        block_bytes: The size of a block, roughly.
        max_bytes: The greatest size of the text.

    Raises:
        InputError: The file cannot be read, is no text, its compressed part is
            damaged, or it is too large.
    """
    rest = b""
    line = 1
    total = 0
    for chunk in _read_chunks(path, block_bytes):
        total += len(chunk)
        if total > max_bytes:
            raise InputError(
                f"the text is larger than {max_bytes:,} bytes, the most that is read",
                path=path,
            )
        zero = chunk.find(b"\0")
        if zero >= 0:
            place = line + rest.count(b"\n") + chunk.count(b"\n", 0, zero)
            raise InputError(
                "expected text, but found binary data", path=path, line=place
            )
        if line == 1 and not rest:
            chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
        end = chunk.rfind(b"\n") + 1
        if end:
            block = rest + chunk[:end]
            yield Block(block, line)
            line += block.count(b"\n")
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            raise InputError(
                f"the line is longer than {MAX_LINE_BYTES:,} characters",
                path=path,
                line=line,
            )
    if rest:
        yield Block(rest, line)


def _read_chunks(path: Path, size: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from _decompressed(file, path, size)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except IsADirectoryError:
        raise InputError("expected a file, but this is a folder", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error})", path=path) from error


def _decompressed(file: IO[bytes], path: Path, size: int) -> Iterator[bytes]:
    start = file.read(len(_GZIP_START))
    file.seek(0)
    if not start:
        raise InputError("the file is empty (0 bytes)", path=path)
    if start != _GZIP_START:
        if path.suffix == ".gz":
            raise InputError(
                "is no gzip file, although its name ends with .gz; rename it, or"
                " compress it",
                path=path,
            )
        while chunk := file.read(size):
            yield chunk
        return
    try:
        with gzip.open(file) as unzipped:
            while chunk := unzipped.read(size):
                yield chunk
    except EOFError:
        raise InputError(
            "the gzip file is truncated: it ends before its last block does; copy or"
            " download it again",
            path=path,
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"the gzip file is damaged ({error}); copy or download it again", path=path
        ) from None
