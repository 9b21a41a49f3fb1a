"""Makes a model of the library from motifs, without a fit."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import torch

from ..config import FitConfig, validate
from ..config.build import Model, build
from ..errors import InputError
from ..layers import PSAM
from .models import empty_tables, save_model
from .open_model import double_precision
from .opened import OpenedModel

MAX_LENGTH = 200
"""The longest sequences that a model made from motifs scores."""


def save_as_model(
    path: str | os.PathLike[str], model: OpenedModel, kept: Sequence[int]
) -> None:
    """Writes modes as a model of the library, from which sequences can be scored.

    It has one experiment with one selection far from saturation, on sequences of up to
    ``MAX_LENGTH`` letters. Values are stored in float64.

    Args:
        path: The file.
        model: The model.
        kept: The places of the modes that are written.

    Raises:
        InputError: The alphabet has no name in configurations, or a mode has another
            layer than a motif.
    """
    with torch.random.fork_rng(devices=[]), double_precision():
        config = _config(model, kept)
        built = build(config, empty_tables(config))
        _copy(model, kept, built)
    save_model(os.fspath(path), built)


def _config(model: OpenedModel, kept: Sequence[int]) -> FitConfig:
    kind = type(model.alphabet).__name__
    if kind not in ("DNA", "RNA", "Protein"):
        raise InputError(
            f"the letters {''.join(model.alphabet.alphabet)} have no name that a model"
            " file could hold; write psem or meme"
        )
    psams: dict[str, Any] = {}
    modes: dict[str, Any] = {}
    contributions: list[dict[str, Any]] = []
    shortest = 1
    for place in kept:
        mode = model.modes[place]
        name = _free_name(mode.name, modes)
        psam = mode.psam
        if psam is None:
            modes[name] = {
                "type": "nonspecific",
                "ignore_length": mode.ignores_length,
            }
        else:
            psams[name] = _psam_config(psam)
            modes[name] = {
                "type": "psam",
                "psam": name,
                "length_specific_bias": False,
            }
            shortest = max(shortest, psam.span)
        activity = mode.activities[0][-1] if mode.activities else 0.0
        if not math.isfinite(activity):
            raise InputError(
                f"the mode {mode.name!r} does not bind in the last round of the first"
                " experiment; choose other modes with --mode"
            )
        contributions.append(
            {"binding": name, "log_activity": activity, "train_activity": False}
        )
    table = {
        "path": "none.tsv",
        "alphabet": kind,
        "min_variable_length": shortest,
        "max_variable_length": max(MAX_LENGTH, shortest),
    }
    rounds = [
        {"type": "InitialRound"},
        {
            "type": "BoundUnsaturatedRound",
            "reference_round": "0",
            "contributions": contributions,
        },
    ]
    return validate(
        {
            "tables": {"sequences": table},
            "psams": psams,
            "modes": modes,
            "experiments": {"sequences": {"table": "sequences", "rounds": rounds}},
        }
    )


def _psam_config(psam: PSAM) -> dict[str, Any]:
    return {
        "kernel_size": psam.kernel_size,
        "out_channels": psam.out_channels,
        "pairwise_distance": psam.pairwise_distance,
        "dilation": psam.dilation,
        "symmetry": list(psam.ids),
        "score_reverse": psam.score_reverse,
        "normalize": psam.normalize,
        "train_bias": bool(psam.bias.any()),
    }


@torch.no_grad()
def _copy(model: OpenedModel, kept: Sequence[int], built: Model) -> None:
    for place, name in zip(kept, built.config.modes, strict=True):
        source = model.modes[place].psam
        if source is None:
            continue
        target = built.psams[name]
        target.bias.copy_(source.bias)
        for distance in range(source.pairwise_distance + 1):
            for part in source.plan(distance).classes:
                target.betas[part.key].copy_(source.betas[part.key])


def _free_name(name: str, taken: dict[str, Any]) -> str:
    # Names become parts of file names.
    name = name.strip().replace("/", "_").replace("\\", "_") or "motif"
    result, number = name, 1
    while result in taken:
        number += 1
        result = f"{name} {number}"
    return result
