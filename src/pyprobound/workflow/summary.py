"""The results of a fit in one file that programs can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._version import __version__
from ..base import Binding
from ..config.build import Model
from ..layers import PSAM
from ..rounds import Round
from .data import FitData
from .motifs import MotifEnergies
from .one_start import Start


def summarize(
    model: Model,
    data: FitData,
    starts: Sequence[Start],
    best: Start,
    wall_seconds: float,
) -> dict[str, Any]:
    """Describes a finished fit.

    All log values are natural logarithms, energies are in units of RT.

    Args:
        model: The model in its final state.
        data: The tables.
        starts: All starts.
        best: The one that was kept.
        wall_seconds: The duration of the fit.

    Returns:
        What ``summary.json`` holds.
    """
    config = model.config
    return {
        "nll_per_read": _plain(best.negloglik),
        "regularization": _plain(best.regularization),
        "validation_nll_per_read": _plain(best.validation_negloglik),
        "n_parameters": count_parameters(model),
        "n_evaluations": sum(start.n_evaluations for start in starts),
        "wall_seconds": wall_seconds,
        "seed": config.seed,
        "version": __version__,
        "tables": [_table(name, data) for name in config.tables],
        "modes": [_mode(name, model) for name in config.modes],
        "cooperativities": [
            _cooperativity(name, model) for name in config.cooperativities
        ],
        "starts": [
            {
                "seed": start.seed,
                "loss": _plain(start.loss),
                "nll_per_read": _plain(start.negloglik),
                "regularization": _plain(start.regularization),
                "n_evaluations": start.n_evaluations,
                "seconds": start.seconds,
                "kept": start is best,
            }
            for start in starts
        ],
    }


def count_parameters(model: Model) -> int:
    """The number of values that the last step of training may change.

    Args:
        model: The model; afterwards all of it that can be trained is trainable.
    """
    model.loss.unfreeze()
    return sum(part.numel() for part in model.loss.parameters() if part.requires_grad)


def _plain(value: float | None) -> float | None:
    """A number as JSON knows it: None for what is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _table(name: str, data: FitData) -> dict[str, Any]:
    source = data.sources[name]
    described = {
        "name": name,
        "path": data.config.tables[name].path,
        "sha256": source.sha256,
        "rows": len(source.dataframe),
        "reads": [int(count) for count in source.dataframe.sum()],
        "duplicates_summed": source.n_duplicates,
    }
    if data.validation is not None:
        described["validation_rows"] = len(data.validation[name])
    return described


def _mode(name: str, model: Model) -> dict[str, Any]:
    modes = [group[name] for group in model.modes.values() if name in group]
    spec = next((part for part in modes[0].key() if isinstance(part, PSAM)), None)
    described: dict[str, Any] = {
        "name": name,
        "type": model.config.modes[name].type,
        "consensus": "",
        "size": 0,
        "letters": [],
        "psam": [],
    }
    if spec is not None:
        motifs = [_motif(spec, motif) for motif in range(spec.n_motifs)]
        described |= {"size": spec.kernel_size, **motifs[0]}
        if len(motifs) > 1:
            described["motifs"] = motifs
    described["log_activity"] = {
        experiment: _activities(model, experiment, group[name])
        for experiment, group in model.modes.items()
        if name in group
    }
    return described


def _cooperativity(name: str, model: Model) -> dict[str, Any]:
    return {
        "name": name,
        "modes": list(model.config.cooperativities[name].modes),
        "log_activity": {
            experiment: _activities(model, experiment, group[name])
            for experiment, group in model.cooperativities.items()
            if name in group
        },
    }


def _motif(psam: PSAM, motif: int) -> dict[str, Any]:
    energies = MotifEnergies(psam, motif)
    letters = [] if psam.alphabet is None else list(psam.alphabet.alphabet)
    return {
        "consensus": "".join(letters[i] for i in energies.best),
        "letters": letters,
        "psam": energies.matrix.tolist(),
    }


def _activities(
    model: Model, experiment: str, binding: Binding
) -> dict[str, float | None]:
    """The log activity of a mode or cooperativity in each round that it binds in."""
    found: dict[str, float | None] = {}
    for step in model.experiments[experiment].rounds:
        if not isinstance(step, Round):
            continue
        for contribution in step.aggregate.contributions:
            if contribution.binding is binding:
                found[step.name] = _plain(contribution.log_activity.item())
    return found
