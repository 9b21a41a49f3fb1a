"""The log file of a fit."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

logger = logging.getLogger("pyprobound.workflow")


class RunLog:
    """Writes to the log file of a fit, and to the logger of the library.

    Args:
        stream: The log file.

    Attributes:
        stream: The log file; training reports to it as text.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def info(self, message: str) -> None:
        """Logs what happens.

        Args:
            message: The message.
        """
        write_line(self.stream, "INFO", message)
        logger.info("%s", message)

    def warning(self, message: str) -> None:
        """Logs what the user should know.

        Args:
            message: The message.
        """
        # The handler writes it to the file.
        logger.warning("%s", message)


class _StreamHandler(logging.Handler):
    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        write_line(self._stream, record.levelname, record.getMessage())


def write_line(stream: TextIO, level: str, message: str) -> None:
    """Writes a message with its time.

    Args:
        stream: Where to.
        level: How important it is.
        message: The message.
    """
    stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level} {message}\n")
    stream.flush()


@contextmanager
def open_log(path: Path) -> Iterator[RunLog]:
    """Opens a log file, to which all warnings of the library go too.

    Args:
        path: The file; it is appended to.
    """
    library = logging.getLogger("pyprobound")
    with path.open("a", encoding="utf-8", buffering=1) as stream:
        handler = _StreamHandler(stream)
        library.addHandler(handler)
        try:
            yield RunLog(stream)
        finally:
            library.removeHandler(handler)
