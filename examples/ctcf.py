"""CTCF: learns the motif of a human protein from one SELEX experiment.

    python examples/ctcf.py [--rows N] [--size K] [--starts N] [--seed S] [--logo FILE]

The table `ctcf` of `pyprobound.datasets` holds the reads of a random library before and
after binding by CTCF. It is taken from the folder that PYPROBOUND_DATA_DIR names or
from the cache, else it is downloaded. A tenth of the sequences is set aside. The others
train non-specific binding and then a motif, from several random starts of which the
best is kept.

It exits with 1 unless the motif holds the core that CTCF is known to bind, AGRKGGC (R
is A or G, K is G or T), on one of its strands, and predicts the sequences set aside
better than non-specific binding does.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch

import pyprobound
from pyprobound import datasets, layers, rounds
from pyprobound.alphabets import DNA

# The core AGRKGGC of the CTCF motif (Kim et al. 2007, doi:10.1016/j.cell.2006.12.048),
# with A or G for R and G or T for K.
CORES = tuple(f"AG{r}{k}GGC" for r in "AG" for k in "GT")
TEST_SHARE = 0.1
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="use only so many sequences")
    parser.add_argument("--size", type=int, default=14, help="letters of the motif")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--logo", type=Path, help="write a figure of the motif here")
    return parser.parse_args()


def load(rows: int | None, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The counts of training and those set aside."""
    frame = pyprobound.get_dataframe(datasets.fetch("ctcf"))
    share = 1.0 if rows is None else min(1.0, rows / len(frame))
    frame = frame.sample(frac=share, random_state=seed)
    n_test = round(TEST_SHARE * len(frame))
    return frame.iloc[n_test:], frame.iloc[:n_test]


def fit(
    table: pyprobound.CountTable, size: int, seed: int
) -> tuple[pyprobound.MultiExperimentLoss, layers.PSAM, float]:
    """Trains non-specific binding, then a motif; returns the loss reached, too."""
    torch.manual_seed(seed)
    nonspecific = layers.NonSpecific(DNA(), name="nonspecific")
    psam = layers.PSAM(size, DNA(), name="CTCF")
    modes = [
        pyprobound.Mode.from_nonspecific(nonspecific, table),
        pyprobound.Mode.from_psam(psam, table),
    ]
    library = rounds.InitialRound(name="library")
    bound = rounds.BoundUnsaturatedRound.from_binding(modes, library, name="bound")
    loss = pyprobound.MultiExperimentLoss([pyprobound.Experiment([library, bound])])
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss, [table], checkpoint=Path(folder) / "ctcf.pt", output=os.devnull
        )
        reached = float(optimizer.train_sequential())
    return loss.cpu(), psam, reached


def consensus(psam: layers.PSAM) -> str:
    """The tightest binding letter of each position."""
    with torch.no_grad():
        letters = psam.get_filter(0)[0].argmax(dim=0)
    return "".join("ACGT"[code] for code in letters.tolist())


def mismatches_of_core(text: str) -> int:
    """How many letters differ from a core, at its best place on either strand."""
    strands = (text, text.translate(COMPLEMENT)[::-1])
    return min(
        sum(a != b for a, b in zip(strand[start:], core, strict=False))
        for strand in strands
        for core in CORES
        for start in range(len(strand) - len(core) + 1)
    )


def main() -> int:
    """Fits and checks; returns the exit code."""
    options = arguments()
    train, test = load(options.rows, options.seed)
    table = pyprobound.CountTable(train, DNA())
    held_out = pyprobound.CountTable(test, DNA())
    print(f"{len(table):,} sequences to train with, {len(held_out):,} set aside")
    best = None
    for start in range(options.starts):
        candidate = fit(table, options.size, options.seed + start)
        print(f"start {start}: {candidate[2]:.6f}, {consensus(candidate[1])}")
        if best is None or candidate[2] < best[2]:
            best = candidate
    if best is None:
        print("--starts must be at least 1", file=sys.stderr)
        return 2
    loss, psam, _ = best
    if options.logo is not None:
        from pyprobound import plotting

        plotting.logo(psam).savefig(options.logo)

    with torch.inference_mode():
        negloglik = float(loss([held_out]).negloglik)
        reads = held_out.counts_per_round
        shares = reads / reads.sum()
    # Non-specific binding predicts the same shares for all sequences.
    baseline = -float((shares * shares.log()).sum())
    print(f"NLL per read set aside: {negloglik:.5f}; without a motif: {baseline:.5f}")
    mismatches = mismatches_of_core(consensus(psam))
    print(f"consensus {consensus(psam)}: {mismatches} letters differ from a CTCF core")
    good = negloglik < baseline and mismatches == 0
    print("the CTCF motif is found" if good else "the CTCF motif is NOT found")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
