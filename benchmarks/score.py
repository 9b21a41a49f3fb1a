"""Time and memory of ``pyprobound score``, from a gzipped FASTA file to a table.

    python benchmarks/score.py [--rows N] [--length L] [--size K] [--pairs D]
        [--unknown F] [--threads T] [--output NAME] [--quick]

Writes random sequences and a motif to a temporary folder, and runs the command in a
process of its own: "seconds" are those of the whole process, with the start of Python
and of PyTorch, "processor_seconds" what all its threads computed, and "peak_bytes" is the
most memory it took. "read_seconds" is the time to
read the sequences alone.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import emit
from _options import parser

from pyprobound.alphabets import DNA
from pyprobound.io.sequences import SequenceReader

# The peak of a process that was started includes that of its parent on Linux, unless it
# reads its own.
CHILD = """
import os, resource, sys
from pathlib import Path
from pyprobound.cli import main
main(standalone_mode=False)
status = Path("/proc/self/status")
if status.exists():
    lines = status.read_text().splitlines()
    peak = next(1024 * int(x.split()[1]) for x in lines if x.startswith("VmHWM:"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
print(peak, sum(os.times()[:2]))
"""
ROWS, QUICK_ROWS = 1_000_000, 1000


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    result = parser(__doc__)
    result.add_argument("--rows", type=int)
    result.add_argument("--length", type=int, default=30)
    result.add_argument("--size", type=int, default=16, help="positions of the motif")
    result.add_argument(
        "--pairs", type=int, default=0, help="greatest distance of pairwise features"
    )
    result.add_argument(
        "--unknown", type=float, default=0.0, help="share of letters that are N"
    )
    result.add_argument("--output", default="scores.tsv", help="file name of the table")
    options = result.parse_args(arguments)
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    return options


def write_sequences(path: Path, options: argparse.Namespace) -> None:
    generator = np.random.default_rng(0)
    shape = (options.rows, options.length)
    letters = np.frombuffer(b"ACGT", np.uint8)[generator.integers(0, 4, shape)]
    if options.unknown:
        letters[generator.random(shape) < options.unknown] = ord("N")
    rows = (f">seq{i}\n{row.tobytes().decode()}\n" for i, row in enumerate(letters))
    path.write_bytes(gzip.compress("".join(rows).encode(), compresslevel=6))


def write_model(path: Path, size: int, pairs: int) -> None:
    """A scoring model in the format of ProBound."""
    generator = np.random.default_rng(1)
    mode = {"size": size, "dinucleotideDistance": pairs, "singleStrand": False}
    values = {
        "mononucleotide": generator.normal(size=4 * size).tolist(),
        "dinucleotide": [
            generator.normal(size=16 * (size - d)).tolist() for d in range(1, pairs + 1)
        ],
        "activity": [[0.0]],
    }
    model = {
        "modelSettings": {
            "letterOrder": "ACGT",
            "letterComplement": "C-G,A-T",
            "bindingModes": [mode],
            "bindingModeInteractions": [],
        },
        "coefficients": {"bindingModes": [values], "bindingModeInteractions": []},
    }
    path.write_text(json.dumps(model))


def run_command(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """What the command takes."""
    arguments = ["score", "model.json", "in.fa.gz", "-q", "-o", options.output]
    arguments += ["--threads", str(options.threads)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        check=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
    )
    seconds = time.perf_counter() - start
    peak, processor = result.stdout.split()
    return {
        "seconds": round(seconds, 3),
        "processor_seconds": round(float(processor), 3),
        "peak_bytes": int(peak),
    }


def main(arguments: list[str] | None = None) -> None:
    options = options_of(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sequences(folder / "in.fa.gz", options)
        write_model(folder / "model.json", options.size, options.pairs)
        start = time.perf_counter()
        found = sum(map(len, SequenceReader(folder / "in.fa.gz", DNA())))
        read_seconds = time.perf_counter() - start
        assert found == options.rows
        taken = run_command(folder, options)
    emit(
        {
            "benchmark": "score",
            "rows": options.rows,
            "length": options.length,
            "size": options.size,
            "pairs": options.pairs,
            "unknown": options.unknown,
            "threads": options.threads,
            "read_seconds": round(read_seconds, 3),
            **taken,
        }
    )


if __name__ == "__main__":
    main()
