"""Time and memory of a piece of work, and how a benchmark prints what it found."""

import ctypes
import gc
import json
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OWN = Path("/proc/self")
_FORGET_PEAK = "5"


def emit(record: dict[str, Any]) -> None:
    """Prints a result as one line of JSON."""
    print(json.dumps(record), flush=True)


@dataclass(frozen=True)
class Times:
    """The seconds that repeats of the same work took."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least time, in milliseconds: other work on a machine only adds."""
        return 1e3 * min(self.seconds)

    @property
    def median(self) -> float:
        """The median, in milliseconds."""
        return 1e3 * statistics.median(self.seconds)


def measure(work: Callable[[], object], repeats: int, budget: float = 60.0) -> Times:
    """Calls a function several times.

    Args:
        work: The function; it has been called before where compiling is not meant.
        repeats: The number of calls.
        budget: The seconds after which no further call is made.
    """
    times: list[float] = []
    while len(times) < repeats and sum(times) < budget:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return Times(tuple(times))


def resident_bytes() -> int:
    """Memory in use; the greatest so far where the system does not tell."""
    statm = _OWN / "statm"
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def give_back_free_memory() -> None:
    """Returns freed memory to the system; reusing it would not be seen as growth."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _forget_peak() -> bool:
    """Lets the system count the peak anew; whether it can."""
    try:
        (_OWN / "clear_refs").write_text(_FORGET_PEAK)
    except OSError:
        return False
    return _counted_peak() > 0


def _counted_peak() -> int:
    """The peak that the system has counted, in bytes."""
    for line in (_OWN / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class PeakMemory:
    """Finds the peak of the memory in use.

    Linux counts it; elsewhere another thread watches it.
    """

    def __enter__(self) -> "PeakMemory":
        give_back_free_memory()
        self.before = self.peak = resident_bytes()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        if not _forget_peak():
            self._thread = threading.Thread(target=self._watch)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.peak = max(self.peak, resident_bytes())

    def __exit__(self, *error: object) -> None:
        if self._thread is None:
            self.peak = max(self.peak, _counted_peak())
            return
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, resident_bytes())

    @property
    def extra(self) -> int:
        """The greatest memory in use, less what was in use before, in bytes."""
        return self.peak - self.before
