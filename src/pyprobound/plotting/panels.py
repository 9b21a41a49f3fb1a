"""Panels of lines and of colours for tables of factors."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .style import (
    DIVERGING,
    GREY,
    LABEL_SIZE,
    LINE_STYLES,
    MISSING_COLOR,
    TICK_SIZE,
    TITLE_SIZE,
    FloatArray,
    bare_frame,
    colors,
    figure_of,
    fold_norm,
    label_axes,
    new_figure,
    root_of,
    set_log_limits,
    set_log_ticks,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.image import AxesImage

_STEPS = (1, 2, 5)
_INCHES_PER_LABEL = {"x": 0.5, "y": 0.25}
_MARKED_POINTS = 60
# The longest label of a line that fits below the lines, next to their legend.
_LABEL_CHARACTERS = 45


def plot_ticks(ax: Axes, labels: Sequence[Any], axis: Literal["x", "y"]) -> Axes:
    """Names the places 0, 1, 2, ... of an axis, leaving some out if there are many.

    If the labels are successive integers, round ones are shown.

    Args:
        ax: The axes.
        labels: The name of each place.
        axis: ``x`` or ``y``.

    Returns:
        The axes.

    Raises:
        ValueError: ``axis`` is neither.
    """
    if axis not in ("x", "y"):
        raise ValueError(f"axis must be 'x' or 'y', not {axis!r}")
    extent = ax.get_window_extent()
    inches = (extent.width if axis == "x" else extent.height) / figure_of(ax).dpi
    most = max(2, int(inches / _INCHES_PER_LABEL[axis]))
    shown = _shown_places(labels, most)
    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_ticks(shown, [str(labels[place]) for place in shown])
    chosen.set_tick_params(labelsize=TICK_SIZE)
    return ax


def _shown_places(labels: Sequence[Any], most: int) -> list[int]:
    step = next(
        step
        for power in range(20)
        for base in _STEPS
        if len(labels) <= most * (step := base * 10**power)
    )
    numbers = np.asarray(labels)
    if np.issubdtype(numbers.dtype, np.integer) and (np.diff(numbers) == 1).all():
        round_places = np.flatnonzero(numbers % step == 0).tolist()
        if round_places:
            return round_places
    return list(range(0, len(labels), step))


# --- lines -----------------------------------------------------------------------


def line_plotter(
    dataframes: Mapping[str, pd.DataFrame],
    title: str = "",
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draws factors as lines over the columns of data frames, on a log axis.

    Args:
        dataframes: Frames of one row with the same columns, by the name of the line.
            A value that is zero or missing leaves a gap. The name of the columns, if
            there is one, is the label of the x axis.
        title: The title.
        ax: Where to draw; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: There is no frame, one has several rows, or their columns differ.
    """
    if not dataframes:
        raise ValueError("There is no data frame to draw")
    for name, frame in dataframes.items():
        if len(frame) != 1:
            raise ValueError(
                f"The frame {name!r} has {len(frame)} rows, but a line needs exactly"
                " one; use heatmap_plotter"
            )
    first = next(iter(dataframes.values()))
    if any(not frame.columns.equals(first.columns) for frame in dataframes.values()):
        raise ValueError("The frames have different columns")
    if ax is None:
        ax = new_figure(8, 3.5).subplots()
    ax.axhline(1, color=GREY, linewidth=1, linestyle=":", zorder=0)
    values = np.array([frame.to_numpy(dtype=float)[0] for frame in dataframes.values()])
    marker = "o" if values.shape[1] <= _MARKED_POINTS else "."
    for index, (name, color) in enumerate(
        zip(dataframes, colors(len(dataframes)), strict=True)
    ):
        ax.plot(
            np.where(values[index] > 0, values[index], np.nan),
            label=name,
            color=color,
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            marker=marker,
            markersize=3.5,
        )
    set_log_limits(ax, "y", values)
    plot_ticks(ax, list(first.columns), "x")
    label = textwrap.fill(str(first.columns.name or ""), _LABEL_CHARACTERS)
    label_axes(ax, label, "", title)
    bare_frame(ax)
    if len(dataframes) > 1 or next(iter(dataframes)):
        ax.legend(
            fontsize=TICK_SIZE,
            frameon=False,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
        )
    return figure_of(ax)


# --- colours ---------------------------------------------------------------------


def heatmap_plotter(
    dataframes: Mapping[str, pd.DataFrame],
    title: str = "",
    *,
    figure: FigureBase | None = None,
    label: str = "",
) -> Figure:
    """Draws factors as colours, one panel above the other.

    All panels share one logarithmic scale with the factor 1 in its middle: blue is
    below it, red above, and what is zero or missing is grey.

    Args:
        dataframes: The frames by the title of the panel. The names of their index and
            columns, if there are any, are the labels of the axes.
        title: The title of the figure.
        figure: Where to draw, a figure or a part of one; a new one by default.
        label: The label of the colour bar.

    Returns:
        The figure.

    Raises:
        ValueError: There is no frame, or one is empty.
    """
    if not dataframes:
        raise ValueError("There is no data frame to draw")
    if figure is None:
        rows = sum(min(12, len(frame)) for frame in dataframes.values())
        figure = new_figure(8, 1.2 + 0.9 * len(dataframes) + 0.22 * rows)
    axes = figure.subplots(len(dataframes), squeeze=False)
    norm = fold_norm(all_values(dataframes))
    for panel, (name, frame) in zip(axes[:, 0], dataframes.items(), strict=True):
        image = draw_heatmap(panel, frame, norm)
        label_axes(panel, str(frame.columns.name or ""), str(frame.index.name or ""))
        panel.set_title(name, fontsize=LABEL_SIZE)
    for panel in axes[:-1, 0]:
        panel.set_xlabel("")
    add_fold_bar(figure, image, list(axes[:, 0]), label)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE)
    return root_of(figure)


def all_values(dataframes: Mapping[Any, pd.DataFrame]) -> FloatArray:
    """The values of all frames, in one axis."""
    return np.concatenate(
        [frame.to_numpy(dtype=np.float64).ravel() for frame in dataframes.values()]
    )


def draw_heatmap(ax: Axes, frame: pd.DataFrame, norm: LogNorm) -> AxesImage:
    """Draws one frame of factors as colours, with ticks.

    Raises:
        ValueError: The frame is empty.
    """
    import matplotlib as mpl

    if frame.empty:
        raise ValueError("A data frame without values cannot be drawn")
    values = frame.to_numpy(dtype=np.float64)
    image = ax.imshow(
        np.ma.masked_where(~np.isfinite(values) | (values <= 0), values),
        norm=norm,
        cmap=mpl.colormaps[DIVERGING].with_extremes(bad=MISSING_COLOR),
        aspect="auto",
        interpolation="nearest",
    )
    plot_ticks(ax, list(frame.columns), "x")
    plot_ticks(ax, list(frame.index), "y")
    return image


def add_fold_bar(
    figure: FigureBase, image: AxesImage, axes: list[Axes], label: str
) -> None:
    """Adds the colour bar that panels of factors share."""
    bar = figure.colorbar(image, ax=axes, aspect=25)
    bar.set_label(label, fontsize=LABEL_SIZE)
    low, high = image.get_clim()
    set_log_ticks(bar.ax.yaxis, low, high)
    bar.ax.tick_params(labelsize=TICK_SIZE)
