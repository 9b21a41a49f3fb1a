"""The history of a fit: one line of JSON for each epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..checkpoint import write_atomically
from ..optim.records import EpochDone, Record, Resumed, StepStarted


class History:
    """Writes the epochs of all starts to a file, which is complete after each.

    Args:
        path: The file; what is in it is kept.

    Attributes:
        seconds_before: The duration of the epochs of the present start that an
            earlier process made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds_before = 0.0
        self._start = 0
        self._is_fresh = False
        self._place: dict[str, Any] = {}

    def begin(self, start: int) -> None:
        """Begins a start.

        Args:
            start: The number of the start.
        """
        self._start = start
        self._place = {}
        self.seconds_before = 0.0
        # Whether epochs of an earlier process count is known from the next record.
        self._is_fresh = True

    def __call__(self, record: Record) -> None:
        """Consumes a record of training."""
        if isinstance(record, Resumed):
            self._keep_up_to(record.evaluations)
        elif isinstance(record, StepStarted):
            self._place = {
                "group": record.group,
                "step": record.step,
                "greedy_round": record.greedy_round,
            }
        elif isinstance(record, EpochDone):
            if self._is_fresh:
                self._keep_up_to(0)
            entry = record.to_dict()
            del entry["record"]
            line = json.dumps(
                {"start": self._start, **self._place, **entry}, allow_nan=False
            )
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _keep_up_to(self, evaluations: int) -> None:
        """Drops the epochs of this start that are about to be repeated."""
        self._is_fresh = False
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                # The process was killed while it wrote the last line.
                continue
            if entry["start"] != self._start:
                kept.append(line)
            elif entry["evaluations"] <= evaluations:
                kept.append(line)
                self.seconds_before += entry["seconds"]
        if len(kept) < len(lines):
            text = "".join(kept)
            write_atomically(self.path, lambda path: _write(path, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
