"""Texts next to points, where they cover neither each other nor the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..plotting.style import TICK_SIZE, FloatArray, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

# In points: the distances of a text from its point that are tried, in this order.
_DISTANCES = (4.0, 8.0, 13.0, 19.0, 26.0, 34.0, 44.0, 56.0, 70.0, 86.0, 104.0, 124.0)
_DIRECTIONS = 16
# Beyond this distance a line leads from the point to its text.
_FAR = 6.0
_POINT_RADIUS = 3.0
_POINTS_PER_INCH = 72


def place_labels(ax: Axes, x: FloatArray, y: FloatArray, labels: Sequence[str]) -> None:
    """Writes a text next to each point of a panel, within its frame.

    Each text takes the nearest place that is free. Where there is none, it takes the
    one where it covers least.

    Args:
        ax: The panel, complete with its legend.
        x: The places of the points, of shape (points,).
        y: The same in the other direction.
        labels: The texts.
    """
    figure = figure_of(ax)
    figure.draw_without_rendering()  # only then the panel has its size
    _keep_legend_in_place(ax)
    scale = figure.dpi / _POINTS_PER_INCH
    centers = np.asarray(ax.transData.transform(np.column_stack([x, y]))) / scale
    frame = np.asarray(ax.bbox.extents) / scale
    taken = [
        np.concatenate([point - _POINT_RADIUS, point + _POINT_RADIUS])
        for point in centers
    ]
    legend = ax.get_legend()
    if legend is not None:
        taken.append(np.asarray(legend.get_window_extent().extents) / scale)
    for place, label in enumerate(labels):
        text = _annotation(ax, str(label), (float(x[place]), float(y[place])))
        extent = text.get_window_extent()
        size = np.array([extent.width, extent.height]) / scale
        offsets, distances = _candidates(size)
        corners = centers[place] + offsets
        boxes = np.concatenate([corners, corners + size], axis=1)
        best = int(np.argmin(_covered(boxes, np.array(taken), frame)))
        text.set_position(tuple(offsets[best]))
        if distances[best] > _FAR:
            # To the end of the text that is nearest to the point.
            nearest = np.clip(np.zeros(2), offsets[best], offsets[best] + size)
            _draw_line(ax, text.xy, (float(nearest[0]), float(nearest[1])))
        taken.append(boxes[best])


def _keep_legend_in_place(ax: Axes) -> None:
    """Keeps a legend where it is, although texts will be added."""
    legend = ax.get_legend()
    if legend is None:
        return
    box = legend.get_window_extent().transformed(ax.transAxes.inverted())
    legend.set_loc((box.x0, box.y0))


def _annotation(ax: Axes, label: str, point: tuple[float, float]) -> Annotation:
    """A text at a point, which leaves the layout of the figure alone."""
    text = ax.annotate(
        label,
        point,
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=TICK_SIZE - 2,
        verticalalignment="bottom",
    )
    text.set_in_layout(False)
    return text


def _draw_line(ax: Axes, point: tuple[float, float], end: tuple[float, float]) -> None:
    """Draws a line from a point to an end that is so many points away from it."""
    line = ax.annotate(
        "",
        point,
        xytext=end,
        textcoords="offset points",
        arrowprops={
            "arrowstyle": "-",
            "color": "0.6",
            "linewidth": 0.6,
            "shrinkA": 0,
            "shrinkB": _POINT_RADIUS,
        },
        zorder=1,
    )
    line.set_in_layout(False)


def _candidates(size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where the lower left corner of a text may lie relative to its point, in points.

    Args:
        size: Width and height of the text.

    Returns:
        Offsets of shape (candidates, 2), the nearest first, and their distances.
    """
    angles = 2 * math.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    # The side of the text that faces the point begins at the distance.
    inner = -size * (1 - directions) / 2
    offsets = [inner + distance * directions for distance in _DISTANCES]
    return np.concatenate(offsets), np.repeat(_DISTANCES, _DIRECTIONS)


def _covered(boxes: FloatArray, taken: FloatArray, frame: FloatArray) -> FloatArray:
    """The area of other boxes that each box covers; infinite beyond the frame.

    Args:
        boxes: The left, lower, right and upper ends, of shape (boxes, 4).
        taken: The same of the other boxes.
        frame: The same of the frame, of shape (4,).
    """
    ends = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    starts = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    areas: FloatArray = np.clip(ends - starts, 0, None).prod(axis=2).sum(axis=1)
    outside = (boxes[:, :2] < frame[:2]) | (boxes[:, 2:] > frame[2:])
    areas[outside.any(axis=1)] = np.inf
    return areas
