"""Runs random starts at the same time, and brings what they say in order."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .. import kernels
from ..errors import FitError
from .data import FitData
from .folder import OutputFolder
from .jobs import Jobs
from .ledger import Ledger
from .messages import Assigned, Event, Finished, Logged, Recorded, Setup, Warned, Wrote
from .records import StartContinued, StartsShared
from .runlog import RunLog
from .shared_tables import write_tables
from .workers import Workers


def run_together(
    numbers: list[int],
    jobs: Jobs,
    data: FitData,
    folder: OutputFolder,
    ledger: Ledger,
    log: RunLog,
) -> None:
    """Runs starts in processes of their own.

    Args:
        numbers: The numbers of the starts.
        jobs: How many run at the same time.
        data: The tables and the configuration.
        folder: The output folder, in which progress is kept.
        ledger: Takes in what happens.
        log: The log file.

    Raises:
        FitError: A start failed, or its process was ended.
    """
    threads = f"{jobs.threads} thread{'s' if jobs.threads > 1 else ''}"
    log.info(f"{jobs.number} starts at the same time, each with {threads}")
    ledger.report(StartsShared(len(numbers), jobs.number, jobs.threads))
    follower = _Follower(ledger, log)
    with _setup(jobs, data, folder) as setup, Workers(setup, jobs.number) as workers:
        for event in workers.run(numbers):
            follower(event)


@contextmanager
def _setup(jobs: Jobs, data: FitData, folder: OutputFolder) -> Iterator[Setup]:
    """What workers are told; the tables lie in a file meanwhile."""
    state = folder.state.absolute()
    path = state / "start-tables.bin"
    try:
        try:
            tables = write_tables(path, data.train, data.validation)
        except OSError as error:
            raise FitError(
                f"{path}: the tables cannot be written for other processes"
                f" ({error.strerror}); run one start after the other with --jobs 1"
            ) from error
        yield Setup(
            config=data.config,
            tables=tables,
            tables_file=path,
            state=state,
            threads=jobs.threads,
            kernels=kernels.implementation(),
            dtype=str(torch.get_default_dtype()).removeprefix("torch."),
            log_levels=_log_levels(),
        )
    finally:
        path.unlink(missing_ok=True)


def _log_levels() -> dict[str, int]:
    """The levels of the loggers of the library, as far as they matter."""
    loggers = {
        name: logger
        for name, logger in logging.getLogger().manager.loggerDict.items()
        if name.startswith("pyprobound.")
        and isinstance(logger, logging.Logger)
        and logger.level
    }
    loggers["pyprobound"] = logging.getLogger("pyprobound")
    return {name: logger.getEffectiveLevel() for name, logger in loggers.items()}


class _Follower:
    """Hands on what happens in starts that run at the same time.

    Lines of text get the number of their start, and records are preceded by one that
    says which start they are about, where that changes. The same warning is given
    once.
    """

    def __init__(self, ledger: Ledger, log: RunLog) -> None:
        self._ledger = ledger
        self._log = log
        self._start: int | None = None
        self._lines: dict[int, str] = {}
        self._warned: set[tuple[type[Warning], str]] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case Assigned(start):
                self._ledger.begin(start)
                self._start = start
            case Recorded(start, record):
                if start != self._start:
                    self._ledger.report(StartContinued(start))
                    self._start = start
                self._ledger.receive(start, record)
            case Wrote(start, text):
                self._write(start, text)
            case Logged(start, name, level, text):
                logging.getLogger(name).log(level, "start %d: %s", start + 1, text)
            case Warned(start, category, text):
                if (category, text) not in self._warned:
                    self._warned.add((category, text))
                    warnings.warn(f"start {start + 1}: {text}", category, stacklevel=2)
            case Finished(result):
                self._write(result.start, "\n" * bool(self._lines.get(result.start)))
                self._ledger.finish(result)

    def _write(self, start: int, text: str) -> None:
        """Writes whole lines, and keeps the rest for later."""
        *lines, rest = (self._lines.get(start, "") + text).split("\n")
        self._lines[start] = rest
        prefix = f"start {start + 1}: "
        # Empty lines would come between those of other starts.
        whole = [prefix + line for line in lines if line.strip()]
        if whole:
            self._log.stream.write("\n".join(whole) + "\n")
            self._log.stream.flush()
