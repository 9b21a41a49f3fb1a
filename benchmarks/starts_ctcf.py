"""Time of a whole fit of CTCF from many starts, by the command line.

    python benchmarks/starts_ctcf.py [--starts N] [--size K] [--threads T] [--download]
        [--quick]

Runs ``pyprobound fit TABLE --size 16 --starts 16`` in a process of its own, and prints
one JSON object: "seconds" is the time of the process, with everything from imports to
the figures in the output folder, and "nll_per_read" that of the best start. Where the
table is not on this machine, the object says so under "skipped".
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _data import find_table, random_frame
from _measure import emit
from _options import parser

from pyprobound.errors import PyproboundError

STARTS, QUICK_STARTS = 16, 2


def main(arguments: list[str] | None = None) -> None:
    options_parser = parser(__doc__)
    options_parser.add_argument("--starts", type=int, help=f"default: {STARTS}")
    options_parser.add_argument("--size", type=int, default=16, help="of the motif")
    options_parser.add_argument(
        "--download", action="store_true", help="fetch the table"
    )
    options = options_parser.parse_args(arguments)
    options.starts = options.starts or (QUICK_STARTS if options.quick else STARTS)
    record: dict[str, Any] = {
        "benchmark": "starts_ctcf",
        "threads": options.threads,
        "size": options.size,
        "starts": options.starts,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            path = table(folder, options.quick, options.download)
        except PyproboundError as error:
            emit(record | {"skipped": str(error)})
            return
        command = [sys.executable, "-m", "pyprobound.cli", "fit", str(path)]
        command += ["--size", str(options.size), "--starts", str(options.starts)]
        command += ["--threads", str(options.threads), "-o", str(folder / "out")]
        command.append("--quiet")
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        summary = json.loads((folder / "out" / "summary.json").read_text())
    emit(record | {"seconds": round(seconds, 1)} | results(summary))


def table(folder: Path, quick: bool, download: bool) -> Path:
    """The path of the table; of a small simulated one if that is asked for."""
    if not quick:
        return find_table("ctcf", download)
    path = folder / "counts.tsv"
    random_frame(300, 30).to_csv(path, sep="\t", header=False)
    return path


def results(summary: dict[str, Any]) -> dict[str, Any]:
    """What is reported of the summary of a fit."""
    kept = {
        key: summary[key]
        for key in ("nll_per_read", "regularization", "n_evaluations", "wall_seconds")
    }
    losses = [start["nll_per_read"] for start in summary["starts"]]
    return kept | {"nll_of_starts": losses}


if __name__ == "__main__":
    main()
