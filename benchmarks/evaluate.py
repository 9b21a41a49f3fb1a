"""Time and memory of a loss with its gradient, for models of all kinds.

    python benchmarks/evaluate.py [WORKLOAD ...] [--threads T] [--repeats N]
        [--kernels NAME] [--no-reference] [--quick] [--list]

Prints one JSON object for each workload, ``--list`` what they are. "milliseconds" is
the least time of the repeats, as other work on the machine only ever adds to it,
"median_milliseconds" their median. "reference_milliseconds" is that of the plain PyTorch
definition in the same run; where it took only a part of the rows ("reference_rows"),
the time is scaled to all of them. "peak_extra_bytes" is the memory that the first
evaluation of all rows takes at most, over and above the table; "bytes_per_row" is that
for one row. Compiled code is loaded before by an evaluation of a few rows. Where a
table is not on this machine, the object says so under "skipped".
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from _data import (
    QUICK_ROWS,
    example_table,
    random_batch,
    random_frame,
    rows_of,
    table_bytes,
)
from _measure import PeakMemory, emit, measure
from _models import BCD_FLANK_LENGTH, bcd_model, ctcf_model, pair_model, randomise
from _options import add_kernels, add_reference, parser

import pyprobound
from pyprobound import kernels
from pyprobound.alphabets import DNA, Alphabet, Protein
from pyprobound.errors import PyproboundError
from pyprobound.table import CountBatch

SIMULATED_ROWS = 100_000
MANY_ROWS = 10_000_000
# The reference takes minutes, and more memory than most machines have, for more rows.
MOST_REFERENCE_ROWS = 400_000
WARM_UP_ROWS = 20_000

Problem = tuple[pyprobound.MultiExperimentLoss, CountBatch]


@dataclass(frozen=True)
class Workload:
    """A model with its rows.

    Attributes:
        description: What it is.
        make: Creates it; with few simulated rows if the argument is true.
    """

    description: str
    make: Callable[[bool], Problem]


def _ctcf(quick: bool, **options: Any) -> Problem:
    table = example_table("ctcf", quick=quick)
    loss, _ = ctcf_model(table, **options)
    return loss, CountBatch(table.seqs, table.target)


def _bcd(quick: bool) -> Problem:
    table = example_table("bcd", BCD_FLANK_LENGTH, quick=quick)
    loss, _ = bcd_model(table)
    return loss, CountBatch(table.seqs, table.target)


def template(length: int, alphabet: Alphabet) -> pyprobound.CountTable:
    """A small table, to create a model for rows of some length."""
    letters = "".join(alphabet.alphabet)
    return pyprobound.CountTable(random_frame(10, length, letters), alphabet)


def _pairs(quick: bool) -> Problem:
    rows = QUICK_ROWS if quick else SIMULATED_ROWS
    return pair_model(template(30, DNA()), 8), random_batch(rows, 30, DNA())


def _peptides(quick: bool) -> Problem:
    rows = QUICK_ROWS if quick else SIMULATED_ROWS
    loss, _ = ctcf_model(template(12, Protein()), 8)
    return loss, random_batch(rows, 12, Protein())


def _many_rows(quick: bool) -> Problem:
    rows = QUICK_ROWS if quick else MANY_ROWS
    loss, _ = ctcf_model(template(30, DNA()))
    return loss, random_batch(rows, 30, DNA())


WORKLOADS = {
    "ctcf": Workload("CTCF, non-specific + PSAM(16)", _ctcf),
    "ctcf-pairs-1": Workload(
        "the same with pairs of neighbouring letters",
        lambda quick: _ctcf(quick, pairwise_distance=1),
    ),
    "ctcf-pairs-3": Workload(
        "the same with pairs up to distance 3",
        lambda quick: _ctcf(quick, pairwise_distance=3),
    ),
    "ctcf-position-bias": Workload(
        "the same with a position bias", lambda quick: _ctcf(quick, posbias=True)
    ),
    "bcd": Workload("Bcd, 5 rounds, PSAM(12), 5 letters of either flank", _bcd),
    "cooperativity": Workload("two PSAM(8) alone and together, 30 letters", _pairs),
    "protein": Workload("peptides of 12 letters, PSAM(8)", _peptides),
    "many-rows": Workload("10 million rows of 30 letters, PSAM(16)", _many_rows),
}


def evaluation(
    loss: pyprobound.MultiExperimentLoss, batch: CountBatch
) -> Callable[[], float]:
    """A function that computes a loss and its gradient, and returns the loss."""

    def evaluate() -> float:
        loss.zero_grad()
        negloglik, regularization = loss([batch])
        total = negloglik + regularization
        total.backward()
        return float(total.detach())

    return evaluate


def run(workload: Workload, options: argparse.Namespace) -> dict[str, Any]:
    """Measures a workload.

    Raises:
        PyproboundError: Its table is not on this machine.
    """
    torch.manual_seed(0)
    loss, batch = workload.make(options.quick)
    randomise(loss)
    rows = batch.batchlen()
    few = rows_of(batch, WARM_UP_ROWS)
    with kernels.use(options.kernels):
        evaluation(loss, few)()
        evaluate = evaluation(loss, batch)
        with PeakMemory() as memory:
            value = evaluate()
        times = measure(evaluate, options.repeats)
    result: dict[str, Any] = {
        "rows": rows,
        "length": batch.seqs.shape[1],
        "parameters": sum(p.numel() for p in loss.parameters() if p.requires_grad),
        "milliseconds": round(times.least, 2),
        "median_milliseconds": round(times.median, 2),
        "repeats": len(times.seconds),
        "peak_extra_bytes": memory.extra,
        "bytes_per_row": round(memory.extra / rows, 1),
        "table_bytes": table_bytes(batch),
        "loss": round(value, 6),
    }
    if options.reference:
        result.update(reference(loss, batch, times.least))
    return result


def reference(
    loss: pyprobound.MultiExperimentLoss, batch: CountBatch, milliseconds: float
) -> dict[str, Any]:
    """The time of the reference kernels, scaled to all rows where it took fewer."""
    rows = min(batch.batchlen(), MOST_REFERENCE_ROWS)
    part = rows_of(batch, rows)
    with kernels.use("reference"):
        evaluation(loss, rows_of(batch, WARM_UP_ROWS))()
        times = measure(evaluation(loss, part), repeats=3, budget=30)
    scaled = times.least * batch.batchlen() / rows
    return {
        "reference_milliseconds": round(scaled, 1),
        "reference_rows": rows,
        "reference_scaled": rows < batch.batchlen(),
        "ratio": round(scaled / milliseconds, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    options_parser = parser(__doc__)
    options_parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", default=[])
    options_parser.add_argument("--repeats", type=int, default=20)
    options_parser.add_argument("--list", action="store_true")
    add_kernels(options_parser)
    add_reference(options_parser, "also measure the PyTorch definition", default=True)
    options = options_parser.parse_args(arguments)
    unknown = set(options.workloads) - set(WORKLOADS)
    if unknown:
        options_parser.error(
            f"no workload named {', '.join(sorted(unknown))}; there are:"
            f" {', '.join(WORKLOADS)}"
        )
    torch.set_num_threads(options.threads)
    for name in options.workloads or WORKLOADS:
        workload = WORKLOADS[name]
        record: dict[str, Any] = {
            "benchmark": "evaluate",
            "workload": name,
            "description": workload.description,
        }
        if options.list:
            emit(record)
            continue
        record |= {"kernels": options.kernels, "threads": options.threads}
        try:
            emit(record | run(workload, options))
        except PyproboundError as error:
            emit(record | {"skipped": str(error)})


if __name__ == "__main__":
    main()
