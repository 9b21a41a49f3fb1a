"""The part of an opened model that says how strongly other sequences are bound."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..aggregate import Aggregate, Contribution
from ..base import Binding
from ..errors import InputError
from ..layers import PSAM, NonSpecific
from ..mode import Mode
from ..rounds import Round
from ..table import CountTable
from .open_model import double_precision
from .opened import ModelInteraction, ModelMode, OpenedModel

_Part: TypeAlias = ModelMode | ModelInteraction


@dataclass(frozen=True)
class Selection:
    """Which part of a model is used.

    Attributes:
        modes: The names (or places, from 0) of the modes; all by default.
        experiment: The name (or the place, from 0) of the experiment whose activities
            weigh the modes; the only one by default.
        column: The column of that experiment, from 0; by default the last one in
            which any of the modes binds.
    """

    modes: tuple[str, ...] = ()
    experiment: str | None = None
    column: int | None = None


@dataclass(frozen=True, eq=False)
class ChosenModel:
    """What scores sequences: modes with their activities.

    Attributes:
        opened: The model that they are from.
        modes: The modes that bind, by themselves.
        activities: The log activity of each.
        pairs: The interactions that bind.
        experiment: The place of the experiment that these are from; None for models
            without activities.
        column: Its column.
        remarks: What is left out, in sentences.
    """

    opened: OpenedModel
    modes: tuple[ModelMode, ...]
    activities: tuple[float, ...]
    pairs: tuple[ModelInteraction, ...]
    experiment: int | None
    column: int | None
    remarks: tuple[str, ...] = ()

    @property
    def shortest(self) -> int:
        """The number of letters that a sequence needs at least."""
        partners = [
            self.opened.modes[place] for pair in self.pairs for place in pair.modes
        ]
        modes = (*self.modes, *partners)
        spans = [mode.psam.span for mode in modes if mode.psam is not None]
        return max(spans, default=1)

    @property
    def is_adapted(self) -> bool:
        """Whether the layers of a fit are used, which have other lengths."""
        return self.experiment is not None and _is_adaptable(self.opened)

    def aggregate(self, table: CountTable) -> Aggregate:
        """Everything that binds, in float64, without position biases.

        Args:
            table: The sequences. If ``is_adapted``, the lengths of the aggregate are
                those of the fit, and have yet to be adapted to these.
        """
        if self.is_adapted:
            return self._of_fit()
        with double_precision():
            contributions = [
                Contribution(
                    _fresh_mode(mode, table, self.opened), log_activity=activity
                )
                for mode, activity in zip(self.modes, self.activities, strict=True)
            ]
            return Aggregate(contributions).double()

    def _of_fit(self) -> Aggregate:
        """The contributions of a round."""
        assert self.experiment is not None  # noqa: S101 - or it would not be adapted
        assert self.column is not None  # noqa: S101 - likewise
        place = self.experiment
        used: list[Binding | None] = [mode.bindings[place] for mode in self.modes]
        used += [pair.bindings[place] for pair in self.pairs]
        source = self.opened.experiments[place].observed_rounds[self.column]
        assert isinstance(source, Round)  # noqa: S101 - something binds in it
        parts = [
            each for each in source.aggregate.contributions if each.binding in used
        ]
        # Together, because modes take part in several of them.
        return Aggregate(copy.deepcopy(parts)).double()


def choose_model(opened: OpenedModel, selection: Selection) -> ChosenModel:
    """Chooses the modes of a model, and the activities that weigh them.

    Args:
        opened: The model.
        selection: What is asked for.

    Raises:
        InputError: There is no such mode, experiment or column, or several
            experiments to choose from.
    """
    modes = _chosen_modes(opened, selection.modes)
    is_adaptable = _is_adaptable(opened)
    pairs = [
        pair
        for pair in opened.interactions
        if is_adaptable and all(opened.modes[place] in modes for place in pair.modes)
    ]
    others = [pair for pair in opened.interactions if pair not in pairs]
    parts: tuple[_Part, ...] = (*modes, *pairs)
    experiment = _chosen_experiment(opened, parts, selection.experiment)
    if experiment is None:
        if selection.column is not None:
            raise InputError("the model has no columns", key="--column")
        column = None
    else:
        column = _chosen_column(parts, experiment, selection.column)

    def activity(part: _Part) -> float:
        return _activity(part, experiment, column)

    modes = tuple(mode for mode in modes if activity(mode) > -math.inf)
    pairs = [pair for pair in pairs if activity(pair) > -math.inf]
    if not modes and not pairs:
        raise InputError(
            "none of the modes binds in this column of the experiment", path=opened.path
        )
    if not pairs and not any(mode.is_specific for mode in modes):
        raise InputError(
            "only non-specific binding is left, which all sequences share",
            path=opened.path,
        )
    return ChosenModel(
        opened,
        modes,
        tuple(activity(mode) for mode in modes),
        tuple(pairs),
        experiment,
        column,
        tuple(_remark(opened, pair) for pair in others if activity(pair) > -math.inf),
    )


def _is_adaptable(opened: OpenedModel) -> bool:
    """Whether its layers can be adapted to other lengths, with all they consist of."""
    return opened.kind == "pyprobound" and bool(opened.experiments)


def _remark(opened: OpenedModel, pair: ModelInteraction) -> str:
    why = (
        "not all of its modes are chosen"
        if _is_adaptable(opened)
        else "its values belong to the positions in the sequences of its fit"
    )
    return f"the interaction {pair.name!r} is left out: {why}"


def _chosen_modes(opened: OpenedModel, wanted: Sequence[str]) -> tuple[ModelMode, ...]:
    if not wanted:
        return opened.modes
    names = [mode.name for mode in opened.modes]
    places = []
    for text in wanted:
        if names.count(text) == 1:
            places.append(names.index(text))
        elif text.isdecimal() and int(text) < len(names):
            places.append(int(text))
        else:
            listed = ", ".join(f"{place}: {name!r}" for place, name in enumerate(names))
            raise InputError(
                f"the model has no mode {text!r}; it has {listed}", key="--mode"
            )
    return tuple(opened.modes[place] for place in sorted(set(places)))


def _chosen_experiment(
    opened: OpenedModel, parts: Sequence[_Part], wanted: str | None
) -> int | None:
    number = max((len(part.activities) for part in parts), default=0)
    if number == 0:
        if wanted is not None:
            raise InputError("the model has no experiments", key="--experiment")
        return None
    names = [each.name for each in opened.experiments]
    if opened.config is not None:
        names = list(opened.config.experiments)
    if len(names) != number:
        names = [str(place) for place in range(number)]
    if wanted is None:
        if number > 1 and len(parts) > 1:
            raise InputError(
                "the model has several experiments, in which its modes bind with other"
                f" activities; choose one of {', '.join(map(repr, names))}",
                key="--experiment",
            )
        # Of one mode alone the activity is a constant.
        return next((i for i in range(number) if _binds(parts, i)), 0)
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < number:
        return int(wanted)
    raise InputError(
        f"the model has no experiment {wanted!r}; it has {', '.join(map(repr, names))}",
        key="--experiment",
    )


def _binds(parts: Sequence[_Part], experiment: int) -> bool:
    return any(
        value > -math.inf for part in parts for value in part.activities[experiment]
    )


def _chosen_column(parts: Sequence[_Part], experiment: int, wanted: int | None) -> int:
    number = max(len(part.activities[experiment]) for part in parts)
    if wanted is not None:
        if not 0 <= wanted < number:
            raise InputError(
                f"there is no column {wanted}: the experiment has {number}, counted"
                " from 0",
                key="--column",
            )
        return wanted
    for column in reversed(range(number)):
        if any(_activity(part, experiment, column) > -math.inf for part in parts):
            return column
    return number - 1


def _activity(part: _Part, experiment: int | None, column: int | None) -> float:
    if experiment is None or column is None or not part.activities:
        return 0.0
    return part.activities[experiment][column]


def _fresh_mode(mode: ModelMode, table: CountTable, opened: OpenedModel) -> Mode:
    if mode.psam is None:
        spec = NonSpecific(opened.alphabet, ignore_length=mode.ignores_length)
        return Mode.from_nonspecific(spec, table, name=mode.name)
    psam: PSAM = copy.deepcopy(mode.psam)
    return Mode.from_psam(psam, table, name=mode.name)
