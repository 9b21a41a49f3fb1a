"""Keeps account of the random starts of a fit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ..checkpoint import write_atomically
from ..optim.records import Consumer, Record
from .folder import OutputFolder
from .history import History
from .one_start import Start, start_file, start_seed
from .records import StartBegun, StartDone
from .runlog import RunLog


class Ledger:
    """What is known of each start; several may be under way.

    Args:
        seed: The seed of the fit.
        n_starts: How many starts there are.
        folder: The output folder, in which results and the history are kept.
        log: The log file.
        on_record: Another consumer of records.

    Attributes:
        results: The results of the starts that are finished, by number.
        seconds_before: What earlier processes spent on all starts together.
    """

    def __init__(
        self,
        seed: int,
        n_starts: int,
        folder: OutputFolder,
        log: RunLog,
        on_record: Consumer | None = None,
    ) -> None:
        self.results: dict[int, Start] = {}
        self.seconds_before = 0.0
        self._seed = seed
        self._n_starts = n_starts
        self._folder = folder
        self._log = log
        self._on_record = on_record
        self._histories: dict[int, History] = {}

    def recall(self) -> list[int]:
        """Takes in the starts that earlier processes finished.

        Returns:
            The numbers of the others.
        """
        others = []
        for number in range(self._n_starts):
            path = start_file(self._folder.state, number, "json")
            if path.exists():
                result = Start(**json.loads(path.read_text(encoding="utf-8")))
                self.seconds_before += result.seconds
                self._enter(result)
            else:
                others.append(number)
        return others

    def begin(self, number: int) -> None:
        """Notes that a start begins, or goes on.

        Args:
            number: Its number, from 0.
        """
        seed = start_seed(self._seed, number)
        self._log.info(f"start {number + 1} of {self._n_starts}, seed {seed}")
        self.report(StartBegun(number, self._n_starts, seed))
        history = self._histories[number] = History(self._folder.history)
        history.begin(number)

    def receive(self, number: int, record: Record) -> None:
        """Notes what happens in a start.

        Args:
            number: Its number, from 0.
            record: What happens.
        """
        self._histories[number](record)
        self.report(record)

    def finish(self, result: Start) -> None:
        """Notes a result, and remembers it for later processes.

        Args:
            result: The result.
        """
        before = self._histories.pop(result.start).seconds_before
        self.seconds_before += before
        result = dataclasses.replace(result, seconds=result.seconds + before)
        text = json.dumps(dataclasses.asdict(result))
        state = self._folder.state
        write_atomically(
            start_file(state, result.start, "json"), lambda path: _write(path, text)
        )
        for suffix in ("resume", "best"):
            start_file(state, result.start, suffix).unlink(missing_ok=True)
        self._enter(result)

    def report(self, record: Record) -> None:
        """Hands a record to the other consumer.

        Args:
            record: The record.
        """
        if self._on_record is not None:
            self._on_record(record)

    def _enter(self, result: Start) -> None:
        self.results[result.start] = result
        number, n_starts = result.start, self._n_starts
        self._log.info(
            f"start {number + 1} of {n_starts}: loss {result.loss:.10f}"
            f" (NLL per read {result.negloglik:.10f}), {result.n_evaluations}"
            f" evaluations, {result.seconds:.1f} s"
        )
        self.report(
            StartDone(number, n_starts, result.loss, result.negloglik, result.seconds)
        )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
