"""Runs random starts in processes of their own.

Each worker is a fresh interpreter. Threads would wait for each other, since most of
what happens between two kernels is Python, and would share torch's random generator.
A fork of this process would inherit locks of threads that it does not have, and
``multiprocessing`` would run the script of the user again.
"""

from __future__ import annotations

import json
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, Self, cast

from ..errors import FitError
from .messages import Assigned, Event, Failed, Finished, Message, Ready, Setup

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from pyprobound.workflow.worker import main; main()"
)
# Waiting is cut into pieces, because not every system lets Ctrl-C end it.
_WAIT_SECONDS = 1.0


class WorkerError(Exception):
    """What a worker said about an error; the cause of the error that is raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Workers:
    """Worker processes, which end with the ``with`` block, or with this process.

    Args:
        setup: What they are told first.
        count: How many there are.

    Raises:
        FitError: A process cannot be started.
    """

    def __init__(self, setup: Setup, count: int) -> None:
        self._news: queue.SimpleQueue[tuple[_Worker, Message | None]]
        self._news = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        told = pickle.dumps(setup)
        try:
            for _ in range(count):
                # No interrupt between the begin of a process and its being listed.
                with _without_interrupts():
                    self._workers.append(_Worker(told, self._news))
        except OSError as error:
            self.stop()
            raise FitError(
                f"a process for random starts cannot be started ({error.strerror});"
                " run fewer starts at the same time with --jobs"
            ) from error
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all processes at once."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.close()

    def run(self, numbers: Iterable[int]) -> Iterator[Event]:
        """Runs starts, and yields what happens in them until all are finished.

        Args:
            numbers: The numbers of the starts.

        Raises:
            FitError: A start failed, or its process was ended.
        """
        waiting = iter(numbers)
        n_running = 0
        n_loading = len(self._workers)
        while n_running or n_loading:
            worker, message = self._next()
            if message is None:
                raise worker.ended()
            if isinstance(message, Failed):
                raise message.error from WorkerError(message.traceback)
            if isinstance(message, Ready):
                n_loading -= 1
            else:
                yield message
                if not isinstance(message, Finished):
                    continue
                n_running -= 1
            worker.start = next(waiting, None)
            if worker.start is not None:
                n_running += 1
                yield Assigned(worker.start)
                worker.begin()
            elif not n_running:
                # Nobody waits for workers that there is nothing left to do for.
                return

    def _next(self) -> tuple[_Worker, Message | None]:
        while True:
            with suppress(queue.Empty):
                return self._news.get(timeout=_WAIT_SECONDS)


class _Worker:
    """A process, and a thread that listens to it.

    Args:
        told: The setup.
        news: Receives what the process says; None when it has ended.

    Attributes:
        start: The number of its present start, if there is one.
        process: The process.
    """

    def __init__(
        self,
        told: bytes,
        news: queue.SimpleQueue[tuple[_Worker, Message | None]],
    ) -> None:
        self.start: int | None = None
        self._news = news
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own code
                [sys.executable, "-c", _PROGRAM, json.dumps([*map(str, sys.path)])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                **_detached(),
            )
        except BaseException:
            self._errors.close()
            raise
        self._commands = cast("IO[bytes]", self.process.stdin)
        self._listener = threading.Thread(
            target=self._listen, args=(told,), daemon=True
        )
        self._listener.start()

    def begin(self) -> None:
        """Tells the process the number of its start."""
        # If it has ended, that will be heard of.
        with suppress(OSError):
            self._tell(pickle.dumps(self.start))

    def ended(self) -> FitError:
        """The error that the process has ended."""
        code = self.process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        what = "a process for random starts"
        if self.start is not None:
            what = f"start {self.start + 1}: its process"
        if code < 0:
            error = FitError(
                f"{what} was ended by {_signal_name(-code)}, maybe for lack of memory;"
                " go on with --resume, and with fewer --jobs if memory is short"
            )
        else:
            reason = said.rpartition("\n")[2] or f"exit code {code}"
            error = FitError(f"{what} ended unexpectedly ({reason})")
        if said:
            error.__cause__ = WorkerError(said)
        return error

    def close(self) -> None:
        """Waits for the end of the process, which has been killed."""
        self.process.wait()
        self._listener.join()
        with suppress(OSError):
            self._commands.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()

    def _tell(self, message: bytes) -> None:
        self._commands.write(message)
        self._commands.flush()

    def _listen(self, told: bytes) -> None:
        try:
            self._tell(told)
            while True:
                # From a process that this one has begun.
                message = pickle.load(cast("IO[bytes]", self.process.stdout))  # noqa: S301
                self._news.put((self, message))
        except (EOFError, OSError, pickle.UnpicklingError):
            self._news.put((self, None))


def _detached() -> dict[str, Any]:
    """Options of a process that Ctrl-C does not reach; this one ends it instead."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {}


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keeps interrupts waiting; a process that begins meanwhile never gets them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    interrupts = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
