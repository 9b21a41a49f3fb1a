"""Hands the records of a fit to those who want them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TextIO

from . import records
from .records import Consumer, Record
from .text import describe

Output = str | os.PathLike[str] | TextIO | None

logger = logging.getLogger("pyprobound.optim")

_LEVELS: dict[type[Record], int] = {
    records.GroupStarted: logging.INFO,
    records.StepStarted: logging.INFO,
    records.GreedyDecided: logging.INFO,
    records.TrainingDone: logging.INFO,
    records.TrainingRestarted: logging.WARNING,
    records.Resumed: logging.INFO,
    records.EpochDone: logging.DEBUG,
    records.CallMade: logging.DEBUG,
}


class TextOutput:
    """Where text goes: a file, to which it is appended, or a stream.

    A file is opened for each piece of text, so that others may read or move it. A
    stream stays open; it belongs to the caller.

    Args:
        target: A path or a text stream; None for what is the standard output at the
            time of writing.
    """

    def __init__(self, target: Output = None) -> None:
        self.target = target

    def write(self, text: str, mode: str = "at") -> None:
        """Writes text.

        Args:
            text: The text.
            mode: How a file is opened.
        """
        if isinstance(self.target, str | os.PathLike):
            with open(self.target, mode, encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
            return
        stream = sys.stdout if self.target is None else self.target
        stream.write(text)
        stream.flush()


class Reporter:
    """Writes records as text, logs them, and passes them on.

    Args:
        write: Writes a piece of text to the output.
        on_record: Another consumer, or none.
    """

    def __init__(
        self, write: Callable[[str], None], on_record: Consumer | None = None
    ) -> None:
        self._write = write
        self._on_record = on_record

    def __call__(self, record: Record) -> None:
        """Hands a record to all of them."""
        text = describe(record)
        if text:
            self._write(text)
        level = _LEVELS.get(type(record))
        if level is not None:
            logger.log(level, "%s", text.strip())
        if self._on_record is not None:
            self._on_record(record)
