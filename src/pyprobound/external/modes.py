"""The motifs and modes of a fit of ProBound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import InputError
from ..layers import (
    PSAM,
    Conv1d,
    Layer,
    LayerSpec,
    NonSpecific,
    PadSpec,
    get_padding_layers,
)
from ..mode import Mode
from ..table import CountTable
from .files import Fit
from .lines import FloatArray, ModelLine
from .tables import parse_probound_alphabet


def parse_probound_psam(fit_final: Fit, mode_idx: int) -> PSAM:
    r"""Creates the motif of a mode.

    Values are :math:`-\Delta\Delta G / RT`, the same as those of a PSAM.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        mode_idx: The mode, counted from 0; -1 is the last one.

    Raises:
        IndexError: There is no such mode.
        InputError: The mode is non-specific, has another number of coefficients than
            its size demands, or scores a reverse strand that does not exist.
    """
    line = ModelLine(fit_final)
    if not -line.n_modes <= mode_idx < line.n_modes:
        raise IndexError(f"there is no mode {mode_idx}: the fit has {line.n_modes}")
    mode = mode_idx % line.n_modes
    alphabet = parse_probound_alphabet(fit_final)
    size = line.size(mode)
    is_double = not line.is_single_stranded(mode)
    if size == 0:
        raise InputError(
            "the mode is non-specific and has no motif",
            key=f"modelSettings.bindingModes[{mode}].size",
        )
    if is_double and not alphabet.complement:
        raise InputError(
            "the mode scores both strands, but its letters have no complement",
            key=f"modelSettings.bindingModes[{mode}].singleStrand",
        )
    psam = PSAM(
        size,
        alphabet,
        pairwise_distance=line.pair_distance(mode),
        score_reverse=is_double,
        name=line.mode_name(mode),
    )
    # The coefficient of the letter at each place of the alphabet.
    order = [line.letter_order.index(letter) for letter in alphabet.alphabet]
    write_monomers(psam, line.monomers(mode)[:, order])
    for distance in range(1, psam.pairwise_distance + 1):
        _write(psam, distance, line.pairs(mode, distance)[:, order][:, :, order])
    return psam


def write_monomers(psam: PSAM, values: FloatArray) -> None:
    """Sets the single letters of a motif with one channel and the ids 1, 2, ...

    Args:
        psam: The motif, changed in place.
        values: The values in RT, of shape (positions, letters).
    """
    _write(psam, 0, values)


@torch.no_grad()
def _write(psam: PSAM, distance: int, values: FloatArray) -> None:
    """Sets the features at one distance; with ids 1, 2, ... each has a class."""
    for part, value in zip(psam.plan(distance).classes, values, strict=True):
        psam.betas[part.key].copy_(torch.from_numpy(np.ascontiguousarray(value)))


def parse_probound_modes(
    fit_final: Fit,
    layer_specs: Sequence[LayerSpec],
    count_table: CountTable,
    table_idx: int,
) -> list[Mode]:
    """Creates the modes of an experiment.

    A mode that scores fewer letters of the flanks than the table includes begins with
    layers that crop them.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        layer_specs: For each mode a ``NonSpecific`` or a ``PSAM``; experiments that
            get the same ones share their parameters.
        count_table: The table of the experiment.
        table_idx: Its place in the fit, counted from 0.

    Raises:
        InputError: The fit has another number of modes, or a position bias that does
            not fit the table.
    """
    line = ModelLine(fit_final)
    if len(layer_specs) != line.n_modes:
        raise InputError(
            f"the fit has {line.n_modes} modes, but {len(layer_specs)} layer specs are"
            " given",
            key="modelSettings.bindingModes",
        )
    return [
        _parse_mode(line, mode, spec, count_table, table_idx)
        for mode, spec in enumerate(layer_specs)
    ]


def _parse_mode(
    line: ModelLine, mode: int, spec: LayerSpec, table: CountTable, table_idx: int
) -> Mode:
    if isinstance(spec, NonSpecific):
        return Mode.from_nonspecific(spec, table)
    if not isinstance(spec, PSAM):
        raise TypeError(
            f"layer spec {mode} must be a NonSpecific or a PSAM, not"
            f" {type(spec).__name__}"
        )
    flank_length = line.flank_length(mode)
    crops: list[Layer] = get_padding_layers(
        table.alphabet,
        table,
        left=min(0, flank_length - table.left_flank_length),
        right=min(0, flank_length - table.right_flank_length),
    )
    scorer = Conv1d.from_psam(
        spec, crops[-1] if crops else table, train_posbias=line.has_position_bias(mode)
    )
    if line.has_position_bias(mode):
        _write_position_bias(scorer, line, mode, table_idx)
    return Mode([*crops, scorer])


@torch.no_grad()
def _write_position_bias(
    scorer: Conv1d, line: ModelLine, mode: int, table_idx: int
) -> None:
    """Copies a bias; ProBound counts windows along each strand, we along the first."""
    strands = line.position_bias(mode, table_idx)
    for strand, target in enumerate(scorer.log_posbias[0]):
        values = torch.tensor([float(v) for v in strands[strand]], dtype=target.dtype)
        if len(values) != len(target):
            raise InputError(
                f"expected one value for each of {len(target)} windows, found"
                f" {len(values)}; the sequences have another length than those of the"
                " fit",
                key=f"coefficients.bindingModes[{mode}].positionBias[{table_idx}]",
            )
        target.copy_(values.flip(0) if strand else values)


def left_crop(mode: Mode) -> int:
    """The letters that a mode crops on the left, as a negative number."""
    return sum(spec.left for spec in mode.key() if isinstance(spec, PadSpec))
