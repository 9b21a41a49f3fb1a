"""The lines of a text and the records in them, found in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Places: TypeAlias = npt.NDArray[np.int64]

_BLANKS = (9, 11, 12, 13, 32)


@dataclass(frozen=True)
class Lines:
    """Consecutive lines of a text, without white space at their ends.

    Attributes:
        text: The bytes.
        starts: Where each line begins.
        ends: Where each line ends; its last byte is the one before.
        first: The number of the first line.
    """

    text: Bytes
    starts: Places
    ends: Places
    first: int

    def __len__(self) -> int:
        return len(self.starts)

    def is_blank(self) -> npt.NDArray[np.bool_]:
        """Whether each line is blank."""
        return self.starts >= self.ends

    def begins_with(self, letter: str) -> npt.NDArray[np.bool_]:
        """Whether each line begins with a letter."""
        if not len(self.text):
            return np.zeros(len(self), bool)
        place = np.minimum(self.starts, len(self.text) - 1)
        return np.asarray((self.text[place] == ord(letter)) & ~self.is_blank())

    def slice(self, start: int, stop: int | None = None) -> Lines:
        """Some of the lines."""
        chosen = slice(start, stop)
        return Lines(
            self.text, self.starts[chosen], self.ends[chosen], self.first + start
        )

    def line_at(self, place: int) -> int:
        """The number of the line that a byte is in."""
        return self.first + int(np.searchsorted(self.starts, place, side="right")) - 1

    def decode(self, index: int) -> str:
        """A line as text."""
        part = self.text[self.starts[index] : self.ends[index]]
        return part.tobytes().decode(errors="replace")


def split_lines(text: bytes, first: int) -> Lines:
    """Finds the lines of a text.

    Args:
        text: The text, with any of the three kinds of line ends.
        first: The number of its first line.
    """
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == 10)
    if len(letters) and letters[-1] != 10:
        ends = np.append(ends, len(letters))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    return Lines(letters, *_stripped(letters, starts, ends), first)


def _stripped(text: Bytes, starts: Places, ends: Places) -> tuple[Places, Places]:
    """Moves the ends of spans inwards over blanks."""
    if not any(blank in text for blank in _BLANKS):
        return starts, ends
    starts, ends = starts.copy(), ends.copy()
    blank = np.isin(text, _BLANKS)
    for moves, step in ((ends, -1), (starts, 1)):
        while True:
            look = moves - 1 if step < 0 else np.minimum(moves, len(text) - 1)
            movable = (starts < ends) & blank[look]
            if not movable.any():
                break
            moves[movable] += step
    return starts, ends


@dataclass(frozen=True)
class Spans:
    """Parts of a text, of which several may make one record.

    Attributes:
        lines: The lines they are in.
        starts: Where each part begins.
        ends: Where each part ends.
        records: The first part of each record.
        places: The first line of each record, as an index.
        names: The name of each record, if records have names.
    """

    lines: Lines
    starts: Places
    ends: Places
    records: Places
    places: Places
    names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.records)

    def lengths(self) -> Places:
        """The number of bytes of each record."""
        sums = np.concatenate([[0], np.cumsum(np.maximum(self.ends - self.starts, 0))])
        limits = np.append(self.records, len(self.starts))
        return np.asarray(sums[limits[1:]] - sums[limits[:-1]])

    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether each byte of the text belongs to a part."""
        return covered(len(self.lines.text), self.starts, self.ends)


def covered(length: int, starts: Places, ends: Places) -> npt.NDArray[np.bool_]:
    """Which places are in spans that follow one another.

    Args:
        length: The number of places.
        starts: Where each span begins.
        ends: Where each span ends; spans that end before they begin are empty.
    """
    steps = np.zeros(length + 1, np.int8)
    kept = starts < ends
    # Spans may touch, so that a place is both an end and a start.
    steps[starts[kept]] += 1
    steps[ends[kept]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)


def joined_texts(lines: Lines, starts: Places, ends: Places) -> list[str]:
    """Spans of different lines as texts."""
    if not len(starts):
        return []
    # Each span brings along one byte behind it, which becomes the separator.
    text = np.append(lines.text, np.uint8(10))
    mask = covered(len(text), starts, ends)
    separated = text.copy()
    separated[ends] = 10
    mask[ends] = True
    return separated[mask].tobytes().decode(errors="replace").split("\n")[:-1]
