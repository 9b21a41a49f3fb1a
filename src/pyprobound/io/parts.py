"""Rows of a count table that have been parsed, and their checks in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .fields import MAX_COUNT, RowRule

if TYPE_CHECKING:
    import polars as pl

SEQUENCE = "sequence"
"""The name of the sequence column while rows are parsed."""


@dataclass
class Part:
    """Parsed rows of one block."""

    frame: pl.DataFrame
    lines: Sequence[int]
    named: bool


def check_in_bulk(
    frame: pl.DataFrame, rule: RowRule, lines: Sequence[int]
) -> Part | None:
    """Checks and folds rows at once; returns None if any of them is unusual.

    Args:
        frame: The column ``SEQUENCE`` and one column of integers per round.
        rule: What rows must look like.
        lines: The line of each row; there may be more.
    """
    import polars as pl

    if frame.height == 0 or any(frame.null_count().row(0)):
        return None
    counts = pl.exclude(SEQUENCE)
    if not frame.select(
        pl.all_horizontal(counts.is_between(0, MAX_COUNT).all())
    ).item():
        return None
    text = pl.col(SEQUENCE)
    if rule.sequences.folds_case:
        text = text.str.to_uppercase()
    for pattern, replacement in rule.sequences.replacements:
        text = text.str.replace_all(pattern, replacement, literal=True)
    frame = frame.with_columns(text)
    accepted = pl.col(SEQUENCE).str.contains(rule.sequences.pattern).all()
    if not frame.select(accepted).item():
        return None
    return Part(rename(frame, rule), lines, rule.named)


def rename(frame: pl.DataFrame, rule: RowRule) -> pl.DataFrame:
    """Gives columns their names in the file; the sequences have none.

    Args:
        frame: The sequences, then one column per round.
        rule: It knows the names.
    """
    # The sequence column is known by its place: a header may use its name again.
    frame.columns = ["", *(f"={name}" for name in rule.names)]
    return frame


def from_rows(
    rows: Sequence[tuple[str, list[int]]], lines: Sequence[int], rule: RowRule
) -> Part:
    """Collects rows that were parsed one by one.

    Args:
        rows: The sequence and the counts of each row.
        lines: The line of each row.
        rule: It knows the names of the columns.
    """
    import polars as pl

    columns: dict[str, Any] = {
        SEQUENCE: pl.Series([sequence for sequence, _ in rows], dtype=pl.String)
    }
    for place in range(len(rule.names)):
        values = [counts[place] for _, counts in rows]
        columns[str(place)] = pl.Series(values, dtype=pl.Int64)
    return Part(rename(pl.DataFrame(columns), rule), lines, rule.named)
