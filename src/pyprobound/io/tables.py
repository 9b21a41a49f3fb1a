"""Reads tables of sequences and counts: .tsv, .csv, either gzipped, and .parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..alphabets import Alphabet
from ..errors import InputError
from .blocks import BLOCK_BYTES
from .fields import SequenceRule
from .parquet import read_parquet
from .parts import Part
from .text import read_text

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SUFFIXES = (".tsv", ".tsv.gz", ".txt", ".txt.gz", ".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, eq=False)
class TableData:
    """A count table as it was read.

    Attributes:
        path: The file.
        dataframe: Sequences as index, one column of counts (int64) per round. Columns
            are named as in the header line, else 0, 1, ...
        header: Whether a header line (or the format) named the columns.
        sha256: The SHA-256 of the file.
        n_duplicates: The number of rows that were added to an earlier one with the
            same sequence.
        shortest: The number of letters of the shortest sequence.
        shortest_line: The line (row, in a Parquet file) of the first one as short.
    """

    path: Path
    dataframe: pd.DataFrame
    header: bool
    sha256: str
    n_duplicates: int
    shortest: int
    shortest_line: int


def read_table(
    path: str | Path,
    alphabet: Alphabet,
    *,
    header: bool | None = None,
    columns: Sequence[int | str] | None = None,
    transliterate: Mapping[str, str] | None = None,
    degenerate: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> TableData:
    """Reads a count table.

    The first column holds sequences, each further one the reads of one round. Text
    files have one row per line; blank lines are skipped. Rows with equal sequences
    are summed. Lower case is folded where the alphabet has no lower-case letters;
    U and T are never exchanged.

    Args:
        path: The file; its suffix tells the format.
        alphabet: The letters of the sequences.
        header: Whether the first line names the columns; by default it is looked at.
        columns: The count columns to keep, by name or by number from 0; all by
            default.
        transliterate: Texts to replace in the sequences, in this order.
        degenerate: Whether codes for several but not all letters are accepted.
        block_bytes: How much text is read at once.

    Raises:
        InputError: The file cannot be read or a row is malformed; the message names
            the line and what was expected.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError("expected a regular file, not a folder or a pipe", path=path)
    rule = SequenceRule(alphabet, transliterate or {}, degenerate)
    kind = _kind(path)
    if kind == "parquet":
        parts = [read_parquet(path, rule)]
    else:
        parts = list(read_text(path, rule, kind, header, block_bytes))
    if not parts or not sum(len(part.frame) for part in parts):
        raise InputError("the table has no rows", path=path)
    shortest, line = min(
        (_shortest(part, alphabet) for part in parts if len(part.frame)),
        key=lambda found: found[0],
    )
    frame = _select(_join([part.frame for part in parts]), columns, path)
    merged, n_duplicates = _merge_duplicates(frame)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return TableData(
        path,
        _to_pandas(merged),
        parts[0].named,
        sha256,
        n_duplicates,
        shortest,
        line,
    )


def drop_column(table: TableData, place: int) -> TableData:
    """A table without one of its count columns; it is not changed itself.

    Args:
        table: The table.
        place: The number of the column, from 0.
    """
    frame = table.dataframe
    return replace(table, dataframe=frame.drop(columns=frame.columns[place]))


def _kind(path: Path) -> str:
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    if suffixes and suffixes[0] in (".csv",):
        return ","
    if suffixes and suffixes[0] in (".tsv", ".txt"):
        return "\t"
    if suffixes == [".parquet"]:
        return "parquet"
    raise InputError(
        f"the name of a count table must end with one of {', '.join(SUFFIXES)}",
        path=path,
    )


def _shortest(part: Part, alphabet: Alphabet) -> tuple[int, int]:
    lengths = part.frame[""].str.len_chars()
    place = lengths.arg_min()
    assert place is not None  # noqa: S101 - the part is not empty
    return lengths[place] // alphabet.monomer_length, part.lines[place]


def _join(frames: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    return pl.concat(frames, rechunk=False)


def _select(
    frame: pl.DataFrame, columns: Sequence[int | str] | None, path: Path
) -> pl.DataFrame:
    if columns is None:
        return frame
    names = [name.removeprefix("=") for name in frame.columns[1:]]
    chosen = []
    for column in columns:
        if isinstance(column, str) and column in names:
            chosen.append(f"={column}")
        elif isinstance(column, int) and 0 <= column < len(names):
            chosen.append(f"={names[column]}")
        else:
            raise InputError(
                f"there is no count column {column!r}; the table has"
                f" {', '.join(f'{i}: {name!r}' for i, name in enumerate(names))}",
                path=path,
                key="columns",
            )
    if len(set(chosen)) < len(chosen):
        raise InputError("a column is chosen twice", path=path, key="columns")
    return frame.select("", *chosen)


def _merge_duplicates(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    import polars as pl

    n_duplicates = frame.height - frame[""].n_unique()
    if not n_duplicates:
        return frame, 0
    merged = frame.group_by("", maintain_order=True).agg(pl.all().sum())
    return merged, n_duplicates


def _to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    import pandas as pd

    sequences, *columns = frame.get_columns()
    names: list[Any] = [column.name.removeprefix("=") for column in columns]
    if names == [str(place) for place in range(len(names))]:
        names = list(range(len(names)))
    data = {
        name: column.to_numpy() for name, column in zip(names, columns, strict=True)
    }
    return pd.DataFrame(data, index=pd.Index(sequences.to_list(), dtype="str"))
