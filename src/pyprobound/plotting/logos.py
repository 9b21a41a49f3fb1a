"""Sequence logos and maps of pair features."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..alphabets import Alphabet
from ..layers import PSAM
from .motifs import Features, alphabet_of, fixed_gauge, motif_features, pair_map
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LABEL_SIZE,
    ORANGE,
    PALETTE,
    PURPLE,
    TICK_SIZE,
    VERMILLION,
    FloatArray,
    figure_of,
    fitting_size,
    import_logomaker,
    new_figure,
)

if TYPE_CHECKING:
    from logomaker import Logo
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

ENERGY_LABEL = r"$-\Delta\Delta G/RT$"
_LETTER_SIZE = 7
# Above this many letters on a side of a pair map their labels would touch.
_MAX_LETTER_LABELS = 64
# Pairs at least this strong, as a share of the strongest, are marked with their sign,
# in white where the colour below is dark, if the mark has at least this size in points.
_MIN_MARKED_STRENGTH = 0.25
_DARK_STRENGTH = 0.6
_MIN_SIGN_SIZE = 2.5

_SCHEMES: dict[str, dict[str, str]] = {
    "classic": {"A": GREEN, "C": BLUE, "G": ORANGE, "TU": VERMILLION},
    "weblogo_protein": {
        "RHK": BLUE,
        "DE": VERMILLION,
        "QN": PURPLE,
        "GCSTY": GREEN,
        "ILMAFVPW": BLACK,
    },
}


def logomaker_plotter(
    ax: Axes,
    psam: PSAM,
    reverse: bool = False,
    mean_center: bool = True,
    **kwargs: Any,
) -> Logo:
    r"""Draws the single-letter features of a motif as a logo.

    The height of a letter is its value :math:`\beta = -\Delta\Delta G/RT` in the
    forward filter; letters below the axis weaken binding. They are drawn upright.

    Args:
        ax: Where to draw.
        psam: A motif with an alphabet and one user channel.
        reverse: Whether to draw the reverse complement.
        mean_center: Whether to subtract the mean over the letters of each position.
        **kwargs: Options of ``logomaker.Logo``, such as ``color_scheme``.

    Returns:
        The logo, whose glyphs can be styled further.

    Raises:
        ValueError: The motif has several user channels or no alphabet, or its letters
            are longer than one character.
    """
    return _draw_letters(ax, psam, motif_features(psam), reverse, mean_center, **kwargs)


def pairwise_plotter(
    ax: Axes, psam: PSAM, reverse: bool = False, **kwargs: Any
) -> AxesImage:
    r"""Draws the pair features of a motif as a symmetric map.

    Row and column ``n * i + a`` stand for letter ``a`` (of ``n``) at position ``i``, so
    the blocks are pairs of positions; pairs that are further apart than the
    ``pairwise_distance`` are grey. Blue weakens binding, red tightens it, and white is
    0; the stronger pairs are marked with their sign, + or -.

    Args:
        ax: Where to draw.
        psam: A motif with pair features, an alphabet and one user channel.
        reverse: Whether to draw the reverse complement.
        **kwargs: Options of ``matplotlib.axes.Axes.imshow``.

    Returns:
        The image, for instance for a colour bar; its values are in units of RT.

    Raises:
        ValueError: The motif has several user channels, no alphabet or no pairs.
    """
    return _draw_pairs(ax, psam, motif_features(psam), reverse, **kwargs)


def logo(
    psam: PSAM,
    logo_height: float = 2,
    width: float = 8,
    reverse: bool = False,
    fix_gauge: bool = True,
    mean_center: bool = True,
    *,
    ax: Axes | None = None,
) -> Figure:
    r"""Draws a motif: its letters and, below, the map of its pairs if it has any.

    Args:
        psam: A motif with an alphabet and one user channel.
        logo_height: The height of the logo, in inches.
        width: The width of the figure, in inches.
        reverse: Whether to draw the reverse complement.
        fix_gauge: Whether to move what the pairs say about single letters to the
            letters first, as ``PSAM.fix_gauge`` does; the motif is not changed.
        mean_center: Whether to subtract the mean over the letters of each position.
        ax: Where to draw the letters, without the pairs; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: The motif has several user channels or no alphabet, or its letters
            are longer than one character.
    """
    features = motif_features(psam)
    if fix_gauge:
        features = fixed_gauge(features)
    image_ax = None
    if ax is None:
        has_pairs = bool(features.pairs)
        # The map is square; the rest is room for titles, labels and the colour bar.
        height = logo_height + 0.8 + (width + 0.6 if has_pairs else 0)
        figure = new_figure(width, height)
        if has_pairs:
            ax, image_ax = figure.subplots(
                2, height_ratios=(logo_height, width), squeeze=True
            )
        else:
            ax = figure.subplots()
    _draw_letters(ax, psam, features, reverse, mean_center)
    title = psam.name + (" (Reversed)" if reverse else "")
    ax.set_title(title.strip(), fontsize=LABEL_SIZE + 1)
    if image_ax is not None:
        ax.set_xlabel("")
        image = _draw_pairs(image_ax, psam, features, reverse)
        bar = image_ax.figure.colorbar(
            image, ax=image_ax, location="bottom", fraction=0.04, aspect=40
        )
        bar.set_label(ENERGY_LABEL, fontsize=LABEL_SIZE)
        bar.ax.tick_params(labelsize=TICK_SIZE)
    return figure_of(ax)


def _draw_letters(
    ax: Axes,
    psam: PSAM,
    features: Features,
    reverse: bool,
    mean_center: bool,
    **kwargs: Any,
) -> Logo:
    import pandas as pd

    letters = alphabet_of(psam).alphabet
    if any(len(letter) != 1 for letter in letters):
        raise ValueError(
            "A logo needs letters of one character each, but the alphabet has"
            f" {max(letters, key=len)!r}"
        )
    values = features.letters
    if mean_center:
        values = values - values.mean(axis=0)
    if reverse:
        values = values[::-1, ::-1]
    colors = _colors(alphabet_of(psam))
    defaults = {"color_scheme": colors, "flip_below": False, "show_spines": False}
    frame = pd.DataFrame(values.T, columns=list(letters))
    with warnings.catch_warnings():
        # Letters without height have no limits of the axis; they are set below.
        warnings.filterwarnings("ignore", message="Attempting to set identical")
        result = import_logomaker().Logo(frame, ax=ax, **(defaults | kwargs))
    if "color_scheme" not in kwargs:
        _tell_cases_apart(result, colors)
    if not values.any():
        ax.set_ylim(-1, 1)
    ax.spines["left"].set_visible(True)
    ax.set_xlim(-0.5, len(frame) - 0.5)
    labels = _in_order(features.labels, reverse)
    ax.set_xticks(range(len(frame)), labels)
    ax.tick_params(labelsize=TICK_SIZE)
    ax.tick_params(axis="x", length=0, labelsize=fitting_size(ax, labels))
    ax.set_xlabel("Position", fontsize=LABEL_SIZE)
    ax.set_ylabel(ENERGY_LABEL, fontsize=LABEL_SIZE)
    return result


def _draw_pairs(
    ax: Axes, psam: PSAM, features: Features, reverse: bool, **kwargs: Any
) -> AxesImage:
    import matplotlib as mpl

    if not features.pairs:
        raise ValueError("The motif has no pair features: its pairwise_distance is 0")
    values = pair_map(features)
    if reverse:
        values = values[::-1, ::-1]
    extreme = float(np.nanmax(np.abs(values))) or 1.0
    colormap = mpl.colormaps["bwr"].with_extremes(bad="0.85")
    defaults: dict[str, Any] = {
        "cmap": colormap,
        "vmin": -extreme,
        "vmax": extreme,
        "interpolation": "nearest",
    }
    image = ax.imshow(np.ma.masked_invalid(values), **(defaults | kwargs))
    letters = alphabet_of(psam).alphabet
    labels = _in_order(features.labels, reverse)
    _label_pairs(ax, letters[::-1] if reverse else letters, labels)
    _mark_signs(ax, image, values)
    return image


def _mark_signs(ax: Axes, image: AxesImage, values: FloatArray) -> None:
    """Writes the sign of each strong pair, so that it is not told by colour alone."""
    inches = min(ax.get_window_extent().size) / figure_of(ax).dpi
    size = min(_LETTER_SIZE, 0.5 * 72 * inches / len(values))
    if size < _MIN_SIGN_SIZE:
        return
    strength = np.nan_to_num(values) / max(map(abs, image.get_clim()))
    for sign, marker in ((1, "+"), (-1, "_")):
        rows, columns = np.nonzero(sign * strength >= _MIN_MARKED_STRENGTH)
        dark = np.abs(strength[rows, columns]) > _DARK_STRENGTH
        ax.scatter(
            columns,
            rows,
            s=size**2,
            marker=marker,
            c=np.where(dark, "white", "black"),
            linewidths=0.8,
            gid="positive pairs" if sign > 0 else "negative pairs",
        )


def _label_pairs(ax: Axes, letters: Sequence[str], labels: Sequence[str]) -> None:
    """Labels the positions of a pair map and, if there is room, its letters."""
    n_letters, n_positions = len(letters), len(labels)
    size = n_letters * n_positions
    centers = [n_letters * (i + 0.5) - 0.5 for i in range(n_positions)]
    show_letters = size <= _MAX_LETTER_LABELS
    for axis, pad in ((ax.xaxis, 12), (ax.yaxis, 14)):
        axis.set_ticks(centers, labels)
        axis.set_tick_params(
            length=0, labelsize=TICK_SIZE, pad=pad if show_letters else 3
        )
        if show_letters:
            # The middle letter of a position stands where its label does.
            axis.remove_overlapping_locs = False
            axis.set_ticks(range(size), list(letters) * n_positions, minor=True)
            axis.set_tick_params(
                which="minor", length=0, labelsize=_LETTER_SIZE, pad=1.5
            )
    edges = [n_letters * i - 0.5 for i in range(1, n_positions)]
    for line, edge in itertools.product((ax.axhline, ax.axvline), edges):
        line(edge, color="white", linewidth=1)
    ax.set_xlabel("Position", fontsize=LABEL_SIZE)
    ax.set_ylabel("Position", fontsize=LABEL_SIZE)


def _in_order(labels: Sequence[str], reverse: bool) -> list[str]:
    return list(reversed(labels)) if reverse else list(labels)


def _colors(alphabet: Alphabet) -> str | dict[str, Any]:
    """The colours of the letters, as logomaker takes them."""
    scheme = alphabet.color_scheme
    if isinstance(scheme, str):
        return _SCHEMES.get(scheme, scheme)
    letters = alphabet.alphabet
    given: Mapping[str, Any] = scheme or {}
    spare: Iterator[str] = itertools.repeat(GREY)
    if not given and len(letters) <= len(PALETTE):
        if set("ACGT") <= set(letters):  # with modified letters, for example
            given = _SCHEMES["classic"]
        spare = iter([each for each in PALETTE if each not in given.values()])
    known = {letter: color for key, color in given.items() for letter in key}
    return {
        letter: known[letter] if letter in known else next(spare) for letter in letters
    }


def _tell_cases_apart(result: Logo, colors: str | dict[str, Any]) -> None:
    """Gives upper and lower case their own colours, which logomaker does not."""
    if isinstance(colors, str):
        return
    for glyph in result.glyph_list:
        other_case = glyph.c.swapcase()
        if glyph.c in colors and other_case != glyph.c and other_case in colors:
            glyph.set_attributes(color=colors[glyph.c])
