"""What a fit reports beyond the records of training."""

from __future__ import annotations

from dataclasses import dataclass

from ..optim.records import Record


@dataclass(frozen=True)
class StartBegun(Record):
    """A random start begins.

    Attributes:
        start: The number of the start, from 0.
        n_starts: How many there are.
        seed: The seed of its random values.
    """

    start: int
    n_starts: int
    seed: int


@dataclass(frozen=True)
class StartDone(Record):
    """A random start has ended, in this process or an earlier one.

    Attributes:
        start: The number of the start, from 0.
        n_starts: How many there are.
        loss: Its loss: the negative log-likelihood per read plus regularization.
        negloglik: The negative log-likelihood per read of the training data.
        seconds: Its duration.
    """

    start: int
    n_starts: int
    loss: float
    negloglik: float
    seconds: float
