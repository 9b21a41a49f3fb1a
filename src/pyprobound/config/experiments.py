"""The configuration of experiments and their rounds."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from .base import ConfigModel, Name, problem

Share = Annotated[float, Field(gt=0, lt=1)]


class ContributionConfig(ConfigModel):
    """A mode in one round; see ``pyprobound.Contribution``."""

    binding: Name = Field(description="The name of the mode.")
    train_activity: bool = Field(
        default=True, description="Whether to train the activity."
    )
    log_activity: float = Field(
        default=-math.inf, description="The log activity at first; -.inf for none."
    )
    activity_heuristic: Share = Field(
        default=0.05,
        description="The share of binding with which the mode enters training.",
    )


class InitialRoundConfig(ConfigModel):
    """The library before selection; see ``rounds.InitialRound``."""

    type: Literal["InitialRound"]
    name: Name | None = Field(
        default=None, description="Its place by default: 0, 1, ..."
    )
    observed: bool = Field(
        default=True, description="Whether a column of the table counts it."
    )

    @property
    def reference_round(self) -> None:
        """There is none."""

    @property
    def train_depth(self) -> bool:
        """The depth is fixed."""
        return False


class _Round(ConfigModel):
    name: Name | None = Field(
        default=None, description="Its place by default: 0, 1, ..."
    )
    observed: bool = Field(
        default=True, description="Whether a column of the table counts it."
    )
    reference_round: Name | None = Field(
        description="The name of the round from which sequences were selected."
    )
    binding: list[Name] | None = Field(
        default=None, min_length=1, description="The modes that bind; all by default."
    )
    contributions: list[ContributionConfig] | None = Field(
        default=None,
        min_length=1,
        description="Instead of binding: modes with their options.",
    )
    from_round: Name | None = Field(
        default=None,
        description="Instead of binding: the round whose aggregate is shared (in an"
        " ExponentialRound, whose contributions are).",
    )
    train_depth: bool = Field(default=True, description="Whether to train the depth.")
    log_depth: float = Field(default=0.0, description="The log depth at first.")
    train_concentration: bool = Field(
        default=False, description="Whether to train the concentration of the target."
    )
    target_concentration: PositiveFloat = Field(
        default=1.0, description="The concentration of the protein."
    )
    library_concentration: float = Field(
        default=-1.0,
        description="The concentration of the library; negative if unknown.",
    )
    activity_heuristic: Share = Field(
        default=0.05,
        description="The share of binding with which modes enter training.",
    )

    @model_validator(mode="after")
    def _check(self) -> _Round:
        given = [
            key
            for key in ("binding", "contributions", "from_round")
            if getattr(self, key) is not None
        ]
        if len(given) > 1:
            raise problem([given[1]], f"cannot be given together with {given[0]}")
        names = self.binding or [part.binding for part in self.contributions or []]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise problem([given[0]], f"the mode {repeated[0]!r} is given twice")
        if not self.observed and self.train_depth:
            raise problem(
                ["train_depth"],
                "must be false for a round that is not observed: there are no counts"
                " to tell its depth",
            )
        return self


class BoundRoundConfig(_Round):
    """Bound sequences, with saturation; see ``rounds.BoundRound``."""

    type: Literal["BoundRound"]


class BoundUnsaturatedRoundConfig(_Round):
    """Bound sequences, far from saturation; see ``rounds.BoundUnsaturatedRound``."""

    type: Literal["BoundUnsaturatedRound"]


class UnboundRoundConfig(_Round):
    """Sequences that were not bound; see ``rounds.UnboundRound``."""

    type: Literal["UnboundRound"]


class RhoGammaRoundConfig(_Round):
    """Enrichment as a power of binding; see ``rounds.RhoGammaRound``."""

    type: Literal["RhoGammaRound"]
    rho: float = Field(default=1.0, description="The exponent of Z at first.")
    gamma: float = Field(default=-1.0, description="The exponent of 1 + Z at first.")


class ExponentialRoundConfig(_Round):
    """Sequences modified by an enzyme; see ``rounds.ExponentialRound``."""

    type: Literal["ExponentialRound"]
    delta: float = Field(
        default=-15.0, description="The log odds of the background at first."
    )
    train_delta: bool = Field(default=True, description="Whether to train it.")


RoundConfig = Annotated[
    InitialRoundConfig
    | BoundRoundConfig
    | BoundUnsaturatedRoundConfig
    | UnboundRoundConfig
    | RhoGammaRoundConfig
    | ExponentialRoundConfig,
    Field(discriminator="type"),
]

SelectionRoundConfig = (
    BoundRoundConfig
    | BoundUnsaturatedRoundConfig
    | UnboundRoundConfig
    | RhoGammaRoundConfig
    | ExponentialRoundConfig
)


class ExperimentConfig(ConfigModel):
    """The rounds of one table; see ``pyprobound.Experiment``."""

    table: Name = Field(description="The name of the table.")
    rounds: list[RoundConfig] = Field(
        min_length=1,
        description="The rounds; those observed in the order of the table's columns.",
    )
    counts_per_round: list[NonNegativeFloat] | None = Field(
        default=None, description="The reads per column; counted by default."
    )

    @property
    def round_names(self) -> list[str]:
        """The names of the rounds; those without one are called by their place."""
        return [
            str(place) if part.name is None else part.name
            for place, part in enumerate(self.rounds)
        ]

    @model_validator(mode="after")
    def _check(self) -> ExperimentConfig:
        names = self.round_names
        for place, name in enumerate(names):
            if name in names[:place]:
                raise problem(
                    ["rounds", place, "name"], f"there are two rounds called {name!r}"
                )
        for place, part in enumerate(self.rounds):
            if isinstance(part, InitialRoundConfig):
                continue
            _check_known(part.reference_round, names, ["rounds", place], place)
            if part.from_round is not None:
                _check_source(self, part.from_round, place)
        observed = [part for part in self.rounds if part.observed]
        if not observed:
            raise problem(["rounds"], "no round is observed")
        if all(part.train_depth for part in observed):
            raise problem(
                ["rounds"],
                "one observed round needs train_depth: false, since only ratios of"
                " depths matter (an InitialRound has a fixed depth)",
            )
        return self


def _check_known(
    reference: str | None, names: list[str], key: list[str | int], place: int
) -> None:
    if reference is None or reference in names[:place]:
        return
    reason = (
        "is listed later; list it before the rounds that refer to it"
        if reference in names
        else f"does not exist; there are {', '.join(map(repr, names))}"
    )
    raise problem([*key, "reference_round"], f"the round {reference!r} {reason}")


def _check_source(experiment: ExperimentConfig, source: str, place: int) -> None:
    """Checks the round from which another one takes its aggregate."""
    earlier = dict(
        zip(experiment.round_names[:place], experiment.rounds[:place], strict=True)
    )
    key = ["rounds", place, "from_round"]
    if source not in earlier:
        raise problem(key, f"there is no earlier round {source!r}")
    if isinstance(earlier[source], InitialRoundConfig):
        raise problem(key, f"the round {source!r} is an InitialRound: it binds nothing")
    step = experiment.rounds[place]
    if isinstance(step, InitialRoundConfig | ExponentialRoundConfig):
        return
    for name in ("target_concentration", "train_concentration"):
        if getattr(step, name) != type(step).model_fields[name].default:
            raise problem(
                ["rounds", place, name],
                f"belongs to the round {source!r}, whose aggregate is shared; set it"
                " there",
            )
