"""Time of a sequential fit of the CTCF experiment: non-specific binding, then PSAM(16).

    python benchmarks/fit_ctcf.py [--starts N] [--seed S] [--size K] [--threads T]
        [--download]

Fits the table ``ctcf`` of ``pyprobound.datasets`` by the library itself, from several
random starts, of which the best is kept. Prints one JSON object: "seconds" is the time
of all starts without reading the table, "nll_per_read" and "regularization" are those
of the best start. Where the table is neither in the folder that PYPROBOUND_DATA_DIR
names nor in the cache, the object says so under "skipped"; ``--download`` fetches it.
"""

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import pooch
import torch

import pyprobound
from pyprobound import datasets, layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.errors import PyproboundError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=16, help="positions of the motif")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--download", action="store_true", help="fetch the table")
    return parser.parse_args()


def stay_offline(url: str, *_: object) -> None:
    raise ConnectionError(f"not asked to download {url}")


def find_table(download: bool) -> Path:
    """The path of the table.

    Raises:
        PyproboundError: It is not on this machine, or is another one.
    """
    if download:
        return datasets.fetch("ctcf")
    # It announces downloads before it is told not to make them.
    pooch.get_logger().setLevel("WARNING")
    try:
        return datasets.fetch("ctcf", downloader=stay_offline)
    except datasets.DownloadError:
        raise PyproboundError(
            "the CTCF table is not on this machine: set PYPROBOUND_DATA_DIR to a folder"
            " that holds ctcf/ctcf_r3.tsv.gz, or give --download"
        ) from None


def fit(
    table: pyprobound.CountTable, size: int, seed: int, checkpoint: Path
) -> tuple[pyprobound.Optimizer, layers.PSAM]:
    """Trains both modes one after the other from one random start."""
    torch.manual_seed(seed)
    nonspecific = layers.NonSpecific(table.alphabet, name="nonspecific")
    psam = layers.PSAM(size, table.alphabet, name="CTCF")
    modes = [
        pyprobound.Mode.from_nonspecific(nonspecific, table),
        pyprobound.Mode.from_psam(psam, table),
    ]
    start = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding(modes, start)
    experiment = pyprobound.Experiment([start, bound])
    loss = pyprobound.MultiExperimentLoss([experiment], lambda_l2=1e-6)
    optimizer = pyprobound.Optimizer(
        loss, [table], checkpoint=checkpoint, output=io.StringIO(), device="cpu"
    )
    optimizer.train_sequential()
    return optimizer, psam


def consensus(psam: layers.PSAM) -> str:
    best = psam.get_filter(0)[0].argmax(dim=0)
    return "".join("ACGT"[i] for i in best.tolist())


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    record: dict[str, object] = {"benchmark": "fit_ctcf", **vars(options)}
    del record["download"]
    try:
        path = find_table(options.download)
    except PyproboundError as error:
        print(json.dumps({**record, "skipped": str(error)}))
        return
    table = pyprobound.CountTable(pyprobound.get_dataframe(path), DNA())
    best = float("inf")
    n_evaluations = 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for start in range(options.starts):
            seed = options.seed + start
            checkpoint = Path(folder) / f"{start}.pt"
            optimizer, psam = fit(table, options.size, seed, checkpoint)
            n_evaluations += optimizer.n_evaluations
            with torch.inference_mode():
                loss = optimizer.model([table])
            print(f"start {start}: {float(loss.negloglik):.7f}", file=sys.stderr)
            if float(sum(loss)) < best:
                best = float(sum(loss))
                record["nll_per_read"] = round(float(loss.negloglik), 7)
                record["regularization"] = round(float(loss.regularization), 7)
                record["consensus"] = consensus(psam)
    record["seconds"] = round(time.perf_counter() - began, 3)
    record["n_evaluations"] = n_evaluations
    print(json.dumps(record))


if __name__ == "__main__":
    main()
