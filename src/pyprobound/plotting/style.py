"""What all figures have in common: colours, sizes and axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure, FigureBase, SubFigure

FloatArray = npt.NDArray[np.float64]

TITLE_SIZE = 13
LABEL_SIZE = 12
TICK_SIZE = 10

# The palette of Okabe and Ito (2008), whose colours stay apart for all common kinds of
# colour blindness, in the hues that readers of logos expect.
GREEN, BLUE, ORANGE, VERMILLION = "#009E73", "#0072B2", "#E69F00", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (GREEN, BLUE, ORANGE, VERMILLION, PURPLE, SKY, BLACK, GREY)
# The same for lines and areas, in the order in which neighbours differ most.
SERIES = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK, GREY)
LINE_STYLES = ("-", "--", "-.", ":")

# A number that counts something.
SEQUENTIAL = "viridis"
# A number that has a neutral value; the darkest colours are its opposite ends.
DIVERGING = "RdBu_r"
MISSING_COLOR = "0.85"

# Log axes show at least the range from 1 / this to this.
_LEAST_FOLD = 1.5


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own, which no window and no global state knows.

    Args:
        width: In inches.
        height: In inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def root_of(figure: FigureBase) -> Figure:
    """The figure that a figure or a part of one belongs to."""
    return figure.figure if _is_part(figure) else figure  # type: ignore[return-value]


def _is_part(figure: FigureBase) -> bool:
    from matplotlib.figure import SubFigure

    return isinstance(figure, SubFigure)


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to.

    Raises:
        ValueError: There is none.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("The axes belong to no figure")
    return figure


def panel_of(ax: Axes) -> Figure | SubFigure:
    """The figure, or part of one, that holds axes and takes their colour bar."""
    figure = ax.get_figure(root=False)
    if figure is None:
        raise ValueError("The axes belong to no figure")
    return figure


def label_axes(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Names both axes, and the panel if there is a title."""
    ax.set_xlabel(x, fontsize=LABEL_SIZE)
    ax.set_ylabel(y, fontsize=LABEL_SIZE)
    if title:
        ax.set_title(title, fontsize=TITLE_SIZE)
    ax.tick_params(labelsize=TICK_SIZE)


def bare_frame(ax: Axes) -> None:
    """Removes the lines above and on the right, which say nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def colors(count: int) -> list[Any]:
    """Colours for a number of series that stay apart for all readers."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    import matplotlib as mpl

    return list(mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.95, count)))


def shortened(name: str, longest: int = 28) -> str:
    """A name that fits into a legend.

    Args:
        name: The name, on any number of lines.
        longest: The number of characters of the result.
    """
    name = " ".join(name.split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def fitting_size(ax: Axes, labels: Sequence[str]) -> float:
    """The size in points at which labels side by side do not touch."""
    points = 72 * ax.get_window_extent().width / figure_of(ax).dpi / len(labels)
    # A digit is 0.64 times as wide as the size of the font.
    characters = max(map(len, labels)) + 0.5
    return min(TICK_SIZE, points / (0.64 * characters))


# --- logarithmic axes and colours ------------------------------------------------


def fold_limit(values: FloatArray) -> float:
    """The greatest factor by which positive values differ from 1, at least 1.5.

    Args:
        values: Of any shape; what is not positive or not finite is left out.
    """
    logs = np.abs(np.log(values[np.isfinite(values) & (values > 0)]))
    return math.exp(max(logs.max(initial=0.0), math.log(_LEAST_FOLD)))


def fold_norm(values: FloatArray) -> LogNorm:
    """Logarithmic colours in which 1 is neutral."""
    from matplotlib.colors import LogNorm

    limit = fold_limit(values)
    return LogNorm(1 / limit, limit)


def set_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis with few, plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if high / low < 10:
        axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    elif high / low < 1000:
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    else:
        axis.set_major_locator(LogLocator(numticks=7))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_plain_number))


def set_log_limits(ax: Axes, name: Literal["x", "y"], values: FloatArray) -> None:
    """Makes an axis logarithmic, as wide as positive values with a margin.

    Args:
        ax: The panel.
        name: Which axis.
        values: Of any shape; what is not positive or not finite is left out.
    """
    shown = np.log(values[np.isfinite(values) & (values > 0)])
    low, high = (shown.min(), shown.max()) if shown.size else (0.0, 0.0)
    margin = 0.05 * (high - low)
    missing = max(0.0, 2 * math.log(_LEAST_FOLD) - (high - low)) / 2
    low, high = (math.exp(low - margin - missing), math.exp(high + margin + missing))
    ax.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    set_log_ticks(ax.xaxis if name == "x" else ax.yaxis, low, high)


def _plain_number(value: float, _: object = None) -> str:
    """Writes a number without an exponent, unless it has many digits."""
    if 1e-3 <= value < 1e4:
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    digits, exponent = f"{value:.2g}".split("e") if value else ("0", "0")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if digits == "1" else rf"${digits}\times{power}$"
