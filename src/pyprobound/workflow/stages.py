"""The stages of a fit, under the names that ProBound gives to its own.

Groups of bindings are its components. ``component1-0-h`` trains depths,
``component1-1-f1`` the motif as well (``f1``: one more family of values is still to
come), ``component1-2-variation3`` tries a change of its size or place,
``component1-3-f0`` adds pairs or a position bias, and ``component1-4-all`` trains
everything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.build import Model
from ..optim.procedure import Group, grouped
from ..steps import Step
from .one_start import training_order

_Entry = Mapping[str, Any]
_FIRST = ("monomer", "spacing")


def stages_of(history: Path, model: Model, start: int) -> list[dict[str, Any]]:
    """Describes the stages of one random start.

    Args:
        history: The file with one line for each epoch.
        model: The model.
        start: The number of the start, from 0.

    Returns:
        For each stage its name, whether its result was kept, the parts of its lowest
        loss per read (None if it is infinite), its evaluations of the loss and its
        duration. Nothing if all is trained at once.
    """
    if model.config.training.mode != "sequential":
        return []
    groups = grouped(model.loss.optim_procedure(), training_order(model))
    threshold = model.config.optimizer.greedy_threshold
    found: list[dict[str, Any]] = []
    best = float("inf")
    evaluations = 0
    for name, is_greedy, lines in _named(_epochs(history, start), groups):
        lowest = min(lines, key=_loss)
        loss = _loss(lowest)
        kept = not is_greedy or loss < best - threshold
        found.append(
            {
                "fitName": name,
                "kept": kept,
                "loss": _plain(loss),
                "nll_per_read": _plain(float(lowest["negloglik"])),
                "regularization": _plain(float(lowest["regularization"])),
                "n_evaluations": lines[-1]["evaluations"] - evaluations,
                "seconds": sum(line["seconds"] for line in lines),
            }
        )
        evaluations = lines[-1]["evaluations"]
        best = loss if kept else best
    return found


def _plain(value: float) -> float | None:
    """A number as JSON knows it: None for what is not finite."""
    return value if math.isfinite(value) else None


def _loss(line: _Entry) -> float:
    return float(line["negloglik"]) + float(line["regularization"])


def _epochs(history: Path, start: int) -> Iterator[_Entry]:
    with history.open(encoding="utf-8") as file:
        lines = map(json.loads, file)
        yield from (line for line in lines if line["start"] == start)


def _named(
    epochs: Iterable[_Entry], groups: Sequence[Group]
) -> Iterator[tuple[str, bool, list[_Entry]]]:
    """The stages, each with its name, whether it may be rejected, and its epochs."""
    by_stage: dict[tuple[int, str], list[_Entry]] = {}
    variations: dict[tuple[int, int, int], int] = {}
    greedy: set[tuple[int, str]] = set()
    for epoch in epochs:
        group, step = epoch["group"], epoch["step"]
        steps = groups[group].steps
        if steps[step].greedy:
            move = (group, step, epoch["greedy_round"])
            earlier = sum(key[0] == group for key in variations)
            # Variation 0 of ProBound is the motif as it is.
            number = variations.setdefault(move, earlier + 1)
            key = (group, f"2-variation{number}")
            greedy.add(key)
        else:
            key = (group, _stage(steps, step))
        by_stage.setdefault(key, []).append(epoch)
    for key, lines in by_stage.items():
        yield f"component{key[0]}-{key[1]}", key in greedy, lines


def _stage(steps: Sequence[Step], place: int) -> str:
    """The name of a step that is not repeated."""
    later = [i for i, step in enumerate(steps) if _adds_values(step)]
    if _unfrozen(steps[place]) & {"all"}:
        return "4-all"
    if place in later:
        return f"3-f{len(later) - 1 - later.index(place)}"
    if _unfrozen(steps[place]) & set(_FIRST):
        return f"1-f{len(later)}"
    return "0-h"


def _adds_values(step: Step) -> bool:
    words = _unfrozen(step)
    return bool(words) and not words & {"all", "depth", *_FIRST}


def _unfrozen(step: Step) -> set[str]:
    """What a step makes trainable."""
    return {
        str(call.kwargs.get("parameter", "all"))
        for call in step.calls
        if call.fun == "unfreeze"
    }
