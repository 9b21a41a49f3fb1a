"""What commands have in common: messages, errors and interrupts."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import click

from ..errors import InputError, PyproboundError

Function = TypeVar("Function", bound=Callable[..., Any])

QUIET, NORMAL, VERBOSE, DEBUG, TRACE = -1, 0, 1, 2, 3
_LEVELS = {
    QUIET: logging.ERROR,
    NORMAL: logging.WARNING,
    VERBOSE: logging.INFO,
    DEBUG: logging.DEBUG,
}
# One line per computation of every part of a model.
_LOUD_LOGGER = "pyprobound.evaluation"


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM."""


def verbosity_options(command: Function) -> Function:
    """Adds ``-q`` and ``-v`` to a command, as ``quiet`` and ``verbose``.

    Args:
        command: The function of the command.
    """
    command = click.option(
        "-v",
        "--verbose",
        count=True,
        help="Say more: -v what is done, -vv every detail, with tracebacks of errors.",
    )(command)
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(
        command
    )


def read_verbosity(quiet: bool, verbose: int) -> int:
    """One number for ``-q`` and ``-v``.

    Args:
        quiet: Whether ``-q`` was given.
        verbose: How often ``-v`` was given.

    Raises:
        click.UsageError: Both were given.
    """
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other")
    return QUIET if quiet else min(verbose, TRACE)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        label = f"{record.levelname.capitalize()}: " if record.levelno > 20 else ""
        click.echo(label + record.getMessage(), err=True)


def _log_warning(message: Warning | str, *details: object, **options: object) -> None:
    """Shows a warning without the line of code that gave it."""
    del details, options
    logging.getLogger("pyprobound").warning("%s", message)


@contextmanager
def messages(verbosity: int) -> Iterator[None]:
    """Shows messages of the library on the standard error.

    Args:
        verbosity: How many.
    """
    library = logging.getLogger("pyprobound")
    loud = logging.getLogger(_LOUD_LOGGER)
    before = library.level, loud.level, library.propagate
    handler = _Handler()
    library.addHandler(handler)
    library.propagate = False
    library.setLevel(_LEVELS[min(verbosity, DEBUG)])
    loud.setLevel(logging.DEBUG if verbosity >= TRACE else logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield
    finally:
        library.removeHandler(handler)
        library.setLevel(before[0])
        loud.setLevel(before[1])
        library.propagate = before[2]


@contextmanager
def clean_errors(
    verbosity: int, explain: Callable[[InputError], InputError] | None = None
) -> Iterator[None]:
    """Turns errors into messages and exit codes.

    Args:
        verbosity: Tracebacks are shown from ``-vv`` on.
        explain: Changes an error about the input into the words of the command.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, KeyboardInterrupt):
        raise
    except BrokenPipeError:
        # The reader of our output has left; that is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except PyproboundError as error:
        _show_traceback(verbosity)
        if isinstance(error, InputError) and explain is not None:
            error = explain(error)
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        _show_traceback(verbosity)
        click.echo(
            "Error: there is not enough memory; give optimizer.batch_size or"
            " loss.max_split in the configuration",
            err=True,
        )
        sys.exit(1)
    except Exception as error:
        _show_traceback(verbosity)
        hint = "" if verbosity >= DEBUG else "; run again with -vv for the traceback"
        click.echo(f"Error: unexpected {type(error).__name__}: {error}{hint}", err=True)
        sys.exit(1)


def _show_traceback(verbosity: int) -> None:
    if verbosity >= DEBUG:
        click.echo(traceback.format_exc(), err=True, nl=False)


@contextmanager
def interrupts(advice: Callable[[], str]) -> Iterator[None]:
    """Ends the process in good order when it is interrupted or terminated.

    Args:
        advice: Says how to go on.
    """

    def terminate(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        was_terminated = isinstance(error, Terminated)
        word = "Terminated" if was_terminated else "Interrupted"
        click.echo(f"{word}. {advice()}", err=True)
        sys.exit(128 + (signal.SIGTERM if was_terminated else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)
