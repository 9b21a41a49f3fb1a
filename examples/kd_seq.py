"""Kd-seq: absolute binding constants from the input, bound and unbound reads.

    python examples/kd_seq.py [--reads N] [--seed S]

In Kd-seq the library is incubated with a known amount of protein, and the input, the
bound and the unbound fraction are sequenced. Sequencing alone gives affinities relative
to each other. The numbers of reads of all three samples and the concentrations of the
protein and of the library make them absolute: together they say what share of the
library is bound, hence how much protein is free, and 1 / Kd(S) = Z(S) / [P]_free.

This script simulates such an experiment with a Kd that it knows, fits a model that
starts without any knowledge of the motif, and compares. It exits with 1 if the Kd of
the best site is off by more than 10 %.
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
from pyprobound.alphabets import DNA

LENGTH = 12
# Concentrations in nM.
PROTEIN, LIBRARY = 100.0, 200.0
NONSPECIFIC_KD = 2000.0
BEST_KD = 5.0
CONSENSUS = "TGACTCA"
MISMATCH = 1.5  # what a wrong letter costs, in RT
TOLERANCE = 0.1


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reads", type=int, default=400_000, help="per sample")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def true_affinities(molecules: np.ndarray) -> np.ndarray:
    """1 / Kd of molecules, in 1 / nM: all windows of one strand, and anything.

    Args:
        molecules: Codes of the letters, of shape (molecules, length).
    """
    consensus = np.array(["ACGT".index(letter) for letter in CONSENSUS])
    windows = np.lib.stride_tricks.sliding_window_view(molecules, len(consensus), 1)
    mismatches = (windows != consensus).sum(axis=2)
    specific = np.exp(-MISMATCH * mismatches).sum(axis=1) / BEST_KD
    return specific + 1 / NONSPECIFIC_KD


def free_protein(affinities: np.ndarray) -> float:
    """The concentration at which free and bound protein add up to all protein."""
    low, high = 0.0, PROTEIN
    for _ in range(100):
        free = (low + high) / 2
        bound = LIBRARY * np.mean(free * affinities / (1 + free * affinities))
        low, high = (low, free) if free + bound > PROTEIN else (free, high)
    return (low + high) / 2


def simulate(reads: int, seed: int) -> tuple[pyprobound.CountTable, float]:
    """A table with the columns input, bound and unbound, and the free protein."""
    generator = np.random.default_rng(seed)
    molecules = generator.integers(0, 4, (reads, LENGTH))
    affinities = true_affinities(molecules)
    free = free_protein(affinities)
    share_bound = free * affinities / (1 + free * affinities)
    counts = np.stack(
        [
            generator.poisson(reads * share / share.sum())
            for share in (np.ones(reads), share_bound, 1 - share_bound)
        ],
        axis=1,
    )
    was_read = counts.any(axis=1)
    index = ["".join("ACGT"[code] for code in row) for row in molecules[was_read]]
    frame = pd.DataFrame(counts[was_read], index=index).groupby(level=0).sum()
    return pyprobound.CountTable(frame, DNA()), free


def fit(table: pyprobound.CountTable, seed: int) -> pyprobound.Experiment:
    """Trains non-specific binding, then a motif of as many letters as the true one."""
    torch.manual_seed(seed)
    nonspecific = layers.NonSpecific(DNA(), name="nonspecific")
    psam = layers.PSAM(len(CONSENSUS), DNA(), score_reverse=False, name="motif")
    modes = [
        pyprobound.Mode.from_nonspecific(nonspecific, table),
        pyprobound.Mode.from_psam(psam, table),
    ]
    start = rounds.InitialRound(name="input")
    bound = rounds.BoundRound.from_binding(
        modes,
        start,
        target_concentration=PROTEIN,
        library_concentration=LIBRARY,
        name="bound",
    )
    unbound = rounds.UnboundRound.from_round(bound, name="unbound")
    experiment = pyprobound.Experiment(
        [start, bound, unbound], counts_per_round=table.counts_per_round
    )
    loss = pyprobound.MultiExperimentLoss([experiment])
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss, [table], checkpoint=Path(folder) / "kd_seq.pt", output=os.devnull
        )
        optimizer.train_sequential()
    return experiment.cpu()


def kd_of(experiment: pyprobound.Experiment, text: str, free: float) -> float:
    """The dissociation constant of a molecule, in nM."""
    codes = torch.tensor([["ACGT".index(letter) for letter in text]])
    with torch.inference_mode():
        log_z = experiment.observed_rounds[1].log_aggregate(codes)
    return free * math.exp(-float(log_z))


def main() -> int:
    """Simulates, fits and compares; returns the exit code."""
    options = arguments()
    table, true_free = simulate(options.reads, options.seed)
    experiment = fit(table, options.seed)
    free = experiment.free_protein(0, 1, 2)
    print(f"free protein: {free:.2f} nM fitted, {true_free:.2f} nM simulated")
    worst = 0.0
    # Padded so that no other window comes close to a site.
    for text in ("GG" + CONSENSUS + "GGG", "GGTGACTAAGGG", "GGGGGGGGGGGG"):
        codes = np.array([["ACGT".index(letter) for letter in text]])
        expected = 1 / true_affinities(codes)[0]
        found = kd_of(experiment, text, free)
        print(f"Kd of {text}: {found:8.2f} nM fitted, {expected:8.2f} nM simulated")
        if CONSENSUS in text:
            worst = abs(found / expected - 1)
    print(f"error of the best site: {worst:.1%} (allowed: {TOLERANCE:.0%})")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
