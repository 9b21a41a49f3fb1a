"""Writes motifs, and the modes that score them, as ProBound stores them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..alphabets import Alphabet
from ..errors import InputError
from ..layers import PSAM, Conv0d, Conv1d, Layer, NonSpecific, Pad, Roll
from ..mode import Mode
from .export_tables import TableSettings
from .lines import FloatArray
from .parts import ModePart
from .symmetry_strings import NO_SYMMETRY, symmetry_of_ids, write_symmetry_string

NEVER = -700.0
"""Written for minus infinity: its exponential is zero beside anything."""


@dataclass(frozen=True, eq=False)
class Motif:
    """One motif as ProBound writes it; a mode of several motifs becomes several.

    Attributes:
        name: Its name.
        part: The place of its mode in the loss.
        monomers: Values of shape (positions, letters); None for non-specific binding.
        pairs: For each distance, values of shape (pairs, letters, letters).
        single_strand: Whether the forward strand alone is scored.
        flank_length: The letters of each flank that it scores.
        symmetry: What ties its values.
        constants: For each experiment, what is added to its log activities.
        biases: For each experiment its position bias by strand, along each strand;
            None where there is none.
        bin_width: The windows that share a position bias.
        max_size: The greatest size that a fit may give it; -1 for any.
        information: What a fit demands of its ends before it extends it, in bits.
    """

    name: str
    part: int
    monomers: FloatArray | None
    pairs: tuple[FloatArray, ...] = ()
    single_strand: bool = False
    flank_length: int = 0
    symmetry: str = "null"
    constants: tuple[float, ...] = ()
    biases: tuple[FloatArray | None, ...] = ()
    bin_width: int = 1
    max_size: int = -1
    information: float = 0.1

    @property
    def size(self) -> int:
        """The number of positions; 0 for non-specific binding."""
        return 0 if self.monomers is None else len(self.monomers)

    @property
    def has_position_bias(self) -> bool:
        """Whether it has one in any experiment."""
        return any(bias is not None for bias in self.biases)

    def n_windows(self, table: TableSettings) -> int:
        """The number of windows in the sequences of a table; 0 if none fits."""
        length = table.variable_length + 2 * self.flank_length
        return max(0, length - self.size + 1)

    def settings(self) -> dict[str, Any]:
        """Its entry in ``modelSettings``."""
        return {
            "componentName": self.name,
            "size": self.size,
            "flankLength": self.flank_length,
            "dinucleotideDistance": len(self.pairs),
            "positionBias": self.has_position_bias,
            "singleStrand": self.single_strand,
            "fitLogActivity": True,
            "includeComponent": True,
            "modifications": [],
        }

    def constraints(self) -> dict[str, Any]:
        """Its entry in ``modelFittingConstraints``."""
        return {
            "symmetryString": self.symmetry,
            "positionBiasBinWidth": self.bin_width,
            "roundSpecificActivity": True,
            "experimentSpecificActivity": True,
            "experimentSpecificPositionBias": True,
            "optimizeSize": False,
            "optimizeFlankLength": False,
            "optimizeSizeHeuristic": False,
            "optimizeMotifShift": False,
            "optimizeMotifShiftHeuristic": False,
            "informationThreshold": self.information,
            "maxFlankLength": -1,
            "maxSize": self.max_size,
            "minSize": -1,
            "fittingStages": [],
        }

    def coefficients(
        self, activity: list[list[float]], tables: Sequence[TableSettings]
    ) -> dict[str, Any]:
        """Its entry in ``coefficients``.

        Args:
            activity: Its log activities by experiment and column.
            tables: The tables of the experiments.
        """
        result: dict[str, Any] = {
            "mononucleotide": []
            if self.monomers is None
            else self.monomers.ravel().tolist(),
            "dinucleotide": [values.ravel().tolist() for values in self.pairs],
            "activity": activity,
            "modifications": [],
        }
        if self.has_position_bias:
            result["positionBias"] = [
                (
                    np.zeros((2, self.n_windows(table))) if bias is None else bias
                ).tolist()
                for bias, table in zip(self.biases, tables, strict=True)
            ]
        return result


# --- letters ------------------------------------------------------------------------


def letter_settings(alphabet: Alphabet, both_strands: bool) -> dict[str, str]:
    """How ProBound names the letters.

    Args:
        alphabet: The letters.
        both_strands: Whether a motif scores both strands.

    Raises:
        InputError: The letters are no single characters from A to Z and a to z.
    """
    letters = alphabet.alphabet
    for letter in letters:
        if not (len(letter) == 1 and letter.isascii() and letter.isalpha()):
            raise InputError(
                f"ProBound knows letters from A to Z and a to z; {letter!r} is none",
                key="alphabet",
            )
    if both_strands or alphabet.complement:
        half = (len(letters) + 1) // 2
        # From the middle outwards, as in C-G,A-T.
        pairs = [f"{letters[i]}-{letters[-1 - i]}" for i in reversed(range(half))]
    else:
        pairs = [f"{letter}-{letter}" for letter in letters]
    return {"letterOrder": "".join(letters), "letterComplement": ",".join(pairs)}


# --- motifs -------------------------------------------------------------------------


def motif_values(
    psam: PSAM, motif: int, key: str, remarks: list[str]
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """The values of single letters and of pairs.

    Args:
        psam: The motifs.
        motif: Which one of them.
        key: The name of the mode, for messages.
        remarks: Receives what was changed.

    Raises:
        InputError: A value is not a number.
    """
    with torch.no_grad():
        monomers = _finite(_array(psam.forward_filter(0)[motif]).T, key, remarks)
        pairs = tuple(
            _finite(
                np.moveaxis(_array(psam.forward_filter(distance)[motif]), -1, 0),
                key,
                remarks,
            )
            for distance in range(1, psam.pairwise_distance + 1)
        )
    if psam.dilation > 1:
        # Positions that are not read are positions at which no letter matters.
        spread = np.zeros((psam.span, monomers.shape[1]))
        spread[:: psam.dilation] = monomers
        monomers = spread
    return monomers, pairs


def symmetry_string(psam: PSAM, key: str, remarks: list[str]) -> str:
    """What ties the values of a motif, one character per position.

    Args:
        psam: The motif.
        key: The name of the mode, for messages.
        remarks: Receives what cannot be written.
    """
    with_pairs = psam.pairwise_distance > 0
    ids = psam.ids
    if len({abs(i) for i in ids}) == len(ids):
        return NO_SYMMETRY
    problem = ""
    if psam.dilation > 1:
        problem = "it is that of a dilated motif"
    elif psam.pair_symmetry != "exact" and with_pairs:
        problem = "pairs are tied as in PyProBound 1.5"
    else:
        try:
            return write_symmetry_string(symmetry_of_ids(ids), with_pairs=with_pairs)
        except InputError as error:
            problem = error.message
    remarks.append(
        f"{key}: of its symmetry the values are written, but not that they are tied:"
        f" {problem}"
    )
    return NO_SYMMETRY


def export_motifs(
    part: ModePart,
    place: int,
    tables: Sequence[TableSettings],
    remarks: list[str],
) -> list[Motif]:
    """Writes a mode of a loss: as one motif, or as one for each of its motifs.

    Args:
        part: The mode.
        place: Its place in the loss.
        tables: The tables of the experiments.
        remarks: Receives what is not written, or written differently.

    Raises:
        InputError: The mode has a part that ProBound does not know.
    """
    key = f"mode {part.name!r}"
    scorers = [None if m is None else _scorer(m, key) for m in part.bindings]
    if isinstance(part.spec, NonSpecific):
        constants = tuple(
            0.0 if scorer is None else _nonspecific_constant(scorer, key, remarks)
            for scorer in scorers
        )
        nothing = (None,) * len(constants)
        return [Motif(part.name, place, None, constants=constants, biases=nothing)]
    psam = part.spec
    if not isinstance(psam, PSAM):
        raise _refusal(key, f"{type(psam).__name__} has no counterpart")
    strands = {_strands(s, key) for s in scorers if isinstance(s, Conv1d)}
    if len(strands) > 1:
        raise _refusal(key, "experiments score different strands")
    single = strands.pop() == 1
    flank = _flank_length(part.bindings, tables, key)
    if psam.n_motifs > 1:
        remarks.append(f"{key}: its {psam.n_motifs} motifs are written as modes")
    motifs = []
    for motif in range(psam.n_motifs):
        monomers, pairs = motif_values(psam, motif, key, remarks)
        bias = psam.bias[motif].item()
        biases = tuple(
            _position_bias(scorer, motif, single, key)
            if isinstance(scorer, Conv1d)
            else None
            for scorer in scorers
        )
        suffix = f" motif {motif + 1}" if psam.n_motifs > 1 else ""
        motifs.append(
            Motif(
                part.name + suffix,
                place,
                monomers,
                pairs,
                single,
                flank,
                symmetry_string(psam, key, remarks),
                (bias,) * len(tables),
                biases,
                _bin_width(scorers),
                -1 if psam.max_kernel_size is None else psam.max_kernel_size,
                psam.information_threshold,
            )
        )
    return motifs


# --- layers -------------------------------------------------------------------------


def _scorer(mode: Mode, key: str) -> Layer:
    """The last layer of a mode, behind layers that only cut flanks off."""
    if bool(mode.log_hill != 0):
        raise _refusal(key, "a Hill coefficient has no counterpart")
    *others, last = list(mode.layers)
    unknown = [layer for layer in others if not isinstance(layer, Pad | Roll)]
    if not isinstance(last, Conv1d | Conv0d):
        unknown = [last]
    if unknown:
        raise _refusal(
            key, f"the layer {type(unknown[0]).__name__} has no counterpart there"
        )
    assert isinstance(last, Layer)  # noqa: S101 - it is a Conv1d or a Conv0d
    return last


def _strands(scorer: Conv1d, key: str) -> int:
    psam, chosen = scorer.layer_spec, scorer.out_channel_indexing
    if chosen is None or sorted(chosen) == list(range(psam.out_channels)):
        return psam.n_strands
    if sorted(chosen) == list(range(psam.n_motifs)):
        return 1
    raise _refusal(key, f"scoring the channels {chosen} alone has no counterpart")


def _flank_length(
    bindings: Iterable[Mode | None], tables: Sequence[TableSettings], key: str
) -> int:
    found = set()
    for mode, table in zip(bindings, tables, strict=True):
        if mode is None:
            continue
        pads = [layer for layer in mode.layers if isinstance(layer, Pad)]
        if any(max(pad.layer_spec.left, pad.layer_spec.right) > 0 for pad in pads):
            raise _refusal(key, "padding with wildcards has no counterpart")
        left = table.left_flank_length + sum(pad.layer_spec.left for pad in pads)
        right = table.right_flank_length + sum(pad.layer_spec.right for pad in pads)
        if left != right:
            raise _refusal(
                key,
                f"{left} letters of the left and {right} of the right flank are scored;"
                " ProBound scores equally many",
            )
        if left < 0 or left > min(len(table.left_flank), len(table.right_flank)):
            raise _refusal(
                key,
                f"{left} letters of the flanks are scored, but those of the table"
                f" {table.name!r} have {len(table.left_flank)} and"
                f" {len(table.right_flank)}",
            )
        found.add(left)
    if len(found) > 1:
        raise _refusal(
            key,
            f"experiments score different flanks ({sorted(found)} letters); ProBound"
            " scores equally many in all",
        )
    return found.pop()


def _nonspecific_constant(scorer: Layer, key: str, remarks: list[str]) -> float:
    """The score of a non-specific mode in sequences of the greatest length."""
    assert isinstance(scorer, Conv0d)  # noqa: S101 - its spec is a NonSpecific
    lengths = torch.arange(scorer.min_input_length, scorer.max_input_length + 1)
    with torch.no_grad():
        values = scorer.log_posbias.flatten().double()
        if not scorer.layer_spec.ignore_length:
            values = values + lengths.to(values).log()
    if bool((values != values[-1]).any()):
        remarks.append(
            f"{key}: non-specific binding depends on the length of a sequence; written"
            f" is that of {int(lengths[-1])} letters"
        )
    return float(values[-1])


def _position_bias(
    scorer: Conv1d, motif: int, single: bool, key: str
) -> FloatArray | None:
    """The bias of the windows by strand, each along its strand; None without one."""
    with torch.no_grad():
        by_length = _array(scorer.get_log_posbias())
    if not by_length.any() and not scorer.train_posbias:
        return None
    if scorer.min_input_length != scorer.max_input_length and by_length.any():
        raise _refusal(
            key,
            "a position bias in sequences of several lengths has no counterpart",
        )
    bias = by_length[-1]
    psam = scorer.layer_spec
    if len(bias) == 1:
        bias = np.repeat(bias, psam.out_channels, axis=0)
    forward = bias[motif]
    reverse = np.zeros_like(forward) if single else bias[-1 - motif][::-1]
    return np.stack([forward, reverse])


def forward_bias(scorer: Conv1d, n_strands: int) -> FloatArray:
    """The position bias of a motif along the forward strand.

    Args:
        scorer: A layer with one motif and sequences of one length.
        n_strands: The number of strands that are scored.

    Returns:
        Values of shape (strands, windows).
    """
    with torch.no_grad():
        bias = _array(scorer.get_log_posbias())[-1]
    return np.broadcast_to(bias, (max(n_strands, len(bias)), bias.shape[1]))[:n_strands]


def _bin_width(scorers: Sequence[Layer | None]) -> int:
    """The bins, where those of ProBound, from the start of each strand, are the same."""
    layers = [each for each in scorers if isinstance(each, Conv1d)]
    widths = {each.bias_bin for each in layers}
    if len(widths) > 1 or any(
        each.bias_mode != "channel" or each.out_len(each.input_shape) % each.bias_bin
        for each in layers
    ):
        return 1
    return widths.pop()


def _finite(
    values: npt.NDArray[np.float64], key: str, remarks: list[str]
) -> FloatArray:
    if np.isfinite(values).all():
        return np.array(values)
    if np.isnan(values).any() or (values == math.inf).any():
        raise _refusal(key, "a value of its motif is not a number")
    remarks.append(f"{key}: values of minus infinity are written as {NEVER:g}")
    return np.where(np.isneginf(values), NEVER, values)


def _array(values: Tensor) -> FloatArray:
    array: FloatArray = values.detach().cpu().double().numpy()
    return array


def _refusal(key: str, message: str) -> InputError:
    return InputError(f"cannot be written for ProBound: {message}", key=key)
