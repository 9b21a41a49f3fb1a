"""Makes a scoring model of a fit: what does not depend on one experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from ..errors import InputError
from ..external.export import ScoringMode, export_scoring_model
from ..external.lines import ModelLine
from ..layers import PSAM, Conv1d
from ..mode import Mode
from ..stats.best import FloatArray, MotifScores
from ..stats.gauges import mismatch_gauge
from .open_model import double_precision, open_line
from .opened import ModelMode, OpenedModel
from .surgery import only_activity
from .surgery_lines import mean_log_bias

_KEPT = ("fitName", "version", "fit_id", "factors", "experiments", "source")

NonSpecificRule = Literal["window", "sequence", "drop"]


@dataclass(frozen=True)
class _Scored:
    """A mode of the scoring model."""

    name: str
    scores: MotifScores | None
    both_strands: bool
    activity: float


def consensus(
    opened: OpenedModel, *, nonspecific: NonSpecificRule = "window"
) -> OpenedModel:
    """Makes a scoring model, without what belongs to single experiments.

    Motifs are brought into the mismatch gauge. The activity of a mode becomes the mean
    of its activities over the columns in which it takes part, each column relative to
    its most active mode, with the mean of the factors of its position bias. The first
    column of an experiment of ProBound with cumulative enrichment is the library
    before selection and does not count. Depths, flanks, position biases and
    interactions are left out; remarks of the result say which.

    A scoring model only changes its gauge.

    Args:
        opened: The model.
        nonspecific: What becomes of non-specific binding: with ``window`` a motif of
            zeros, as ProBoundTools makes it, so that longer sequences are bound more;
            with ``sequence`` it stays the same for all sequences; or ``drop``.

    Raises:
        InputError: The model has something that a scoring model cannot have.
    """
    if opened.alphabet.monomer_length != 1:
        raise InputError(
            "a scoring model needs letters of one character", path=opened.path
        )
    remarks: list[str] = []
    bare = [_bare_mode(mode, remarks) for mode in opened.modes]
    activities = _activities(opened, [shift for _, shift in bare])
    scored = [
        _Scored(mode.name, scores, _both_strands(opened, mode), activity)
        for mode, (scores, _), activity in zip(
            opened.modes, bare, activities, strict=True
        )
    ]
    scored = _with_nonspecific(opened, scored, nonspecific, remarks)
    remarks += [
        f"the mode {mode.name!r} takes part nowhere and is left out"
        for mode in scored
        if math.isinf(mode.activity)
    ]
    scored = [mode for mode in scored if not math.isinf(mode.activity)]
    if not scored:
        raise InputError("no mode takes part in any round", path=opened.path)
    if opened.interactions:
        names = ", ".join(repr(pair.name) for pair in opened.interactions)
        remarks.append(f"interactions are left out: {names}")
    modes = [
        ScoringMode(_make_psam(opened, mode), mode.activity, mode.name)
        for mode in scored
    ]
    export = export_scoring_model(modes, opened.alphabet, metadata=_metadata(opened))
    result = open_line(opened.path, export.document)
    return replace(result, remarks=(*result.remarks, *remarks))


def _metadata(opened: OpenedModel) -> dict[str, Any]:
    """What remains true of the model: what it is of, and where it comes from."""
    kept = {k: v for k, v in opened.provenance.items() if k in _KEPT}
    return {"source": opened.path.name, **kept}


@torch.no_grad()
def _make_psam(opened: OpenedModel, mode: _Scored) -> PSAM | None:
    scores = mode.scores
    if scores is None:
        return None
    with torch.random.fork_rng(devices=[]), double_precision():
        psam = PSAM(
            scores.n_positions,
            opened.alphabet,
            pairwise_distance=max(scores.pairs, default=0),
            score_reverse=mode.both_strands,
            name=mode.name,
        )
    for distance in range(psam.pairwise_distance + 1):
        blocks = scores.pairs[distance] if distance else scores.letters
        # With the ids 1, 2, ... each place has values of its own.
        for part, block in zip(psam.plan(distance).classes, blocks, strict=True):
            psam.betas[part.key].copy_(torch.from_numpy(np.array(block)))
    return psam


def _scores_of(mode: ModelMode) -> MotifScores | None:
    """The values of the motif of a mode; None for non-specific binding."""
    psam = mode.psam
    if psam is None:
        return None
    if psam.n_motifs > 1:
        raise InputError(
            f"the mode {mode.name!r} has {psam.n_motifs} motifs in one PSAM; only a"
            " mode of one motif can be averaged over experiments"
        )
    scores = MotifScores.from_psam(psam)
    if psam.dilation == 1:
        return scores
    # Positions that are not read are positions at which no letter matters.
    letters = np.zeros((psam.span, scores.n_letters))
    letters[:: psam.dilation] = scores.letters
    return MotifScores(letters)


def _bare_mode(mode: ModelMode, remarks: list[str]) -> tuple[MotifScores | None, float]:
    """The motif in the mismatch gauge, and what belongs to its activity."""
    for binding in mode.bindings:
        _check_plain(mode, binding)
    if any(mode.flank_lengths):
        left, right = mode.flank_lengths
        remarks.append(
            f"the mode {mode.name!r} scored {left} and {right} letters of the flanks;"
            " a scoring model scores sequences as they are given"
        )
    scores = _scores_of(mode)
    if scores is None or mode.psam is None:
        return None, 0.0
    changed, shift = mismatch_gauge(scores)
    return changed, shift + float(mode.psam.bias.item())


def _check_plain(mode: ModelMode, binding: Mode | None) -> None:
    if binding is None:
        return
    if float(binding.log_hill) != 0:
        raise InputError(
            f"the mode {mode.name!r} has a Hill coefficient of"
            f" {float(binding.log_hill.exp()):.4g}, which a scoring model cannot have"
        )
    for layer in binding.layers:
        if isinstance(layer, Conv1d) and layer.out_channel_indexing is not None:
            raise InputError(
                f"the mode {mode.name!r} scores only some channels of its motif, which"
                " a scoring model cannot say"
            )


def _both_strands(opened: OpenedModel, mode: ModelMode) -> bool:
    if mode.psam is None:
        return opened.alphabet.complement
    return mode.psam.score_reverse


def _activities(opened: OpenedModel, shifts: Sequence[float]) -> list[float]:
    """The log activity of each mode, free of units of single experiments."""
    n_modes = len(opened.modes)
    if opened.kind in ("probound-scoring", "motif"):
        found = map(only_activity, opened.modes)
        return [value + shift for value, shift in zip(found, shifts, strict=True)]
    columns: list[FloatArray] = []
    for experiment in range(max(len(mode.activities) for mode in opened.modes)):
        values = np.array([mode.activities[experiment] for mode in opened.modes])
        biases = [_log_bias(opened, mode, experiment) for mode in range(n_modes)]
        values = values + (np.asarray(shifts) + np.asarray(biases))[:, None]
        columns += list(values.T[_used_columns(opened, experiment, values.shape[1])])
    relative = [
        column - column.max() for column in columns if np.isfinite(column).any()
    ]
    if not relative:
        return [-math.inf] * n_modes
    result = []
    for row in np.array(relative).T:
        present = row[np.isfinite(row)]
        mean = np.exp(present).mean() if len(present) else 0.0
        result.append(float(np.log(mean)) if mean > 0 else -math.inf)
    return result


def _used_columns(opened: OpenedModel, experiment: int, n_columns: int) -> list[int]:
    if opened.document is None:
        return list(range(n_columns))
    line = ModelLine(opened.document)
    chosen = line.modeled_columns(experiment, n_columns)
    settings = line.enrichment(experiment)
    cumulative = settings.get("cumulativeEnrichment", True)
    if cumulative and line.model_type(experiment) == "SELEX":
        chosen = [column for column in chosen if column > 0]
    return chosen


def _log_bias(opened: OpenedModel, mode: int, experiment: int) -> float:
    r"""The log of the mean of :math:`e^\omega` over the windows of a mode."""
    if opened.document is not None:
        line = ModelLine(opened.document)
        return mean_log_bias(line, mode)[experiment] if line.size(mode) else 0.0
    bindings = opened.modes[mode].bindings
    binding = bindings[experiment] if bindings else None
    layer = None if binding is None else binding.layers[-1]
    if not isinstance(layer, Conv1d):
        return 0.0
    with torch.no_grad():
        # That of the longest sequences, which have all windows.
        bias = layer.get_log_posbias()[-1].double()
        windows = layer.out_len(layer.max_input_length, "max")
        return float(bias[:, :windows].exp().mean().log())


def _with_nonspecific(
    opened: OpenedModel,
    modes: list[_Scored],
    rule: NonSpecificRule,
    remarks: list[str],
) -> list[_Scored]:
    """Replaces modes without motif as the rule says."""
    if rule == "drop":
        kept = [mode for mode in modes if mode.scores is not None]
        if not kept:
            raise InputError("no mode has a motif", path=opened.path)
        return kept
    if rule == "sequence":
        return modes
    sizes = [m.scores.n_positions for m in modes if m.scores is not None]
    sizes = [size for size in sizes if size > 1]
    if not sizes or opened.kind in ("probound-scoring", "motif"):
        return modes
    size = min(sizes)
    n_letters = len(opened.alphabet.alphabet)
    result = []
    for place, mode in enumerate(modes):
        if mode.scores is not None:
            result.append(mode)
            continue
        correction = _window_correction(opened, place, size)
        zeros = MotifScores(np.zeros((size, n_letters)))
        activity = mode.activity + correction
        result.append(replace(mode, scores=zeros, activity=activity))
        remarks.append(
            f"the non-specific mode {mode.name!r} became a motif of {size} zeros, which"
            " binds every window"
        )
    return result


def _window_correction(opened: OpenedModel, place: int, size: int) -> float:
    """The log of the old number of windows over the new one, means of experiments."""
    mode = opened.modes[place]
    flank = max(
        max(each.flank_lengths)
        for each in opened.modes
        if each.psam is not None and each.psam.kernel_size == size
    )
    strands = 2 if opened.alphabet.complement else 1
    old, new = [], []
    for experiment, row in enumerate(mode.activities):
        if not np.isfinite(row).any():
            continue
        length = _length(opened, experiment)
        binds_once = mode.ignores_length
        old.append(1.0 if binds_once else length + sum(mode.flank_lengths))
        new.append(max(1.0, strands * (length + 2 * flank - size + 1)))
    return float(np.log(np.mean(old) / np.mean(new))) if old else 0.0


def _length(opened: OpenedModel, experiment: int) -> float:
    """The length of the sequences of an experiment, without flanks."""
    if opened.document is not None:
        settings = ModelLine(opened.document).tables[experiment]
        return float(settings["variableRegionLength"])
    assert opened.config is not None  # noqa: S101 - one of the two is there
    part = list(opened.config.experiments.values())[experiment]
    table = opened.config.tables[part.table]
    lengths = (table.min_variable_length or 0, table.max_variable_length or 0)
    return sum(lengths) / 2
