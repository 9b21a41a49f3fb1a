"""The configuration of a whole fit."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from .base import ConfigModel, Key, Name, problem
from .cooperativities import CooperativityConfig
from .experiments import ExperimentConfig, InitialRoundConfig
from .modes import ModeConfig, PSAMConfig, PSAMModeConfig
from .tables import TableConfig
from .training import LossConfig, OptimizerConfig, TrainingConfig


class FitConfig(ConfigModel):
    """Everything that a fit depends on.

    Parts are named, and refer to each other by name, so that several experiments can
    share a motif. Names of options are those of the classes of the library.

    Raises:
        pydantic.ValidationError: A value is not possible, or the parts disagree.
    """

    tables: dict[Name, TableConfig] = Field(min_length=1)
    psams: dict[Name, PSAMConfig] = Field(default={})
    modes: dict[Name, ModeConfig] = Field(min_length=1)
    cooperativities: dict[Name, CooperativityConfig] = Field(default={})
    experiments: dict[Name, ExperimentConfig] = Field(min_length=1)
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    seed: NonNegativeInt = Field(
        default=0,
        description="From it follow the random starts and the validation rows.",
    )
    starts: PositiveInt = Field(
        default=1,
        description="Independent random starts, of which the best one is kept.",
    )
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Share of the rows on which trainings are judged, not trained.",
    )
    device: str | None = Field(
        default=None, description="cpu, cuda, ...; the fastest present."
    )
    threads: PositiveInt | None = Field(
        default=None,
        description="Processor threads; as many as torch takes by default.",
    )

    @model_validator(mode="after")
    def _check(self) -> FitConfig:
        _check_tables(self)
        _check_modes(self)
        _check_cooperativities(self)
        _check_rounds(self)
        _check_order(self)
        weights = self.loss.weights
        if weights is not None and len(weights) != len(self.experiments):
            raise problem(
                ["loss", "weights"],
                f"has {len(weights)} values, but there are {len(self.experiments)}"
                " experiments",
            )
        return self

    def bindings(self, experiment: str) -> list[list[str]]:
        """The names of what binds in each round of an experiment, none at the start.

        They are names of modes and of cooperativities.

        Args:
            experiment: The name of the experiment.
        """
        found: dict[str, list[str]] = {}
        part = self.experiments[experiment]
        for name, step in zip(part.round_names, part.rounds, strict=True):
            if isinstance(step, InitialRoundConfig):
                found[name] = []
            elif step.from_round is not None:
                found[name] = found[step.from_round]
            elif step.contributions is not None:
                found[name] = [entry.binding for entry in step.contributions]
            else:
                found[name] = step.binding or self.binding_names
        return list(found.values())

    @property
    def binding_names(self) -> list[str]:
        """The names of all modes and cooperativities, in this order."""
        return [*self.modes, *self.cooperativities]

    def modes_of(self, experiment: str) -> list[str]:
        """The names of the modes of an experiment, in the order of the configuration.

        Modes that only bind together with another one are among them.

        Args:
            experiment: The name of the experiment.
        """
        used = {name for names in self.bindings(experiment) for name in names}
        for name in self.cooperativities_of(experiment):
            used.update(self.cooperativities[name].modes)
        return [name for name in self.modes if name in used]

    def cooperativities_of(self, experiment: str) -> list[str]:
        """The names of the cooperativities of an experiment, likewise in order.

        Args:
            experiment: The name of the experiment.
        """
        used = {name for names in self.bindings(experiment) for name in names}
        return [name for name in self.cooperativities if name in used]


def describe_key(key: Key) -> str:
    """Writes the path of a setting, such as ``experiments.a.rounds[1].name``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _check_known(name: str, known: Any, key: Key, kind: str) -> None:
    if name not in known:
        listed = ", ".join(map(repr, known)) or "none"
        raise problem(key, f"there is no {kind} {name!r}; there are: {listed}")


def _check_tables(config: FitConfig) -> None:
    used: dict[str, str] = {}
    for name, experiment in config.experiments.items():
        key = ("experiments", name, "table")
        _check_known(experiment.table, config.tables, key, "table")
        if experiment.table in used:
            raise problem(
                key,
                f"the table {experiment.table!r} is used by the experiment"
                f" {used[experiment.table]!r} already; list it under another name",
            )
        used[experiment.table] = name
    for name in config.tables:
        if name not in used:
            raise problem(["tables", name], "no experiment uses this table")


def _check_modes(config: FitConfig) -> None:
    used = set()
    for name, mode in config.modes.items():
        if isinstance(mode, PSAMModeConfig):
            key = ("modes", name, "psam")
            _check_known(mode.psam, config.psams, key, "motif")
            used.add(mode.psam)
    for name in config.psams:
        if name not in used:
            raise problem(["psams", name], "no mode uses this motif")


def _check_cooperativities(config: FitConfig) -> None:
    for name, part in config.cooperativities.items():
        key: Key = ("cooperativities", name)
        if name in config.modes:
            raise problem(key, "a mode has this name; choose another one")
        for place, mode in enumerate(part.modes):
            where = (*key, "modes", place)
            _check_known(mode, config.modes, where, "mode")
            if not isinstance(config.modes[mode], PSAMModeConfig):
                raise problem(where, f"the mode {mode!r} has no motif")


def _check_rounds(config: FitConfig) -> None:
    for name, experiment in config.experiments.items():
        for place, step in enumerate(experiment.rounds):
            if isinstance(step, InitialRoundConfig):
                continue
            key: Key = ("experiments", name, "rounds", place)
            for index, mode in enumerate(step.binding or []):
                where: Key = (*key, "binding", index)
                _check_known(mode, config.binding_names, where, "mode")
            for index, part in enumerate(step.contributions or []):
                where = (*key, "contributions", index, "binding")
                _check_known(part.binding, config.binding_names, where, "mode")
                if part.train_activity is False and math.isinf(part.log_activity):
                    raise problem(
                        (*key, "contributions", index),
                        "has no log_activity and does not train one, so that it would"
                        " never contribute",
                    )
    for name in config.modes:
        if not any(name in config.modes_of(part) for part in config.experiments):
            raise problem(["modes", name], "no round binds by this mode")
    for name in config.cooperativities:
        if not any(name in config.cooperativities_of(p) for p in config.experiments):
            raise problem(["cooperativities", name], "no round binds by it")


def _check_order(config: FitConfig) -> None:
    order = config.training.order
    if order is None:
        return
    if config.training.mode != "sequential":
        raise problem(["training", "order"], "needs mode: sequential")
    found = {n for part in config.experiments for r in config.bindings(part) for n in r}
    bound = [name for name in config.binding_names if name in found]
    seen: set[str] = set()
    for group_place, group in enumerate(order):
        for place, name in enumerate(group):
            key: Key = ("training", "order", group_place, place)
            _check_known(name, config.binding_names, key, "mode")
            if name not in bound:
                raise problem(
                    key,
                    f"no round binds by {name!r} alone; it is trained with its"
                    " cooperativity",
                )
            if name in seen:
                raise problem(key, f"the mode {name!r} is listed twice")
            seen.add(name)
    missing = [name for name in bound if name not in seen]
    if missing:
        raise problem(
            ["training", "order"],
            f"lacks the modes {', '.join(map(repr, missing))}; list every mode",
        )
