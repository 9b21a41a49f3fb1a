"""Time of the innermost kernel: the score of every row and its gradient.

    python benchmarks/row_scores.py [--rows N] [--length L] [--size K] [--channels C]
        [--pairs D] [--constant F] [--threads T] [--kernels NAME ...] [--quick]

Simulates rows of DNA and a matrix of random energies, and measures the compiled kernels
and the plain PyTorch definition in the same run: ``row_scores`` and its gradient for a
random gradient of the scores. Prints one JSON object; times are the least of several
repeats in milliseconds, because other work on the machine only ever adds to them.
"evaluate_milliseconds" is for both, "score_milliseconds" for the scores alone.
"""

import argparse
from typing import Any

import torch
from _measure import emit, measure
from _options import parser

from pyprobound import kernels

LETTERS = 4
ROWS, QUICK_ROWS = 120_096, 300


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    result = parser(__doc__)
    result.add_argument("--rows", type=int)
    result.add_argument("--length", type=int, default=30)
    result.add_argument("--size", type=int, default=16, help="positions of the matrix")
    result.add_argument(
        "--channels", type=int, default=2, help="output channels; 2 = both strands"
    )
    result.add_argument(
        "--pairs", type=int, default=0, help="greatest distance of pairwise features"
    )
    result.add_argument(
        "--constant", type=int, default=0, help="constant letters at either end"
    )
    result.add_argument("--repeats", type=int, default=20)
    result.add_argument("--kernels", nargs="+", default=["numba", "reference"])
    options = result.parse_args(arguments)
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    return options


def main(arguments: list[str] | None = None) -> None:
    options = options_of(arguments)
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

    record: dict[str, Any] = {"benchmark": "row_scores", **vars(options)}
    del record["kernels"], record["quick"]
    times = {}
    for name in options.kernels:
        repeats = min(3, options.repeats) if name == "reference" else options.repeats
        with kernels.use(name):
            score()
            scored = measure(score, repeats).least
            evaluate()
            times[name] = measure(evaluate, repeats).least
        prefix = "" if name == options.kernels[0] else f"{name}_"
        record[f"{prefix}score_milliseconds"] = round(scored, 3)
        record[f"{prefix}evaluate_milliseconds"] = round(times[name], 3)
    if "reference" in times and options.kernels[0] != "reference":
        ratio = times["reference"] / times[options.kernels[0]]
        record["ratio"] = round(ratio, 1)
    emit(record)


if __name__ == "__main__":
    main()
