"""Writes count tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd

from ..checkpoint import write_atomically
from ..errors import InputError

_SEPARATORS = {".tsv": "\t", ".csv": ","}
TABLE_SUFFIXES = (*_SEPARATORS, *(name + ".gz" for name in _SEPARATORS), ".parquet")
"""The endings of file names that tell how to write a table."""


def check_table_path(path: str | Path) -> None:
    """Checks whether a table could be written, before there is one.

    Args:
        path: The file.

    Raises:
        InputError: The ending of its name is unknown, or its folder is missing.
    """
    path = Path(path)
    if _suffix(path) is None:
        raise InputError(
            f"expected a file name that ends in {', '.join(TABLE_SUFFIXES)}", path=path
        )
    if path.is_dir():
        raise InputError("is a folder; give a file", path=path)
    if not path.parent.is_dir():
        raise InputError(
            f"cannot be written: there is no folder {path.parent}", path=path
        )


def write_table(path: str | Path, dataframe: pd.DataFrame) -> None:
    """Writes a count table without header, or as parquet; atomically.

    The same table gives the same bytes.

    Args:
        path: The file, whose name ends in one of ``TABLE_SUFFIXES``.
        dataframe: Sequences as index, one column of counts per round.

    Raises:
        InputError: The file cannot be written.
    """
    path = Path(path)
    check_table_path(path)
    suffix = _suffix(path)
    try:
        if suffix == ".parquet":
            frame = dataframe.rename(columns=str).rename_axis("sequence").reset_index()
            write_atomically(path, lambda temporary: _write_parquet(frame, temporary))
            return
        separator = _SEPARATORS[str(suffix).removesuffix(".gz")]
        text = dataframe.to_csv(sep=separator, header=False, lineterminator="\n")
        content = text.encode()
        if str(suffix).endswith(".gz"):
            # Without the time, which would make equal tables differ.
            content = gzip.compress(content, compresslevel=6, mtime=0)
        write_atomically(path, lambda temporary: _write_bytes(content, temporary))
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", path=path) from None


def _suffix(path: Path) -> str | None:
    found = (suffix for suffix in TABLE_SUFFIXES if path.name.endswith(suffix))
    return next(found, None)


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    import polars as pl

    pl.DataFrame({name: frame[name].to_list() for name in frame}).write_parquet(path)
