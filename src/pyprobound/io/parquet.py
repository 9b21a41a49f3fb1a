"""Reads count tables from Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .fields import FieldError, RowRule, SequenceRule
from .parts import SEQUENCE, Part, check_in_bulk, from_rows

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 1 << 31


def read_parquet(path: Path, sequences: SequenceRule) -> Part:
    """Reads a Parquet file: a column of text, then columns of counts.

    Args:
        path: The file.
        sequences: The rule for sequences.

    Raises:
        InputError: The file cannot be read or a row is malformed.
    """
    import polars as pl

    try:
        n_rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        if n_rows > MAX_ROWS:
            raise InputError(
                f"the table has {n_rows:,} rows, more than {MAX_ROWS:,}", path=path
            )
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"is no readable Parquet file ({reason})", path=path) from None
    texts = [
        name
        for name, kind in frame.schema.items()
        if kind in (pl.String, pl.Categorical)
    ]
    if len(texts) == 1:
        # An index that pandas stored stands behind the other columns.
        frame = frame.select(texts[0], pl.exclude(texts[0]))
    if frame.width < 2 or frame.dtypes[0] not in (pl.String, pl.Categorical):
        found = ", ".join(f"{name}: {kind}" for name, kind in frame.schema.items())
        raise InputError(
            "expected a first column of text, the sequences, and at least one column"
            f" of counts, but found {found}",
            path=path,
        )
    rule = RowRule(sequences, "\t", tuple(frame.columns[1:]), True, "the table")
    frame.columns = [SEQUENCE, *(str(place) for place in range(frame.width - 1))]
    if all(kind.is_integer() for kind in frame.dtypes[1:]):
        plain = frame.cast({SEQUENCE: pl.String, pl.selectors.integer(): pl.Int64})
        part = check_in_bulk(plain, rule, range(1, 1 << 62))
        if part is not None:
            return part
    return _parse_rows(path, frame, rule)


def _parse_rows(path: Path, frame: pl.DataFrame, rule: RowRule) -> Part:
    rows = []
    for number, row in enumerate(frame.iter_rows(), start=1):
        fields = ["" if value is None else str(value) for value in row]
        try:
            rows.append(rule.parse_fields(fields))
        except FieldError as error:
            raise InputError(str(error), path=path, line=number, unit="row") from None
    return from_rows(rows, range(1, len(rows) + 1), rule)
