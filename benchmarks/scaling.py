"""How the time of a loss with its gradient grows with the number of rows.

    python benchmarks/scaling.py [--rows N ...] [--threads T] [--kernels NAME] [--quick]

Measures non-specific binding and PSAM(16) on simulated rows of 30 letters. Prints one
JSON object: "nanoseconds_per_row" for each number of rows, and "greatest_deviation", by
what share the one that is farthest from their median differs from it. What does not
depend on the rows ("fixed_milliseconds", from the straight line that fits best) matters
to the smallest table only; "deviation_without_fixed" leaves it out.
"""

import statistics
from typing import Any

import numpy as np
import torch
from _data import random_batch, rows_of
from _measure import emit, measure
from _models import ctcf_model, randomise
from _options import add_kernels, parser
from evaluate import WARM_UP_ROWS, evaluation, template

from pyprobound import kernels
from pyprobound.alphabets import DNA

ROWS = [10_000, 100_000, 1_000_000, 10_000_000]
QUICK_ROWS = [300, 600]
LENGTH = 30
# Small tables are measured more often: their times vary more.
BUDGET_SECONDS = 10.0
MOST_REPEATS = 200


def straight_line(rows: list[int], times: list[float]) -> tuple[float, float]:
    """The fixed part and the part per row of times, with equal relative errors."""
    x, y = np.array(rows, dtype=float), np.array(times)
    columns = np.stack([1 / y, x / y], axis=1)
    (fixed, per_row), *_ = np.linalg.lstsq(columns, np.ones(len(y)), rcond=None)
    return max(float(fixed), 0.0), float(per_row)


def greatest_deviation(values: list[float]) -> float:
    """The share by which values differ from their median at most."""
    middle = statistics.median(values)
    return max(abs(value / middle - 1) for value in values)


def main(arguments: list[str] | None = None) -> None:
    options_parser = parser(__doc__)
    options_parser.add_argument("--rows", type=int, nargs="+", default=None)
    add_kernels(options_parser)
    options = options_parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    sizes = sorted(options.rows or (QUICK_ROWS if options.quick else ROWS))
    loss, _ = ctcf_model(template(LENGTH, DNA()))
    randomise(loss)
    batch = random_batch(sizes[-1], LENGTH, DNA())
    budget = 0.1 if options.quick else BUDGET_SECONDS
    milliseconds = []
    with kernels.use(options.kernels):
        evaluation(loss, rows_of(batch, WARM_UP_ROWS))()
        for size in sizes:
            evaluate = evaluation(loss, rows_of(batch, size))
            evaluate()
            milliseconds.append(measure(evaluate, MOST_REPEATS, budget).least)
    fixed, _ = straight_line(sizes, milliseconds)
    per_row = [1e6 * t / n for t, n in zip(milliseconds, sizes, strict=True)]
    without = [1e6 * (t - fixed) / n for t, n in zip(milliseconds, sizes, strict=True)]
    record: dict[str, Any] = {
        "benchmark": "scaling",
        "kernels": options.kernels,
        "threads": options.threads,
        "rows": sizes,
        "milliseconds": [round(each, 3) for each in milliseconds],
        "nanoseconds_per_row": [round(each, 1) for each in per_row],
        "greatest_deviation": round(greatest_deviation(per_row), 3),
        "fixed_milliseconds": round(fixed, 3),
        "deviation_without_fixed": round(greatest_deviation(without), 3),
    }
    emit(record)


if __name__ == "__main__":
    main()
