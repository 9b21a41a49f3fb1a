"""Which binding the molecules of a round owe to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..aggregate import Aggregate
from ..rounds import Round
from ..table import CountBatch
from .scoring import binned, bins_text, evaluate
from .style import (
    GREY,
    TICK_SIZE,
    TITLE_SIZE,
    FloatArray,
    bare_frame,
    colors,
    label_axes,
    new_figure,
    root_of,
    set_log_limits,
    shortened,
    title_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

_HISTOGRAM_BINS = 60


@dataclass(frozen=True)
class Contributions:
    """How bindings share the aggregate.

    Attributes:
        names: The names of the bindings.
        log_aggregate: The log of the aggregate of each row, ascending.
        shares: The share of each binding, of shape (rows, bindings).
    """

    names: list[str]
    log_aggregate: FloatArray
    shares: FloatArray


def contributions_of(
    rnd: Round | Aggregate, batch: CountBatch, max_split: int | None = None
) -> Contributions:
    """The share of each binding in the aggregate of each row, sorted by the aggregate.

    Rows to which nothing binds are left out, and so are bindings without activity.

    Args:
        rnd: A round, or an aggregate.
        batch: The rows, or a table.
        max_split: The number of rows that are scored at once.

    Raises:
        ValueError: Nothing binds to any row.
    """
    aggregate = rnd if isinstance(rnd, Aggregate) else rnd.aggregate
    active = [each for each in aggregate.contributions if each.is_contributing]
    if not active:
        raise ValueError("No binding contributes: the activity of each is zero")

    def terms(seqs: Tensor) -> Tensor:
        return torch.stack([each(seqs) for each in active], dim=1)

    logs = evaluate(aggregate, batch, terms, max_split)
    logs = logs[np.isfinite(logs).any(axis=1)]
    if not len(logs):
        raise ValueError("Nothing binds to any row: all aggregates are zero")
    totals = np.logaddexp.reduce(logs, axis=1)
    order = np.argsort(totals, kind="stable")
    return Contributions(
        [str(each.binding) for each in active],
        totals[order] + aggregate.log_target_concentration.item(),
        np.exp(logs - totals[:, None])[order],
    )


def contribution(
    rnd: Round | Aggregate,
    batch: CountBatch,
    kernel: int = 500,
    max_split: int | None = None,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    r"""Draws which bindings make up the aggregate, from weak to strong sequences.

    The rows are sorted by their aggregate :math:`Z` and averaged by groups of
    ``kernel``; the coloured areas are the mean shares of the bindings, stacked to 1.
    The upper panel shows how many rows have which aggregate.

    Args:
        rnd: A round, or an aggregate.
        batch: The rows, or a table.
        kernel: The number of rows of a group.
        max_split: The number of rows that are scored at once.
        figure: Where to draw, a figure or a part of one; a new one by default.

    Returns:
        The figure.

    Raises:
        ValueError: Nothing binds to any row, or the rows do not fill a group.
    """
    result = contributions_of(rnd, batch, max_split)
    aggregate = np.exp(result.log_aggregate)
    means = binned(result.shares, kernel)
    places = binned(aggregate, kernel)
    if figure is None:
        figure = new_figure(7, 5.2 + 0.25 * len(result.names))
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(1, 2.2))
    set_log_limits(lower, "x", aggregate)
    _draw_histogram(upper, aggregate)
    left, right = lower.get_xlim()
    if aggregate[-1] > aggregate[0]:
        left, right = aggregate[0], aggregate[-1]
    # The outer groups reach to the ends of the histogram.
    places = np.concatenate([[left], places, [right]])
    means = np.concatenate([means[:1], means, means[-1:]])
    lower.stackplot(
        places,
        means.T,
        labels=[
            f"{shortened(name)} ({share:.1%})"
            for name, share in zip(
                result.names, result.shares.mean(axis=0), strict=True
            )
        ],
        colors=colors(len(result.names)),
    )
    lower.set_ylim(0, 1)
    label_axes(lower, r"Aggregate $Z$", "Share of the aggregate")
    bare_frame(lower)
    lower.legend(
        fontsize=TICK_SIZE,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
    )
    bins = bins_text(len(means) - 2, kernel, "sequences")
    kind = "Aggregate" if isinstance(rnd, Aggregate) else "Round"
    figure.suptitle(title_with(kind, rnd.name, bins), fontsize=TITLE_SIZE)
    return root_of(figure)


def _draw_histogram(ax: Axes, aggregate: FloatArray) -> None:
    low, high = ax.get_xlim()
    ax.hist(
        aggregate,
        bins=np.geomspace(low, high, _HISTOGRAM_BINS + 1).tolist(),
        color=GREY,
        log=True,
    )
    # A single sequence in a bin is seen too.
    ax.set_ylim(bottom=0.5)
    label_axes(ax, "", "Sequences")
    bare_frame(ax)
