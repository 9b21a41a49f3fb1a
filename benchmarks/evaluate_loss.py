"""Time of a loss and its gradient: non-specific binding and PSAM(16) on CTCF.

    python benchmarks/evaluate_loss.py [--threads T] [--repeats N]

Evaluates the likelihood of the table ``ctcf`` of ``pyprobound.datasets`` with the
compiled kernels and with the plain PyTorch definition in the same run. Prints one JSON
object; times are the least of several repeats in milliseconds. Where the table is not
on this machine, the object says so under "skipped".
"""

import argparse
import json
import time

import torch
from fit_ctcf import find_table

import pyprobound
from pyprobound import kernels, layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.errors import PyproboundError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=10)
    return parser.parse_args()


def make_loss(table: pyprobound.CountTable) -> pyprobound.MultiExperimentLoss:
    psam = layers.PSAM(16, table.alphabet)
    modes = [
        pyprobound.Mode.from_nonspecific(layers.NonSpecific(table.alphabet), table),
        pyprobound.Mode.from_psam(psam, table),
    ]
    start = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding(modes, start)
    for contribution in bound.aggregate.contributions:
        bound.aggregate.activity_heuristic(contribution)
    return pyprobound.MultiExperimentLoss([pyprobound.Experiment([start, bound])])


def least_milliseconds(
    loss: pyprobound.MultiExperimentLoss, table: pyprobound.CountTable, repeats: int
) -> float:
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        negloglik, regularization = loss([table])
        (negloglik + regularization).backward()
        times.append(time.perf_counter() - begin)
    return 1e3 * min(times[1:])  # the first one compiles


def main() -> None:
    options = arguments()
    try:
        path = find_table(download=False)
    except PyproboundError as error:
        print(json.dumps({"benchmark": "evaluate_loss", "skipped": str(error)}))
        return
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    table = pyprobound.CountTable(pyprobound.get_dataframe(path), DNA())
    loss = make_loss(table)
    result = {"benchmark": "evaluate_loss", "rows": len(table)}
    result["threads"] = options.threads
    for name, repeats in (("numba", options.repeats), ("reference", 2)):
        with kernels.use(name):
            milliseconds = least_milliseconds(loss, table, repeats)
        result[f"{name}_milliseconds"] = round(milliseconds, 2)
    ratio = result["reference_milliseconds"] / result["numba_milliseconds"]
    result["ratio"] = round(ratio, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
