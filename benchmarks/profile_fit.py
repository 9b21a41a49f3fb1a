"""Where the time of a fit of CTCF goes: non-specific binding, then PSAM(16).

    python benchmarks/profile_fit.py [--optimizer FisherScoring|LBFGS] [--kernels NAME]
        [--seed S] [--seeds N] [--threads T] [--download] [--quick]

Looks every millisecond at what the fit is doing, from several random starts, and prints
one JSON object with the share of the time for each kind of work ("shares") and its
milliseconds per fit. What is done in the kernels counts as such whoever calls them;
"gradients outside the kernels" is what automatic differentiation does besides. Where the
table is not on this machine, the object says so under "skipped".
"""

from typing import Any

import torch
from _data import example_table, random_frame
from _fits import Settings, fit, fit_parser, warm_up
from _measure import emit
from _models import ctcf_model
from _sampler import Sampler, kind_of_work, outside_kernels

import pyprobound
from pyprobound.alphabets import DNA
from pyprobound.errors import PyproboundError

WARM_UP_ROWS = 2_000


def main(arguments: list[str] | None = None) -> None:
    options = fit_parser(__doc__, seeds=4).parse_args(arguments)
    torch.set_num_threads(options.threads)
    record: dict[str, Any] = {
        "benchmark": "profile_fit",
        "optimizer": options.optimizer,
        "kernels": options.kernels,
        "threads": options.threads,
        "seeds": options.seeds,
    }
    try:
        table = example_table("ctcf", quick=options.quick, download=options.download)
    except PyproboundError as error:
        emit(record | {"skipped": str(error)})
        return
    settings = Settings.given(ctcf_model, options)
    few = random_frame(100 if options.quick else WARM_UP_ROWS, 30)
    warm_up(pyprobound.CountTable(few, DNA()), settings)
    sampler = Sampler(kind_of_work)
    for seed in range(options.seed, options.seed + options.seeds):
        fit(table, settings, seed, sampler)
    seconds = dict(sorted(sampler.seconds.items(), key=lambda item: -item[1]))
    total = sum(seconds.values())
    record |= {
        "rows": len(table),
        "seconds_per_fit": round(total / options.seeds, 3),
        "share_outside_kernels": round(outside_kernels(seconds), 3),
        "shares": {kind: round(each / total, 4) for kind, each in seconds.items()},
        "milliseconds": {
            kind: round(1e3 * each / options.seeds, 2) for kind, each in seconds.items()
        },
    }
    emit(record)


if __name__ == "__main__":
    main()
