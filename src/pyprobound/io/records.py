"""Finds records of sequences in text: FASTA, FASTQ, plain lines and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from ..errors import InputError
from .fields import describe_columns, describe_separator
from .lines import Lines, Places, Spans, joined_texts

Format: TypeAlias = Literal["fasta", "fastq", "text", "table"]
HEADER_WORDS = frozenset({"seq", "seqs", "sequence", "sequences", "#seq", "#sequence"})
"""Lines that announce sequences, in lower case."""


class RecordError(InputError):
    """A malformed record; whoever catches it knows the file."""


def detect_format(lines: Lines, column: str | int | None) -> Format:
    """The format of a text, by its first line that is not blank.

    Args:
        lines: The first lines, at least one of which is not blank.
        column: The column that the user names; only tables have any.
    """
    index = int(np.argmin(lines.is_blank()))
    first = lines.decode(index)
    if column is not None:
        return "table"
    if first.startswith(">"):
        return "fasta"
    if first.startswith("@"):
        return "fastq"
    return "table" if "\t" in first or "," in first else "text"


def find_fasta(lines: Lines, is_last: bool) -> tuple[Spans, int]:
    """Finds the records of a FASTA text.

    Args:
        lines: Lines; the first one that is not blank is a header.
        is_last: Whether no lines follow; else the last record is left for later.

    Returns:
        The records, and how many lines they take.
    """
    is_header = lines.begins_with(">")
    headers = np.flatnonzero(is_header)
    used = len(lines)
    if not is_last:
        used = int(headers[-1]) if len(headers) else 0
        headers = headers[:-1]
    own = lines.slice(0, used)
    before = own.slice(0, int(headers[0]) if len(headers) else used)
    stray = np.flatnonzero(~before.is_blank())
    if len(stray):
        raise RecordError(
            "expected a header that begins with '>'", line=before.first + int(stray[0])
        )
    # The header's own line stands for a part without letters.
    skipped = len(before)
    starts = np.where(is_header[:used], own.ends, own.starts)[skipped:]
    ends = own.ends[skipped:]
    names = joined_texts(own, own.starts[headers] + 1, own.ends[headers])
    short = [name.split(None, 1)[0] if name.strip() else "" for name in names]
    records = headers - skipped
    return Spans(own, starts, ends, records, headers, short), used


def find_fastq(lines: Lines, is_last: bool) -> tuple[Spans, int]:
    """Finds the records of a FASTQ text, of four lines each.

    Args:
        lines: Lines; the first one is the header of a record.
        is_last: Whether no lines follow.

    Returns:
        The records, and how many lines they take.

    Raises:
        RecordError: A record is malformed, or the text ends within one.
    """
    if is_last:
        kept = np.flatnonzero(~lines.is_blank())
        last = int(kept[-1]) + 1 if len(kept) else 0
        # The last read may have no letters, and so a blank line of qualities.
        lines = lines.slice(0, min(len(lines), -(-last // 4) * 4))
    used = len(lines) // 4 * 4
    own = lines.slice(0, used)
    lengths = own.ends - own.starts
    wrong = ~own.begins_with("@")[0::4]
    plus = ~own.begins_with("+")[2::4]
    uneven = lengths[1::4] != lengths[3::4]
    malformed = np.flatnonzero(wrong | plus | uneven)
    if len(malformed):
        record = int(malformed[0])
        line = own.first + 4 * record
        if wrong[record]:
            raise RecordError(
                "expected the header of a read, which begins with '@'; a record of a"
                " FASTQ file has four lines",
                line=line,
            )
        if plus[record]:
            raise RecordError(
                "expected a line that begins with '+' behind the letters of a read;"
                " reads that are wrapped over several lines cannot be read (unwrap"
                " them, for instance by seqtk seq -l 0)",
                line=line + 2,
            )
        raise RecordError(
            f"the read has {lengths[4 * record + 1]} letters, but"
            f" {lengths[4 * record + 3]} qualities",
            line=line + 3,
        )
    if is_last and used < len(lines):
        raise RecordError(
            "the file ends within a read; copy or download it again",
            line=lines.first + len(lines) - 1,
        )
    heads = np.arange(0, used, 4)
    names = joined_texts(own, own.starts[heads] + 1, own.ends[heads])
    short = [name.split(None, 1)[0] if name.strip() else "" for name in names]
    chosen = heads + 1
    return (
        Spans(
            own,
            own.starts[chosen],
            own.ends[chosen],
            np.arange(len(heads)),
            chosen,
            short,
        ),
        used,
    )


def find_text(lines: Lines, is_last: bool) -> tuple[Spans, int]:
    """Takes each line that is not blank as a record.

    Args:
        lines: Lines.
        is_last: Of no consequence.

    Returns:
        The records, and how many lines they take.
    """
    del is_last
    kept = np.flatnonzero(~lines.is_blank())
    spans = Spans(
        lines, lines.starts[kept], lines.ends[kept], np.arange(len(kept)), kept
    )
    return spans, len(lines)


@dataclass
class TableFinder:
    """Finds the sequences in one column of a table.

    Args:
        column: Its name, which the first line must hold, or its number from 1.
        accepts: Whether a text is a sequence; a first line without one is a header.
    """

    column: str | int
    accepts: Callable[[str], bool]
    separator: str = field(default="\t", init=False)
    place: int | None = field(default=None, init=False)

    def __call__(self, lines: Lines, is_last: bool) -> tuple[Spans, int]:
        """Finds the sequences of some lines.

        Args:
            lines: Lines.
            is_last: Of no consequence.

        Returns:
            The records, and how many lines they take.

        Raises:
            RecordError: There is no such column in the header or in a row.
        """
        del is_last
        used = len(lines)
        kept = np.flatnonzero(~lines.is_blank())
        if self.place is None:
            if not len(kept):
                return find_text(lines, True)[0], used
            if self._read_header(lines, int(kept[0])):
                kept = kept[1:]
        starts, ends = self._fields(lines, kept)
        return Spans(lines, starts, ends, np.arange(len(kept)), kept), used

    def _read_header(self, lines: Lines, index: int) -> bool:
        """Finds the column; returns whether the line is a header."""
        text = lines.decode(index)
        self.separator = "," if "," in text and "\t" not in text else "\t"
        fields = [part.strip().strip('"') for part in text.split(self.separator)]
        line = lines.first + index
        if isinstance(self.column, str):
            if self.column not in fields:
                listed = ", ".join(map(repr, fields[:12]))
                raise RecordError(
                    f"there is no column {self.column!r} in the first line, which has:"
                    f" {listed}; give one of these names, or a number from 1",
                    line=line,
                    key="--column",
                )
            self.place = fields.index(self.column)
            return True
        if not 1 <= self.column <= len(fields):
            raise RecordError(
                f"there is no column {self.column}: the first line has"
                f" {describe_columns(len(fields))} separated by"
                f" {describe_separator(self.separator)}",
                line=line,
                key="--column",
            )
        self.place = self.column - 1
        return bool(fields[self.place]) and not self.accepts(fields[self.place])

    def _fields(self, lines: Lines, kept: Places) -> tuple[Places, Places]:
        """Where the field of each line begins and ends."""
        place = self.place or 0
        starts, ends = lines.starts[kept], lines.ends[kept]
        breaks = np.flatnonzero(lines.text == ord(self.separator))
        first = np.searchsorted(breaks, starts)
        count = np.searchsorted(breaks, ends) - first
        short = np.flatnonzero(count < place)
        if len(short):
            row = int(short[0])
            raise RecordError(
                f"found {describe_columns(int(count[row]) + 1)} separated by"
                f" {describe_separator(self.separator)}, but the sequence is in column"
                f" {place + 1}",
                line=lines.first + int(kept[row]),
            )
        if place:
            starts = breaks[first + place - 1] + 1
        if len(breaks):
            following = breaks[np.minimum(first + place, len(breaks) - 1)]
            ends = np.where(count > place, following, ends)
        return _unquoted(lines, starts, ends)


def _unquoted(lines: Lines, starts: Places, ends: Places) -> tuple[Places, Places]:
    """Drops blanks and quotation marks around fields."""
    text = lines.text
    if not len(text) or not len(starts):
        return starts, ends
    starts, ends = starts.copy(), ends.copy()
    for letter in (32, 34):
        last = len(text) - 1
        while (
            moved := (starts < ends) & (text[np.minimum(starts, last)] == letter)
        ).any():
            starts[moved] += 1
        while (moved := (starts < ends) & (text[ends - 1] == letter)).any():
            ends[moved] -= 1
    return starts, ends
