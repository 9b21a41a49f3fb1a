"""Takes models of ProBound apart, as they stand in JSON."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..external.export import OWN_KEY
from ..external.lines import ModelLine
from ..stats.best import MotifScores
from ..stats.gauges import Gauge, to_gauge

Document = dict[str, Any]

_MODES, _PAIRS = "bindingModes", "bindingModeInteractions"
# What the file says about its agreement with data, which changes with the modes.
_LOSSES = (
    "logLikelihood",
    "unpenalizedLogLikelihoodPerRead",
    "unpenalizedLogLikelihoodPerReadTest",
)
# ... and what changes with the gauge, to which the regularisation is not blind.
_PENALISED = ("logLikelihoodPerRead", "regularization", "objective")


def keep_parts(
    document: Mapping[str, Any], modes: Collection[int], pairs: Collection[int]
) -> Document:
    """Removes modes and interactions from a model, everywhere it names them.

    Indices in the lists of members are renumbered. The losses that the file records
    are removed if anything else is, since they belong to the whole model.

    Args:
        document: The model; it is not changed.
        modes: The places of the modes to keep.
        pairs: Those of the interactions; their partners are kept.

    Raises:
        InputError: An experiment would be left without any mode.
    """
    result = copy.deepcopy(dict(document))
    line = ModelLine(document)
    kept = {_MODES: sorted(modes), _PAIRS: sorted(pairs)}
    for section in ("modelSettings", "coefficients", "modelFittingConstraints"):
        for kind, places in kept.items():
            values = result.get(section, {}).get(kind)
            if isinstance(values, list):
                result[section][kind] = [values[i] for i in places if i < len(values)]
    for settings in result["modelSettings"].get(_PAIRS, []):
        settings[_MODES] = [kept[_MODES].index(int(i)) for i in settings[_MODES]]
    for table, settings in enumerate(
        result["modelSettings"].get("enrichmentModel", [])
    ):
        _keep_members(settings, kept)
        if settings.get(_MODES) == [] and line.enrichment(table).get(_MODES) != []:
            raise InputError(
                f"no mode of experiment {table} would be left; keep one of its modes",
                key=f"modelSettings.enrichmentModel[{table}].{_MODES}",
            )
    if len(modes) < line.n_modes or len(pairs) < len(line.interactions):
        _forget(result, (*_LOSSES, *_PENALISED))
        # What this library adds is about the whole model as well.
        result.pop(OWN_KEY, None)
    return result


def _keep_members(
    settings: MutableMapping[str, Any], kept: Mapping[str, Sequence[int]]
) -> None:
    """Renumbers the members of an experiment and of its columns."""
    for kind, places in kept.items():
        if kind in settings:
            settings[kind] = _renumbered(settings[kind], places)
        key = f"roundSpecific{kind[0].upper()}{kind[1:]}"
        columns = settings.get(key)
        if not columns or not any(columns):
            continue
        settings[key] = [_renumbered(column, places) for column in columns]
        if not any(settings[key]):
            # Empty lists in all columns would mean all members in all columns.
            settings[key], settings[kind] = [[]], []


def _renumbered(members: Sequence[int], places: Sequence[int]) -> list[int]:
    if list(members) == [-1]:
        return [-1]
    return [places.index(int(i)) for i in members if int(i) in places]


def gauge_modes(
    document: Mapping[str, Any], modes: Collection[int], gauge: Gauge
) -> Document:
    """Brings motifs into a gauge; activities make up for it.

    With the mismatch gauge the position bias is normalised too: the mean of its
    factors over the windows in use becomes 1 in each experiment. No prediction
    changes.

    Args:
        document: The model; it is not changed.
        modes: The places of the modes.
        gauge: See ``stats.gauges``.

    Raises:
        InputError: Activities are not logarithms, or pairs reach too far.
    """
    result = copy.deepcopy(dict(document))
    line = ModelLine(document)
    shifts = {}
    for mode in sorted(modes):
        if not line.size(mode):
            continue
        _check_logarithmic(line.settings[_MODES][mode], f"{_MODES}[{mode}]")
        changed, shifts[mode] = to_gauge(scores_of(line, mode), gauge)
        values = result["coefficients"][_MODES][mode]
        values["mononucleotide"] = changed.letters.ravel().tolist()
        if changed.pairs:
            values["dinucleotide"] = [
                changed.pairs[distance].ravel().tolist()
                for distance in sorted(changed.pairs)
            ]
        _shift_activity(values, shifts[mode])
        if gauge == "mismatch":
            _normalise_bias(values, line, mode)
    for pair, settings in enumerate(line.interactions):
        shift = sum(shifts.get(mode, 0.0) for mode in line.partners(pair))
        if shift:
            _check_logarithmic(settings, f"{_PAIRS}[{pair}]")
            _shift_activity(result["coefficients"][_PAIRS][pair], shift)
    _forget(result, _PENALISED)
    return result


def scores_of(line: ModelLine, mode: int) -> MotifScores:
    """The values of a mode, in the letters' order of the file.

    Args:
        line: The model.
        mode: The place of the mode.
    """
    distances = range(1, line.pair_distance(mode) + 1)
    return MotifScores(line.monomers(mode), {d: line.pairs(mode, d) for d in distances})


def mean_log_bias(line: ModelLine, mode: int) -> list[float]:
    r"""For each experiment :math:`\log \overline{e^\omega}` over the windows in use.

    Args:
        line: The model.
        mode: The place of the mode.
    """
    stored = line.mode_values(mode).get("positionBias") or []
    if not line.has_position_bias(mode):
        return [0.0] * len(line.tables)
    strands = 1 if line.is_single_stranded(mode) else 2
    return [
        float(np.log(np.exp(np.asarray(bias[:strands], dtype=np.float64)).mean()))
        for bias in stored
    ]


def _check_logarithmic(settings: Mapping[str, Any], place: str) -> None:
    if not settings.get("fitLogActivity", True):
        raise InputError(
            "its activities are not logarithms, which is not supported",
            key=f"modelSettings.{place}.fitLogActivity",
        )


def _shift_activity(
    values: MutableMapping[str, Any], shift: float | Sequence[float]
) -> None:
    activity = values.get("activity") or [[0.0]]
    shifts = [shift] * len(activity) if isinstance(shift, float | int) else shift
    values["activity"] = [
        [float(each) + by for each in row]
        for row, by in zip(activity, shifts, strict=True)
    ]


def _normalise_bias(
    values: MutableMapping[str, Any], line: ModelLine, mode: int
) -> None:
    if not line.has_position_bias(mode):
        return
    shifts = mean_log_bias(line, mode)
    strands = 1 if line.is_single_stranded(mode) else 2
    for bias, shift in zip(values["positionBias"], shifts, strict=True):
        for strand in bias[:strands]:
            strand[:] = [float(each) - shift for each in strand]
    _shift_activity(values, shifts)


def _forget(document: MutableMapping[str, Any], keys: Collection[str]) -> None:
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        for key in keys:
            metadata.pop(key, None)
