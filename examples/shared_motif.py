"""Two experiments with one motif: what they have in common is learned once.

    python examples/shared_motif.py [--reads N] [--seed S]

A protein is measured twice: with a library of 10 random letters and one round of
selection, and with a library of 24 letters and two rounds, between other flanks. The
motif is one `PSAM` object, so both experiments train the same energies; activities,
depths and lengths are those of each experiment. Both tables are simulated from a known
motif.

It exits with 1 unless the energies of the common motif are correlated with the
simulated ones by 0.98 or more, and not worse than those of a motif that was trained on
either experiment alone.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import pyprobound
from pyprobound import layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.stats.motifs import align_motifs, builtin_motif
from pyprobound.stats.simulation import builtin_model, simulate

# The length of the random region, the rounds of selection and the flanks.
DESIGNS = ((10, 1, "GATC", "TTAA"), (24, 2, "ACAC", "CCGA"))
LEAST_CORRELATION = 0.98
# By how much a correlation may be worse by chance.
SLACK = 0.002


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reads", type=int, default=50_000, help="per round")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def simulated_tables(reads: int, seed: int) -> list[pyprobound.CountTable]:
    """A table for each design."""
    tables = []
    for place, (length, n_rounds, left, right) in enumerate(DESIGNS):
        whole = length + len(left) + len(right)
        frame = simulate(
            builtin_model(whole, n_rounds),
            reads_per_round=reads,
            length=length,
            seed=seed + place,
            left_flank=left,
            right_flank=right,
        )
        tables.append(
            pyprobound.CountTable(
                frame,
                DNA(),
                left_flank=left,
                right_flank=right,
                left_flank_length=len(left),
                right_flank_length=len(right),
            )
        )
    return tables


def experiment_of(
    table: pyprobound.CountTable, psam: layers.PSAM, nonspecific: layers.NonSpecific
) -> pyprobound.Experiment:
    """The rounds of a table; only the specs are shared with other experiments."""
    modes = [
        pyprobound.Mode.from_nonspecific(nonspecific, table),
        pyprobound.Mode.from_psam(psam, table),
    ]
    series: list[rounds.BaseRound] = [rounds.InitialRound()]
    for _ in range(1, table.target.shape[1]):
        series.append(rounds.BoundUnsaturatedRound.from_binding(modes, series[-1]))
    return pyprobound.Experiment(series)


def fit(tables: Sequence[pyprobound.CountTable], seed: int) -> layers.PSAM:
    """Trains one motif on all tables."""
    torch.manual_seed(seed)
    # Which letters a motif covers is found by chance; it may shift afterwards.
    psam = layers.PSAM(
        builtin_motif().kernel_size, DNA(), shift_footprint=True, name="shared"
    )
    nonspecific = layers.NonSpecific(DNA(), name="nonspecific")
    experiments = [experiment_of(table, psam, nonspecific) for table in tables]
    loss = pyprobound.MultiExperimentLoss(experiments)
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss, tables, checkpoint=Path(folder) / "shared.pt", output=os.devnull
        )
        optimizer.train_sequential()
    loss.cpu()
    return psam


def energies(psam: layers.PSAM) -> np.ndarray:
    """The values of a motif in RT, of shape (letters, positions)."""
    with torch.no_grad():
        values: np.ndarray = psam.get_filter(0)[0].double().numpy()
    return values


def main() -> int:
    """Simulates, fits and compares; returns the exit code."""
    options = arguments()
    tables = simulated_tables(options.reads, options.seed)
    expected = energies(builtin_motif())
    correlations = []
    for name, chosen in (
        ("first experiment alone", tables[:1]),
        ("second experiment alone", tables[1:]),
        ("both, with one motif", tables),
    ):
        found = energies(fit(chosen, options.seed))
        # On whichever strand and from whichever position the motif was found.
        correlations.append(align_motifs(expected, found).correlation)
        print(f"{name}: r = {correlations[-1]:.4f}")
    *alone, together = correlations
    good = together >= LEAST_CORRELATION and together >= max(alone) - SLACK
    print("the motif is recovered" if good else "the motif is NOT recovered")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
