"""Writes the interactions of modes as ProBound stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..cooperativity import Cooperativity
from ..errors import InputError
from ..layers import Conv1d
from ..mode import Mode
from .export_modes import NEVER, Motif, forward_bias
from .export_tables import TableSettings
from .interactions import forward_coordinates
from .lines import FloatArray
from .parts import PairPart


@dataclass(frozen=True, eq=False)
class Interaction:
    """An interaction as ProBound writes it.

    Attributes:
        name: Its name.
        part: Its place among the interactions of the loss.
        modes: The places of its two modes among those that are written.
        max_overlap: The most letters that both may cover.
        max_spacing: The most letters between them; -1 for no limit.
        matrices: For each experiment the values of pairs of windows, of shape
            (2, 2, windows, windows), along each strand.
        constant: What is added to its log activities.
    """

    name: str
    part: int
    modes: tuple[int, int]
    max_overlap: int
    max_spacing: int
    matrices: tuple[FloatArray, ...]
    constant: float

    def settings(self) -> dict[str, Any]:
        """Its entry in ``modelSettings``."""
        return {
            "componentName": self.name,
            "bindingModes": list(self.modes),
            "maxOverlap": self.max_overlap,
            "maxSpacing": self.max_spacing,
            "positionBias": not all(map(_is_homogeneous, self.matrices)),
            "fitLogActivity": True,
            "includeComponent": True,
        }

    def constraints(self) -> dict[str, Any]:
        """Its entry in ``modelFittingConstraints``."""
        return {
            "roundSpecificActivity": True,
            "experimentSpecificActivity": True,
            "experimentSpecificInteraction": len(self.matrices) > 1,
        }

    def coefficients(self, activity: list[list[float]]) -> dict[str, Any]:
        """Its entry in ``coefficients``.

        Args:
            activity: Its log activities by experiment and column.
        """
        matrices = [matrix.tolist() for matrix in self.matrices]
        return {"activity": activity, "positionMatrix": matrices}


def export_interaction(
    part: PairPart,
    place: int,
    motifs: Sequence[Motif],
    tables: Sequence[TableSettings],
    remarks: list[str],
) -> Interaction:
    """Writes an interaction of a loss.

    ProBound does not apply the position bias of a mode to its interactions, so that
    of ours becomes a part of the values of pairs of windows.

    Args:
        part: The interaction.
        place: Its place among the interactions of the loss.
        motifs: The modes that are written.
        tables: The tables of the experiments.
        remarks: Receives what is written differently.

    Raises:
        InputError: The interaction has a part that ProBound does not know.
    """
    key = f"interaction {part.name!r}"
    modes = tuple(_place_of(motifs, mode, key) for mode in part.modes)
    first, second = (motifs[i] for i in modes)
    energies = [
        None if pair is None else _energies(pair, key) for pair in part.bindings
    ]
    gaps = [_gaps(first, second, table) for table in tables]
    limits = _limits(part, energies, gaps)
    matrices = []
    written_never = False
    for table, values, gap in zip(tables, energies, gaps, strict=True):
        shape = (2, 2, first.n_windows(table), second.n_windows(table))
        matrix = np.zeros(shape)
        if values is not None:
            n = len(values)
            allowed = _allowed(gap, *limits)[:n, :n]
            excluded = np.isneginf(values)
            written_never |= bool((excluded & allowed).any())
            values = np.where(excluded, NEVER, values)
            matrix[:n, :n] = np.where(allowed, values, 0.0)
        matrices.append(forward_coordinates(matrix))
    if written_never:
        remarks.append(
            f"{key}: pairs that are excluded beyond overlap and spacing have the value"
            f" {NEVER:g}"
        )
    constant = first.constants[0] + second.constants[0]
    return Interaction(
        part.name, place, (modes[0], modes[1]), *limits, tuple(matrices), constant
    )


def _place_of(motifs: Sequence[Motif], part: int, key: str) -> int:
    places = [i for i, motif in enumerate(motifs) if motif.part == part]
    if len(places) != 1 or motifs[places[0]].monomers is None:
        raise _refusal(key, "it needs two modes of one motif each")
    return places[0]


def _energies(pair: Cooperativity, key: str) -> FloatArray:
    """The energy of all pairs of windows, along the forward strand."""
    if bool(pair.log_hill != 0):
        raise _refusal(key, "a Hill coefficient has no counterpart")
    with torch.no_grad():
        by_length = pair.get_log_spacing_matrix().detach().cpu().double().numpy()
    # Every number of windows up to that of the longest row has an entry.
    lengths = [mode.max_input_length - mode.min_input_length for mode in _modes(pair)]
    if any(lengths) and by_length.shape[:2] != (1, 1):
        raise _refusal(
            key, "a bias of windows in sequences of several lengths has no counterpart"
        )
    energies: FloatArray = by_length[-1, -1].copy()
    for axis, mode in enumerate(_modes(pair)):
        scorer = list(mode.layers)[-1]
        if not isinstance(scorer, Conv1d) or bool(mode.log_hill != 0):
            raise _refusal(key, "it joins a mode that has no counterpart")
        bias = forward_bias(scorer, pair.n_strands)
        if bias.any() and scorer.min_input_length != scorer.max_input_length:
            raise _refusal(
                key, "a position bias in sequences of several lengths of its modes"
            )
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = bias.shape
        energies = energies + bias.reshape(shape)
    return energies


def _modes(pair: Cooperativity) -> tuple[Mode, Mode]:
    return pair.mode_a, pair.mode_b


def _gaps(first: Motif, second: Motif, table: TableSettings) -> FloatArray:
    """The letters between two windows, negative where they overlap."""
    starts = [
        np.arange(motif.n_windows(table)) - motif.flank_length
        for motif in (first, second)
    ]
    a, b = starts[0][:, None], starts[1][None, :]
    gaps: FloatArray = np.maximum(b - (a + first.size), a - (b + second.size))
    return gaps


def _limits(
    part: PairPart, energies: Sequence[FloatArray | None], gaps: Sequence[FloatArray]
) -> tuple[int, int]:
    """The least limits of overlap and spacing, but those set, that exclude no pair."""
    spacing = next(pair for pair in part.bindings if pair is not None).spacing
    overlap = max(0, spacing.max_overlap or 0)
    distance = spacing.max_spacing if spacing.max_spacing is not None else -1
    for values, gap in zip(energies, gaps, strict=True):
        if values is None:
            continue
        permitted = gap[(~np.isneginf(values)).any(axis=(0, 1))]
        if permitted.size:
            overlap = max(overlap, int(-permitted.min()))
            if distance >= 0:
                distance = max(distance, int(permitted.max()))
    return overlap, distance


def _allowed(
    gaps: FloatArray, max_overlap: int, max_spacing: int
) -> npt.NDArray[np.bool_]:
    """The pairs that ProBound scores, of shape (2, 2, windows, windows)."""
    allowed = -gaps <= max_overlap
    if max_spacing != -1:
        allowed &= gaps <= max_spacing
    return np.broadcast_to(allowed, (2, 2, *allowed.shape))


def _is_homogeneous(matrix: FloatArray) -> bool:
    """Whether the values depend on the offset and the relative strand alone."""
    forward = forward_coordinates(matrix)
    n_a, n_b = forward.shape[2:]
    for offset in range(1 - n_a, n_b):
        same = np.diagonal(forward[0, 0], offset)
        if np.ptp(same) > 0 or np.ptp(np.diagonal(forward[0, 1], offset)) > 0:
            return False
    mirrored = forward[::-1, ::-1, ::-1, ::-1]
    return bool(np.array_equal(forward, mirrored))


def _refusal(key: str, message: str) -> InputError:
    return InputError(f"cannot be written for ProBound: {message}", key=key)
