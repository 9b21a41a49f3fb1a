"""The aggregates and rounds of a fit of ProBound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ..aggregate import Aggregate, Contribution
from ..base import Binding
from ..containers import TParameterList
from ..cooperativity import Cooperativity
from ..errors import InputError
from ..mode import Mode
from ..rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    RhoGammaRound,
    Round,
)
from .files import Fit
from .lines import ModelLine

_MISSPELT, _ATTRIBUTE = "throaway_activities", "throwaway_activities"

NoncumulativeReference = Literal["first", "none"]


class ImportedAggregate(Aggregate):
    """An aggregate that keeps the activities of bindings that do not take part in it.

    ProBound stores and regularises an activity for every binding and every column,
    whether or not the experiment uses it.

    Args:
        contributions: See ``Aggregate``.
        target_concentration: See ``Aggregate``.
        throwaway_activities: The log activities of bindings that do not take part.

    Attributes:
        throwaway_activities: These activities; they are regularised, but not trained.
    """

    def __init__(
        self,
        contributions: Iterable[Contribution],
        target_concentration: float = 1,
        throwaway_activities: Iterable[float] = (),
    ) -> None:
        super().__init__(contributions, target_concentration=target_concentration)
        self.throwaway_activities = TParameterList(
            torch.tensor(float(each)) for each in throwaway_activities
        )
        self.throwaway_activities.requires_grad_(False)

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Reads the name that PyProBound 1.5 misspells, see ``checkpoint``."""
        return _renamed(entries, _MISSPELT, _ATTRIBUTE)

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Writes the name that PyProBound 1.5 reads, see ``checkpoint``."""
        return _renamed(entries, _ATTRIBUTE, _MISSPELT)


def _renamed(entries: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {
        new + name.removeprefix(old) if name.startswith(f"{old}.") else name: value
        for name, value in entries.items()
    }


def parse_probound_aggregate(
    fit_final: Fit,
    modes: Sequence[Mode],
    cooperativities: Sequence[Cooperativity],
    table_idx: int,
    round_idx: int,
) -> ImportedAggregate:
    """Creates the aggregate of one column of a table.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        modes: The modes of the experiment, see ``parse_probound_modes``.
        cooperativities: Its interactions, see ``parse_probound_interactions``.
        table_idx: The place of the table in the fit, counted from 0.
        round_idx: The column of the table, counted from 0.

    Raises:
        InputError: Nothing binds in this column.
    """
    line = ModelLine(fit_final)
    place = (table_idx, round_idx)
    groups: list[tuple[str, Sequence[Binding], int, list[int]]] = [
        ("bindingModes", modes, line.n_modes, line.member_modes(*place)),
        (
            "bindingModeInteractions",
            cooperativities,
            len(line.interactions),
            line.member_interactions(*place),
        ),
    ]
    contributions, unused = [], []
    for kind, bindings, n_bindings, members in groups:
        for i in range(n_bindings):
            activity = line.log_activity(kind, i, *place)
            if i in members:
                contributions.append(Contribution(bindings[i], log_activity=activity))
            else:
                unused.append(activity)
    if not contributions:
        raise InputError(
            f"no binding mode takes part in column {round_idx} of table {table_idx}",
            key=f"modelSettings.enrichmentModel[{table_idx}].bindingModes",
        )
    return ImportedAggregate(
        contributions,
        target_concentration=float(line.enrichment(table_idx).get("concentration", 1)),
        throwaway_activities=unused,
    )


def parse_probound_rounds(
    fit_final: Fit,
    modes: Sequence[Mode],
    cooperativities: Sequence[Cooperativity],
    table_idx: int,
    *,
    noncumulative_reference: NoncumulativeReference = "first",
) -> list[Round]:
    r"""Creates the rounds of an experiment, one for each column of its table.

    The first round has no reference round. If the enrichment is cumulative, as it is
    by default in ProBound, each later one refers to the one before. The enrichment of
    the first round is then common to all and does not matter.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        modes: The modes of the experiment, see ``parse_probound_modes``.
        cooperativities: Its interactions, see ``parse_probound_interactions``.
        table_idx: The place of the table in the fit, counted from 0.
        noncumulative_reference: What rounds refer to if the enrichment is not
            cumulative. With ``none`` they refer to nothing, which is the model of
            ProBound. With ``first`` they refer to the first round, as in PyProBound
            1.5, so that its enrichment multiplies that of all others.

    Raises:
        RuntimeError: The type of the selection has no counterpart.
        InputError: A mode acts differently on modified letters in this experiment.
    """
    if noncumulative_reference not in ("first", "none"):
        raise ValueError(
            "noncumulative_reference must be 'first' or 'none', not"
            f" {noncumulative_reference!r}"
        )
    line = ModelLine(fit_final)
    _check_modifications(line, table_idx)
    cumulative = line.enrichment(table_idx).get("cumulativeEnrichment", True)
    rounds: list[Round] = []
    for column, log_depth in enumerate(line.log_depths(table_idx)):
        aggregate = parse_probound_aggregate(
            fit_final, modes, cooperativities, table_idx, column
        )
        reference = None
        if rounds and cumulative:
            reference = rounds[-1]
        elif rounds and noncumulative_reference == "first":
            reference = rounds[0]
        rounds.append(
            _create_round(line, aggregate, reference, log_depth, (table_idx, column))
        )
    return rounds


def _create_round(
    line: ModelLine,
    aggregate: Aggregate,
    reference: Round | None,
    log_depth: float,
    place: tuple[int, int],
) -> Round:
    table, _ = place
    model_type = line.model_type(table)
    if model_type == "SELEX":
        saturates = line.enrichment(table).get("bindingSaturation", False)
        kind: type[Round] = BoundRound if saturates else BoundUnsaturatedRound
        return kind(aggregate, reference, train_depth=False, log_depth=log_depth)
    if model_type == "RhoGamma":
        return RhoGammaRound(
            aggregate,
            reference,
            train_depth=False,
            log_depth=log_depth,
            rho=line.round_value("rho", *place),
            gamma=line.round_value("gamma", *place),
        )
    if model_type == "ExponentialKinetics":
        return ExponentialRound(
            aggregate,
            reference,
            train_depth=False,
            log_depth=log_depth,
            delta=line.round_value("delta", *place),
        )
    raise RuntimeError(
        f"The modelType {model_type!r} of experiment {table} has no counterpart here;"
        " 'SELEX', 'RhoGamma' and 'ExponentialKinetics' have"
    )


def _check_modifications(line: ModelLine, table: int) -> None:
    """Raises InputError where modified letters change the energies of a mode."""
    present = set(line.enrichment(table).get("modifications") or ())
    for mode, settings in enumerate(line.settings["bindingModes"]):
        known = {each["name"] for each in settings.get("modifications") or ()}
        if present & known:
            raise InputError(
                f"the modifications {', '.join(sorted(present & known))} of mode"
                f" {mode} act in experiment {table}; such shifts of energies cannot be"
                " read",
                key=f"modelSettings.bindingModes[{mode}].modifications",
            )
