"""The progress of several starts on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..optim import records
from ..optim.records import Record
from ..workflow.records import StartBegun, StartContinued, StartDone


class StartsDisplay:
    """Shows what several starts are doing, on one line each.

    Use it as a context manager.

    Args:
        console: Where to show it; the standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = Console(stderr=True) if console is None else console
        self._live = Live("", console=self.console, auto_refresh=False, transient=True)
        self._start = 0
        self._places: dict[int, str] = {}
        self._lines: dict[int, str] = {}

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
            case StartBegun(start) | StartContinued(start):
                self._start = start
                self._lines.setdefault(start, "")
            case StartDone(start):
                self._lines.pop(start, None)
                self._refresh()
            case records.GroupStarted():
                number = f"{record.group + 1}/{record.n_groups}"
                self._places[self._start] = f"binding {number}"
            case records.StepStarted():
                place = self._places.get(self._start, "").partition("  ")[0]
                step = f"step {record.step + 1}/{record.n_steps}"
                if record.greedy:
                    step += f", move {record.greedy_round + 1}"
                self._places[self._start] = f"{place}  {step}".lstrip()
            case records.EpochDone():
                self._lines[self._start] = (
                    f"{self._places.get(self._start, '')}  epoch {record.epoch + 1}"
                    f"  loss {record.negloglik + record.regularization:.6f}"
                    f"  best {record.best_loss:.6f}"
                )
                self._refresh()

    def _refresh(self) -> None:
        lines = [
            Text(f"  start {start + 1}  {line}")
            for start, line in sorted(self._lines.items())
        ]
        self._live.update(Group(*lines), refresh=True)
