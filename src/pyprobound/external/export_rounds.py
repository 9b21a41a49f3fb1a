"""Writes the rounds of an experiment as a selection of ProBound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aggregate import Aggregate
from ..base import Binding
from ..errors import InputError
from ..experiment import Experiment
from ..rounds import (
    BaseRound,
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    InitialRound,
    RhoGammaRound,
    Round,
    UnboundRound,
)
from .parts import contribution_of

ABSENT = -39.0
"""The log activity of a mode that does not bind in a column.

ProBoundTools overlooks the lists of the modes of a column; beside others, a mode with
this activity does not count, and it is above the bound at which ProBound would push
it back."""

_EXPONENTS: dict[type[BaseRound], tuple[float, float]] = {
    BoundUnsaturatedRound: (1.0, 0.0),
    BoundRound: (1.0, -1.0),
    UnboundRound: (0.0, -1.0),
}
# An activity that is -inf in our sigmoid of delta; sigmoid(-700) is 1e-304.
_NO_BACKGROUND = -700.0


@dataclass(frozen=True, eq=False)
class Selection:
    """The selection of one experiment.

    Attributes:
        settings: Its entry in ``modelSettings.enrichmentModel``, without members.
        coefficients: Its entry in ``coefficients.enrichmentModel``.
        constraints: Its entry in ``modelFittingConstraints.enrichmentModel``.
        log_depths: The log depth of each column.
        aggregates: What binds in each column; None where nothing does.
        matters: Whether what binds in a column changes the prediction.
        shifts: For each column what is added to the log activities, for the part of
            the concentration that is not common to all columns.
    """

    settings: dict[str, Any]
    coefficients: dict[str, Any]
    constraints: dict[str, Any]
    log_depths: list[float]
    aggregates: list[Aggregate | None]
    matters: list[bool]
    shifts: list[float] = field(default_factory=list)

    def activity(self, column: int, binding: Binding | None) -> float:
        """The log activity of a binding in a column; -inf if it does not bind."""
        aggregate = self.aggregates[column]
        if aggregate is None or binding is None:
            return -math.inf
        for contribution in aggregate.contributions:
            if contribution.binding is binding:
                return contribution.log_activity.item() + self.shifts[column]
        return -math.inf


def export_rounds(experiment: Experiment, place: int) -> Selection:
    """Writes the rounds of an experiment.

    Args:
        experiment: The experiment.
        place: Its place in the loss, for messages.

    Raises:
        InputError: The rounds depend on each other in a way that ProBound does not
            know, or one of them is of a kind that it does not know.
    """
    key = f"experiment {experiment.name or place!r}"
    observed = experiment.observed_rounds
    paths = _without_common_start([_path(each) for each in observed])
    is_chain = not paths[0] and all(
        path == [*before, each]
        for before, path, each in zip(paths, paths[1:], observed[1:], strict=False)
    )
    # In a chain the selection of each column multiplies that of the one before, and
    # that of the first column is common to all.
    steps = [path[-1:] for path in paths] if is_chain else paths
    depths = [each.log_depth.item() for each in observed]
    settings: dict[str, Any] = {
        "componentName": experiment.name or f"Enrichment model {place}",
        "cumulativeEnrichment": is_chain,
        "includeComponent": True,
    }
    kinds = {type(each) for step in steps for each in step}
    coefficients: dict[str, Any] = {}
    constraints: dict[str, Any] = {}
    selected = steps[1:] if is_chain else steps
    if kinds == {ExponentialRound}:
        settings["modelType"] = "ExponentialKinetics"
        coefficients["delta"], constants = _deltas(steps, is_chain, key)
        depths = [depth + c for depth, c in zip(depths, constants, strict=True)]
        constraints["fitDelta"] = [
            any(_trains_delta(each) for each in step) for step in steps
        ]
        constraints["roundSpecificDelta"] = True
    elif kinds <= {BoundUnsaturatedRound} and all(selected):
        settings |= {"modelType": "SELEX", "bindingSaturation": False}
        constraints["trySaturation"] = False
    elif kinds <= {BoundRound} and all(selected):
        settings |= {"modelType": "SELEX", "bindingSaturation": True}
        constraints["trySaturation"] = False
    else:
        settings["modelType"] = "RhoGamma"
        exponents = [_exponents(step, key) for step in steps]
        coefficients["rho"] = [rho for rho, _ in exponents]
        coefficients["gamma"] = [gamma for _, gamma in exponents]
        trains = RhoGammaRound in kinds
        constraints |= {"fitRho": trains, "fitGamma": trains}
        constraints |= {"roundSpecificRho": True, "roundSpecificGamma": True}
    aggregates = [
        _aggregate(step, each, key) for step, each in zip(steps, observed, strict=True)
    ]
    matters = [bool(step) for step in steps]
    concentration, shifts = _concentrations(aggregates, matters)
    settings["concentration"] = concentration
    return Selection(
        settings, coefficients, constraints, depths, aggregates, matters, shifts
    )


def _path(each: BaseRound) -> list[Round]:
    """The rounds whose selections a round has passed, the last one at the end."""
    path: list[Round] = []
    current: BaseRound | None = each
    while isinstance(current, Round):
        path.insert(0, current)
        current = current.reference_round
    return path


def _without_common_start(paths: list[list[Round]]) -> list[list[Round]]:
    """Leaves out the selections that all columns have passed, which do not matter."""
    while all(paths) and all(path[0] is paths[0][0] for path in paths):
        paths = [path[1:] for path in paths]
    return paths


def _check_one(step: Sequence[Round], key: str) -> None:
    for each in step[:-1]:
        if each.aggregate is not step[-1].aggregate:
            raise _refusal(
                key,
                f"the round {step[-1].name!r} is selected from the round"
                f" {each.name!r} by other activities, but not all rounds form a chain",
            )


def _exponents(step: Sequence[Round], key: str) -> tuple[float, float]:
    """The exponents of Z and 1 + Z; (0, 0) where nothing was selected."""
    _check_one(step, key)
    total = [0.0, 0.0]
    for each in step:
        if type(each) is RhoGammaRound:
            own = (each.rho.item(), each.gamma.item())
        elif type(each) in _EXPONENTS:
            own = _EXPONENTS[type(each)]
        else:
            raise _refusal(
                key,
                f"the round {each.name!r}, a {type(each).__name__}, has no counterpart"
                + (" beside others" if type(each) is ExponentialRound else ""),
            )
        total = [total[0] + own[0], total[1] + own[1]]
    return total[0], total[1]


def _deltas(
    steps: Sequence[Sequence[Round]], is_chain: bool, key: str
) -> tuple[list[float], list[float]]:
    """The background of each column, and what its log depth gains.

    With a delta of 0 the factor of a column is 1/2, whatever binds.
    """
    deltas, constants = [], []
    for column, step in enumerate(steps):
        if len(step) > 1:
            raise _refusal(key, "an ExponentialRound that follows another one")
        is_first = column == 0 and is_chain
        constants.append(0.0 if step or is_first else math.log(2))
        value = 0.0
        for each in step:
            assert isinstance(each, ExponentialRound)  # noqa: S101 - all are
            value = max(each.delta.item(), _NO_BACKGROUND)
        deltas.append(value)
    return deltas, constants


def _trains_delta(each: Round) -> bool:
    return isinstance(each, ExponentialRound) and each.train_delta


def _aggregate(step: Sequence[Round], each: BaseRound, key: str) -> Aggregate | None:
    if step:
        _check_one(step, key)
        return step[-1].aggregate
    if isinstance(each, InitialRound):
        return None
    return each.aggregate if isinstance(each, Round) else None


def _concentrations(
    aggregates: Sequence[Aggregate | None], matters: Sequence[bool]
) -> tuple[float, list[float]]:
    """The concentration of all columns, and the log of what each has beyond it."""
    logs = [
        0.0 if aggregate is None else aggregate.log_target_concentration.item()
        for aggregate in aggregates
    ]
    relevant = {value for value, counts in zip(logs, matters, strict=True) if counts}
    common = relevant.pop() if len(relevant) == 1 else 0.0
    concentration = math.exp(common)
    rounded = float(f"{concentration:.9g}")
    if math.isclose(rounded, concentration, rel_tol=1e-14):
        concentration = rounded
    return concentration, [
        value - common if counts else 0.0
        for value, counts in zip(logs, matters, strict=True)
    ]


def _refusal(key: str, message: str) -> InputError:
    return InputError(f"cannot be written for ProBound: {message}", key=key)


__all__ = ["ABSENT", "Selection", "contribution_of", "export_rounds"]
