"""Looks into the tables of a configuration of ProBound, without keeping them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError
from ...io.blocks import read_blocks
from .config import ProBoundFile
from .translate_experiments import table_path
from .translation import Translation


def check_counts(file: ProBoundFile) -> dict[int, list[int]]:
    """Finds the columns without any reads in the tables that are there.

    Args:
        file: The configuration.

    Returns:
        For each table that exists the columns without reads.

    Raises:
        InputError: A table has another number of columns than declared.
    """
    work = Translation(file)
    found: dict[int, list[int]] = {}
    for place, table in enumerate(work.settings.count_table):
        path = table_path(work, place)
        is_text = table.input_file_type.lower().startswith("tsv")
        if is_text and path.is_file() and path.suffix != ".parquet":
            found[place] = _empty_columns(path, place, table.n_columns)
    return found


def _empty_columns(path: Path, place: int, n_columns: int) -> list[int]:
    empty = set(range(n_columns))
    rows = _rows(path)
    for number, fields in rows:
        if len(fields) != n_columns + 1:
            raise InputError(
                f"has {len(fields) - 1} columns of counts, but nColumns of"
                f" modelSettings.countTable[{place}] is {n_columns}",
                path=path,
                line=number,
            )
        # The counts themselves are checked when the table is read.
        empty -= {column for column in empty if fields[column + 1].strip() != b"0"}
        if not empty:
            break
    return sorted(empty)


def _rows(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    for block in read_blocks(path):
        for number, line in enumerate(block.text.split(b"\n"), block.first_line):
            if line.strip():
                yield number, line.split(b"\t")
