"""The progress of a fit on a terminal."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from . import records
from .records import Record


class ProgressDisplay:
    """Shows on one line what a fit is doing, and above it what it has decided.

    Use it as a context manager and give it to the optimizer as ``on_record``.

    Args:
        console: Where to show it; the standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = Console(stderr=True) if console is None else console
        self._live = Live("", console=self.console, auto_refresh=False, transient=True)
        self._place = ""
        self._best_loss = math.inf

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, record: Record) -> None:
        """Shows a record."""
        match record:
            case records.GroupStarted():
                number = f"{record.group + 1}/{record.n_groups}"
                self._say(f"Binding {number}: {record.key}", "bold")
            case records.StepStarted():
                self._place = f"step {record.step + 1}/{record.n_steps}"
                if record.greedy:
                    self._place += f", move {record.greedy_round + 1}"
                self._update("")
            case records.EpochDone():
                self._best_loss = record.best_loss
                self._update(
                    f"epoch {record.epoch + 1}  loss"
                    f" {record.negloglik + record.regularization:.6f}"
                )
            case records.TrainingDone():
                self._say(f"  {self._place}: loss {record.best_loss:.6f}")
            case records.GreedyDecided():
                self._say(f"  {self._place}: {record.decision}, {record.reason}", "dim")
            case records.Resumed():
                self._best_loss = record.best_loss
                self._say(
                    f"Resumed after {record.evaluations} evaluations of the loss",
                    "bold",
                )
            case records.FitDone():
                self._say(
                    f"Done: loss {record.best_loss:.6f}, {record.evaluations}"
                    f" evaluations, {record.seconds:.1f} s",
                    "bold",
                )

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style), soft_wrap=True)

    def _update(self, text: str) -> None:
        parts = [self._place, text, f"best {self._best_loss:.6f}"]
        self._live.update(Text("  ".join(filter(None, parts))), refresh=True)
