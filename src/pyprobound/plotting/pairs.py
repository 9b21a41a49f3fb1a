"""How two bindings of one molecule help or hinder each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from ..cooperativity import Cooperativity, Spacing
from ..layers.layer import LayerSpec, ModeKey
from .panels import (
    add_fold_bar,
    all_values,
    draw_heatmap,
    line_plotter,
)
from .style import (
    LABEL_SIZE,
    TITLE_SIZE,
    fold_norm,
    label_axes,
    new_figure,
    root_of,
    shortened,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

_LABEL = r"Cooperativity $e^{\omega}$"
_STRANDS = ("Forward", "Reverse")
_LONGEST_NAME = 20
# Longer names do not fit next to each other; the labels of the figure have them too.
_LONGEST_IN_PANEL = 12


def window_counts(spacing: Spacing) -> tuple[int, int]:
    """The numbers of windows of both modes in a sequence that a spacing covers.

    It is the longest sequence in which neither mode has more windows than the spacing
    has been made for.

    Args:
        spacing: A spacing that is used by at least one cooperativity, or else counts
            as made for one window.
    """
    keys = [ModeKey(key) for key in (spacing.mode_key_a, spacing.mode_key_b)]
    fields = [key.in_len(spacing.max_num_windows, "max") for key in keys]
    limits = [field for field in fields if field is not None]
    if not limits:
        return spacing.max_num_windows, spacing.max_num_windows
    length = min(limits)
    return keys[0].out_len(length), keys[1].out_len(length)


def pair_factors(
    spacing_matrix: Spacing | Cooperativity, len_a: int = -1, len_b: int = -1
) -> dict[tuple[int, int], pd.DataFrame]:
    r"""The factor :math:`e^\omega` of each pair of windows.

    Args:
        spacing_matrix: A cooperativity, or a spacing, which has no position bias.
        len_a: The number of windows of mode a, where the bias depends on it.
        len_b: The number of windows of mode b, likewise.

    Returns:
        By the strands of a and b, frames with a row for each window of a and a column
        for each window of b.

    Raises:
        ValueError: There is no such number of windows.
    """
    import pandas as pd

    with torch.no_grad():
        if isinstance(spacing_matrix, Spacing):
            logs = spacing_matrix.get_log_spacing_matrix(*window_counts(spacing_matrix))
        else:
            full = spacing_matrix.get_log_spacing_matrix()
            row = _length_index("len_a", len_a, full.shape[0])
            logs = full[row, _length_index("len_b", len_b, full.shape[1])]
    factors = logs.double().cpu().exp().numpy()
    name_a, name_b = binding_names(spacing_matrix)
    rows = pd.RangeIndex(factors.shape[2], name=f"Window of {name_a}")
    columns = pd.RangeIndex(factors.shape[3], name=f"Window of {name_b}")
    return {
        (a, b): pd.DataFrame(factors[a, b], rows, columns)
        for a in range(factors.shape[0])
        for b in range(factors.shape[1])
    }


def _length_index(name: str, length: int, size: int) -> int:
    if size == 1:
        # The bias is the same for all lengths.
        return 0
    if not -size <= length < size or length == 0:
        raise ValueError(f"{name} must be from 1 to {size - 1}, or -1, not {length}")
    return length


def spacing_factors(
    spacing_matrix: Spacing | Cooperativity, swap: bool = False
) -> dict[str, pd.DataFrame]:
    r"""The factor :math:`e^\omega` of each relative position, without position bias.

    Args:
        spacing_matrix: A cooperativity or a spacing.
        swap: Whether a is seen from b.

    Returns:
        By the name and strand of b, frames of one row and a column for each number of
        letters that b starts to the right of a, which is on the forward strand. With
        ``swap``, the same with a and b exchanged.
    """
    import pandas as pd

    with torch.no_grad():
        if isinstance(spacing_matrix, Spacing):
            n_a, n_b = window_counts(spacing_matrix)
            logs = spacing_matrix.get_log_spacing(n_a, n_b)
        else:
            n_a, n_b = spacing_matrix.n_windows_a, spacing_matrix.n_windows_b
            logs = spacing_matrix.get_log_spacing()
    factors = logs.double().cpu().exp().numpy()
    offsets = range(1 - n_a, n_b)
    seen_from, other = binding_names(spacing_matrix)
    if swap:
        # The molecule stays as it is, so it is the strand of a that varies now.
        factors = factors.swapaxes(0, 1)[..., ::-1]
        offsets = range(1 - n_b, n_a)
        seen_from, other = other, seen_from
    columns = pd.Index(
        list(offsets), name=f"Position of {other} relative to {seen_from}"
    )
    strands = [f"{other} {strand}" for strand in _STRANDS]
    names = strands if factors.shape[1] > 1 else [other]
    return {
        name: pd.DataFrame(factors[0, strand][None], columns=columns)
        for strand, name in enumerate(names)
    }


def binding_names(spacing_matrix: Spacing | Cooperativity) -> tuple[str, str]:
    """Short and different names of the modes a and b."""
    if isinstance(spacing_matrix, Spacing):
        names = [
            _key_name(key)
            for key in (spacing_matrix.mode_key_a, spacing_matrix.mode_key_b)
        ]
    else:
        modes = (spacing_matrix.mode_a, spacing_matrix.mode_b)
        names = [mode.name or _key_name(mode.key()) for mode in modes]
    first, second = (
        shortened(name, _LONGEST_NAME) or letter
        for name, letter in zip(names, "ab", strict=True)
    )
    return (first, second) if first != second else (f"{first} (a)", f"{second} (b)")


def _key_name(key: Iterable[LayerSpec]) -> str:
    return "-".join(spec.name for spec in key if spec.name)


# --- figures ---------------------------------------------------------------------


def cooperativity(
    spacing_matrix: Spacing | Cooperativity,
    len_a: int = -1,
    len_b: int = -1,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    r"""Draws the factor :math:`e^\omega` of each pair of windows as colours.

    Rows are windows of a and columns windows of b; there is a row of panels for each
    strand of a and a column for each strand of b. Blue is hindrance (a factor below
    1), red is help, and pairs that are not possible are grey.

    Args:
        spacing_matrix: A cooperativity, or a spacing, which has no position bias.
        len_a: The number of windows of mode a, where the bias depends on it; the
            greatest by default.
        len_b: The number of windows of mode b, likewise.
        figure: Where to draw, a figure or a part of one; a new one by default.

    Returns:
        The figure.

    Raises:
        ValueError: There is no such number of windows.
    """
    frames = pair_factors(spacing_matrix, len_a, len_b)
    size = math.isqrt(len(frames))
    if figure is None:
        figure = new_figure(1.8 + 3.2 * size, 1.2 + 3 * size)
    axes = figure.subplots(size, size, sharex=True, sharey=True, squeeze=False)
    norm = fold_norm(all_values(frames))
    names = binding_names(spacing_matrix)
    for (a, b), frame in frames.items():
        image = draw_heatmap(axes[a, b], frame, norm)
        if size > 1:
            _name_strands(axes[a, b], a, b, names)
    last = frames[size - 1, size - 1]
    if size > 1:
        figure.supxlabel(str(last.columns.name), fontsize=LABEL_SIZE)
        figure.supylabel(str(last.index.name), fontsize=LABEL_SIZE)
    else:
        label_axes(axes[0, 0], str(last.columns.name), str(last.index.name))
    add_fold_bar(figure, image, list(axes.ravel()), _LABEL)
    figure.suptitle(_title(spacing_matrix), fontsize=TITLE_SIZE)
    return root_of(figure)


def _name_strands(ax: Axes, a: int, b: int, names: tuple[str, str]) -> None:
    first, second = (
        f"{name} " if len(name) <= _LONGEST_IN_PANEL else "" for name in names
    )
    if a == 0:
        ax.set_title(f"{second}{_STRANDS[b]}", fontsize=LABEL_SIZE)
    if b == 0:
        ax.set_ylabel(f"{first}{_STRANDS[a]}", fontsize=LABEL_SIZE)


def spacing(
    spacing_matrix: Spacing | Cooperativity,
    swap: bool = False,
    *,
    ax: Axes | None = None,
) -> Figure:
    r"""Draws the factor :math:`e^\omega` of each relative position of two modes.

    The position is the number of letters that b starts to the right of a, where a is
    on the forward strand; there is a line for each strand of b, with gaps where both
    cannot bind. Position biases are not part of it.

    Args:
        spacing_matrix: A cooperativity or a spacing.
        swap: Whether a is seen from b, with b on the forward strand.
        ax: Where to draw; a new figure by default.

    Returns:
        The figure.
    """
    result = line_plotter(
        spacing_factors(spacing_matrix, swap), _title(spacing_matrix), ax=ax
    )
    (ax or result.axes[0]).set_ylabel(_LABEL, fontsize=LABEL_SIZE)
    return result


def _title(spacing_matrix: Spacing | Cooperativity) -> str:
    if spacing_matrix.name:
        return spacing_matrix.name
    if isinstance(spacing_matrix, Cooperativity):
        return spacing_matrix.spacing.name
    return ""
