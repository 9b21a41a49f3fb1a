"""The models that are measured."""

from collections.abc import Sequence

import torch

import pyprobound
from pyprobound import layers, rounds
from pyprobound.base import Binding

BCD_SIZE = 12
BCD_FLANK_LENGTH = 5


def ctcf_model(
    table: pyprobound.CountTable,
    size: int = 16,
    *,
    pairwise_distance: int = 0,
    posbias: bool = False,
) -> tuple[pyprobound.MultiExperimentLoss, layers.PSAM]:
    """Non-specific binding and one motif: an input and a bound round.

    Returns:
        The loss, and the motif at a random start.
    """
    psam = layers.PSAM(
        size, table.alphabet, pairwise_distance=pairwise_distance, name="motif"
    )
    bindings = [
        _nonspecific(table),
        pyprobound.Mode.from_psam(psam, table, train_posbias=posbias),
    ]
    return _one_round(bindings), psam


def bcd_model(
    table: pyprobound.CountTable,
) -> tuple[pyprobound.MultiExperimentLoss, layers.PSAM]:
    """Four rounds of selection by non-specific binding and one motif.

    The regularisation is that of the fit that was published with the table: it
    includes the depths of all rounds, and 20 pseudo-reads of each letter.

    Returns:
        The loss, and the motif at a random start.
    """
    psam = layers.PSAM(BCD_SIZE, table.alphabet, name="motif")
    bindings = [
        _nonspecific(table, ignore_length=True),
        pyprobound.Mode.from_psam(psam, table),
    ]
    chain = rounds.repeat_round(
        bindings, table.target.shape[1], rounds.BoundUnsaturatedRound
    )
    experiment = pyprobound.Experiment(chain, table.counts_per_round)
    # Only ratios of depths matter to the likelihood, but the squares of all of them
    # are a part of the loss that is compared.
    chain[0].train_depth = True
    loss = pyprobound.MultiExperimentLoss(
        [experiment],
        lambda_l2=1e-6,
        pseudocount=20,
        exponential_bound=40,
        dilute_regularization=True,
    )
    return loss, psam


def pair_model(
    table: pyprobound.CountTable, size: int
) -> pyprobound.MultiExperimentLoss:
    """Two motifs that bind alone and together, at any distance."""
    a, b = (
        pyprobound.Mode.from_psam(layers.PSAM(size, table.alphabet, name=name), table)
        for name in ("a", "b")
    )
    spacing = pyprobound.Spacing(a.key(), b.key(), name="a:b")
    pair = pyprobound.Cooperativity(spacing, a, b)
    return _one_round([_nonspecific(table), a, b, pair])


def _nonspecific(
    table: pyprobound.CountTable, *, ignore_length: bool = False
) -> pyprobound.Mode:
    spec = layers.NonSpecific(
        table.alphabet, ignore_length=ignore_length, name="nonspecific"
    )
    return pyprobound.Mode.from_nonspecific(spec, table)


def _one_round(bindings: Sequence[Binding]) -> pyprobound.MultiExperimentLoss:
    library = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding(bindings, library)
    experiment = pyprobound.Experiment([library, bound])
    return pyprobound.MultiExperimentLoss([experiment], lambda_l2=1e-6)


def randomise(loss: pyprobound.MultiExperimentLoss, seed: int = 0) -> None:
    """Gives all bindings a part in the loss, and all their values typical sizes.

    The values of motifs are drawn from a normal distribution with a standard deviation
    of 1 RT. All parameters that may be trained are trainable afterwards.
    """
    generator = torch.Generator().manual_seed(seed)
    for part in list(loss.modules()):
        if isinstance(part, pyprobound.Aggregate):
            for contribution in part.contributions:
                part.activity_heuristic(contribution)
        elif isinstance(part, layers.PSAM):
            with torch.no_grad():
                for values in part.betas.values():
                    values.normal_(generator=generator)
    loss.unfreeze("all")
