"""Time of a fit of the Bcd experiment: five rounds, PSAM(12), 5 letters of flank.

    python benchmarks/fit_bcd.py [--optimizer FisherScoring|LBFGS] [--kernels NAME]
        [--seed S] [--seeds N] [--reference] [--threads T] [--download] [--quick]

Fits the table ``bcd`` of ``pyprobound.datasets`` as the original program did for its
sample data: non-specific binding, then the motif, with the same regularisation.
"recorded_total_loss" is what that fit ended at (in 354 s with 4 threads), likelihood and
regularisation together, and "above_recorded" is how much more the best of the random
starts here has; the optima differ by the frame of the motif. For everything else see
``fit_ctcf.py``; here the reference is only measured on demand, as it takes long.
"""

from typing import Any

import torch
from _data import example_table, random_frame
from _fits import (
    Settings,
    fit_all,
    fit_parser,
    reference_fit,
    share_outside_kernels,
    warm_up,
)
from _measure import emit
from _models import BCD_FLANK_LENGTH, bcd_model
from _options import add_reference

import pyprobound
from pyprobound import datasets
from pyprobound.alphabets import DNA
from pyprobound.errors import PyproboundError

RECORDED_TOTAL_LOSS = 1.2485792608602286
WARM_UP_ROWS = 2_000


def few_rows(n_rows: int) -> pyprobound.CountTable:
    """A small simulated table of the same shape."""
    experiment = datasets.describe("bcd")
    return pyprobound.CountTable(
        random_frame(
            n_rows, experiment.variable_length, rounds=len(experiment.columns)
        ),
        DNA(),
        left_flank=experiment.left_flank,
        right_flank=experiment.right_flank,
        left_flank_length=BCD_FLANK_LENGTH,
        right_flank_length=BCD_FLANK_LENGTH,
    )


def main(arguments: list[str] | None = None) -> None:
    options_parser = fit_parser(__doc__, seeds=4)
    add_reference(options_parser, "also run the reference", default=False)
    options = options_parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    record: dict[str, Any] = {
        "benchmark": "fit_bcd",
        "optimizer": options.optimizer,
        "kernels": options.kernels,
        "threads": options.threads,
        "seeds": options.seeds,
    }
    try:
        table = example_table(
            "bcd", BCD_FLANK_LENGTH, quick=options.quick, download=options.download
        )
    except PyproboundError as error:
        emit(record | {"skipped": str(error)})
        return
    settings = Settings.given(bcd_model, options)
    warm_up(few_rows(100 if options.quick else WARM_UP_ROWS), settings)
    seeds = list(range(options.seed, options.seed + options.seeds))
    result = fit_all(table, settings, seeds)
    if not options.quick:
        result["recorded_total_loss"] = RECORDED_TOTAL_LOSS
        excess = result["total_loss"] - RECORDED_TOTAL_LOSS
        result["above_recorded"] = round(excess, 7)
    share = share_outside_kernels(table, settings, options.seed)
    result["share_outside_kernels"] = round(share, 3)
    if options.reference:
        result |= reference_fit(table, settings, result["fits"][0])
    emit(record | result)


if __name__ == "__main__":
    main()
