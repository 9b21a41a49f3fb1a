"""What a fit reports beyond the records of training."""

from __future__ import annotations

from dataclasses import dataclass

from ..optim.records import Record


@dataclass(frozen=True)
class StartsShared(Record):
    """Several random starts are going to run at the same time.

    Attributes:
        n_starts: How many are to be run.
        n_jobs: How many of them run at the same time.
        threads: With how many threads each of them computes.
    """

    n_starts: int
    n_jobs: int
    threads: int


@dataclass(frozen=True)
class StartContinued(Record):
    """The records that follow are of this start.

    Only reported where several starts run at the same time.

    Attributes:
        start: The number of the start, from 0.
    """

    start: int


@dataclass(frozen=True)
class StartBegun(Record):
    """A random start begins; the records that follow are of it.

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
