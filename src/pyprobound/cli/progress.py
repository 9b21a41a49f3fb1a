"""The progress of a fit, as the command line shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from .support import NORMAL, VERBOSE

if TYPE_CHECKING:
    from ..optim.display import ProgressDisplay
    from ..optim.records import Record
    from .starts_display import StartsDisplay


@contextmanager
def progress(verbosity: int) -> Iterator[Callable[[Record], None] | None]:
    """Shows progress: live lines on a terminal, else a line for each start.

    Args:
        verbosity: Nothing is shown if messages are to take its place, or nothing is
            to be said.

    Yields:
        What is to receive the records of the fit, if anything.
    """
    if verbosity < NORMAL or verbosity >= VERBOSE:
        yield None
    elif not sys.stderr.isatty():
        yield _echo
    else:
        with ExitStack() as stack:
            yield _Terminal(stack)


def _echo(record: Record) -> None:
    from ..workflow.records import StartDone

    if isinstance(record, StartDone):
        click.echo(_describe(record), err=True)


def _describe(record: Record) -> str | None:
    """A record that is about whole starts as text."""
    from ..workflow.records import StartBegun, StartDone, StartsShared

    match record:
        case StartsShared():
            threads = f"{record.threads} thread{'s' if record.threads > 1 else ''}"
            return f"{record.n_jobs} starts at the same time, each with {threads}"
        case StartBegun():
            return f"Start {record.start + 1} of {record.n_starts}"
        case StartDone():
            return (
                f"Start {record.start + 1} of {record.n_starts}: loss"
                f" {record.loss:.6f} after {record.seconds:.1f} s"
            )
    return None


class _Terminal:
    """Shows records on a terminal.

    Args:
        stack: Ends the display.
    """

    def __init__(self, stack: ExitStack) -> None:
        from ..optim.display import ProgressDisplay

        self._stack = stack
        self._display: ProgressDisplay | StartsDisplay
        self._display = stack.enter_context(ProgressDisplay())

    def __call__(self, record: Record) -> None:
        from ..workflow.records import StartsShared

        if isinstance(record, StartsShared):
            from .starts_display import StartsDisplay

            self._stack.close()
            self._display = self._stack.enter_context(StartsDisplay())
        text = _describe(record)
        if text is not None:
            self._display.console.print(text, style="bold", highlight=False)
        self._display(record)
