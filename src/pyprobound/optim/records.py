"""What training reports, as values.

The loop emits records and never prints. The text output, the history file, the
progress display and the log are consumers of the same records.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

Decision = Literal["accepted", "rejected", "stopped"]


@dataclass(frozen=True)
class Record:
    """Something that happened during training."""

    def to_dict(self) -> dict[str, Any]:
        """The record as a dictionary that can be written as JSON.

        The entry ``record`` is the name of the class. JSON has no infinity, so
        numbers that are not finite become the texts ``inf``, ``-inf`` and ``nan``,
        which ``float`` reads.
        """
        entries = {
            field.name: _plain(getattr(self, field.name)) for field in fields(self)
        }
        return {"record": type(self).__name__, **entries}


Consumer = Callable[[Record], None]


@dataclass(frozen=True)
class SetupShown(Record):
    """The settings, at the start of a fit.

    Attributes:
        text: A description in several lines.
    """

    text: str


@dataclass(frozen=True)
class Resumed(Record):
    """A fit goes on where a file says it was.

    Records that were written after that point by the interrupted fit are repeated.

    Attributes:
        group: The group of bindings, from 0.
        step: The step of the group, from 0.
        greedy_round: How many moves of a greedy step were accepted.
        best_loss: The loss to be beaten, negative log-likelihood per read plus
            regularization.
        evaluations: How often the loss has been evaluated since the fit began.
    """

    group: int
    step: int
    greedy_round: int
    best_loss: float
    evaluations: int


@dataclass(frozen=True)
class GroupStarted(Record):
    """The bindings that are trained together from now on.

    Attributes:
        group: The number of the group, from 0.
        n_groups: How many groups there are.
        key: The names of the bindings.
        n_steps: How many steps the group has.
    """

    group: int
    n_groups: int
    key: str
    n_steps: int


@dataclass(frozen=True)
class StepStarted(Record):
    """A step, or another round of a greedy step.

    Attributes:
        group: The number of the group, from 0.
        step: The number of the step, from 0.
        n_steps: How many steps the group has.
        greedy: Whether the step is repeated for as long as it lowers the loss.
        greedy_round: How many moves of the step were accepted before.
    """

    group: int
    step: int
    n_steps: int
    greedy: bool
    greedy_round: int


@dataclass(frozen=True)
class CallMade(Record):
    """A call that changes what is trained.

    Attributes:
        call: The call as ``Component.function(arguments)``.
    """

    call: str


@dataclass(frozen=True)
class ParameterValues(Record):
    """The value of one parameter, or of several that are shown together.

    Attributes:
        name: The path from the model.
        trainable: Whether any of the values is trained.
        values: Nested lists of numbers, or one number.
    """

    name: str
    trainable: bool
    values: Any


@dataclass(frozen=True)
class ParametersShown(Record):
    """All parameters, before and after each training.

    Attributes:
        parameters: The values, in the order of the model.
    """

    parameters: tuple[ParameterValues, ...]


@dataclass(frozen=True)
class TrainingSkipped(Record):
    """A step after which no parameter is trainable.

    Attributes:
        reason: Why there was no training.
    """

    reason: str


@dataclass(frozen=True)
class EpochDone(Record):
    """An epoch of training.

    Attributes:
        epoch: The number of the epoch in this training, from 0.
        seconds: Its duration.
        negloglik: The negative log-likelihood per read of the training data.
        regularization: The regularization.
        validation_negloglik: The negative log-likelihood per read of the validation
            data, if there are any.
        distance: The Euclidean norm of the change of the trainable parameters.
        patience_left: How many epochs without improvement may follow.
        improved: Whether the loss is the lowest so far.
        best_loss: The lowest loss so far, regularization included.
        evaluations: How often the loss has been evaluated since the fit began.
    """

    epoch: int
    seconds: float
    negloglik: float
    regularization: float
    validation_negloglik: float | None
    distance: float
    patience_left: int
    improved: bool
    best_loss: float
    evaluations: int


@dataclass(frozen=True)
class TrainingRestarted(Record):
    """The loss was not a number; training goes on from the best state.

    Attributes:
        best_loss: The loss of the best state.
    """

    best_loss: float


@dataclass(frozen=True)
class TrainingDone(Record):
    """The end of the training that follows a step.

    Attributes:
        reason: Why it ended.
        best_loss: The lowest loss so far; the model is in the state that has it.
        improved: Whether this training lowered the loss.
        evaluations: How often the loss has been evaluated since the fit began.
    """

    reason: str
    best_loss: float
    improved: bool
    evaluations: int


@dataclass(frozen=True)
class GreedyDecided(Record):
    """What became of a move of a greedy search.

    Attributes:
        decision: ``accepted``; ``rejected``, which ends the search; or ``stopped``,
            if the move is impossible.
        reason: Why.
        loss: The loss after the move, if it was possible.
        best_loss: The lowest loss after the decision.
        evaluations: How often the loss has been evaluated since the fit began.
    """

    decision: Decision
    reason: str
    loss: float | None
    best_loss: float
    evaluations: int


@dataclass(frozen=True)
class FitDone(Record):
    """The end of a fit.

    Attributes:
        best_loss: The loss of the model.
        evaluations: How often the loss has been evaluated since the fit began.
        seconds: The duration since the fit began or was resumed.
    """

    best_loss: float
    evaluations: int
    seconds: float


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
