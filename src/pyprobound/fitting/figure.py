"""The figure of observations against predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from ..plotting.statistics import correlation, decimals, rank_correlation
from ..plotting.style import (
    BLACK,
    BLUE,
    LABEL_SIZE,
    SEQUENTIAL,
    TICK_SIZE,
    FloatArray,
    figure_of,
    label_axes,
    new_figure,
    panel_of,
    set_log_ticks,
)
from ..utils import avg_pool1d
from .labels import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN = 0.05
# With more points than this, single ones cannot be told apart.
_MAX_POINTS = 500
_GRID_SIZE = 50


@dataclass(frozen=True)
class Points:
    """Predictions and observations on a linear scale.

    Attributes:
        predicted: The predictions.
        observed: The observations.
        errors: How far the error bars reach below and above the observations, of
            shape (2, points); None if there are no errors.
    """

    predicted: FloatArray
    observed: FloatArray
    errors: FloatArray | None = None

    @classmethod
    def of(
        cls,
        predicted: Tensor,
        observed: Tensor,
        lower: Tensor | None = None,
        upper: Tensor | None = None,
    ) -> Self:
        """Takes predictions, observations and the ends of the error bars."""
        x, y = predicted.double().numpy(), observed.double().numpy()
        if lower is None or upper is None:
            return cls(x, y)
        ends = y - lower.double().numpy(), upper.double().numpy() - y
        # Folded at zero, the end of a bar may lie beyond the value.
        return cls(x, y, np.maximum(np.stack(ends), 0.0))

    def averaged(self, kernel: int) -> Self:
        """Averages groups of points that follow each other in their predictions.

        Args:
            kernel: The number of points of a group; an incomplete last one is dropped.

        Raises:
            ValueError: There are fewer points than that.
        """
        if kernel <= 1:
            return self
        if kernel > len(self.predicted):
            raise ValueError(
                f"kernel is {kernel}, but there are only {len(self.predicted)} points"
            )
        order = np.argsort(-self.predicted, kind="stable")
        errors = None
        if self.errors is not None:
            squares = _means(self.errors.T[order] ** 2, kernel)
            errors = np.sqrt(squares / kernel).T
        return type(self)(
            _means(self.predicted[order], kernel),
            _means(self.observed[order], kernel),
            errors,
        )


def _means(values: FloatArray, kernel: int) -> FloatArray:
    result: FloatArray = avg_pool1d(torch.from_numpy(values), kernel).numpy()
    return result


def draw_comparison(
    points: Points,
    *,
    title: str,
    axis_labels: tuple[str, str],
    kernel: int,
    logarithmic: tuple[bool, bool],
    labels: Sequence[str] | None,
    colors: Sequence[Any] | str | None,
    ax: Axes | None,
) -> Figure:
    """Draws observations against predictions, see ``Fit.plot``."""
    n_points = len(points.predicted)
    if not np.isfinite(points.predicted + points.observed).any():
        raise ValueError(
            "No point has a finite prediction and a finite observation; check"
            " `prediction` and `observation`"
        )
    if labels is not None:
        _check_number("labels", labels, n_points)
    if colors is not None and not isinstance(colors, str):
        _check_number("colors", colors, n_points)
    if ax is None:
        ax = new_figure(5.2, 5).subplots()
    if not min(points.predicted.min(), points.observed.min()) > 0:
        logarithmic = (False, False)
    scales = _scales(logarithmic)
    limits = _limits(points, any(logarithmic))
    ax.set(xscale=scales[0], yscale=scales[1], xlim=limits, ylim=limits)
    ax.set_box_aspect(1)
    is_map = (
        n_points > _MAX_POINTS
        and points.errors is None
        and labels is None
        and colors is None
    )
    if is_map:
        _draw_density(
            ax, points, logarithmic, limits, "Bins" if kernel > 1 else "Probes"
        )
    else:
        _draw_points(ax, points, colors)
    # Where correlated points are not; `best` does not see a map.
    _draw_statistics(
        ax, points, logarithmic, limits, "upper left" if is_map else "best"
    )
    what = (
        f"{n_points:,} bins of n={kernel:,}" if kernel > 1 else f"{n_points:,} probes"
    )
    label_axes(ax, *axis_labels, f"{title} ({what})".strip())
    for axis, is_log in zip((ax.xaxis, ax.yaxis), logarithmic, strict=True):
        if is_log:
            set_log_ticks(axis, *limits)
    if labels is not None:
        place_labels(ax, points.predicted, points.observed, labels)
    return figure_of(ax)


def _scales(logarithmic: tuple[bool, bool]) -> list[Literal["linear", "log"]]:
    return ["log" if is_log else "linear" for is_log in logarithmic]


def _check_number(kind: str, values: Sequence[Any] | str, n_points: int) -> None:
    if isinstance(values, str):
        raise ValueError(f"{kind} must be a sequence, one for each point, not a text")
    if len(values) != n_points:
        raise ValueError(
            f"There are {len(values)} {kind}, but {n_points} points; give one for each"
            " point"
        )


def _limits(points: Points, logarithmic: bool) -> tuple[float, float]:
    """Limits for both axes, with a margin."""
    values = [points.predicted, points.observed]
    if points.errors is not None:
        ends = points.observed + points.errors * np.array([[-1.0], [1.0]])
        values.append(ends[np.isfinite(ends)])
    everything = np.concatenate(values)
    if logarithmic:
        everything = np.log10(everything[everything > 0])
    everything = everything[np.isfinite(everything)]
    least, greatest = float(everything.min()), float(everything.max())
    margin = _MARGIN * (greatest - least) or 0.5
    ends = least - margin, greatest + margin
    return (10 ** ends[0], 10 ** ends[1]) if logarithmic else ends


def _draw_density(
    ax: Axes,
    points: Points,
    logarithmic: tuple[bool, bool],
    limits: tuple[float, float],
    unit: str,
) -> None:
    x_scale, y_scale = _scales(logarithmic)
    x_ends, y_ends = (
        (math.log10(limits[0]), math.log10(limits[1])) if is_log else limits
        for is_log in logarithmic
    )
    image = ax.hexbin(
        points.predicted,
        points.observed,
        gridsize=_GRID_SIZE,
        bins="log",
        mincnt=1,
        xscale=x_scale,
        yscale=y_scale,
        extent=(*x_ends, *y_ends),
        cmap=SEQUENTIAL,
    )
    ax.set(xlim=limits, ylim=limits)
    bar = panel_of(ax).colorbar(image, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label(unit, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)


def _draw_points(
    ax: Axes,
    points: Points,
    colors: Sequence[Any] | str | None,
) -> None:
    x, y = points.predicted, points.observed
    color = BLUE if colors is None else colors
    if points.errors is not None:
        ax.errorbar(
            x,
            y,
            yerr=points.errors,
            fmt="none",
            ecolor="0.5",
            elinewidth=1,
            alpha=0.5,
            zorder=1,
        )
    ax.scatter(x, y, s=24, alpha=0.5, c=color, linewidths=0, zorder=2)


def _draw_statistics(
    ax: Axes,
    points: Points,
    logarithmic: tuple[bool, bool],
    limits: tuple[float, float],
    place: Literal["upper left", "best"],
) -> None:
    """Draws the regression line, and writes the correlations into the legend."""
    from matplotlib.lines import Line2D

    x, y = points.predicted, points.observed
    x_log, y_log = logarithmic
    shown_x = np.log10(x) if x_log else x
    shown_y = np.log10(y) if y_log else y
    # Ranks may be infinite, what is drawn may not.
    is_drawn = np.isfinite(shown_x) & np.isfinite(shown_y)
    shown_x, shown_y = shown_x[is_drawn], shown_y[is_drawn]
    statistics = {
        "$r_s$": rank_correlation(x, y),
        "$r$": correlation(shown_x, shown_y),
    }
    handles = [
        Line2D([], [], linestyle="none", label=f"{name} = {decimals(value)}")
        for name, value in statistics.items()
    ]
    if np.ptp(shown_x) > 0:
        slope, intercept = _regression(shown_x, shown_y)
        start, end = map(math.log10, limits) if x_log else limits
        places = np.linspace(start, end, 100)
        heights = intercept + slope * places
        sign = "-" if intercept < 0 else "+"
        label = f"y = {slope:.3g}x {sign} {abs(intercept):.3g}"
        (line,) = ax.plot(
            10**places if x_log else places,
            10**heights if y_log else heights,
            color=BLACK,
            linestyle="--",
            linewidth=1,
            label=label,
            zorder=3,
        )
        handles.append(line)
    ax.set(xlim=limits, ylim=limits)
    ax.legend(handles=handles, fontsize=TICK_SIZE, loc=place, framealpha=0.85)


def _regression(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Slope and intercept of the line of least squares."""
    deviation = x - x.mean()
    slope = float((deviation * (y - y.mean())).sum() / np.square(deviation).sum())
    return slope, float(y.mean() - slope * x.mean())
