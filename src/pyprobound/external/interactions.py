"""The interactions of modes in a fit of ProBound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from ..cooperativity import Cooperativity, Spacing
from ..errors import InputError
from ..layers import Conv1d, Layer
from ..mode import Mode
from .files import Fit
from .lines import FloatArray, ModelLine
from .modes import left_crop


def parse_probound_interactions(
    fit_final: Fit, modes: Sequence[Mode], table_idx: int
) -> list[Cooperativity]:
    """Creates the interactions of an experiment.

    The values of pairs of windows become a position bias of the pairs, for each pair
    of strands of its own; the spacing only excludes pairs. In ProBound the position
    bias of a mode does not act on its interactions, so an interaction of a mode with
    such a bias scores a copy of that mode without it.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        modes: The modes of the experiment, see ``parse_probound_modes``.
        table_idx: The place of the table in the fit, counted from 0.

    Raises:
        InputError: The matrix of an interaction is too small for the windows.
    """
    line = ModelLine(fit_final)
    result = []
    for place, settings in enumerate(line.interactions):
        first, second = line.partners(place)
        _check_motifs(line, place)
        mode_a = _without_position_bias(modes[first])
        mode_b = mode_a if first == second else _without_position_bias(modes[second])
        max_spacing = int(settings.get("maxSpacing", -1))
        max_overlap = int(settings.get("maxOverlap", 0))
        spacing = Spacing(
            mode_a.key(),
            mode_b.key(),
            max_overlap=max_overlap,
            max_spacing=None if max_spacing == -1 else max_spacing,
            ignore_pad=True,
            name=str(settings.get("componentName", "")),
        )
        pair = Cooperativity(spacing, mode_a, mode_b, train_posbias=True)
        _exclude_nested(pair, max_overlap, (line.size(first), line.size(second)))
        _write_matrix(pair, line, place, table_idx)
        result.append(pair)
    return result


def _check_motifs(line: ModelLine, interaction: int) -> None:
    for mode in line.partners(interaction):
        if line.size(mode) == 0:
            raise InputError(
                f"an interaction needs two modes with a motif, but mode {mode} is"
                " non-specific",
                key=f"modelSettings.bindingModeInteractions[{interaction}]"
                ".bindingModes",
            )


def _without_position_bias(mode: Mode) -> Mode:
    """A mode with the same specs and no position bias."""
    *others, scorer = cast("list[Layer]", list(mode.layers))
    if not isinstance(scorer, Conv1d) or not scorer.train_posbias:
        return mode
    lengths = (scorer.input_shape, scorer.min_input_length, scorer.max_input_length)
    return Mode([*others, Conv1d(scorer.layer_spec, *lengths)], name=mode.name)


@torch.no_grad()
def _exclude_nested(
    pair: Cooperativity, max_overlap: int, sizes: tuple[int, int]
) -> None:
    """Excludes pairs in which one motif lies within the other, as ProBound does.

    ProBound counts the letters from the start of the later motif to the end of the
    earlier one, even beyond the end of the later one, so that the overlap of nested
    motifs exceeds the size of the smaller one.
    """
    size_a, size_b = sizes
    spacing = pair.spacing.log_spacing
    shift = left_crop(pair.mode_b) - left_crop(pair.mode_a)
    largest = spacing.shape[1] // 2
    for column in range(spacing.shape[1]):
        offset = column - largest - shift
        overlap = min(size_a - offset, size_b + offset)
        if overlap > max_overlap >= min(size_a, size_b):
            spacing[:, column] = -math.inf


@torch.no_grad()
def _write_matrix(
    pair: Cooperativity, line: ModelLine, interaction: int, table_idx: int
) -> None:
    """Copies the values of pairs of windows, diagonal by diagonal."""
    key = f"coefficients.bindingModeInteractions[{interaction}].positionMatrix"
    stored = np.asarray(line.position_matrix(interaction, table_idx), dtype=np.float64)
    shape = (pair.n_windows_a, pair.n_windows_b)
    if stored.ndim != 4 or any(
        n < m for n, m in zip(stored.shape[2:], shape, strict=True)
    ):
        raise InputError(
            f"expected a matrix of 2 x 2 strands and at least {shape[0]} x {shape[1]}"
            f" windows, found shape {stored.shape}",
            key=f"{key}[{table_idx}]",
        )
    matrix = forward_coordinates(stored[:, :, : shape[0], : shape[1]])
    n_strands = pair.n_strands
    for place, target in enumerate(pair.log_posbias):
        diagonal = np.diagonal(
            matrix[:n_strands, :n_strands], place - shape[0] + 1, axis1=2, axis2=3
        )
        target[0, 0] = torch.from_numpy(diagonal.copy()).to(target)


def forward_coordinates(matrix: FloatArray) -> FloatArray:
    """Reverses the window axes of reverse strands; twice is the matrix again.

    Args:
        matrix: Values of shape (strands, strands, windows, windows).
    """
    result = matrix.copy()
    result[1:] = result[1:, :, ::-1]
    result[:, 1:] = result[:, 1:, :, ::-1]
    return result
