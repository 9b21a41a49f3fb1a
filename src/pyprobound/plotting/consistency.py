"""Measured shares of molecules against predicted absolute constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..experiment import Experiment
from ..rounds import BaseRound, ExponentialRound
from ..table import CountBatch
from .scoring import (
    binned,
    bins_text,
    chosen_columns,
    evaluate,
    observed_counts,
    predicted_counts,
    pseudocount,
)
from .style import (
    BLUE,
    TICK_SIZE,
    TITLE_SIZE,
    VERMILLION,
    FloatArray,
    bare_frame,
    label_axes,
    new_figure,
    numbered,
    root_of,
    set_log_limits,
    title_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase


@dataclass(frozen=True)
class Shares:
    """The share of the molecules that are in a round, over bins of sequences.

    Attributes:
        constant: The predicted constant of each bin, ascending.
        observed: The share by the observed counts.
        predicted: The share by the predicted counts.
    """

    constant: FloatArray
    observed: FloatArray
    predicted: FloatArray

    @property
    def rmse(self) -> float:
        """The root of the mean squared difference of the shares."""
        return float(np.sqrt(np.mean((self.observed - self.predicted) ** 2)))


def shares_in_round(
    experiment: Experiment,
    place: int,
    reference: int,
    counts: tuple[FloatArray, FloatArray],
    log_constant: FloatArray,
    kernel: int,
) -> Shares:
    r"""The share of the molecules of a round that are in a later one.

    .. math::
        \frac{c_r + \epsilon}{c_i + \epsilon} \, \frac{\eta_i}{\eta_r}

    with mean counts over bins of sequences that are sorted by their constant, the
    depths :math:`\eta`, and a pseudocount of one read per bin.

    Args:
        experiment: The experiment.
        place: The place of the later round among the observed ones.
        reference: The place of the other one.
        counts: Observed and predicted counts, of shape (rows, rounds).
        log_constant: The log of the constant of each row.
        kernel: The number of rows of a bin.

    Raises:
        ValueError: The rows do not fill a bin.
    """
    order = np.argsort(log_constant, kind="stable")
    rounds = experiment.observed_rounds
    log_depth = rounds[reference].log_depth.item() - rounds[place].log_depth.item()
    epsilon = pseudocount(kernel)
    observed, predicted = (
        (means[:, place] + epsilon)
        / (means[:, reference] + epsilon)
        * np.exp(log_depth)
        for means in (binned(each[order], kernel) for each in counts)
    )
    return Shares(binned(np.exp(log_constant[order]), kernel), observed, predicted)


def kd_consistency(
    experiment: Experiment,
    i_index: int,
    b_index: int,
    u_index: int,
    batch: CountBatch,
    kernel: int = 500,
    max_split: int | None = None,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    r"""Draws the bound and the unbound share against the predicted affinity.

    The affinity is absolute, :math:`1 / K_D(S) = Z(S) / [P]_\text{free}`, in the
    inverse of the unit of the concentrations. The shares come from the counts of the
    bound (or unbound) round and the input, by mean counts over bins of sequences with
    one read per bin added, and from the depths. Where the model is consistent, the
    points lie on the dashed line.

    Args:
        experiment: The experiment, with the numbers of reads of its rounds.
        i_index: The place of the input among the observed rounds.
        b_index: The place of the bound round.
        u_index: The place of the unbound round.
        batch: The table of the experiment, or some rows of it.
        kernel: The number of sequences of a bin.
        max_split: The number of rows that are scored at once.
        figure: Where to draw, a figure or a part of one; a new one by default.

    Returns:
        The figure.

    Raises:
        ValueError: The rounds are not those of a Kd-seq experiment (see
            ``Experiment.free_protein``), no protein is free, or the rows do not fill
            a bin.
    """
    log_affinity = log_affinities(
        experiment, i_index, b_index, u_index, batch, max_split
    )
    counts = _counts(experiment, batch, max_split)
    panels = {
        name: shares_in_round(experiment, place, i_index, counts, log_affinity, kernel)
        for name, place in (("Bound share", b_index), ("Unbound share", u_index))
    }
    if figure is None:
        figure = new_figure(6.5, 6.5)
    axes = figure.subplots(2, sharex=True)
    for ax, (name, shares) in zip(axes, panels.items(), strict=True):
        _draw_shares(ax, shares)
        label_axes(ax, "", name)
    label_axes(axes[1], r"Predicted $1 / K_D$", "Unbound share")
    return _titled(
        figure, experiment, bins_text(len(shares.constant), kernel, "sequences")
    )


def log_affinities(
    experiment: Experiment,
    i_index: int,
    b_index: int,
    u_index: int,
    batch: CountBatch,
    max_split: int | None = None,
) -> FloatArray:
    r"""The log of the absolute affinity :math:`1 / K_D` of each row.

    Args:
        experiment: See ``kd_consistency``, as for all arguments.
        i_index: See ``kd_consistency``.
        b_index: See ``kd_consistency``.
        u_index: See ``kd_consistency``.
        batch: See ``kd_consistency``.
        max_split: See ``kd_consistency``.

    Raises:
        ValueError: See ``kd_consistency``.
    """
    free = experiment.free_protein(i_index, b_index, u_index)
    if not free > 0:
        raise ValueError(
            f"The concentration of free protein is {free:.4g}, so there is no affinity:"
            " the concentrations, numbers of reads or depths do not agree"
        )
    bound = experiment.observed_rounds[b_index]
    log_z = evaluate(experiment, batch, bound.log_aggregate, max_split)
    log_affinity: FloatArray = log_z - np.log(free)
    return log_affinity


def keff_consistency(
    experiment: Experiment,
    batch: CountBatch,
    columns: Sequence[int] | None = None,
    kernel: int = 500,
    max_split: int | None = None,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    r"""Draws the modified share of each round against the predicted rate.

    The rate is :math:`k_\text{eff}(S) = Z(S)`, the number of reactions expected in the
    time of the round. The shares come from the counts of a round and its reference, by
    mean counts over bins of sequences with one read per bin added, and from the
    depths. Where the model is consistent, the points lie on the dashed line.

    Args:
        experiment: The experiment.
        batch: Its table, or some rows of it.
        columns: The places of the rounds among the observed ones, by default all that
            are an ``ExponentialRound``.
        kernel: The number of sequences of a bin.
        max_split: The number of rows that are scored at once.
        figure: Where to draw, a figure or a part of one; a new one by default.

    Returns:
        The figure.

    Raises:
        ValueError: A column is no ``ExponentialRound``, or there is none; a reference
            round is not observed; or the rows do not fill a bin.
    """
    places = exponential_columns(experiment, columns)
    references = [_reference_place(experiment, place) for place in places]
    counts = _counts(experiment, batch, max_split)
    if figure is None:
        figure = new_figure(6.5, 1.2 + 2.7 * len(places))
    axes = figure.subplots(len(places), squeeze=False)[:, 0]
    for ax, place, reference in zip(axes, places, references, strict=True):
        current = experiment.observed_rounds[place]
        log_rate = evaluate(experiment, batch, current.log_aggregate, max_split)
        shares = shares_in_round(experiment, place, reference, counts, log_rate, kernel)
        _draw_shares(ax, shares)
        label_axes(ax, "", f"Modified share, {numbered('round', current.name)}")
    label_axes(axes[-1], r"Predicted $k_\mathrm{eff}$", axes[-1].get_ylabel())
    return _titled(
        figure, experiment, bins_text(len(shares.constant), kernel, "sequences")
    )


def exponential_columns(
    experiment: Experiment, columns: Sequence[int] | None
) -> list[int]:
    """The places of the rounds of a reaction.

    Args:
        experiment: The experiment.
        columns: The places among the observed rounds; None for all such rounds.

    Raises:
        ValueError: A column is no ``ExponentialRound``, or there is none.
    """
    rounds = experiment.observed_rounds
    if columns is None:
        columns = [i for i, each in enumerate(rounds) if _is_exponential(each)]
        if not columns:
            raise ValueError("The experiment observes no ExponentialRound")
    places = chosen_columns(columns, len(rounds))
    for place in places:
        if not _is_exponential(rounds[place]):
            raise ValueError(
                f"Round {place} is a {type(rounds[place]).__name__}, not an"
                " ExponentialRound"
            )
    return places


def _is_exponential(each: BaseRound) -> bool:
    return isinstance(each, ExponentialRound)


def _reference_place(experiment: Experiment, place: int) -> int:
    rounds = experiment.observed_rounds
    reference = rounds[place].reference_round
    for index, each in enumerate(rounds):
        if each is reference:
            return index
    raise ValueError(
        f"The reference of round {place} is not observed, so there are no counts to"
        " compare with; leave the round out of columns"
    )


def _counts(
    experiment: Experiment, batch: CountBatch, max_split: int | None
) -> tuple[FloatArray, FloatArray]:
    return (
        observed_counts(experiment, batch),
        predicted_counts(experiment, batch, max_split),
    )


def _draw_shares(ax: Axes, shares: Shares) -> None:
    ax.plot(
        shares.constant,
        shares.observed,
        "o",
        color=BLUE,
        markersize=4,
        alpha=0.6,
        markeredgewidth=0,
        label=f"Observed (RMSE {shares.rmse:.3g})",
    )
    ax.plot(
        shares.constant,
        shares.predicted,
        color=VERMILLION,
        linestyle="--",
        label="Predicted",
    )
    set_log_limits(ax, "x", shares.constant)
    ax.set_ylim(bottom=0)
    ax.margins(y=0.1)
    bare_frame(ax)
    ax.legend(fontsize=TICK_SIZE, frameon=False)


def _titled(figure: FigureBase, experiment: Experiment, points: str) -> Figure:
    """Writes the title, and returns the figure that this one is or belongs to."""
    title = title_with("Experiment", experiment.name, points)
    figure.suptitle(title, fontsize=TITLE_SIZE)
    return root_of(figure)
