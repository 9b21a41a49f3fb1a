"""What a process that runs starts says to the one that waits for it.

They talk in pickles, through pipes that nobody else has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config import FitConfig
from ..optim.records import Record
from .one_start import Start


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know first.

    Attributes:
        config: The resolved configuration.
        tables: The tables, as ``shared_tables.write_tables`` describes them.
        tables_file: The file with their values.
        state: The folder with all that is needed to resume.
        threads: With how many threads to compute.
        kernels: The implementation of the kernels.
        dtype: The name of torch's default type.
        log_levels: The levels of loggers, by name.
    """

    config: FitConfig
    tables: bytes
    tables_file: Path
    state: Path
    threads: int
    kernels: str
    dtype: str
    log_levels: dict[str, int]


@dataclass(frozen=True)
class Ready:
    """A worker has loaded everything."""


@dataclass(frozen=True)
class Assigned:
    """A start is given to a worker.

    Attributes:
        start: The number of the start, from 0.
    """

    start: int


@dataclass(frozen=True)
class Recorded:
    """Something that happened in training.

    Attributes:
        start: The number of the start, from 0.
        record: The record of it.
    """

    start: int
    record: Record


@dataclass(frozen=True)
class Wrote:
    """Text that training reports.

    Attributes:
        start: The number of the start, from 0.
        text: The text, as it is written to a stream.
    """

    start: int
    text: str


@dataclass(frozen=True)
class Logged:
    """A message of a logger.

    Attributes:
        start: The number of the start, from 0.
        name: The name of the logger.
        level: How important it is.
        text: The message.
    """

    start: int
    name: str
    level: int
    text: str


@dataclass(frozen=True)
class Warned:
    """A warning of Python.

    Attributes:
        start: The number of the start, from 0.
        category: Its class.
        text: Its message.
    """

    start: int
    category: type[Warning]
    text: str


@dataclass(frozen=True)
class Finished:
    """A start has ended.

    Attributes:
        result: Its result.
    """

    result: Start

    @property
    def start(self) -> int:
        """The number of the start, from 0."""
        return self.result.start


@dataclass(frozen=True)
class Failed:
    """A start has failed.

    Attributes:
        start: The number of the start, from 0.
        error: Why.
        traceback: Where, as text.
    """

    start: int
    error: Exception
    traceback: str


Event = Assigned | Recorded | Wrote | Logged | Warned | Finished
"""What those who follow the starts learn."""
Message = Ready | Recorded | Wrote | Logged | Warned | Finished | Failed
"""What a worker says."""
