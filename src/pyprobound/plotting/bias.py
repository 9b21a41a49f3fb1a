"""Position biases of a mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ..layers import Conv0d, Conv1d
from ..mode import Mode
from .panels import heatmap_plotter, line_plotter
from .style import LABEL_SIZE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, FigureBase

Style = Literal["line", "heatmap"]

_LABEL = r"Position bias $e^{\omega}$"


def position_biases(conv1d: Conv1d | Conv0d | Mode) -> dict[str, pd.DataFrame]:
    r"""The position bias :math:`e^\omega` of each output channel.

    Args:
        conv1d: A layer, or a mode with exactly one such layer.

    Returns:
        By the name of the channel, a frame with a row for each input length and a
        column for each window. There is one row if the bias is the same for all
        lengths.

    Raises:
        ValueError: A mode does not have exactly one ``Conv0d`` or ``Conv1d``.
    """
    import pandas as pd

    layer = _the_layer(conv1d)
    with torch.no_grad():
        bias = layer.get_log_posbias().double().cpu().exp().numpy()
    shortest, longest = layer.min_input_length, layer.max_input_length
    if len(bias) > 1:
        bias = bias[shortest : longest + 1]
        lengths = [str(length) for length in range(shortest, longest + 1)]
    else:
        lengths = [f"{shortest} to {longest}" if longest > shortest else f"{longest}"]
    rows = pd.Index(lengths, name="Probe length")
    columns = pd.RangeIndex(bias.shape[2], name="Window position")
    names = _channel_names(layer)
    bias = np.broadcast_to(bias, (len(bias), _n_channels(layer), bias.shape[2]))
    chosen = layer.out_channel_indexing if isinstance(layer, Conv1d) else None
    return {
        names[channel]: pd.DataFrame(bias[:, channel], rows, columns)
        for channel in (range(len(names)) if chosen is None else chosen)
    }


def posbias(
    conv1d: Conv1d | Conv0d | Mode,
    mode: Style | None = None,
    *,
    figure: FigureBase | None = None,
) -> Figure:
    r"""Draws the position bias :math:`e^\omega` of each output channel.

    It is drawn as lines over the windows if there is one for all probes, else as
    colours, with a row for each probe length. Windows are counted from 0 at the left
    end of the probe, flanks included, and have the same places on both strands.

    Args:
        conv1d: A layer, or a mode with exactly one ``Conv0d`` or ``Conv1d``.
        mode: ``line`` or ``heatmap`` to choose one.
        figure: Where to draw, a figure or a part of one; a new one by default.

    Returns:
        The figure.

    Raises:
        ValueError: A mode does not have exactly one ``Conv0d`` or ``Conv1d``, lines are
            asked for although there are several probe lengths, or ``mode`` is unknown.
    """
    if mode not in (None, "line", "heatmap"):
        raise ValueError(f"mode must be 'line' or 'heatmap', not {mode!r}")
    frames = position_biases(conv1d)
    n_lengths = len(next(iter(frames.values())))
    if mode == "line" and n_lengths > 1:
        raise ValueError(
            f"There are biases for {n_lengths} probe lengths, but lines can show only"
            " one; use mode='heatmap'"
        )
    title = _title(conv1d)
    if mode == "heatmap" or n_lengths > 1:
        return heatmap_plotter(frames, title, figure=figure, label=_LABEL)
    ax = None if figure is None else figure.subplots()
    result = line_plotter(frames, title, ax=ax)
    (ax or result.axes[0]).set_ylabel(_LABEL, fontsize=LABEL_SIZE)
    return result


def _the_layer(conv1d: Conv1d | Conv0d | Mode) -> Conv1d | Conv0d:
    if not isinstance(conv1d, Mode):
        return conv1d
    layers = [each for each in conv1d.layers if isinstance(each, Conv0d | Conv1d)]
    if len(layers) != 1:
        raise ValueError(
            f"The mode has {len(layers)} layers with a position bias, but exactly one"
            " can be drawn; give one of its layers"
        )
    return layers[0]


def _n_channels(layer: Conv1d | Conv0d) -> int:
    """The number of channels, before some are chosen."""
    return layer.layer_spec.out_channels


def _channel_names(layer: Conv1d | Conv0d) -> list[str]:
    if isinstance(layer, Conv0d):
        return ["Non-specific"]
    psam = layer.layer_spec
    motifs = [
        f"Channel {i} " if psam.n_motifs > 1 else "" for i in range(psam.n_motifs)
    ]
    names = [f"{motif}Forward" for motif in motifs]
    if psam.score_reverse:
        # The channels of the reverse strand are those of the other, turned around.
        names += [f"{motif}Reverse" for motif in reversed(motifs)]
    return names


def _title(conv1d: Conv1d | Conv0d | Mode) -> str:
    return conv1d.name or _the_layer(conv1d).layer_spec.name
