"""The motifs and modes of a fit of ProBound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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
from .symmetry_strings import parse_symmetry_string
from .tables import parse_probound_alphabet

# Tied values that differ by less are taken for equal.
_TIED = 1e-9


Symmetry = Literal["free", "tied"]


def parse_probound_psam(
    fit_final: Fit, mode_idx: int, *, symmetry: Symmetry = "free"
) -> PSAM:
    r"""Creates the motif of a mode.

    Values are :math:`-\Delta\Delta G / RT`, the same as those of a PSAM.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        mode_idx: The mode, counted from 0; -1 is the last one.
        symmetry: With ``tied``, positions that share values in the fit share them here
            too, if a PSAM can tie them in this way and the values agree. With
            ``free``, all positions have values of their own.

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
    # The coefficient of the letter at each place of the alphabet.
    order = [line.letter_order.index(letter) for letter in alphabet.alphabet]
    values = [line.monomers(mode)[:, order]] + [
        line.pairs(mode, distance)[:, order][:, :, order]
        for distance in range(1, line.pair_distance(mode) + 1)
    ]
    ids = _ids(line, mode) if symmetry == "tied" else None
    for tied in [None] if ids is None else [ids, None]:
        psam = PSAM(
            size,
            alphabet,
            pairwise_distance=line.pair_distance(mode),
            symmetry=tied,
            score_reverse=is_double,
            name=line.mode_name(mode),
        )
        if all(_write(psam, distance, block) for distance, block in enumerate(values)):
            break
    return psam


def _ids(line: ModelLine, mode: int) -> tuple[int, ...] | None:
    """The ids of the positions of a motif; None if a PSAM cannot tie them."""
    text = line.symmetry_string(mode)
    key = f"modelFittingConstraints.bindingModes[{mode}].symmetryString"
    found = parse_symmetry_string(text, key=key)
    if found is None:
        return None
    if len(found.ids) != line.size(mode):
        raise InputError(
            f"{text!r} has {len(found.ids)} positions, but the mode has"
            f" {line.size(mode)}",
            key=key,
        )
    is_plain = not (found.own_complements or found.barriers or 0 in found.ids)
    return found.ids if is_plain else None


def write_monomers(psam: PSAM, values: FloatArray) -> None:
    """Sets the single letters of a motif with one channel and the ids 1, 2, ...

    Args:
        psam: The motif, changed in place.
        values: The values in RT, of shape (positions, letters).
    """
    _write(psam, 0, values)


@torch.no_grad()
def _write(psam: PSAM, distance: int, values: FloatArray) -> bool:
    """Sets the features at one distance; False if values that are tied differ."""
    plan = psam.plan(distance)
    by_position = np.moveaxis(values, 0, -1)
    stored = np.zeros(sum(part.size for part in plan.classes))
    stored[plan.index] = by_position
    if not np.allclose(stored[plan.index], by_position, rtol=0, atol=_TIED):
        return False
    end = 0
    for part in plan.classes:
        start, end = end, end + part.size
        block = torch.from_numpy(stored[start:end].reshape(1, *part.shape))
        psam.betas[part.key].copy_(block)
    return True


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
