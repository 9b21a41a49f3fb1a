"""Writes an opened model as JSON of ProBound."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..config.alphabets import flanks, make_alphabet
from ..config.build import Model
from ..errors import InputError
from ..experiment import Experiment
from ..external.export import (
    Export,
    ScoringMode,
    TableSettings,
    export_fit,
    export_scoring_model,
    write_probound_lines,
)
from ..loss import MultiExperimentLoss
from ..table import CountTable
from .open_model import model_parts, scored_flanks
from .opened import OpenedModel

__all__ = [
    "export_model",
    "fit_metadata",
    "probound_document",
    "table_settings",
    "write_model_json",
]


def export_model(
    model: Model,
    *,
    metadata: Mapping[str, Any] | None = None,
    flank_lengths: tuple[tuple[int, int], ...] | None = None,
) -> Export:
    """Writes a model of this library as a line of a fit of ProBound.

    The configuration is added under the key ``pyprobound``.

    Args:
        model: The model.
        metadata: What the model says about itself.
        flank_lengths: The letters of the two flanks that tables include, for each
            experiment; by default those of a fitted model, or as configured.

    Raises:
        InputError: The model has a part that ProBound does not know.
    """
    scored = scored_flanks(model) if flank_lengths is None else flank_lengths
    extras = {
        "config": json.loads(model.config.model_dump_json()),
        "flank_lengths": [list(pair) for pair in scored],
    }
    return export_fit(
        model.loss,
        table_settings(model, scored),
        parts=model_parts(model),
        metadata=metadata,
        extras=extras,
    )


def table_settings(
    model: Model, flank_lengths: tuple[tuple[int, int], ...]
) -> list[TableSettings]:
    """The tables of the experiments of a model, as ProBound describes them.

    Args:
        model: The model.
        flank_lengths: The letters of the two flanks that each table includes.

    Raises:
        InputError: The lengths of the sequences are not known.
    """
    result = []
    pairs = zip(model.config.experiments.items(), flank_lengths, strict=True)
    for (name, part), (left, right) in pairs:
        table = model.config.tables[part.table]
        if table.max_variable_length is None:
            raise InputError(
                "the length of the sequences is not known; give it as"
                " max_variable_length",
                key=f"tables.{part.table}",
            )
        texts = flanks(table, make_alphabet(table.alphabet, part.table))
        result.append(
            TableSettings(
                part.table,
                table.path,
                len(model.experiments[name].observed_rounds),
                table.max_variable_length,
                *texts,
                left,
                right,
                table.min_variable_length == table.max_variable_length,
                table.transliterate,
            )
        )
    return result


def probound_document(
    opened: OpenedModel, *, scoring: bool = False, experiment: int = 0, column: int = -1
) -> Export:
    """Writes an opened model as ProBound does.

    What was read from ProBound is written as it was read, with all its symmetry,
    modifications and metadata.

    Args:
        opened: The model.
        scoring: Whether to write a scoring model, without experiments, with which
            ProBoundTools scores sequences at once.
        experiment: Whose activities a scoring model has.
        column: Which column of the experiment.

    Raises:
        InputError: The model has a part that ProBound does not know.
    """
    is_fit = opened.kind in ("pyprobound", "probound-fit")
    if opened.document is not None and not (scoring and is_fit):
        return Export(copy.deepcopy(dict(opened.document)))
    if opened.model is not None and not scoring:
        return export_model(opened.model)
    modes = []
    for mode in opened.modes:
        activity = 0.0
        if mode.activities:
            activity = mode.activities[experiment][column]
        modes.append(ScoringMode(mode.psam, activity, mode.name))
    exported = export_scoring_model(
        modes, opened.alphabet, metadata={"fitter": "pyprobound"}
    )
    dropped = [f"interaction {pair.name!r} is left out" for pair in opened.interactions]
    return Export(exported.document, (*exported.losses, *dropped))


def write_model_json(
    path: str | os.PathLike[str],
    model: Model,
    *,
    metadata: Mapping[str, Any] | None = None,
    flank_lengths: tuple[tuple[int, int], ...] | None = None,
) -> tuple[str, ...]:
    """Writes a model of this library to a file of ProBound, atomically.

    Args:
        path: The file, ``model.json`` by custom.
        model: The model.
        metadata: See ``export_model``.
        flank_lengths: See ``export_model``.

    Returns:
        What the file does not hold, in sentences.

    Raises:
        InputError: The model has a part that ProBound does not know; nothing was
            written.
    """
    exported = export_model(model, metadata=metadata, flank_lengths=flank_lengths)
    write_probound_lines(path, exported.document)
    return exported.losses


def fit_metadata(
    loss: MultiExperimentLoss,
    tables: Sequence[CountTable],
    *,
    negloglik: float,
    regularization: float,
    seconds: float,
    n_evaluations: int,
) -> dict[str, Any]:
    """What a fit says about itself, under the names of ProBound.

    ``logLikelihood`` is the negative log-likelihood of all reads of all tables, and
    ``logLikelihoodPerRead`` the objective, as ProBound has it.

    Args:
        loss: The loss in its final state.
        tables: The tables that were trained on.
        negloglik: The negative log-likelihood per read, weighted as in the loss.
        regularization: The regularisation.
        seconds: The duration of the fit.
        n_evaluations: How often the loss was evaluated.
    """
    reads = [float(table.counts_per_round.sum()) for table in tables]
    weights = [float(weight) for weight in loss.weights]
    per_read = [negloglik / weights[0]] if len(tables) == 1 else []
    if len(tables) > 1 and not loss.equalize_contribution:
        per_read = [
            _negloglik(loss, experiment, table)
            for experiment, table in zip(loss.transforms, tables, strict=True)
        ]
    result: dict[str, Any] = {
        "fitTime": seconds,
        "gradientCalls": n_evaluations,
        "logLikelihoodPerRead": negloglik + regularization,
        "objective": negloglik + regularization,
        "regularization": regularization,
    }
    if per_read:
        pairs = zip(per_read, weights, strict=True)
        result["unpenalizedLogLikelihoodPerRead"] = [v * w for v, w in pairs]
        totals = [v * n for v, n in zip(per_read, reads, strict=True)]
        result["logLikelihood"] = sum(totals)
    return {
        key: value
        for key, value in result.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def _negloglik(
    loss: MultiExperimentLoss, experiment: Experiment, table: CountTable
) -> float:
    alone = MultiExperimentLoss(
        [experiment], full_loss=loss.full_loss, max_split=loss.max_split
    )
    with torch.no_grad():
        return float(alone([table]).negloglik)
