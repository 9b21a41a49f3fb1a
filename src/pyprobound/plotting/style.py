"""What all figures have in common: colours, sizes and axes."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from types import ModuleType
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

_PYPLOT = "matplotlib.pyplot"
# Whether pyplot is imported only because logomaker imports it.
_pyplot_is_ours = False


def import_logomaker() -> ModuleType:
    """Imports logomaker, which imports pyplot, and remembers who imported that."""
    global _pyplot_is_ours
    if _PYPLOT not in sys.modules:
        _pyplot_is_ours = True
    import logomaker

    return logomaker  # type: ignore[no-any-return]


def new_figure(width: float, height: float) -> Figure:
    """A figure, which pyplot knows if the script or notebook around it uses pyplot.

    There, ``pyplot.show()`` and ``pyplot.savefig()`` are expected to find it. Elsewhere
    the figure is one of its own, which no window and no global state knows.

    Args:
        width: In inches.
        height: In inches.
    """
    from matplotlib.figure import Figure

    options: dict[str, Any] = {"figsize": (width, height), "layout": "constrained"}
    pyplot = _pyplot_in_use()
    if pyplot is None:
        return Figure(**options)
    try:
        figure: Figure = pyplot.figure(**options)
    except ImportError:  # the chosen backend needs a display that is not there
        return Figure(**options)
    return figure


def _pyplot_in_use() -> ModuleType | None:
    """The module pyplot, if somebody else than this package uses it."""
    shell = sys.modules.get("IPython")
    if shell is not None and shell.get_ipython() is not None:
        import matplotlib.pyplot as plt  # notebooks show its figures

        return plt
    loaded = sys.modules.get(_PYPLOT)
    if loaded is None or (_pyplot_is_ours and not loaded.get_fignums()):
        return None
    return loaded


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


def title_with(kind: str, name: str, points: str) -> str:
    """A title that says what is shown, and what its points are.

    Args:
        kind: What has the name; it precedes a name that is a bare number.
        name: The name; may be empty.
        points: What the points are.
    """
    if not name:
        return points[:1].upper() + points[1:]
    return f"{numbered(kind, name)} ({points})"


def numbered(kind: str, name: str) -> str:
    """A name, or what has it if the name is a bare number: models number their parts."""
    return f"{kind} {name}" if name.isdecimal() else name


def shortened(name: str, longest: int = 44) -> str:
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


# Over a smaller factor, a logarithmic axis is nearly linear.
_NEARLY_LINEAR = 2.25
# The steps that are labelled, if the limits differ by less than a factor.
_LOG_STEPS = (
    (5, (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)),
    (10, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)),
    (1000, (1.0, 3.0)),
)


def set_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis with few, plain numbers.

    Args:
        axis: The axis.
        low: Its lower limit.
        high: Its upper limit.
    """
    from matplotlib.ticker import (
        FuncFormatter,
        Locator,
        LogLocator,
        MaxNLocator,
        NullLocator,
    )

    locator: Locator
    if high / low < _NEARLY_LINEAR:
        locator = MaxNLocator(4)
    elif high / low < 1000:
        locator = LogLocator(
            subs=next(subs for most, subs in _LOG_STEPS if high / low < most)
        )
    else:
        locator = LogLocator(numticks=7)
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(plain_number))


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


def plain_number(value: float, _: object = None) -> str:
    """Writes a positive number without an exponent, unless it has many digits."""
    if 1e-3 <= value < 1e4:
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    digits, power = f"{float(mantissa):g}", f"10^{{{int(exponent)}}}"
    return f"${power}$" if digits == "1" else rf"${digits}\times{power}$"
