"""Takes models of this library apart, with their configuration."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import checkpoint
from .._version import __version__
from ..aggregate import Aggregate, Contribution
from ..base import Binding
from ..config import FitConfig, validate
from ..config.build import build
from ..containers import TModuleList
from ..cooperativity import Cooperativity
from ..errors import InputError
from ..io.model import read_model_file
from ..layers import PSAM, Conv1d
from ..loss import MultiExperimentLoss
from ..mode import Mode
from ..stats.best import MotifScores
from ..stats.gauges import Gauge, to_gauge
from .models import FittedModel, Flanks, empty_tables
from .open_model import double_precision


def keep_bindings(
    config: FitConfig,
    loss: MultiExperimentLoss,
    flank_lengths: Flanks,
    names: Collection[str],
) -> FittedModel:
    """A model with some of the modes and cooperativities of another one.

    Args:
        config: The configuration.
        loss: The model; it is not changed.
        flank_lengths: See ``FittedModel``.
        names: The names of what to keep.

    Raises:
        InputError: A round would be left without any mode.
    """
    reduced = _reduced(config, names)
    whole = copy_model(config, loss, flank_lengths)
    for aggregate in _parts(whole.loss, Aggregate):
        aggregate.contributions = TModuleList(
            each for each in aggregate.contributions if _name(each.binding) in names
        )
    return copy_model(reduced, whole.loss, flank_lengths)


def copy_model(
    config: FitConfig, loss: MultiExperimentLoss, flank_lengths: Flanks
) -> FittedModel:
    """A copy of a model, frozen, in float64 so that changes are not rounded.

    Args:
        config: The configuration.
        loss: The model, or another with the same parts.
        flank_lengths: See ``FittedModel``.
    """
    # The random values with which motifs begin are replaced: no seed is used up.
    with torch.random.fork_rng(devices=[]), double_precision():
        model = build(config, empty_tables(config))
    model.loss.reload_from_state_dict(checkpoint.state_dict_of(loss), strict=True)
    model.loss.freeze()
    model.loss.eval()
    return FittedModel(
        model.config,
        model.loss,
        model.psams,
        model.experiments,
        model.modes,
        model.cooperativities,
        flank_lengths,
        __version__,
    )


def _reduced(config: FitConfig, names: Collection[str]) -> FitConfig:
    """The configuration without the other modes, wherever they are named."""
    values: dict[str, Any] = json.loads(config.model_dump_json())
    for kind in ("modes", "cooperativities"):
        values[kind] = {k: v for k, v in values[kind].items() if k in names}
    used = {mode.get("psam") for mode in values["modes"].values()}
    values["psams"] = {k: v for k, v in values["psams"].items() if k in used}
    for experiment, part in values["experiments"].items():
        bindings = config.bindings(experiment)
        for place, (each, bound) in enumerate(
            zip(part["rounds"], bindings, strict=True)
        ):
            if bound and not set(bound) & set(names):
                raise InputError(
                    "no mode would be left to bind; keep one of:"
                    f" {', '.join(map(repr, bound))}",
                    key=f"experiments.{experiment}.rounds[{place}]",
                )
            if each.get("binding"):
                each["binding"] = [name for name in each["binding"] if name in names]
            if each.get("contributions"):
                each["contributions"] = [
                    entry
                    for entry in each["contributions"]
                    if entry["binding"] in names
                ]
    order = values["training"].get("order")
    if order:
        groups = [[name for name in group if name in names] for group in order]
        values["training"]["order"] = [group for group in groups if group]
    return validate(values)


def gauge_modes(
    config: FitConfig,
    loss: MultiExperimentLoss,
    flank_lengths: Flanks,
    psams: Collection[PSAM],
    gauge: Gauge,
) -> FittedModel:
    """Brings motifs into a gauge; activities make up for it.

    Of a PSAM with several motifs the biases make up for it. No prediction changes.

    Args:
        config: The configuration.
        loss: The model; it is not changed.
        flank_lengths: See ``FittedModel``.
        psams: The motifs, as they are in ``loss``.
        gauge: See ``stats.gauges``.

    Raises:
        InputError: A motif cannot be written in this gauge because its positions
            share values, or pairs reach too far.
    """
    model = copy_model(config, loss, flank_lengths)
    own = list(_parts(loss, PSAM))
    for place, psam in enumerate(_parts(model.loss, PSAM)):
        if any(own[place] is chosen for chosen in psams):
            _gauge_psam(model.loss, psam, gauge)
    return model


@torch.no_grad()
def _gauge_psam(loss: MultiExperimentLoss, psam: PSAM, gauge: Gauge) -> None:
    changed, shifts = [], []
    for motif in range(psam.n_motifs):
        scores, shift = to_gauge(MotifScores.from_psam(psam, motif), gauge)
        changed.append(scores)
        shifts.append(shift)
    for distance in range(psam.pairwise_distance + 1):
        blocks = [s.pairs[distance] if distance else s.letters for s in changed]
        _write_filter(psam, distance, np.moveaxis(np.stack(blocks), 1, -1), gauge)
    if psam.n_motifs > 1:
        psam.bias.add_(psam.bias.new_tensor(shifts).unsqueeze(1))
        return
    for contribution in _parts(loss, Contribution):
        factor = _weight(contribution.binding, psam)
        contribution.log_activity.add_(factor * shifts[0])


def _write_filter(psam: PSAM, distance: int, target: Any, gauge: Gauge) -> None:
    """Writes the values at one distance, and checks that they can be read again."""
    plan = psam.plan(distance)
    values = torch.from_numpy(np.ascontiguousarray(target)).to(psam.bias)
    flat = values.new_zeros(len(values), sum(part.size for part in plan.classes))
    flat[:, torch.from_numpy(plan.index)] = values
    end = 0
    for part in plan.classes:
        block = flat[:, end : end + part.size]
        psam.betas[part.key].copy_(block.reshape(-1, *part.shape))
        end += part.size
    if not torch.allclose(psam.forward_filter(distance), values, rtol=1e-7, atol=1e-7):
        what = (
            "its values have mean zero (normalize: true)"
            if psam.normalize
            else f"its positions share values (symmetry {list(psam.ids)})"
        )
        raise InputError(
            f"the motif {psam.name!r} cannot be written in the gauge {gauge!r}, because"
            f" {what}; convert the model to a scoring model with pyprobound model"
            " consensus, where each position has its own values"
        )


def _weight(binding: Binding, psam: PSAM) -> float:
    """How much the log of a binding changes with the energies of a motif."""
    if isinstance(binding, Cooperativity):
        scorers = [*binding.mode_a.layers, *binding.mode_b.layers]
        hill = binding.log_hill
    elif isinstance(binding, Mode):
        scorers = list(binding.layers)
        hill = binding.log_hill
    else:
        return 0.0
    number = sum(isinstance(x, Conv1d) and x.layer_spec is psam for x in scorers)
    return number * float(hill.exp())


def _name(binding: Binding) -> str:
    """The name of a mode or a cooperativity in the configuration."""
    if isinstance(binding, Cooperativity):
        return binding.spacing.name
    assert isinstance(binding, Mode)  # noqa: S101 - a configuration has no others
    return binding.name


def _parts(loss: MultiExperimentLoss, kind: Any) -> list[Any]:
    """The parts of one kind, in the order in which they are met, each once."""
    return [part for part in loss.modules() if isinstance(part, kind)]


def flank_lengths_of(path: str | Path, config: FitConfig) -> Flanks:
    """The letters of the flanks that a saved model scores, by experiment.

    Args:
        path: The file of the model.
        config: Its configuration, which says how many they were before training.
    """
    found: Any = ()
    path = Path(path)
    if path.suffix == ".safetensors" and path.is_file():
        found = read_model_file(path)[1].get("flank_lengths", ())
    elif path.is_file():
        metadata: Mapping[str, Any] = checkpoint.load(path)[1]
        found = metadata.get("flank_lengths", ())
    if found:
        return tuple((int(left), int(right)) for left, right in found)
    tables = [config.tables[part.table] for part in config.experiments.values()]
    return tuple((t.left_flank_length, t.right_flank_length) for t in tables)
