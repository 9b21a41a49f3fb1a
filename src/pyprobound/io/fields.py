"""What a row of a count table must look like: one row at a time, with exact errors.

This is the definition. Well-formed blocks of rows are read in bulk elsewhere; only a
block with something unusual in it comes here.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..alphabets import Alphabet

MAX_COUNT = 1 << 53
# Longer numbers are too large anyway, and Python refuses to read very long ones.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,30}")
_MISSING_COUNTS = frozenset({"", "na", "n/a", "nan", "null", "none"})
_SEPARATORS = {"\t": "tabs", ",": "commas"}


class FieldError(ValueError):
    """A row that is not as expected; whoever catches it knows file and line."""


@dataclass(frozen=True)
class SequenceRule:
    """Which sequences are accepted, and how they are brought into form.

    Attributes:
        alphabet: The letters. Lower case is folded if no code has lower-case letters.
        transliterate: Texts to replace, in this order, each with its replacement.
        degenerate: Whether codes for several but not all letters are accepted.
    """

    alphabet: Alphabet
    transliterate: Mapping[str, str]
    degenerate: bool = False

    @cached_property
    def folds_case(self) -> bool:
        """Whether lower-case letters stand for upper-case ones."""
        return all(code == code.upper() for code in self.alphabet.encoding)

    @cached_property
    def replacements(self) -> tuple[tuple[str, str], ...]:
        """The texts to replace, after folding."""
        if not self.folds_case:
            return tuple(self.transliterate.items())
        return tuple((a.upper(), b.upper()) for a, b in self.transliterate.items())

    @cached_property
    def accepted(self) -> frozenset[str]:
        """All codes that may occur."""
        wildcard = self.alphabet.get_index["*" * self.alphabet.monomer_length]
        missing = self.alphabet.neginf_pad
        greatest = max(wildcard, self.alphabet.zero_pad)
        return frozenset(
            code
            for code, index in self.alphabet.get_index.items()
            if index != missing and (self.degenerate or index <= greatest)
        )

    @cached_property
    def pattern(self) -> str:
        """A regular expression for whole sequences."""
        if self.alphabet.monomer_length == 1:
            letters = "".join(map(re.escape, sorted(self.accepted)))
            return f"^[{letters}]+$"
        codes = "|".join(map(re.escape, sorted(self.accepted)))
        return f"^(?:{codes})+$"

    def apply(self, text: str) -> str:
        """Folds and transliterates a sequence and checks its letters.

        Raises:
            FieldError: There is no letter, or one that is not accepted.
        """
        if self.folds_case:
            text = text.upper()
        for pattern, replacement in self.replacements:
            text = text.replace(pattern, replacement)
        if not text:
            raise FieldError("the sequence is missing")
        size = self.alphabet.monomer_length
        if len(text) % size:
            raise FieldError(
                f"the sequence has {len(text)} characters, which is not a multiple of"
                f" {size}, the length of a letter of {self.alphabet!r}"
            )
        for start in range(0, len(text), size):
            letter = text[start : start + size]
            if letter not in self.accepted:
                raise FieldError(self._refusal(letter, start // size + 1))
        return text

    def _refusal(self, letter: str, position: int) -> str:
        place = f"letter {letter!r} at position {position} of the sequence"
        if letter in self.alphabet.get_index and letter.strip():
            return (
                f"{place} stands for several letters, which the fast scorer cannot"
                " read; set one_hot: true in every psam mode that scores this table,"
                " or remove the row"
            )
        letters = self.alphabet.alphabet
        known = ", ".join(letters) if len(letters) <= 30 else f"{len(letters)} letters"
        hint = ""
        exchange = {"U": "T", "T": "U"}.get(letter.upper())
        if exchange in letters:
            other = "RNA" if letter.upper() == "U" else "DNA"
            hint = (
                f"; if these are {other} sequences, give another alphabet or"
                f" transliterate: {{{letter}: {exchange}}}"
            )
        return f"{place} is not in the alphabet {self.alphabet!r} ({known}){hint}"


@dataclass(frozen=True)
class RowRule:
    """How a row of text becomes a sequence and its counts.

    Attributes:
        sequences: The rule for the first field.
        separator: What stands between fields.
        names: The names of the count columns.
        named: Whether the file names them.
        reference: Where the number of columns comes from, for messages.
    """

    sequences: SequenceRule
    separator: str
    names: tuple[str, ...]
    named: bool
    reference: str = "the first line"

    def parse(self, line: str) -> tuple[str, list[int]]:
        """Parses a line without its end.

        Raises:
            FieldError: The line is malformed.
        """
        return self.parse_fields(split_fields(line, self.separator))

    def parse_fields(self, fields: Sequence[str]) -> tuple[str, list[int]]:
        """Parses the fields of a row.

        Raises:
            FieldError: The row is malformed.
        """
        if len(fields) != len(self.names) + 1:
            raise FieldError(
                f"found {describe_columns(len(fields))}, but {self.reference} has"
                f" {len(self.names) + 1}: the sequence and"
                f" {describe_columns(len(self.names), 'count')}"
            )
        sequence = self.sequences.apply(fields[0].strip())
        counts = [
            self._parse_count(place, text)
            for place, text in enumerate(fields[1:], start=1)
        ]
        return sequence, counts

    def _parse_count(self, place: int, text: str) -> int:
        try:
            return parse_count(text)
        except FieldError as error:
            name = self.names[place - 1]
            called = f" ({name!r})" if self.named else ""
            raise FieldError(f"count column {place}{called}: {error}") from None


def describe_columns(number: int, kind: str = "") -> str:
    """A number of columns in words, such as ``2 count columns``."""
    noun = "column" if number == 1 else "columns"
    return f"{number} {kind} {noun}" if kind else f"{number} {noun}"


def describe_separator(separator: str) -> str:
    """The plural of a separator, for messages."""
    return _SEPARATORS.get(separator, repr(separator))


def split_fields(line: str, separator: str) -> list[str]:
    """Splits a line into fields; quotation marks around fields are dropped."""
    if '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def parse_count(text: str) -> int:
    """Reads a count: a whole number that is not negative, such as ``3`` or ``3.0``.

    Raises:
        FieldError: The text is something else.
    """
    text = text.strip()
    if text.lower() in _MISSING_COUNTS:
        found = f" (found {text!r})" if text else ""
        raise FieldError(f"the count is missing{found}; write 0 if there were no reads")
    count = int(text) if _WHOLE_NUMBER.fullmatch(text) else _parse_decimal(text)
    if count < 0:
        raise FieldError(f"the count is negative ({text}); expected reads, 0 or more")
    if count > MAX_COUNT:
        raise FieldError(f"the count {text} is above {MAX_COUNT:,}")
    return count


def _parse_decimal(text: str) -> int:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FieldError(f"{text!r} is not a count; expected a whole number")
    if not value.is_integer():
        raise FieldError(
            f"the count {text} is not a whole number; expected numbers of reads, not"
            " normalised ones"
        )
    return int(value)


def is_number(text: str) -> bool:
    """Whether a field could be meant as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
