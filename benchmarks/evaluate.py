"""Time of one evaluation of a binding mode: score of every row and its gradient.

    python benchmarks/evaluate.py [--rows N] [--length L] [--size K] [--channels C]
        [--pairs D] [--constant F] [--threads T] [--kernels NAME ...]

Simulates rows of DNA and a matrix of random energies, and measures the compiled kernels
and the plain PyTorch definition in the same run: ``row_scores`` and its gradient for a
random gradient of the scores. Prints one JSON object; times are the least of several
repeats in milliseconds, because other work on the machine only ever adds to them.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch

from pyprobound import kernels

LETTERS = 4


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=120_096)
    parser.add_argument("--length", type=int, default=30)
    parser.add_argument("--size", type=int, default=16, help="positions of the matrix")
    parser.add_argument(
        "--channels", type=int, default=2, help="output channels; 2 = both strands"
    )
    parser.add_argument(
        "--pairs", type=int, default=0, help="greatest distance of pairwise features"
    )
    parser.add_argument(
        "--constant", type=int, default=0, help="constant letters at either end"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--kernels", nargs="+", default=["numba", "reference"])
    return parser.parse_args()


def least_milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Least time of a call, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    shape = (options.rows, options.length)
    codes = torch.randint(0, LETTERS, shape, dtype=torch.int8)
    for column in range(options.constant):
        codes[:, column] = column % LETTERS
        codes[:, -1 - column] = column % LETTERS
    channels, size = options.channels, options.size
    monomer = torch.randn(channels, LETTERS, size, requires_grad=True)
    pairs = [
        (d, torch.randn(channels, LETTERS, LETTERS, size - d, requires_grad=True))
        for d in range(1, options.pairs + 1)
    ]
    upstream = torch.randn(options.rows)
    parameters = [monomer, *(filters for _, filters in pairs)]

    def score() -> torch.Tensor:
        with torch.no_grad():
            return kernels.row_scores(codes, monomer, pairs)

    def evaluate() -> tuple[torch.Tensor, ...]:
        scores = kernels.row_scores(codes, monomer, pairs)
        return torch.autograd.grad(scores, parameters, upstream)

    record: dict[str, object] = {"benchmark": "evaluate", **vars(options)}
    del record["kernels"]
    times = {}
    for name in options.kernels:
        repeats = options.repeats if name == "numba" else min(3, options.repeats)
        with kernels.use(name):
            record[f"{name}_score_ms"] = round(least_milliseconds(score, repeats), 3)
            times[name] = least_milliseconds(evaluate, repeats)
        record[f"{name}_evaluate_ms"] = round(times[name], 3)
    if {"numba", "reference"} <= times.keys():
        record["ratio"] = round(times["reference"] / times["numba"], 1)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
