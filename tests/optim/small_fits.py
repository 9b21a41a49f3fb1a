"""Small fits that are done within a fraction of a second."""

import math

import numpy as np
import pandas as pd

import pyprobound as pp
from pyprobound import layers, rounds

ALPHABET = pp.alphabets.DNA()


def table(n_rows=120, length=8, motif="GAC", seed=1, **options):
    """Reads of which those with the motif are enriched in the second round."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (n_rows, length))
    reads = sorted({"".join("ACGT"[i] for i in row) for row in codes})
    matches = np.array(
        [
            max(
                sum(a == b for a, b in zip(read[i:], motif, strict=False))
                for i in range(length - len(motif) + 1)
            )
            for read in reads
        ]
    )
    first = generator.integers(30, 60, len(reads))
    second = np.round(first * np.exp(0.8 * matches)).astype(int)
    frame = pd.DataFrame({0: first, 1: second}, index=reads)
    return pp.CountTable(frame, ALPHABET, **options)


class SmallFit:
    """A motif and non-specific binding, with their table."""

    def __init__(self, seed_text="AC", seed=1, val_table=None, posbias=False, **psam):
        self.table = table(
            seed=seed, left_flank="TTTT", right_flank="CCCC", left_flank_length=1
        )
        self.val_table = val_table
        nonspecific = layers.NonSpecific(ALPHABET, name="ns")
        options = {"score_reverse": False, "seed": [seed_text], "seed_scale": 4}
        self.psam = layers.PSAM(
            kernel_size=len(seed_text),
            alphabet=ALPHABET,
            name="motif",
            **{**options, **psam},
        )
        self.nonspecific = pp.Mode.from_nonspecific(nonspecific, self.table)
        self.mode = pp.Mode.from_psam(self.psam, self.table, train_posbias=posbias)
        self.experiment = pp.Experiment(
            rounds.repeat_round(
                [self.nonspecific, self.mode], 2, rounds.BoundUnsaturatedRound
            )
        )
        self.loss = pp.MultiExperimentLoss([self.experiment], lambda_l2=1e-3)

    def optimizer(self, folder, **options):
        return pp.Optimizer(
            self.loss,
            [self.table],
            None if self.val_table is None else [self.val_table],
            checkpoint=folder / "best.pt",
            **{
                "output": folder / "log.txt",
                "device": "cpu",
                "epochs": 30,
                **options,
            },
        )

    def total(self):
        loss = self.loss([self.table])
        total = float((loss.negloglik + loss.regularization).detach())
        assert math.isfinite(total), "nothing binds: activate() the contributions"
        return total

    def activate(self):
        """Lets both modes contribute before any training."""
        for contribution in self.contributions():
            contribution.set_contribution(0)
        return self

    def contributions(self):
        modules = self.loss.modules()
        return [m for m in modules if isinstance(m, pp.Contribution)]
