"""Reads tables of measured values of sequences: .tsv or .csv, either gzipped."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..errors import InputError
from .blocks import read_blocks
from .fields import FieldError, SequenceRule, describe_columns, is_number

FloatArray = npt.NDArray[np.float64]

MAX_BYTES = 1 << 32
"""The largest text that is read."""

# What tensors in float32 hold with all digits, and in which nobody measures.
_GREATEST, _LEAST = 1e30, 1e-30
_SEPARATORS = {".tsv": "\t", ".txt": "\t", ".csv": ","}
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "-", "#n/a"})
_SEQUENCE_NAMES = ("sequence", "seq", "sequences", "probe_sequence", "oligo_sequence")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read, each by its name or by its number from 1.

    Attributes:
        sequence: The sequences; by default the column called ``sequence`` (or ``seq``),
            else the first one.
        value: The measured values; by default the second of two columns.
        error: Their errors, if there are any.
    """

    sequence: str | None = None
    value: str | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measured values of sequences.

    Attributes:
        path: The file.
        sequences: The sequences, in the order of the file.
        values: The values, as the file has them, of shape (rows,).
        errors: Their errors, positive, of shape (rows,); None if none were asked for.
        lines: The line of each row, counted from 1.
        columns: The columns that were read, by name if they have names.
        skipped: How many rows were skipped, by what is missing in them.
        sha256: The SHA-256 of the file.
    """

    path: Path
    sequences: tuple[str, ...]
    values: FloatArray
    errors: FloatArray | None
    lines: tuple[int, ...]
    columns: Columns = Columns()
    skipped: Mapping[str, int] = field(default_factory=dict)
    sha256: str = ""


def read_measurements(
    path: str | Path,
    alphabet: Alphabet,
    columns: Columns | None = None,
    *,
    header: bool | None = None,
    transliterate: Mapping[str, str] | None = None,
) -> Measurements:
    """Reads a table of measurements, one per line.

    Rows without a sequence, a value or an error are skipped and counted: those whose
    field is empty or one of ``NA``, ``N/A``, ``NaN``, ``null``, ``none``, ``.``, ``-``.
    Repeated sequences are kept, as repeated measurements.

    Args:
        path: The file; the ending of its name tells what separates columns.
        alphabet: The letters of the sequences. Lower case is folded where the alphabet
            has no lower-case letters.
        columns: Which columns are read.
        header: Whether the first line names the columns; by default it does if a
            column is asked for by its name, or if none of its fields is a number.
        transliterate: Texts to replace in the sequences, in this order.

    Raises:
        InputError: The file cannot be read, a column does not exist, or a row is
            malformed; the message names the line and what was expected.
    """
    path = Path(path)
    records = _records(path, _separator(path))
    first = next(records, None)
    if first is None:
        raise InputError("the file holds nothing but blank lines", path=path)
    chosen = columns or Columns()
    if header is None:
        header = _has_header(first[1], chosen)
    names = [name.strip() for name in first[1]] if header else []
    reader = _RowReader(
        path,
        alphabet,
        dict(transliterate or {}),
        len(first[1]),
        _Places.find(chosen, names, len(first[1]), path, first[0]),
    )
    if not header:
        reader.read(*first)
    for line, fields in records:
        reader.read(line, fields)
    found = reader.result()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(found, columns=reader.places.named(names), sha256=sha256)


def _separator(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    for suffix, separator in _SEPARATORS.items():
        if name.endswith(suffix):
            return separator
    endings = ", ".join(f"{suffix}, {suffix}.gz" for suffix in _SEPARATORS)
    raise InputError(
        f"the name of a table of measurements must end with one of {endings}",
        path=path,
    )


def _records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file that are not blank, each with the number of its line."""
    if path.exists() and not path.is_file():
        raise InputError("expected a regular file, not a folder or a pipe", path=path)
    reader = csv.reader(_lines(path), delimiter=separator, strict=True)
    line = 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"the row cannot be split into columns ({error})", path=path, line=line
            ) from None
        if fields is None:
            return
        if any(text.strip() for text in fields):
            yield line, fields
        line = reader.line_num + 1


def _lines(path: Path) -> Iterator[str]:
    for block in read_blocks(path, max_bytes=MAX_BYTES):
        for number, line in enumerate(block.text.split(b"\n"), block.first_line):
            try:
                text = line.decode().removesuffix("\r")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"expected UTF-8 text ({error.reason} at byte {error.start + 1})",
                    path=path,
                    line=number,
                ) from None
            if text or number < block.first_line + block.text.count(b"\n"):
                yield text + "\n"


def _has_header(fields: Sequence[str], columns: Columns) -> bool:
    given = (columns.sequence, columns.value, columns.error)
    if any(name is not None and not name.isdecimal() for name in given):
        return True
    return not any(is_number(text) for text in fields)


@dataclass(frozen=True)
class _Places:
    """The places of the columns, counted from 0."""

    sequence: int
    value: int
    error: int | None

    @classmethod
    def find(
        cls, columns: Columns, names: Sequence[str], number: int, path: Path, line: int
    ) -> _Places:
        def place(name: str, option: str) -> int:
            if names.count(name) > 1:
                raise InputError(
                    f"{names.count(name)} columns are called {name!r}; give the number"
                    " of the column",
                    path=path,
                    line=line,
                    key=option,
                )
            if name in names:
                return names.index(name)
            if name.isdecimal() and 1 <= int(name) <= number:
                return int(name) - 1
            raise InputError(
                f"there is no column {name!r}{_nearest(name, names)}; the table has"
                f" {_listed(names, number)}",
                path=path,
                key=option,
            )

        if number < 2:
            raise InputError(
                "expected a column of sequences and one of values, but found one"
                " column; a .csv table has commas between columns, others have tabs",
                path=path,
                line=line,
            )
        if columns.sequence is None:
            known = [i for i, n in enumerate(names) if n.lower() in _SEQUENCE_NAMES]
            sequence = known[0] if known else 0
        else:
            sequence = place(columns.sequence, "--sequence-column")
        if columns.value is not None:
            value = place(columns.value, "--value-column")
        elif number == 2:
            value = 1 - sequence
        else:
            raise InputError(
                f"say which column holds the values; the table has"
                f" {_listed(names, number)}",
                path=path,
                key="--value-column",
            )
        error = None
        if columns.error is not None:
            error = place(columns.error, "--error-column")
        if len({sequence, value, error}) < 3:
            raise InputError(
                "sequences, values and errors must be in different columns", path=path
            )
        return cls(sequence, value, error)

    def named(self, names: Sequence[str]) -> Columns:
        """The columns by name, or by number."""
        found = [
            None if place is None else names[place] if names else str(place + 1)
            for place in (self.sequence, self.value, self.error)
        ]
        return Columns(*found)


def _nearest(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(names: Sequence[str], number: int) -> str:
    if not names:
        return f"{describe_columns(number)} without names, counted from 1"
    shown = ", ".join(f"{i}: {name!r}" for i, name in enumerate(names[:30], 1))
    return shown + (", ..." if len(names) > 30 else "")


class _RowReader:
    """Reads one row after the other."""

    def __init__(
        self,
        path: Path,
        alphabet: Alphabet,
        transliterate: dict[str, str],
        n_columns: int,
        places: _Places,
    ) -> None:
        self.path = path
        self.places = places
        self._n_columns = n_columns
        self._rule = SequenceRule(alphabet, transliterate)
        self._known = SequenceRule(alphabet, transliterate, degenerate=True)
        self._sequences: list[str] = []
        self._values: list[float] = []
        self._errors: list[float] = []
        self._lines: list[int] = []
        self._skipped: Counter[str] = Counter()

    def read(self, line: int, fields: Sequence[str]) -> None:
        """Reads a row.

        Args:
            line: The number of its line.
            fields: Its fields.

        Raises:
            InputError: The row is malformed.
        """
        try:
            self._read(line, fields)
        except FieldError as error:
            raise InputError(str(error), path=self.path, line=line) from None

    def _read(self, line: int, fields: Sequence[str]) -> None:
        if len(fields) != self._n_columns:
            raise FieldError(
                f"found {describe_columns(len(fields))}, but the first line has"
                f" {self._n_columns}"
            )
        places = self.places
        wanted = {"sequence": places.sequence, "value": places.value}
        if places.error is not None:
            wanted["error"] = places.error
        texts = {kind: fields[place].strip() for kind, place in wanted.items()}
        for kind, text in texts.items():
            if text.lower() in _MISSING:
                self._skipped[kind] += 1
                return
        sequence = self._sequence(texts["sequence"])
        value = _number(texts["value"], "value")
        if "error" in texts:
            error = _number(texts["error"], "error")
            if error <= 0:
                raise FieldError(
                    f"the error is {texts['error']}, but must be positive; leave it"
                    " empty to skip the row"
                )
            self._errors.append(error)
        self._sequences.append(sequence)
        self._values.append(value)
        self._lines.append(line)

    def _sequence(self, text: str) -> str:
        sequence = self._known.apply(text)
        try:
            self._rule.apply(text)
        except FieldError:
            raise FieldError(
                "the sequence has a letter that stands for some of the letters of the"
                " alphabet; only one that stands for all of them (N in DNA) is scored"
            ) from None
        return sequence

    def result(self) -> Measurements:
        """All rows.

        Raises:
            InputError: There are none.
        """
        if not self._values:
            reasons = ", ".join(f"{n} without {k}" for k, n in self._skipped.items())
            raise InputError(
                f"the table has no measurements ({reasons or 'no rows'})",
                path=self.path,
            )
        return Measurements(
            self.path,
            tuple(self._sequences),
            np.array(self._values),
            np.array(self._errors) if self.places.error is not None else None,
            tuple(self._lines),
            skipped=dict(self._skipped),
        )


def _number(text: str, kind: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        hint = "expected a number"
        if text[:1] in "<>≤≥~":
            hint = "a bound is no measurement; leave the field empty to skip the row"
        elif "," in text and is_number(text.replace(",", ".")):
            hint = "write a decimal point instead of the comma"
        raise FieldError(f"the {kind} is {text[:40]!r}; {hint}")
    if abs(value) > _GREATEST or 0 < abs(value) < _LEAST:
        raise FieldError(
            f"the {kind} {text[:40]} is not between {_LEAST:g} and {_GREATEST:g};"
            " choose another unit, or leave the field empty to skip the row"
        )
    return value
