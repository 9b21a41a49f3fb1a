"""Records, parameters and steps as text for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..steps import Step
from . import records
from .procedure import Group
from .records import ParameterValues, Record

# A motif has one tensor for each distinct position, named by a number, and for each
# distinct pair; the position bias of two modes has one for each distance.
_BETAS = re.compile(r"(?P<owner>.*\bbetas)\.[0-9]+(?P<pair>[^.]*)$")
_DIAGONALS = re.compile(r"(?P<owner>.*\blog_posbias)\.[0-9]+$")


def parameter_values(model: torch.nn.Module) -> tuple[ParameterValues, ...]:
    """The values of all parameters, those of one motif together.

    The single letters of a motif have the shape (positions, motifs, letters), its
    pairs the shape (pairs, motifs, letters, letters). The position bias of a pair
    of modes is one list.

    Args:
        model: The model.
    """
    together: dict[str, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        together.setdefault(_shown_name(name), []).append(parameter)
    return tuple(
        ParameterValues(
            name,
            any(parameter.requires_grad for parameter in parameters),
            _joined([parameter.detach().cpu() for parameter in parameters]),
        )
        for name, parameters in together.items()
    )


def _shown_name(name: str) -> str:
    betas = _BETAS.match(name)
    if betas:
        return f"{betas['owner']} ({'pairwise' if betas['pair'] else 'monomer'})"
    diagonals = _DIAGONALS.match(name)
    return diagonals["owner"] if diagonals else name


def _joined(values: Sequence[Tensor]) -> Any:
    if len(values) == 1:
        return values[0].tolist()
    if all(value.shape == values[0].shape for value in values):
        return torch.stack(list(values)).tolist()
    return torch.cat([value.reshape(-1) for value in values]).tolist()


def parameters_text(parameters: Iterable[ParameterValues]) -> str:
    """One line for each parameter: its name, whether it is trained, and its value."""
    shown = [
        (
            parameter.name,
            "trainable" if parameter.trainable else "frozen",
            _numbers(parameter.values),
        )
        for parameter in parameters
    ]
    widths = [max((len(row[i]) for row in shown), default=0) for i in range(2)]
    return "\n".join(
        f"\t{name:<{widths[0]}}  {trained:<{widths[1]}}  {values}"
        for name, trained, values in shown
    )


def _numbers(values: Any) -> str:
    text = np.array2string(
        np.asarray(values),
        precision=4,
        suppress_small=True,
        separator=", ",
        threshold=2**31,
        max_line_width=2**31,
    )
    return " ".join(text.split())


def group_header(number: int, group_key: str) -> str:
    """The line above the steps of a group."""
    return f"### Group {number}: {group_key}"


def step_header(number: int, greedy: bool) -> str:
    """The line above the calls of a step."""
    return f"Step {number}{' (greedy)' if greedy else ''}"


def step_text(step: Step) -> str:
    """One line for each call of a step."""
    return "\n".join(f"\t{call}" for call in step.calls)


def procedure_text(groups: Iterable[Group]) -> str:
    """All steps of all groups."""
    lines = []
    for number, group in enumerate(groups):
        lines.append(group_header(number, group.key))
        for place, step in enumerate(group.steps):
            lines.extend([step_header(place, step.greedy), step_text(step)])
        lines.append("")
    return "\n".join(lines)


def describe(record: Record) -> str:
    """A record as the text of the output; empty if it is not part of it."""
    match record:
        case records.SetupShown(text):
            return text
        case records.GroupStarted():
            return f"\n{group_header(record.group, record.key)}"
        case records.StepStarted():
            again = f", round {record.greedy_round}" if record.greedy else ""
            return f"\n{step_header(record.step, record.greedy)}{again}"
        case records.CallMade(call):
            return f"\t{call}"
        case records.ParametersShown(parameters):
            return f"\nParameters\n{parameters_text(parameters)}\n"
        case records.TrainingSkipped(reason):
            return f"\tNo training: {reason}"
        case records.EpochDone():
            return _epoch_text(record)
        case records.GreedyDecided():
            return f"\tMove {record.decision}: {record.reason}"
        case _:
            return _rarer_text(record)


def _rarer_text(record: Record) -> str:
    match record:
        case records.Resumed():
            return (
                f"\nResumed in group {record.group}, step {record.step}, after"
                f" {record.greedy_round} accepted moves and {record.evaluations}"
                " evaluations of the loss"
            )
        case records.TrainingRestarted(best_loss):
            return (
                "\tThe loss is not a number; training starts again from the best"
                f" state, which has a loss of {best_loss:.10f}"
            )
        case records.TrainingDone(reason, best_loss):
            return f"\tTraining ended ({reason}); the best loss is {best_loss:.10f}"
        case records.FitDone():
            return (
                f"\nDone: a loss of {record.best_loss:.10f} after"
                f" {record.evaluations} evaluations and {record.seconds:.1f} s"
            )
    return ""


def _epoch_text(record: records.EpochDone) -> str:
    validation = record.validation_negloglik
    parts = [
        f"Epoch {record.epoch:3d}",
        f"{record.seconds:.3f} s",
        f"NLL {record.negloglik:.10f}",
        f"Reg. {record.regularization:.10f}",
        *([] if validation is None else [f"Validation NLL {validation:.10f}"]),
        f"Distance {record.distance:.10f}",
        f"Patience {record.patience_left}",
        *(["Loss decreased"] if record.improved else []),
    ]
    return "\t" + "  ".join(parts)
