"""Observed against predicted enrichment of sequences and of k-mers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..experiment import Experiment
from ..table import CountBatch
from .kmers import n_letters_of, sum_over_kmers
from .scoring import (
    binned,
    bins_text,
    chosen_columns,
    observed_counts,
    predicted_counts,
    pseudocount,
)
from .statistics import correlation, decimals, rank_correlation
from .style import (
    GREY,
    LABEL_SIZE,
    SEQUENTIAL,
    TICK_SIZE,
    FloatArray,
    bare_frame,
    colors,
    figure_of,
    label_axes,
    new_figure,
    panel_of,
    set_log_limits,
    title_with,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.figure import Figure

_MANY_POINTS = 500
_HEXAGONS = 45


@dataclass(frozen=True)
class Enrichment:
    """The enrichment of bins between two columns.

    Attributes:
        observed: By the observed counts, of shape (bins,).
        predicted: By the predicted counts, of shape (bins,), descending.
    """

    observed: FloatArray
    predicted: FloatArray

    @property
    def dynamic_range(self) -> float:
        """The greatest by the least observed enrichment."""
        return float(self.observed.max() / self.observed.min())

    @property
    def spearman(self) -> float:
        """The rank correlation; not a number for constant values."""
        return rank_correlation(self.observed, self.predicted)

    @property
    def pearson(self) -> float:
        """The correlation of the logs; not a number for constant values."""
        return correlation(np.log(self.observed), np.log(self.predicted))

    @property
    def rmsle(self) -> float:
        """The root of the mean squared difference of the natural logs."""
        difference = np.log(self.observed) - np.log(self.predicted)
        return float(np.sqrt(np.mean(difference**2)))

    def summary(self) -> str:
        """The statistics in one line."""
        return (
            f"max/min {self.dynamic_range:.1e},"
            f" $r_s$ {decimals(self.spearman)}, $r$ {decimals(self.pearson)},"
            f" RMSLE {self.rmsle:.3f}"
        )


def compare_enrichment(
    observed: FloatArray, predicted: FloatArray, kernel: int = 1
) -> Enrichment:
    r"""The enrichment between two columns, over bins of rows.

    Rows without an observed count are left out; the others are sorted by their
    predicted ratio, from high to low, and averaged by groups. The enrichment of a group
    is :math:`(c_2 + \epsilon) / (c_1 + \epsilon)` with a pseudocount of one read per
    group.

    Args:
        observed: Counts of shape (rows, 2).
        predicted: Expected counts of the same shape and scale.
        kernel: The number of rows of a group.

    Raises:
        ValueError: The rows with counts do not fill a group.
    """
    has_counts = (observed > 0).any(axis=1)
    observed, predicted = observed[has_counts], predicted[has_counts]
    # Small, but such that no ratio of counts overflows.
    least = np.sqrt(np.finfo(np.float64).tiny)
    ratio = (predicted[:, 1] + least) / (predicted[:, 0] + least)
    # Rows of equal predictions stay in their order, whatever the last digits are.
    order = np.argsort(-np.log(ratio).round(5), kind="stable")
    epsilon = pseudocount(kernel)
    return Enrichment(
        *(
            (means[:, 1] + epsilon) / (means[:, 0] + epsilon)
            for means in (binned(each[order], kernel) for each in (observed, predicted))
        )
    )


def enrichment_plotter(
    ax: Axes,
    counts_obs: Tensor | npt.ArrayLike,
    counts_pred: Tensor | npt.ArrayLike,
    columns: Sequence[Any],
    kernel: int = 1,
    title: str = "",
    **kwargs: Any,
) -> PathCollection | PolyCollection:
    r"""Draws the observed against the predicted enrichment of successive columns.

    For two columns of counts, rows without an observed count are left out; the others
    are sorted by their predicted ratio, from high to low, and averaged by groups of
    ``kernel``. The enrichment of a group is
    :math:`(c_2 + \epsilon) / (c_1 + \epsilon)` with
    :math:`\epsilon` = 1 / ``kernel``. The legend tells the greatest by the least
    observed enrichment, Spearman's :math:`r_s`, Pearson's :math:`r` of the logs, and
    the root mean squared difference of the natural logs (RMSLE).

    Args:
        ax: Where to draw.
        counts_obs: Observed counts of shape (rows, columns).
        counts_pred: Expected counts of the same shape, on the same scale.
        columns: The name of each column.
        kernel: The number of rows of a group.
        title: The title.
        **kwargs: Options of ``Axes.hexbin``, if there are two columns and more than
            500 groups, else of ``Axes.scatter``.

    Returns:
        The hexagons, or the points of the last pair of columns.

    Raises:
        ValueError: The shapes differ, there is not a name for each column, there are
            fewer than two columns, or the rows with counts do not fill a group.
    """
    observed, predicted = _as_counts(counts_obs), _as_counts(counts_pred)
    _check_shapes(observed, predicted, columns)
    pairs = list(itertools.pairwise(range(len(columns))))
    results = [
        compare_enrichment(observed[:, pair], predicted[:, pair], kernel)
        for pair in map(list, pairs)
    ]
    labels = [
        f"{columns[first]}→{columns[second]}: {result.summary()}"
        for (first, second), result in zip(pairs, results, strict=True)
    ]
    everything = np.concatenate(
        [[each.observed, each.predicted] for each in results], 1
    )
    set_log_limits(ax, "x", everything)
    set_log_limits(ax, "y", everything)
    ax.axline((1, 1), (2, 2), color=GREY, linewidth=1, linestyle="--", zorder=0)
    artist: PathCollection | PolyCollection
    if len(results) == 1 and len(results[0].observed) > _MANY_POINTS:
        artist = _draw_hexagons(ax, results[0], **kwargs)
        # Hexagons have no colour of their own for a legend.
        ax.plot([], [], linestyle="none", label=labels[0])
    else:
        for result, label, color in zip(
            results, labels, colors(len(results)), strict=True
        ):
            options = {"color": color, "alpha": 0.6, "s": 14, "linewidths": 0}
            artist = ax.scatter(
                result.predicted, result.observed, label=label, **(options | kwargs)
            )
    # Outside of the panel, where it covers no point.
    ax.legend(
        fontsize=TICK_SIZE,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        handletextpad=0.4,
    )
    label_axes(ax, "Predicted enrichment", "Observed enrichment", title)
    bare_frame(ax)
    return artist


def _draw_hexagons(ax: Axes, result: Enrichment, **kwargs: Any) -> PolyCollection:
    defaults: dict[str, Any] = {
        "gridsize": _HEXAGONS,
        "bins": "log",
        "cmap": SEQUENTIAL,
        "mincnt": 1,
        "linewidths": 0.2,
    }
    artist = ax.hexbin(
        result.predicted,
        result.observed,
        xscale="log",
        yscale="log",
        # Hexagons of equal size in both directions, in powers of ten.
        extent=tuple(np.log10([*ax.get_xlim(), *ax.get_ylim()])),
        **(defaults | kwargs),
    )
    everything = np.array([result.observed, result.predicted])
    set_log_limits(ax, "x", everything)
    set_log_limits(ax, "y", everything)
    bar = panel_of(ax).colorbar(artist, ax=ax, aspect=30)
    bar.set_label("Points per hexagon", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    return artist


def probe_enrichment(
    experiment: Experiment,
    batch: CountBatch,
    columns: Sequence[int] | None = None,
    kernel: int = 500,
    max_split: int | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    r"""Draws the observed against the predicted enrichment of sequences.

    The predicted count of a sequence in a round is its share :math:`p_r(S)` of the
    reads of the sequence. See ``enrichment_plotter`` for the axes and the legend.

    Args:
        experiment: The experiment.
        batch: Its table, or some rows of it.
        columns: The places of the observed rounds that are compared, each with the
            next, by default all.
        kernel: The number of sequences that are averaged.
        max_split: The number of rows that are scored at once.
        ax: Where to draw; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: There is no such column, the counts are not those of the
            experiment, or the rows with counts do not fill a bin.
    """
    observed = observed_counts(experiment, batch)
    predicted = predicted_counts(experiment, batch, max_split)
    chosen = chosen_columns(columns, observed.shape[1])
    if ax is None:
        ax = _new_panel(len(chosen))
    bins = f"bins of {kernel:,} sequences" if kernel > 1 else "sequences"
    enrichment_plotter(
        ax,
        observed[:, chosen],
        predicted[:, chosen],
        _names(experiment, chosen),
        kernel=kernel,
        title=title_with("Experiment", experiment.name, bins),
    )
    return figure_of(ax)


def kmer_enrichment(
    experiment: Experiment,
    batch: CountBatch,
    columns: Sequence[int] | None = None,
    kmer_length: int = 3,
    kernel: int = 500,
    max_split: int | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draws the observed against the predicted enrichment of k-mers.

    Observed and predicted counts are added up over all places of a k-mer in all
    sequences, flanks included; places with a wildcard or without a letter do not count.
    See ``enrichment_plotter`` for the axes and the legend.

    Args:
        experiment: The experiment.
        batch: Its table, or some rows of it.
        columns: The places of the observed rounds that are compared, each with the
            next, by default all.
        kmer_length: The number of letters of a k-mer.
        kernel: The number of k-mers that are averaged. If there are fewer k-mers than
            that, each is a point.
        max_split: The number of rows that are scored at once.
        ax: Where to draw; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: There is no such column, the counts are not those of the
            experiment, or no row has a k-mer.
    """
    observed = observed_counts(experiment, batch)
    predicted = predicted_counts(experiment, batch, max_split)
    chosen = chosen_columns(columns, observed.shape[1])
    codes = batch.seqs.detach().cpu().numpy()
    n_letters = n_letters_of(experiment, batch)
    _, sums = sum_over_kmers(
        codes,
        np.concatenate([observed[:, chosen], predicted[:, chosen]], axis=1),
        kmer_length,
        n_letters,
    )
    kmer_observed, kmer_predicted = np.split(sums, 2, axis=1)
    if kernel > len(sums):
        kernel = 1
    if ax is None:
        ax = _new_panel(len(chosen))
    enrichment_plotter(
        ax,
        kmer_observed,
        kmer_predicted,
        _names(experiment, chosen),
        kernel=kernel,
        title=title_with(
            "Experiment",
            experiment.name,
            bins_text(len(sums) // max(kernel, 1), kernel, f"{kmer_length}-mers"),
        ),
    )
    return figure_of(ax)


# --- helpers ---------------------------------------------------------------------


def _new_panel(n_columns: int) -> Axes:
    return new_figure(6.2, 6 + 0.22 * n_columns).subplots()


def _names(experiment: Experiment, columns: Sequence[int]) -> list[str]:
    return [experiment.observed_rounds[column].name for column in columns]


def _as_counts(values: Tensor | npt.ArrayLike) -> FloatArray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _check_shapes(
    observed: FloatArray, predicted: FloatArray, columns: Sequence[Any]
) -> None:
    if observed.ndim != 2 or observed.shape != predicted.shape:
        raise ValueError(
            "Observed and predicted counts must have the same shape (rows, columns),"
            f" not {observed.shape} and {predicted.shape}"
        )
    if len(columns) != observed.shape[1]:
        raise ValueError(
            f"There are {observed.shape[1]} columns of counts but {len(columns)} names"
        )
    if len(columns) < 2:
        raise ValueError("Enrichment is between two columns, but there is only one")
