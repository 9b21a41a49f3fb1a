"""Errors that are meant for the user: their text says what to do, without a traceback."""

from __future__ import annotations

import os
from pathlib import Path


class PyproboundError(Exception):
    """An error that the user can understand and act on.

    Attributes:
        exit_code: What the command line returns to the shell.
    """

    exit_code = 1


class FitError(PyproboundError):
    """A fit could not be finished."""


class InputError(PyproboundError, ValueError):
    """What the user gave is wrong: a file, a setting or an option.

    The text begins with the place: the file, its line and the key, as far as they
    are known.

    Args:
        message: What is wrong, what was expected, and what to do.
        path: The file.
        line: The line in the file, counted from 1.
        key: The key of the configuration, or the option of the command line.
        unit: What ``line`` counts; rows, in a file that has no lines.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        key: str | None = None,
        unit: str = "line",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else Path(path)
        self.line = line
        self.key = key
        self.unit = unit

    def __str__(self) -> str:
        place = [] if self.path is None else [str(self.path)]
        if self.line is not None:
            place.append(f"{self.unit} {self.line}")
        prefix = f"{', '.join(place)}: " if place else ""
        return (
            f"{prefix}{self.key}: {self.message}" if self.key else prefix + self.message
        )
