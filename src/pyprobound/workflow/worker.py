"""A process that runs random starts for another one; not for use by hand.

It reads a setup and then numbers of starts from its standard input, and writes what
happens to its standard output. When its input ends, because the other process has
ended in whatever way, so does it, at once: what it has written can be resumed from.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import queue
import sys
import threading
import traceback
import warnings
from typing import IO

import torch

from .. import kernels
from .data import FitData
from .messages import (
    Failed,
    Finished,
    Logged,
    Message,
    Ready,
    Recorded,
    Setup,
    Warned,
    Wrote,
)
from .one_start import optimizer_options, run_start
from .shared_tables import map_tables


class Channel:
    """Says what happens in the present start.

    Args:
        stream: Where to.

    Attributes:
        start: The number of the present start.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.start = 0
        self._stream = stream

    def send(self, message: Message) -> None:
        """Sends a message."""
        # As a whole: what cannot be pickled must not leave half a message.
        self._stream.write(pickle.dumps(message))
        self._stream.flush()

    def fail(self, error: Exception) -> None:
        """Sends an error, as it is if that is possible."""
        where = "".join(traceback.format_exception(error))
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - made right here
        except Exception:
            error = RuntimeError(f"{type(error).__name__}: {error}")
        self.send(Failed(self.start, error, where))

    def warn(
        self,
        message: Warning | str,
        category: type[Warning],
        *details: object,
        **options: object,
    ) -> None:
        """Sends a warning; it takes the place of ``warnings.showwarning``."""
        del details, options
        self.send(Warned(self.start, category, str(message)))


class _Text(io.StringIO):
    """A stream for the text of training."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def write(self, text: str) -> int:
        self._channel.send(Wrote(self._channel.start, text))
        return len(text)


class _Handler(logging.Handler):
    """Sends the messages of loggers."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        start = self._channel.start
        self._channel.send(
            Logged(start, record.name, record.levelno, record.getMessage())
        )


def run_starts(setup: Setup, numbers: queue.SimpleQueue[int], channel: Channel) -> None:
    """Runs starts until one fails.

    Args:
        setup: What is fitted, and how.
        numbers: The numbers of the starts.
        channel: Receives all that happens.
    """
    torch.set_num_threads(setup.threads)
    torch.set_default_dtype(getattr(torch, setup.dtype))
    kernels.use(setup.kernels)
    train, validation = map_tables(setup.tables_file, setup.tables)
    data = FitData(setup.config, {}, train or {}, validation, ())
    # The first optimizer loads a large part of torch; that is no time of a start.
    optimizer_options(setup.config.optimizer)
    channel.send(Ready())
    while True:
        channel.start = numbers.get()
        try:
            result = run_start(
                data,
                setup.state,
                channel.start,
                _Text(channel),
                lambda record: channel.send(Recorded(channel.start, record)),
            )
        except Exception as error:
            channel.fail(error)
            return
        channel.send(Finished(result))


def main() -> None:
    """Serves the process at the other end of the standard streams."""
    commands = sys.stdin.buffer
    # What libraries print must not get between the messages.
    channel = Channel(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    setup: Setup = pickle.load(commands)  # noqa: S301 - from the process that began us
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_obey, args=(commands, numbers), daemon=True).start()
    warnings.showwarning = channel.warn
    logging.getLogger("pyprobound").addHandler(_Handler(channel))
    logging.getLogger("pyprobound").propagate = False
    for name, level in setup.log_levels.items():
        logging.getLogger(name).setLevel(level)
    run_starts(setup, numbers, channel)
    # Waits for the end of the input: who is told of a failure ends this process.
    threading.Event().wait()


def _obey(commands: IO[bytes], numbers: queue.SimpleQueue[int]) -> None:
    """Reads the numbers of starts, and ends the process when there are no more."""
    try:
        while True:
            numbers.put(pickle.load(commands))  # noqa: S301 - as above
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)
