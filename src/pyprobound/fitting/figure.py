"""The figure of observations against predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..utils import avg_pool1d

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]

_LABEL_SIZE = 12
_TICK_SIZE = 10
_MARGIN = 0.05
# With more points than this, single ones cannot be told apart.
_MAX_POINTS = 500
_GRID_SIZE = 50
# With more decades than this on an axis, only powers of ten are labelled.
_MANY_DECADES = 2.5
_POINT_COLOR, _LINE_COLOR = "#0072B2", "#000000"


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
        predicted: Tensor | None,
        observed: Tensor | None,
        lower: Tensor | None = None,
        upper: Tensor | None = None,
    ) -> Self:
        """Takes predictions, observations and the ends of the error bars."""
        if predicted is None or observed is None:
            raise ValueError("There must be predictions and observations")
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
    from matplotlib.figure import Figure

    n_points = len(points.predicted)
    for kind, values in (("labels", labels), ("colors", colors)):
        if values is not None and not isinstance(values, str):
            _check_number(kind, len(values), n_points)
    if ax is None:
        ax = Figure(figsize=(5.2, 5), layout="constrained").subplots()
    if min(points.predicted.min(), points.observed.min()) <= 0:
        logarithmic = (False, False)
    scales = _scales(logarithmic)
    limits = _limits(points, any(logarithmic))
    ax.set(xscale=scales[0], yscale=scales[1], xlim=limits, ylim=limits)
    ax.set_box_aspect(1)
    is_map = n_points > _MAX_POINTS and points.errors is None
    if is_map and labels is None and colors is None:
        _draw_density(
            ax, points, logarithmic, limits, "Bins" if kernel > 1 else "Probes"
        )
    else:
        _draw_points(ax, points, labels, colors)
    # Where correlated points are not; `best` does not see a map.
    _draw_statistics(
        ax, points, logarithmic, limits, "upper left" if is_map else "best"
    )
    what = (
        f"{n_points:,} bins of n={kernel:,}" if kernel > 1 else f"{n_points:,} probes"
    )
    ax.set_title(f"{title} ({what})".strip(), fontsize=_LABEL_SIZE + 1)
    ax.set_xlabel(axis_labels[0], fontsize=_LABEL_SIZE)
    ax.set_ylabel(axis_labels[1], fontsize=_LABEL_SIZE)
    ax.tick_params(labelsize=_TICK_SIZE)
    for axis, is_log in zip((ax.xaxis, ax.yaxis), logarithmic, strict=True):
        if is_log:
            _label_logarithmic(axis, limits)
    result = ax.get_figure(root=True)
    if result is None:
        raise ValueError("The axes belong to no figure")
    return result


def _label_logarithmic(axis: Axis, limits: tuple[float, float]) -> None:
    """Labels a logarithmic axis sparsely, so that no labels touch."""
    from matplotlib import ticker

    decades = math.log10(limits[1] / limits[0])
    if decades > _MANY_DECADES:
        axis.set_minor_formatter(ticker.NullFormatter())
        return
    # Over less than a decade, a logarithmic axis is nearly linear.
    axis.set_major_locator(
        ticker.MaxNLocator(4)
        if decades < 1
        else ticker.LogLocator(subs=(1.0, 2.0, 5.0))
    )
    axis.set_major_formatter(ticker.FormatStrFormatter("%.3g"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _scales(logarithmic: tuple[bool, bool]) -> list[Literal["linear", "log"]]:
    return ["log" if is_log else "linear" for is_log in logarithmic]


def _check_number(kind: str, number: int, n_points: int) -> None:
    if number != n_points:
        raise ValueError(
            f"There are {number} {kind}, but {n_points} points; give one for each point"
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
        cmap="viridis",
    )
    ax.set(xlim=limits, ylim=limits)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label(unit, fontsize=_LABEL_SIZE)
    bar.ax.tick_params(labelsize=_TICK_SIZE)


def _draw_points(
    ax: Axes,
    points: Points,
    labels: Sequence[str] | None,
    colors: Sequence[Any] | str | None,
) -> None:
    x, y = points.predicted, points.observed
    color = _POINT_COLOR if colors is None else colors
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
    for place, text in enumerate(labels or ()):
        ax.annotate(
            text,
            (x[place], y[place]),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=_TICK_SIZE - 2,
        )


def _draw_statistics(
    ax: Axes,
    points: Points,
    logarithmic: tuple[bool, bool],
    limits: tuple[float, float],
    place: Literal["upper left", "best"],
) -> None:
    """Draws the regression line, and writes the correlations into the legend."""
    from matplotlib.lines import Line2D
    from scipy.stats import rankdata

    x, y = points.predicted, points.observed
    rank = _correlation(rankdata(x), rankdata(y))
    x_log, y_log = logarithmic
    shown_x = np.log10(x) if x_log else x
    shown_y = np.log10(y) if y_log else y
    handles = [
        Line2D([], [], linestyle="none", label=f"$r_s$ = {rank:.3f}"),
        Line2D(
            [],
            [],
            linestyle="none",
            label=f"$r$ = {_correlation(shown_x, shown_y):.3f}",
        ),
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
            color=_LINE_COLOR,
            linestyle="--",
            linewidth=1,
            label=label,
            zorder=3,
        )
        handles.append(line)
    ax.set(xlim=limits, ylim=limits)
    ax.legend(handles=handles, fontsize=_TICK_SIZE, loc=place, framealpha=0.85)


def _regression(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Slope and intercept of the line of least squares."""
    deviation = x - x.mean()
    slope = float((deviation * (y - y.mean())).sum() / np.square(deviation).sum())
    return slope, float(y.mean() - slope * x.mean())


def _correlation(x: FloatArray, y: FloatArray) -> float:
    """The correlation coefficient of Pearson; not a number if x or y is constant."""
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / norm if norm > 0 else float("nan")
