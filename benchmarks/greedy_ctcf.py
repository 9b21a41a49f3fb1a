"""A sequential fit of CTCF in which the structure of the motif is searched too.

    python benchmarks/greedy_ctcf.py [--threads T] [--seed S] [--quick]

Trains non-specific binding and a motif of 12 positions with pairs of neighbouring
letters and a position bias, with all greedy moves of footprint and flanks. Prints one
JSON object; exits with 1 if a step ends at a worse loss than the one before it in its
group. Where the table is not on this machine, the object says so under "skipped".
"""

import io
import math
import sys
import tempfile
import time
from pathlib import Path

import torch
from _data import example_table
from _measure import emit
from _options import parser

import pyprobound
from pyprobound import layers, rounds
from pyprobound.errors import PyproboundError
from pyprobound.optim.records import (
    GreedyDecided,
    GroupStarted,
    Record,
    StepStarted,
    TrainingDone,
)


class LossOfSteps:
    """Notes whether the loss ever rises from step to step of a group of bindings.

    The training of a greedy move counts only as far as the move is accepted.
    """

    def __init__(self) -> None:
        self.best = math.inf
        self.rose = False
        self.in_greedy_step = False

    def __call__(self, record: Record) -> None:
        """Takes note of a record."""
        if isinstance(record, GroupStarted):
            self.best = math.inf
        elif isinstance(record, StepStarted):
            self.in_greedy_step = record.greedy
        elif isinstance(record, GreedyDecided) or (
            isinstance(record, TrainingDone) and not self.in_greedy_step
        ):
            self.rose |= record.best_loss > self.best
            self.best = record.best_loss


def make_model(
    table: pyprobound.CountTable,
) -> tuple[layers.PSAM, pyprobound.MultiExperimentLoss]:
    psam = layers.PSAM(
        12,
        table.alphabet,
        pairwise_distance=1,
        shift_footprint=True,
        increment_flank=True,
        increment_footprint=True,
        max_kernel_size=18,
    )
    modes = [
        pyprobound.Mode.from_nonspecific(layers.NonSpecific(table.alphabet), table),
        pyprobound.Mode.from_psam(psam, table, train_posbias=True),
    ]
    start = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding(modes, start)
    experiment = pyprobound.Experiment([start, bound])
    return psam, pyprobound.MultiExperimentLoss([experiment])


def main(arguments: list[str] | None = None) -> int:
    options_parser = parser(__doc__)
    options_parser.add_argument("--seed", type=int, default=0)
    options = options_parser.parse_args(arguments)
    try:
        table = example_table("ctcf", quick=options.quick)
    except PyproboundError as error:
        emit({"benchmark": "greedy_ctcf", "skipped": str(error)})
        return 0
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    psam, loss = make_model(table)
    watch = LossOfSteps()
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss,
            [table],
            checkpoint=Path(folder) / "best.pt",
            output=io.StringIO(),
            device="cpu",
            on_record=watch,
            epochs=1 if options.quick else 200,
        )
        begin = time.perf_counter()
        best = float(optimizer.train_sequential())
        seconds = time.perf_counter() - begin
    result = {
        "benchmark": "greedy_ctcf",
        "threads": options.threads,
        "seconds": round(seconds, 1),
        "n_evaluations": optimizer.n_evaluations,
        "loss": round(best, 6),
        "kernel_size": psam.kernel_size,
        "flanks": [table.left_flank_length, table.right_flank_length],
        "loss_rose": watch.rose,
    }
    emit(result)
    return int(watch.rose)


if __name__ == "__main__":
    sys.exit(main())
