"""Time and memory that CountTable takes: ``python benchmarks/load.py --rows 1000000``.

Prints a line of JSON for the CTCF table, if the environment variable
PYPROBOUND_DATA_DIR names the folder of the test data, and one for a table of random
sequences. "seconds" and "peak_extra_bytes" are those of the constructor, on top of the
data frame.
"""

import argparse
import ctypes
import gc
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pyprobound.alphabets import DNA
from pyprobound.table import CountTable, get_dataframe

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory in use; the greatest so far where the system does not tell."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def give_back_free_memory() -> None:
    """Returns freed memory to the system; reusing it would not be seen as growth."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class PeakMemory:
    """Watches the memory in use from another thread."""

    def __enter__(self) -> "PeakMemory":
        give_back_free_memory()
        self.before = self.peak = resident_bytes()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.peak = max(self.peak, resident_bytes())

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, resident_bytes())

    @property
    def extra(self) -> int:
        """The greatest memory in use, less what was in use before."""
        return self.peak - self.before


def random_frame(n_rows: int, length: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGT", np.uint8)[
        rng.integers(0, 4, (n_rows, length), np.uint8)
    ]
    sequences = letters.view(f"S{length}")[:, 0].astype(str).tolist()
    counts = rng.integers(0, 5, (n_rows, 2))
    counts[:, 0] += 1
    return pd.DataFrame(counts, index=sequences)


def measure(name: str, frame: pd.DataFrame, **more: float) -> None:
    with PeakMemory() as memory:
        start = time.perf_counter()
        table = CountTable(frame, DNA())
        seconds = time.perf_counter() - start
    result = {
        "benchmark": "load",
        "table": name,
        "rows": len(table),
        "seconds": round(seconds, 3),
        "peak_extra_bytes": memory.extra,
        **more,
    }
    print(json.dumps(result), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=30)
    args = parser.parse_args()
    folder = os.environ.get("PYPROBOUND_DATA_DIR")
    if folder:
        start = time.perf_counter()
        frame = get_dataframe(Path(folder) / "ctcf" / "ctcf_r3.tsv.gz")
        measure("ctcf", frame, read_seconds=round(time.perf_counter() - start, 3))
    if args.rows:
        measure("random", random_frame(args.rows, args.length))


if __name__ == "__main__":
    main()
