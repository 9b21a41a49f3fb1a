"""Time of a sequential fit of the CTCF experiment: non-specific binding, then PSAM(16).

    python benchmarks/fit_ctcf.py [--optimizer FisherScoring|LBFGS] [--kernels NAME]
        [--seed S] [--seeds N] [--size K] [--no-reference] [--threads T] [--download]
        [--quick]

Fits the table ``ctcf`` of ``pyprobound.datasets`` from several random starts, one after
the other, with the defaults of the optimizer. Prints one JSON object. "seconds_per_fit"
is the median over the starts, from the creation of the model to the end of training;
import, compiling and reading the table are not in it. "nll_per_read" and the like are
those of the best start, evaluated in float64, and "nll_of_4_starts" is the best of the
first four. "greatest_gradient_norm" and "greatest_restart_improvement" are the worst of
all starts: of the gradient of the loss per read at the optimum, and of what training
again from there gains. "share_outside_kernels" is of the time of one more fit. The
"reference" is the same fit from the first seed with the plain PyTorch definition of the
kernels and torch.optim.LBFGS (strong Wolfe conditions), and "ratio" compares the times
of these two. Where the table is not on this machine, the object says so under
"skipped"; ``--download`` fetches it.
"""

from functools import partial
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
from _models import ctcf_model
from _options import add_reference

import pyprobound
from pyprobound.alphabets import DNA
from pyprobound.errors import PyproboundError

WARM_UP_ROWS = 2_000
LENGTH = 30


def main(arguments: list[str] | None = None) -> None:
    options_parser = fit_parser(__doc__, seeds=4)
    options_parser.add_argument("--size", type=int, default=16, help="of the motif")
    add_reference(options_parser, "also run the reference", default=True)
    options = options_parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    record: dict[str, Any] = {
        "benchmark": "fit_ctcf",
        "optimizer": options.optimizer,
        "kernels": options.kernels,
        "threads": options.threads,
        "size": options.size,
        "seeds": options.seeds,
    }
    try:
        table = example_table("ctcf", quick=options.quick, download=options.download)
    except PyproboundError as error:
        emit(record | {"skipped": str(error)})
        return
    make_model = partial(ctcf_model, size=options.size)
    settings = Settings.given(make_model, options)
    few = random_frame(100 if options.quick else WARM_UP_ROWS, LENGTH)
    warm_up(pyprobound.CountTable(few, DNA()), settings)
    seeds = list(range(options.seed, options.seed + options.seeds))
    result = fit_all(table, settings, seeds)
    first_four = [each["nll_per_read"] for each in result["fits"][:4]]
    result["nll_of_4_starts"] = min(first_four)
    share = share_outside_kernels(table, settings, options.seed)
    result["share_outside_kernels"] = round(share, 3)
    if options.reference:
        result |= reference_fit(table, settings, result["fits"][0])
    emit(record | result)


if __name__ == "__main__":
    main()
