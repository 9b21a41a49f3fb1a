"""Two factors that bind together: recovers the spacing that they prefer.

    python examples/cooperativity.py [--reads N] [--seed S]

A library of random DNA is selected by two factors, A and B. Each binds alone, and both
together bind much better if B lies behind A with a gap of two letters, or, in the other
orientation, if B lies in front of A with a gap of one. How well they go together at every
other distance is the same.

The motifs of the factors are known roughly, as from experiments with one factor at a
time; here they are a sequence that each prefers. The fit refines them, and finds the
energy of every distance and orientation, which starts at zero. `Spacing` holds these
energies, and `Cooperativity` scores all pairs of windows with them.

This script simulates the counts with a model whose energies it knows, fits them, and
prints the distances with the best energies. It exits with 1 if these are not the true
ones, or if the energies are off by more than 0.5 RT.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import pyprobound
from pyprobound import layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.stats.simulation import simulate

LENGTH = 20
MOTIFS = {"A": "TGACC", "B": "CATTA"}
# What a letter other than the preferred one costs, in RT.
MISMATCH = 2.0
# The energy in RT of the distances that the factors prefer: the strands of A and B (0 is
# forward), and from where A begins to where B begins.
PREFERRED = {(0, 0, 7): 4.0, (0, 1, -6): 3.0}
TOLERANCE = 0.5
NAMES = ("forward", "reverse")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reads", type=int, default=20_000, help="per round")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def prefer(psam: layers.PSAM, text: str, mismatch: float) -> None:
    """Lets a motif prefer a sequence."""
    with torch.no_grad():
        for position, letter in enumerate(text, start=1):
            values = psam.betas[str(position)]
            values.fill_(-mismatch)
            values[0, "ACGT".index(letter)] = 0.0


class Model:
    """An experiment in which two factors bind alone and together.

    Args:
        mismatch: What a letter other than the preferred one costs, in RT.
    """

    def __init__(self, mismatch: float) -> None:
        alphabet = DNA()
        lengths = (LENGTH, LENGTH, LENGTH)
        nonspecific = layers.NonSpecific(alphabet, name="nonspecific")
        self.modes = [pyprobound.Mode([layers.Conv0d(nonspecific, *lengths)])]
        for name, text in MOTIFS.items():
            psam = layers.PSAM(len(text), alphabet, name=name)
            prefer(psam, text, mismatch)
            layer = layers.Conv1d(psam, *lengths)
            self.modes.append(pyprobound.Mode([layer], name=name))
        _, a, b = self.modes
        self.spacing = pyprobound.Spacing(a.key(), b.key(), max_overlap=0, name="A:B")
        self.pair = pyprobound.Cooperativity(self.spacing, a, b)
        bindings = [*self.modes, self.pair]
        library = rounds.InitialRound(name="library")
        self.bound = rounds.BoundUnsaturatedRound.from_binding(
            bindings, library, name="bound"
        )
        self.experiment = pyprobound.Experiment([library, self.bound])

    def energies(self) -> Tensor:
        """The energy of each pair of strands and offset, less the median, in RT."""
        with torch.no_grad():
            values = self.pair.get_log_spacing()
        return values - values[values.isfinite()].median()

    def truth(self) -> Tensor:
        """The energies of the simulation, as ``energies`` gives them."""
        values = torch.zeros_like(self.energies())
        zero = self.pair.n_windows_a - 1
        for (x, y, offset), energy in PREFERRED.items():
            # From the other strand, the same complex is seen in the mirror.
            values[x, y, zero + offset] = energy
            values[1 - y, 1 - x, zero + (offset if x != y else -offset)] = energy
        return values


def true_model() -> Model:
    """The model of the simulation."""
    model = Model(MISMATCH)
    columns = model.spacing.max_num_windows - 1
    with torch.no_grad():
        model.spacing.log_spacing.zero_()
        for (x, y, offset), energy in PREFERRED.items():
            row, place = (x, offset) if y == 0 else (1 - x, -offset)
            model.spacing.log_spacing[row, columns + place] = energy
        for contribution, activity in zip(
            model.bound.aggregate.contributions, (-5.0, -3.0, -3.0, 0.0), strict=True
        ):
            contribution.log_activity.fill_(activity)
    return model


def fit(table: pyprobound.CountTable) -> tuple[Model, float]:
    """Fits a model to counts; returns it with the loss."""
    model = Model(1.0)
    loss = pyprobound.MultiExperimentLoss([model.experiment])
    with tempfile.TemporaryDirectory() as folder:
        optimizer = pyprobound.Optimizer(
            loss,
            [table],
            checkpoint=Path(folder) / "model.pt",
            output=Path(folder) / "log.txt",
            device="cpu",
        )
        best_loss = float(optimizer.train_sequential())
    return model, best_loss


def described(place: tuple[int, int, int]) -> str:
    """An orientation and an offset as a text."""
    x, y, offset = place
    return f"A {NAMES[x]}, B {NAMES[y]}, B begins {offset:+d} letters from A"


def main() -> int:
    """Simulates, fits and compares; returns the exit code."""
    options = arguments()
    torch.manual_seed(options.seed)
    truth = true_model()
    counts: pd.DataFrame = simulate(
        truth.experiment,
        reads_per_round=options.reads,
        seed=options.seed,
        library_size=20 * options.reads,
    )
    print(f"{len(counts):,} sequences, {options.reads:,} reads per round")
    model, best_loss = fit(pyprobound.CountTable(counts, DNA()))
    print(f"negative log-likelihood and regularisation per read: {best_loss:.6f}")
    return compare(truth, model)


def compare(truth: Model, model: Model) -> int:
    """Prints the true and the recovered spacing; returns the exit code."""
    true, found = truth.energies(), model.energies()
    zero = model.pair.n_windows_a - 1
    allowed = found.isfinite()
    best = found.masked_fill(~allowed, -np.inf).flatten().argsort(descending=True)
    n_best = int((true.masked_fill(~allowed, 0) > 1).sum())
    recovered = set(best[:n_best].tolist())
    expected = set((true > 1).flatten().nonzero().flatten().tolist())
    print("energy, RT:   true  recovered")
    for place in sorted(expected | recovered):
        x, y, column = np.unravel_index(place, tuple(found.shape))
        values = float(true.flatten()[place]), float(found.flatten()[place])
        text = described((int(x), int(y), int(column) - zero))
        print(f"            {values[0]:6.2f}     {values[1]:6.2f}  {text}")
    errors = [float((true - found).flatten()[place].abs()) for place in expected]
    print(f"largest error of these: {max(errors):.2f} RT (allowed: {TOLERANCE} RT)")
    if recovered == expected and max(errors) <= TOLERANCE:
        print("The spacing is recovered.")
        return 0
    print("The spacing is NOT recovered.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
