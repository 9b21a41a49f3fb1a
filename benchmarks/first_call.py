"""How long a new process takes for its first results, without and with compiled code.

    python benchmarks/first_call.py [--rows N] [--kernels NAME] [--threads T] [--quick]

Starts a process with an empty cache of compiled code, and then another with the cache
that the first one left. Each imports the library, evaluates a loss with its gradient
(PSAM(16) on simulated rows of 30 letters), and begins to fit the model. Prints one JSON
object for each process. "first_call_seconds" is the time of the evaluation, loading or
running the compiler included; "first_fit_seconds" is that of an epoch of each step of
a fit, which needs more kernels. Of "import_seconds", "torch_seconds" are PyTorch's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from _measure import emit

ROWS = 100_000
QUICK_ROWS = 300
LENGTH = 30
_CACHE = "NUMBA_CACHE_DIR"


def child(options: argparse.Namespace) -> dict[str, Any]:
    """What the new process does; it imports late because that is measured."""
    begin = time.perf_counter()
    import torch

    torch_seconds = time.perf_counter() - begin
    import pyprobound

    for name in ("CountTable", "MultiExperimentLoss", "Optimizer"):
        getattr(pyprobound, name)  # its module is loaded now
    import_seconds = time.perf_counter() - begin

    from _data import random_frame
    from _fits import Settings, warm_up
    from _models import ctcf_model, randomise
    from evaluate import evaluation

    from pyprobound import kernels
    from pyprobound.alphabets import DNA

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    table = pyprobound.CountTable(random_frame(options.rows, LENGTH), DNA())
    loss, _ = ctcf_model(table)
    randomise(loss)
    evaluate = evaluation(loss, table)
    with kernels.use(options.kernels):
        start = time.perf_counter()
        evaluate()
        first = time.perf_counter()
        evaluate()
        second = time.perf_counter()
    warm_up(table, Settings(ctcf_model, "FisherScoring", options.kernels))
    return {
        "torch_seconds": round(torch_seconds, 3),
        "import_seconds": round(import_seconds, 3),
        "first_call_seconds": round(first - start, 3),
        "second_call_seconds": round(second - first, 4),
        "first_fit_seconds": round(time.perf_counter() - second, 3),
    }


def in_new_process(options: argparse.Namespace, cache: str) -> dict[str, Any]:
    """Runs ``child`` in a process of its own, with a folder for compiled code."""
    command = [sys.executable, __file__, "--child", "--kernels", options.kernels]
    command += ["--rows", str(options.rows), "--threads", str(options.threads)]
    start = time.perf_counter()
    process = subprocess.run(
        command,
        env=os.environ | {_CACHE: cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    result: dict[str, Any] = json.loads(process.stdout)
    return result | {"process_seconds": round(seconds, 3)}


def main(arguments: list[str] | None = None) -> None:
    # Not the options of the other benchmarks: those import what is to be measured.
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--kernels", default="auto")
    parser.add_argument("--quick", action="store_true", help="take a few rows")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    if options.child:
        emit(child(options))
        return
    with tempfile.TemporaryDirectory() as cache:
        for state in ("empty", "filled"):
            record = {
                "benchmark": "first_call",
                "cache": state,
                "kernels": options.kernels,
                "threads": options.threads,
                "rows": options.rows,
            }
            emit(record | in_new_process(options, cache))


if __name__ == "__main__":
    main()
