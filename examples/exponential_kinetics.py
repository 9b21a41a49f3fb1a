"""Kinetics: the rates at which a kinase modifies peptides, from a time series.

    python examples/exponential_kinetics.py [--reads N] [--seed S]

A library of peptides is exposed to a kinase, and the modified peptides are sequenced
after several times. The share of a peptide S that is modified after the time t is
1 - exp(-k(S) t). All times share one set of parameters: `ExponentialRound.from_round`
gives a round the activities of another one, at another time. Because fast peptides run
out of unmodified copies, the absolute rates follow, not only their ratios.

This script simulates such an experiment with rates that it knows, fits them, and
compares the rates of new peptides. It exits with 1 if their logs are correlated by less
than 0.98, or if the rates are off by more than 15 % on average.
"""

import argparse
import math
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import pyprobound
from pyprobound import layers, rounds
from pyprobound.alphabets import Protein

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
POSITIONS = 5  # around the residue that is modified, which is in no column
TIMES = (0.5, 3.0, 15.0)  # minutes
FASTEST_RATE = 2.0  # per minute
LEAST_CORRELATION, TOLERANCE = 0.98, 0.15


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reads", type=int, default=200_000, help="per sample")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def true_energies(generator: np.random.Generator) -> np.ndarray:
    """What each letter adds to the log rate, of shape (positions, letters)."""
    energies = generator.normal(0, 0.8, (POSITIONS, len(LETTERS)))
    return energies - energies.max(axis=1, keepdims=True)


def true_log_rates(energies: np.ndarray, peptides: np.ndarray) -> np.ndarray:
    """The log of the rate of each peptide, per minute."""
    return math.log(FASTEST_RATE) + energies[np.arange(POSITIONS), peptides].sum(axis=1)


def texts_of(peptides: np.ndarray) -> list[str]:
    """The peptides as texts."""
    return ["".join(LETTERS[code] for code in row) for row in peptides]


def simulate(
    energies: np.ndarray, reads: int, generator: np.random.Generator
) -> pyprobound.CountTable:
    """A table with the reads of the library and of the modified peptides at each time."""
    peptides = generator.integers(0, len(LETTERS), (reads, POSITIONS))
    rates = np.exp(true_log_rates(energies, peptides))
    modified = [-np.expm1(-rates * time) for time in TIMES]
    counts = np.stack(
        [
            generator.poisson(reads * share / share.sum())
            for share in (np.ones(reads), *modified)
        ],
        axis=1,
    )
    was_read = counts.any(axis=1)
    index = texts_of(peptides[was_read])
    frame = pd.DataFrame(counts[was_read], index=index).groupby(level=0).sum()
    return pyprobound.CountTable(frame, Protein())


def fit(table: pyprobound.CountTable, seed: int) -> list[rounds.ExponentialRound]:
    """Trains one motif on all times; returns the round of each time."""
    torch.manual_seed(seed)
    psam = layers.PSAM(POSITIONS, Protein(), score_reverse=False, name="kinase")
    mode = pyprobound.Mode.from_psam(psam, table)
    library = rounds.InitialRound(name="library")
    first = rounds.ExponentialRound.from_binding(
        [mode],
        library,
        target_concentration=TIMES[0],
        delta=-math.inf,  # nothing unmodified is sequenced
        train_delta=False,
        name=f"{TIMES[0]} min",
    )
    later = [
        rounds.ExponentialRound.from_round(
            first, target_concentration=time, name=f"{time} min"
        )
        for time in TIMES[1:]
    ]
    series = [first, *later]
    experiment = pyprobound.Experiment([library, *series])
    loss = pyprobound.MultiExperimentLoss([experiment])
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss, [table], checkpoint=Path(folder) / "rates.pt", output=os.devnull
        )
        optimizer.train_sequential()
    experiment.cpu()
    return series


def main() -> int:
    """Simulates, fits and compares; returns the exit code."""
    options = arguments()
    generator = np.random.default_rng(options.seed)
    energies = true_energies(generator)
    series = fit(simulate(energies, options.reads, generator), options.seed)

    peptides = generator.integers(0, len(LETTERS), (2000, POSITIONS))
    frame = pd.DataFrame(1, index=texts_of(peptides), columns=["probe"])
    probes = pyprobound.CountTable(frame, Protein())
    with torch.inference_mode():
        # The aggregate is the rate times the time.
        log_z = series[0].log_aggregate(probes.seqs).double().numpy()
    fitted = log_z - math.log(TIMES[0])
    simulated = true_log_rates(energies, peptides)
    correlation = float(np.corrcoef(fitted, simulated)[0, 1])
    factor = math.exp(float(np.mean(fitted - simulated)))
    print(f"correlation of the log rates of 2,000 new peptides: {correlation:.4f}")
    print(f"fitted / simulated rate, geometric mean: {factor:.3f}")
    good = correlation >= LEAST_CORRELATION and abs(factor - 1) <= TOLERANCE
    print("the rates are recovered" if good else "the rates are NOT recovered")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
