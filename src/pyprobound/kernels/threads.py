"""Shares independent pieces of work among threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch


class _Workers:
    """A pool of threads that grows with demand and does not survive a fork."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Drops the pool, whose threads do not exist in this process."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0

    def submit(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        """Starts the same work ``count`` times."""
        with self._lock:
            if self._pool is None or self._size < count:
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                self._pool = ThreadPoolExecutor(count, thread_name_prefix="kernels")
                self._size = count
            return [self._pool.submit(work) for _ in range(count)]


_workers = _Workers()


def run_all(task: Callable[[int], None], count: int) -> None:
    """Calls ``task(0)``, ..., ``task(count - 1)``, on as many threads as torch uses.

    The calling thread takes part. Which thread runs which piece depends on timing, so
    pieces must write to places of their own.

    Args:
        task: The work; it should release the global lock.
        count: Number of pieces.
    """
    helpers = min(torch.get_num_threads(), count) - 1
    pieces = iter(range(count))

    def work() -> None:
        for piece in pieces:
            task(piece)

    if helpers < 1:
        work()
        return
    futures = _workers.submit(work, helpers)
    try:
        work()
    finally:
        waiting = [future for future in futures if not future.cancel()]
        for future in waiting:
            future.result()
