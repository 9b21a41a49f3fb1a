"""Time and memory that CountTable takes: ``python benchmarks/load.py --rows 1000000``.

Prints a line of JSON for the CTCF table, if the environment variable
PYPROBOUND_DATA_DIR names the folder of the test data, and one for a table of random
sequences. "seconds" and "peak_extra_bytes" are those of the constructor, on top of the
data frame.
"""

import argparse
import os
import time
from pathlib import Path

import pandas as pd
from _data import random_frame
from _measure import PeakMemory, emit

from pyprobound.alphabets import DNA
from pyprobound.table import CountTable, get_dataframe


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
    emit(result)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="take a few random rows")
    options = parser.parse_args(arguments)
    folder = os.environ.get("PYPROBOUND_DATA_DIR")
    if folder and not options.quick:
        start = time.perf_counter()
        frame = get_dataframe(Path(folder) / "ctcf" / "ctcf_r3.tsv.gz")
        measure("ctcf", frame, read_seconds=round(time.perf_counter() - start, 3))
    rows = min(options.rows, 1000) if options.quick else options.rows
    if rows:
        measure("random", random_frame(rows, options.length))


if __name__ == "__main__":
    main()
