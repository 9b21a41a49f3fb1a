"""Reads one table of counts from a file."""

import bz2
import gzip
import lzma
import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ..errors import InputError

if TYPE_CHECKING:
    import polars as pl

Path: TypeAlias = str | os.PathLike[str]

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_table(path: Path) -> "pl.DataFrame":
    """Reads a table of tab-separated text without a header line.

    Args:
        path: The file, possibly compressed.

    Returns:
        A data frame: the sequences, then one column per count, integers if possible.

    Raises:
        InputError: The file is empty or a line is malformed; the message names it (it
            is a ``ValueError``).
    """
    import polars as pl

    first_line, n_counts = _find_shape(path)
    for kind in (pl.Int64, pl.Float64):
        try:
            table = _parse(path, first_line, n_counts, kind)
        except pl.exceptions.PolarsError as error:
            failure: str = str(error).split("\n")[0]
            continue
        # Empty lines become rows of empty fields; other ones may not lack a count.
        table = table.filter(~pl.all_horizontal(pl.all().is_null()))
        table = table.with_columns(pl.col("sequence").fill_null(""))
        if not sum(table.null_count().row(0)):
            return table
        failure = "a count is missing"
        break
    _find_malformed_line(path, n_counts)
    raise InputError(f"the table cannot be read: {failure}", path=path)


def _parse(
    path: Path, first_line: int, n_counts: int, kind: "type[pl.DataType]"
) -> "pl.DataFrame":
    import polars as pl

    schema: Any = {"sequence": pl.String, **{str(i): kind for i in range(n_counts)}}
    suffix = FilePath(path).suffix
    source: Any = path
    if suffix in (".bz2", ".xz"):  # the other compressions polars reads itself
        with _OPENERS[suffix](path) as handle:
            source = handle.read()
    return pl.read_csv(
        source,
        has_header=False,
        separator="\t",
        schema=schema,
        quote_char=None,
        skip_rows=first_line - 1,
        glob=False,
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Iterates over the lines that are not empty, each with its number."""
    handle: IO[bytes]
    with _OPENERS.get(FilePath(path).suffix, open)(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if text:
                yield number, text


def _find_shape(path: Path) -> tuple[int, int]:
    """Returns the number of the first line with text, and how many counts it has."""
    for number, line in _lines(path):
        n_counts = line.count("\t")
        if not n_counts:
            raise InputError(
                "expected a sequence and its counts, separated by tabs, but found "
                f"{line[:60]!r}",
                path=path,
                line=number,
            )
        return number, n_counts
    raise InputError("the file is empty", path=path)


def _find_malformed_line(path: Path, n_counts: int) -> None:
    """Raises an error that names the first malformed line, if there is one."""
    for number, line in _lines(path):
        _, *counts = line.split("\t")
        if len(counts) != n_counts:
            raise InputError(
                f"found {len(counts)} counts, but the first line has {n_counts}",
                path=path,
                line=number,
            )
        for place, text in enumerate(counts):
            if not _is_number(text):
                hint = "; the table must have no header line" if number == 1 else ""
                raise InputError(
                    f"count {place} is {text!r}, which is not a number{hint}",
                    path=path,
                    line=number,
                )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip() and "_" not in text
