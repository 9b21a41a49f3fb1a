"""Simulated SELEX experiments."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ..aggregate import Aggregate, Contribution
from ..alphabets import DNA
from ..base import Component, Transform
from ..experiment import Experiment
from ..layers import Conv0d, Conv1d, NonSpecific
from ..mode import Mode
from ..rounds import (
    BaseRound,
    BoundRound,
    BoundUnsaturatedRound,
    InitialRound,
)
from .library import Library
from .motifs import builtin_motif

__all__ = ["builtin_model", "simulate"]

logger = logging.getLogger(__name__)

Sampling = Literal["poisson", "multinomial"]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

DEFAULT_READS = 100_000
# Few molecules are read twice if there are this many of them for each read.
MOLECULES_PER_READ = 30


def builtin_model(
    length: int = 20, rounds: int = 1, *, saturation: bool = False
) -> Experiment:
    """The model of simulations without a model.

    A protein binds the built-in motif on both strands and, a thousand times weaker
    than its best site, any stretch of DNA: a library of 20 random letters has about as
    much bound to each. With saturation, half of the molecules with a best site are
    bound.

    Args:
        length: The number of letters of a molecule.
        rounds: The number of rounds of selection.
        saturation: Whether binding saturates.

    Returns:
        An experiment with the rounds 0 (the library), 1, ..., each selected from the
        one before it by the same protein at the same concentration.

    Raises:
        ValueError: The molecules are shorter than the motif, or there is no round.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, not {rounds}")
    psam = builtin_motif()
    nonspecific = NonSpecific(psam.alphabet or DNA(), name="nonspecific")
    lengths = (length, length, length)
    aggregate = Aggregate(
        [
            Contribution(Mode([Conv0d(nonspecific, *lengths)]), log_activity=-7.5),
            Contribution(Mode([Conv1d(psam, *lengths)]), log_activity=0.0),
        ]
    )
    kind = BoundRound if saturation else BoundUnsaturatedRound
    chain: list[BaseRound] = [InitialRound(name="0")]
    for number in range(1, rounds + 1):
        chain.append(kind(aggregate, chain[-1], name=str(number)))
    return Experiment(chain, name="builtin")


def simulate(
    experiment: Experiment,
    rounds: int | None = None,
    reads_per_round: int | Sequence[int] = DEFAULT_READS,
    length: int | None = None,
    seed: int = 0,
    *,
    library_size: int | None = None,
    left_flank: str = "",
    right_flank: str = "",
    composition: Sequence[float] | None = None,
    sampling: Sampling = "poisson",
) -> pd.DataFrame:
    r"""Simulates the count table of a SELEX experiment.

    The library consists of ``library_size`` molecules whose letters are drawn
    independently. Round :math:`r` holds molecule :math:`i` in proportion to its
    cumulative enrichment :math:`E_r(S_i)`, the product of the enrichments of all
    rounds up to it, and is sequenced to a depth of :math:`n_r` reads:

    .. math::
        k_{i,r} \sim \mathrm{Poisson}\left( n_r \frac{E_r(S_i)}{\sum_j E_r(S_j)}
        \right)

    So for any one sequence, reads are distributed over the rounds exactly as the
    experiment predicts, with a depth of :math:`n_r / \sum_j E_r(S_j)`. Selection
    itself is not a random process here: each molecule of the library stands for many
    copies. The smaller the library, the fewer distinct strong binders it has; real
    ones have :math:`10^9` molecules and more. If the reads of a round come from fewer
    molecules than there are reads, a warning is logged.

    Molecules are drawn and scored in blocks, twice (once to learn the sums), so memory
    grows with the number of reads and not with the library. The result depends on the
    arguments alone.

    Args:
        experiment: The rounds and what binds in them; it is not changed.
        rounds: The number of rounds of selection, each of which selects as the last
            round of the experiment does, from the round before it. By default the
            rounds are those that the experiment observes.
        reads_per_round: The depth :math:`n_r`, for all or for each of the rounds, the
            library first.
        length: The number of random letters of a molecule; by default what the model
            was made for, less the flanks.
        seed: From it follow the molecules and the counts.
        library_size: The number of molecules; 30 for each read of the deepest round by
            default.
        left_flank: Constant letters in front of the random ones, which are bound too.
        right_flank: Constant letters behind them.
        composition: The frequency of each letter, in the order of the alphabet; equal
            by default.
        sampling: ``poisson``, or ``multinomial`` for exactly ``reads_per_round`` reads.

    Returns:
        The counts, with a row for each distinct sequence that was read, sorted, and a
        column for each round, 0, 1, ... The index holds the random letters alone.

    Raises:
        ValueError: An argument is not possible, the molecules do not fit the model, or
            nothing is enriched in a round.
    """
    selection = _Selection.of(experiment, rounds)
    depths = _depths(reads_per_round, selection.n_rounds)
    if sampling not in ("poisson", "multinomial"):
        raise ValueError(
            f"sampling must be 'poisson' or 'multinomial', not {sampling!r}"
        )
    library = Library.of(
        experiment,
        length=length,
        size=max(1, MOLECULES_PER_READ * int(depths.max()))
        if library_size is None
        else library_size,
        flanks=(left_flank, right_flank),
        composition=composition,
        seed=seed,
    )
    training = experiment.training
    experiment.eval()
    try:
        with torch.inference_mode():
            return _sequence(selection, library, depths, sampling)
    finally:
        experiment.train(training)


# --- selection -------------------------------------------------------------------


class _Selection(Transform):
    """The cumulative log enrichment of a molecule in each round.

    Being one Transform, it scores what the rounds share once.
    """

    def __init__(self, rounds: Sequence[BaseRound], repeats: int | None) -> None:
        super().__init__()
        self.rounds = torch.nn.ModuleList(rounds)
        self.repeats = repeats

    @classmethod
    def of(cls, experiment: Experiment, repeats: int | None) -> _Selection:
        """Checks the arguments of ``simulate``."""
        observed: list[BaseRound] = list(experiment.observed_rounds)
        if repeats is None:
            return cls(observed, None)
        if repeats < 1:
            raise ValueError(f"rounds must be at least 1, not {repeats}")
        selecting = [step for step in observed if not isinstance(step, InitialRound)]
        if not selecting:
            raise ValueError("The experiment has no round of selection to repeat")
        return cls(selecting[-1:], repeats)

    @property
    def n_rounds(self) -> int:
        """The number of columns of the table."""
        return len(self.rounds) if self.repeats is None else self.repeats + 1

    def components(self) -> Iterator[Component]:
        """The rounds."""
        yield from self._steps

    @property
    def _steps(self) -> list[BaseRound]:
        return [step for step in self.rounds if isinstance(step, BaseRound)]

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """Cumulative log enrichments, of shape (rows, rounds of selection)."""
        if self.repeats is None:
            columns = [step.log_cumulative_enrichment(seqs) for step in self._steps]
            return torch.stack(columns, dim=1)
        single = self._steps[0].log_enrichment(seqs)
        numbers = torch.arange(self.n_rounds, device=single.device)
        # Nothing to the power of 0 is 1, but 0 times infinity is not a number.
        return torch.where(numbers == 0, 0.0, numbers * single[:, None])

    def log_enrichment(self, seqs: Tensor) -> FloatArray:
        """``forward`` for molecules on the CPU, in double precision."""
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        result: FloatArray = self(seqs.to(device)).double().cpu().numpy()
        if np.isnan(result).any():
            raise ValueError("The model predicts enrichments that are not numbers")
        return result


def _depths(reads_per_round: int | Sequence[int], n_rounds: int) -> IntArray:
    if isinstance(reads_per_round, int):
        reads_per_round = [reads_per_round] * n_rounds
    if len(reads_per_round) != n_rounds:
        raise ValueError(
            f"reads_per_round has {len(reads_per_round)} numbers, but there are"
            f" {n_rounds} rounds, the library included"
        )
    if min(reads_per_round) < 0 or max(reads_per_round) == 0:
        raise ValueError(
            f"reads_per_round must not be negative nor all zero: {reads_per_round}"
        )
    return np.array(reads_per_round, dtype=np.int64)


# --- sequencing ------------------------------------------------------------------


def _sequence(
    selection: _Selection, library: Library, depths: IntArray, sampling: Sampling
) -> pd.DataFrame:
    log_sums = _block_log_sums(selection, library, depths)
    log_totals = _log_sum(log_sums)
    generator = library.count_generator(library.n_blocks)
    reads_of_block = _draw_exactly(depths, log_sums, generator)
    texts: list[str] = []
    counts: list[IntArray] = []
    for block in range(library.n_blocks):
        codes = library.random_codes(block)
        log_weights = selection.log_enrichment(library.with_flanks(codes))
        generator = library.count_generator(block)
        if sampling == "poisson":
            drawn = generator.poisson(depths * np.exp(log_weights - log_totals))
        else:
            drawn = _draw_exactly(reads_of_block[block], log_weights, generator)
        was_read = drawn.any(axis=1)
        texts += library.texts(codes[was_read])
        counts.append(drawn[was_read])
    frame = pd.DataFrame(np.concatenate(counts), index=pd.Index(texts, dtype=object))
    return frame.groupby(level=0, sort=True).sum()


def _block_log_sums(
    selection: _Selection, library: Library, depths: IntArray
) -> FloatArray:
    """The log of the summed weights of each block and round: (blocks, rounds).

    Raises:
        ValueError: All weights of a round are zero.
    """
    sums = np.empty((library.n_blocks, selection.n_rounds))
    squares = np.empty_like(sums)
    for block in range(library.n_blocks):
        codes = library.with_flanks(library.random_codes(block))
        log_weights = selection.log_enrichment(codes)
        sums[block] = _log_sum(log_weights)
        squares[block] = _log_sum(2 * log_weights)
    totals = _log_sum(sums)
    if not np.isfinite(totals).all():
        empty = int(np.flatnonzero(~np.isfinite(totals))[0])
        raise ValueError(f"Round {empty} has no molecules: the model binds none")
    # Kish's effective sample size: equal weights that would vary as much.
    molecules = np.exp(2 * totals - _log_sum(squares))
    for number in np.flatnonzero(molecules < depths):
        logger.warning(
            "The %s reads of round %d come from about %s molecules; a larger library"
            " has more distinct sequences",
            f"{depths[number]:,}",
            number,
            f"{molecules[number]:,.0f}",
        )
    return sums


def _draw_exactly(
    reads: IntArray, log_weights: FloatArray, generator: np.random.Generator
) -> IntArray:
    """Distributes the reads of each round over some parts: (parts, rounds).

    Args:
        reads: How many reads each round has.
        log_weights: The log weight of each part in each round.
        generator: The random numbers.
    """
    counts = np.zeros(log_weights.shape, dtype=np.int64)
    for number in np.flatnonzero(reads):
        weights = np.exp(log_weights[:, number] - log_weights[:, number].max())
        shares = weights / weights.sum()
        counts[:, number] = generator.multinomial(reads[number], shares)
    return counts


def _log_sum(log_values: FloatArray) -> FloatArray:
    """The log of the sum over the rows of values given by their logs."""
    greatest = log_values.max(axis=0)
    # Logs of zero only: any finite reference will do.
    reference = np.where(np.isfinite(greatest), greatest, 0.0)
    with np.errstate(divide="ignore"):
        result: FloatArray = np.log(np.exp(log_values - reference).sum(axis=0))
    return result + reference
