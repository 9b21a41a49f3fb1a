"""Reads JSON, with errors that name the line and the key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ...errors import InputError
from ..base import Key
from ..documents import MAX_BYTES, MAX_VALUES
from ..fit import describe_key

MAX_DEPTH = 100
_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Document:
    """A JSON file.

    Attributes:
        values: What it holds.
        path: The file.
        lines: The line of every value, by its key.
    """

    values: Any
    path: Path | None
    lines: Mapping[Key, int]

    def line_of(self, key: Key) -> int | None:
        """The line of a key, or of the part that lacks it, counted from 1.

        Args:
            key: The path of the value.
        """
        while key not in self.lines:
            if not key:
                return None
            key = key[:-1]
        return self.lines[key]

    def error(self, message: str, key: Key) -> InputError:
        """An error about the value of a key.

        Args:
            message: What is wrong and what to do.
            key: The path of the value.
        """
        written = describe_key(key) or None
        return InputError(message, path=self.path, line=self.line_of(key), key=written)


def read_document(path: str | Path) -> Document:
    """Reads a JSON file.

    Args:
        path: The file.

    Raises:
        InputError: The file cannot be read or is no JSON; the message names line and
            column, or the key that is given twice, or has no value.
    """
    path = Path(path)
    text = _read(path)
    if not text.strip():
        raise InputError("the file is empty", path=path)
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
        document = Document(values, path, _lines_of(text))
    except json.JSONDecodeError as error:
        raise InputError(_explain(error, text), path=path, line=error.lineno) from None
    except RecursionError:
        raise InputError(
            f"has values nested in more than {MAX_DEPTH} levels", path=path
        ) from None
    except _ProblemError as error:
        raise InputError(
            str(error), path=path, line=error.line, key=error.key or None
        ) from None
    return document


def document_of(values: Any) -> Document:
    """A document of values that come from no file.

    Args:
        values: Dictionaries and lists.

    Raises:
        InputError: A value is None.
    """
    document = Document(values, None, {})
    for key, value in _walk(values):
        if value is None:
            raise document.error(_NULL, key)
    return document


_NULL = "null is no value here; remove the key to get its default"


class _ProblemError(ValueError):
    def __init__(self, message: str, line: int | None, key: Key) -> None:
        super().__init__(message)
        self.line = line
        self.key = describe_key(key)


def _refuse_constant(name: str) -> NoReturn:
    raise _ProblemError(f"{name} is no number of JSON", None, ())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None
    if len(data) > MAX_BYTES:
        raise InputError(
            f"is larger than {MAX_BYTES:,} bytes, too large for a configuration",
            path=path,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if data[:2] == b"\x1f\x8b":
            raise InputError("is compressed; unpack it first", path=path) from None
        raise InputError("expected UTF-8 text", path=path) from None


def _explain(error: json.JSONDecodeError, text: str) -> str:
    if not text[error.pos :].strip():
        return (
            f"is truncated: the file ends at column {error.colno} in the middle of a"
            f" value ({error.msg}); copy or download it again"
        )
    if error.msg == "Extra data":
        return (
            f"holds another value behind the first one (column {error.colno}); a"
            " configuration is one JSON list or object, so this may be a file of"
            " fitted models"
        )
    return f"is no valid JSON: {error.msg} (column {error.colno})"


def _walk(root: Any) -> Iterator[tuple[Key, Any]]:
    pending: list[tuple[Key, Any]] = [((), root)]
    while pending:
        key, value = pending.pop()
        yield key, value
        if isinstance(value, Mapping):
            pending += [((*key, str(name)), part) for name, part in value.items()]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pending += [((*key, place), part) for place, part in enumerate(value)]


# --- places ----------------------------------------------------------------------


def _lines_of(text: str) -> dict[Key, int]:
    """The line of every value of a valid JSON text.

    Raises:
        _ProblemError: A key is given twice, a value is null, or there are too many values.
    """
    walker = _Walker(text)
    walker.value(_BLANKS.match(text).end(), ())  # type: ignore[union-attr]
    return walker.lines


class _Walker:
    """Follows a JSON text that is known to be valid."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Key, int] = {}
        self._counted = 0
        self._line = 1

    def value(self, start: int, key: Key) -> int:
        """Notes the lines of a value; returns where it ends."""
        self.lines.setdefault(key, self._line_at(start))
        if len(self.lines) > MAX_VALUES or len(key) > MAX_DEPTH:
            raise _ProblemError("holds too many values for a configuration", None, ())
        opening = self.text[start]
        if opening == "{":
            return self._members(start + 1, key)
        if opening == "[":
            return self._items(start + 1, key)
        found, end = _DECODER.raw_decode(self.text, start)
        if found is None:
            raise _ProblemError(_NULL, self.lines[key], key)
        return end

    def _members(self, start: int, key: Key) -> int:
        place = self._skip(start)
        seen = set()
        while self.text[place] != "}":
            line = self._line_at(place)
            name, place = _DECODER.raw_decode(self.text, place)
            part = (*key, name)
            if name in seen:
                raise _ProblemError("the key is given twice", line, part)
            seen.add(name)
            self.lines[part] = line
            place = self._skip(self.value(self._skip(self._skip(place) + 1), part))
            if self.text[place] == ",":
                place = self._skip(place + 1)
        return place + 1

    def _items(self, start: int, key: Key) -> int:
        place = self._skip(start)
        number = 0
        while self.text[place] != "]":
            place = self._skip(self.value(place, (*key, number)))
            number += 1
            if self.text[place] == ",":
                place = self._skip(place + 1)
        return place + 1

    def _skip(self, place: int) -> int:
        found = _BLANKS.match(self.text, place)
        return place if found is None else found.end()

    def _line_at(self, place: int) -> int:
        self._line += self.text.count("\n", self._counted, place)
        self._counted = max(self._counted, place)
        return self._line
