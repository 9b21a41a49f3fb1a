"""Fits binding that no motif describes, with a PyTorch module of your own.

A simulated protein binds DNA of the right composition: best if 65 % of the letters are
G or C, less if there are more or fewer, wherever they are. A motif adds up its positions
and cannot have such an optimum. A small network can; wrapped in a ``ModuleLayer`` it is a
mode like any other, within the likelihood of the whole experiment.

Run it with ``python examples/wrapped_module.py``. It takes a few seconds.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import pyprobound
from pyprobound import layers, rounds
from pyprobound.alphabets import DNA

LENGTH = 20
BEST_SHARE = 0.65
TOLERANCE = 0.1


def true_log_affinity(share: np.ndarray) -> np.ndarray:
    """The log affinity, in RT, of DNA with some share of G and C."""
    return -0.5 * ((share - BEST_SHARE) / TOLERANCE) ** 2


def simulate(reads: int, seed: int) -> pd.DataFrame:
    """A library of random DNA, and what of it was bound."""
    generator = np.random.default_rng(seed)
    letters = generator.choice(list("ACGT"), (reads, LENGTH))
    affinity = np.exp(true_log_affinity(np.isin(letters, ["G", "C"]).mean(axis=1)))
    bound = generator.multinomial(reads, affinity / affinity.sum())
    counts = {"library": np.ones(reads, dtype=int), "bound": bound}
    return pd.DataFrame(counts, index=["".join(row) for row in letters])


class Composition(torch.nn.Module):
    """A network that sees only the share of each letter in a sequence."""

    def __init__(self, letters: int, hidden: int = 4) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(letters, hidden),
            torch.nn.Tanh(),
            torch.nn.Linear(hidden, 1),
        )

    def forward(self, seqs: Tensor) -> Tensor:
        """Maps (rows, letters, length) to scores of shape (rows, 1, 1)."""
        scores: Tensor = self.layers(seqs.mean(dim=2))
        return scores.unsqueeze(2)


def fit(table: pyprobound.CountTable) -> pyprobound.Mode:
    """Fits the network to a table, as one selection from the library."""
    spec = layers.ModuleSpec(DNA(), Composition(4), name="composition")
    mode = pyprobound.Mode([layers.ModuleLayer.from_spec(spec, table)])
    library = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding([mode], library)
    loss = pyprobound.MultiExperimentLoss([pyprobound.Experiment([library, bound])])
    with tempfile.TemporaryDirectory() as folder:
        pyprobound.Optimizer(
            loss,
            [table],
            checkpoint=Path(folder) / "model.pt",
            output=io.StringIO(),
            patience=2,
            device="cpu",
        ).train_sequential()
    return mode


def learned_log_affinity(mode: pyprobound.Mode, share: np.ndarray) -> np.ndarray:
    """What the network has learned about DNA with some share of G and C."""
    gc = torch.as_tensor(share, dtype=torch.float32).view(-1, 1, 1)
    # A, C, G and T: letters may be shares, as those of a degenerate code are.
    seqs = torch.cat([1 - gc, gc, gc, 1 - gc], dim=1) / 2
    with torch.no_grad():
        scores: Tensor = mode(seqs.expand(-1, -1, LENGTH))
    return scores.double().numpy()


def main() -> None:
    """Simulates, fits and prints the learned log affinities beside the true ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reads", type=int, default=10_000, help="reads per round")
    parser.add_argument("--seed", type=int, default=1, help="seed of all randomness")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    table = pyprobound.CountTable(simulate(options.reads, options.seed), DNA())
    mode = fit(table)

    shares = np.arange(0.3, 0.81, 0.05)
    true = true_log_affinity(shares)
    learned = learned_log_affinity(mode, shares)
    learned += (true - learned).mean()  # only differences of log affinities are known
    print("G+C    true  learned   (log affinity, RT)")
    for share, *values in zip(shares, true, learned, strict=True):
        print(f"{share:4.0%}  {values[0]:z6.2f}   {values[1]:z6.2f}")
    print(f"best G+C: {shares[learned.argmax()]:.0%}, true: {BEST_SHARE:.0%}")
    print(f"root mean square error: {np.sqrt(np.mean((learned - true) ** 2)):.2f} RT")


if __name__ == "__main__":
    main()
