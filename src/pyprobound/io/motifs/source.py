"""The lines of a motif file, with the errors that point at them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ..blocks import read_blocks
from .motif import FloatArray, Kind

MAX_TEXT_BYTES = 1 << 26
"""The most text that is read, 64 MiB; all of JASPAR takes 3."""
MAX_LINES = 1 << 21
SUM_TOLERANCE = 0.01
"""How far probabilities of a position may be from 1 by rounding."""


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: Its number, counted from 1.
        text: What it holds, without white space at its ends.
    """

    number: int
    text: str


@dataclass(frozen=True)
class Source:
    """A motif file that was read.

    Attributes:
        path: The file.
        lines: Its lines, without blank ones.
        last: The number of its last line.
    """

    path: Path
    lines: tuple[Line, ...]
    last: int

    def error(self, message: str, line: Line | int | None = None) -> InputError:
        """An error about a line of the file.

        Args:
            message: What is wrong.
            line: Where.
        """
        number = line.number if isinstance(line, Line) else line
        return InputError(message, path=self.path, line=number)

    @property
    def stem(self) -> str:
        """The name of the file without its endings, for motifs without a name."""
        name = self.path.name.removesuffix(".gz")
        return name.rsplit(".", 1)[0] or name


def read_source(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> Source:
    """Reads a motif file, gzipped or not.

    Args:
        path: The file.
        max_bytes: The most text that is read.

    Raises:
        InputError: The file cannot be read, is no text, is too large, holds nothing
            but blank lines, or its line ends are mixed.
    """
    lines: list[Line] = []
    number = 0
    style: str | None = None
    for block in read_blocks(path, block_bytes=1 << 20, max_bytes=max_bytes):
        for number, text in enumerate(_split(block.text), block.first_line):
            ending = _ending(text)
            style = style or ending
            if ending and ending != style:
                raise InputError(
                    f"line ends are mixed: this line ends with {ending}, those before"
                    f" with {style}; the file may have been damaged or glued together:"
                    " make all line ends the same, for instance with dos2unix",
                    path=path,
                    line=number,
                )
            stripped = _decode(path, text, number).strip()
            if stripped:
                lines.append(Line(number, stripped))
        if number > MAX_LINES:
            raise InputError(
                f"has more than {MAX_LINES:,} lines, the most that is read", path=path
            )
    if not lines:
        raise InputError("the file holds nothing but blank lines", path=path)
    if style == "CR":
        # Nothing but the line ends of the first Macintosh: one line for us.
        parts = lines[0].text.split("\r")
        lines = [Line(i, t.strip()) for i, t in enumerate(parts, 1) if t.strip()]
        number = len(parts)
    return Source(path, tuple(lines), number)


def _split(text: bytes) -> list[bytes]:
    """The lines, each with its end."""
    return [part + b"\n" for part in text.split(b"\n")[:-1]] + (
        [] if text.endswith(b"\n") else [text.rsplit(b"\n", 1)[-1]]
    )


def _ending(text: bytes) -> str | None:
    inner = text.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in inner:
        return "CR"
    if text.endswith(b"\r\n"):
        return "CR LF"
    return "LF" if text.endswith(b"\n") else None


def _decode(path: Path, text: bytes, number: int) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected UTF-8 text ({error.reason} at byte {error.start + 1})",
            path=path,
            line=number,
        ) from None


# --- numbers ------------------------------------------------------------------------


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def parse_numbers(
    source: Source, line: Line, fields: Sequence[str], expected: int | None = None
) -> list[float]:
    """Reads the numbers of a row.

    Args:
        source: The file.
        line: The line that they are in.
        fields: The texts.
        expected: How many there must be.

    Raises:
        InputError: A text is no finite number, or there are more or fewer.
    """
    for text in fields:
        if not is_number(text):
            raise source.error(f"expected a finite number, found {text[:40]!r}", line)
    if expected is not None and len(fields) != expected:
        raise source.error(
            f"expected {expected} numbers, found {len(fields)}"
            + ("; is the file truncated?" if line.number == source.last else ""),
            line,
        )
    return [float(text) for text in fields]


def as_matrix(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Rows of numbers as an array."""
    return np.array(rows, dtype=np.float64)


def sections(source: Source) -> Iterator[tuple[Line, tuple[Line, ...]]]:
    """The parts of a file in which each motif begins with a line ``>...``.

    Args:
        source: The file.

    Yields:
        The first line and those below it.

    Raises:
        InputError: The file begins otherwise, or a part is empty.
    """
    starts = [i for i, line in enumerate(source.lines) if line.text.startswith(">")]
    if not starts or starts[0] != 0:
        raise source.error(
            "expected a line such as '>name' before the first motif, found"
            f" {source.lines[0].text[:40]!r}",
            source.lines[0],
        )
    for start, stop in zip(starts, [*starts[1:], len(source.lines)], strict=True):
        header = source.lines[start]
        if stop == start + 1:
            raise source.error(
                "the motif has no rows; is the file truncated?"
                if stop == len(source.lines)
                else "the motif has no rows",
                header,
            )
        yield header, source.lines[start + 1 : stop]


# --- what numbers may be ------------------------------------------------------------


def check_kind(
    source: Source,
    matrix: FloatArray,
    kind: Kind,
    lines: Sequence[Line],
    background: Sequence[float] | None = None,
) -> None:
    """Checks whether numbers can be what the file says.

    Args:
        source: The file.
        matrix: One row for each position.
        kind: What they shall be.
        lines: The line of each position, or of each letter.
        background: The probability of each letter, for log-odds; uniform by default.

    Raises:
        InputError: Probabilities do not sum to 1, or counts or probabilities are
            negative; the text says what the numbers look like instead.
    """
    at = lines if len(lines) == len(matrix) else [lines[0]] * len(matrix)
    if kind in ("counts", "probabilities"):
        for place, row in enumerate(matrix):
            if (row < 0).any():
                raise source.error(
                    f"position {place + 1} has the negative value"
                    f" {row.min():g}, which {kind} cannot have; logs of affinities"
                    " are read with --from psem, log-odds with --from hocomoco-pwm",
                    at[place],
                )
    totals = matrix.sum(axis=1)
    if kind == "probabilities":
        far = np.abs(totals - 1) > SUM_TOLERANCE
        if far.any():
            place = int(far.argmax())
            raise source.error(
                f"the probabilities of position {place + 1} sum to"
                f" {totals[place]:g}, not 1{_looks_otherwise(matrix)}",
                at[place],
            )
    if kind == "counts":
        _check_totals(source, totals, at)
    if kind == "log-odds":
        _check_odds(source, matrix, background, at)


def _check_totals(source: Source, totals: FloatArray, at: Sequence[Line]) -> None:
    if (totals <= 0).any():
        place = int((totals <= 0).argmax())
        raise source.error(f"position {place + 1} has no counts", at[place])
    middle = float(np.median(totals))
    far = np.abs(totals - middle) > SUM_TOLERANCE * middle
    if far.any():
        place = int(far.argmax())
        warnings.warn(
            str(
                source.error(
                    f"the counts of position {place + 1} sum to {totals[place]:g},"
                    f" those of others to {middle:g}; each position is normalised by"
                    " its own sum",
                    at[place],
                )
            ),
            stacklevel=4,
        )


def _check_odds(
    source: Source,
    matrix: FloatArray,
    background: Sequence[float] | None,
    at: Sequence[Line],
) -> None:
    shares = np.full(matrix.shape[1], 1 / matrix.shape[1])
    if background:
        shares = np.array(background)
    with np.errstate(over="ignore"):
        totals = np.exp(matrix) @ shares
    far = np.abs(totals - 1) > 10 * SUM_TOLERANCE
    if far.any():
        place = int(far.argmax())
        warnings.warn(
            str(
                source.error(
                    f"the log-odds of position {place + 1} stand for probabilities that"
                    f" sum to {totals[place]:.3g}, not 1, with this background and"
                    " natural logs; if they are logs of affinities, read them with"
                    " --from psem",
                    at[place],
                )
            ),
            stacklevel=4,
        )


def _looks_otherwise(matrix: FloatArray) -> str:
    """Advice for numbers that are no probabilities."""
    if np.allclose(matrix.max(axis=1), 1, atol=1e-6):
        return (
            "; the best letter of each position has the value 1, so these look like"
            " relative affinities, which are read with --from psam"
        )
    if (matrix.max(axis=1) > 1).all():
        return "; if these are counts, say so by --from"
    return ""


def guess_kind(matrix: FloatArray) -> Kind:
    """What numbers are, where the format does not say.

    Negative ones are log-odds. Numbers of which none is above 1, or most positions sum
    to 1, are probabilities; others are counts.

    Args:
        matrix: One row for each position.
    """
    if (matrix < 0).any():
        return "log-odds"
    sums_to_one = np.abs(matrix.sum(axis=1) - 1) <= SUM_TOLERANCE
    if matrix.max() <= 1 or 2 * sums_to_one.sum() > len(matrix):
        return "probabilities"
    return "counts"
