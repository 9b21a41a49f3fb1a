"""Fills in every default of a configuration from the tables that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..alphabets import Alphabet
from ..errors import InputError
from .alphabets import check_flanks, make_alphabet
from .base import ConfigModel
from .experiments import ExperimentConfig, InitialRoundConfig, RoundConfig
from .fit import FitConfig
from .modes import PSAMConfig, PSAMModeConfig
from .tables import TableConfig

Part = TypeVar("Part", bound=ConfigModel)


@dataclass(frozen=True)
class TableFacts:
    """What a configuration takes over from a table.

    Attributes:
        sha256: The SHA-256 of the file.
        header: Whether the file names its columns.
        columns: The columns that are used, by name or number.
        min_variable_length: The number of letters of the shortest sequence.
        max_variable_length: The number of letters of the longest sequence.
        counts_per_round: The reads in each column, of the rows to train on.
    """

    sha256: str
    header: bool
    columns: Sequence[int | str]
    min_variable_length: int
    max_variable_length: int
    counts_per_round: Sequence[float]


def resolve(
    config: FitConfig,
    facts: Mapping[str, TableFacts],
    *,
    device: str,
    threads: int,
) -> FitConfig:
    """Fills in every default, so that nothing is left to the surroundings.

    Args:
        config: The configuration.
        facts: What is known of each table.
        device: The device to compute on, if the configuration names none.
        threads: The number of threads, likewise.

    Returns:
        A configuration that describes the same fit, with absolute paths.
    """
    tables = {
        name: _resolve_table(name, table, facts[name])
        for name, table in config.tables.items()
    }
    experiments = {
        name: _resolve_experiment(config, name, facts[part.table])
        for name, part in config.experiments.items()
    }
    psams = {
        name: _resolve_psam(psam, alphabet_of_psam(config, name))
        for name, psam in config.psams.items()
    }
    n_experiments = len(experiments)
    weights = config.loss.weights or [1 / n_experiments] * n_experiments
    order = config.training.order
    if order is None and config.training.mode == "sequential":
        order = [[name] for name in _order_of_discovery(config)]
    return _changed(
        config,
        tables=tables,
        experiments=experiments,
        psams=psams,
        loss=_changed(config.loss, weights=weights),
        training=_changed(config.training, order=order),
        device=config.device or device,
        threads=config.threads or threads,
    )


def alphabet_of_psam(config: FitConfig, psam: str) -> Alphabet:
    """The alphabet of the tables that a motif scores.

    Args:
        config: The configuration.
        psam: The name of the motif.

    Raises:
        InputError: The tables have different alphabets.
    """
    found: dict[str, Alphabet] = {}
    for name, experiment in config.experiments.items():
        modes = [config.modes[mode] for mode in config.modes_of(name)]
        if any(
            isinstance(mode, PSAMModeConfig) and mode.psam == psam for mode in modes
        ):
            table = experiment.table
            found[table] = make_alphabet(config.tables[table].alphabet, table)
    (first, alphabet), *others = found.items()
    for table, other in others:
        if other != alphabet:
            raise InputError(
                f"scores the tables {first!r} ({alphabet!r}) and {table!r} ({other!r}),"
                " which have different alphabets",
                key=f"psams.{psam}",
            )
    return alphabet


def _changed(part: Part, **values: Any) -> Part:
    # Values are validated again, since model_copy would take anything.
    return type(part).model_validate(
        {name: getattr(part, name) for name in type(part).model_fields} | values
    )


def _resolve_table(name: str, table: TableConfig, facts: TableFacts) -> TableConfig:
    left, right = check_flanks(table, make_alphabet(table.alphabet, name), name)

    def default(value: int | None, other: int) -> int:
        return other if value is None else value

    return _changed(
        table,
        path=str(Path(table.path).resolve()),
        sha256=facts.sha256,
        header=facts.header,
        columns=list(facts.columns),
        min_variable_length=default(
            table.min_variable_length, facts.min_variable_length
        ),
        max_variable_length=default(
            table.max_variable_length, facts.max_variable_length
        ),
        max_left_flank_length=default(table.max_left_flank_length, left),
        max_right_flank_length=default(table.max_right_flank_length, right),
    )


def _resolve_experiment(
    config: FitConfig, name: str, facts: TableFacts
) -> ExperimentConfig:
    part = config.experiments[name]
    rounds = [
        _resolve_round(config, step, round_name)
        for step, round_name in zip(part.rounds, part.round_names, strict=True)
    ]
    counts = part.counts_per_round
    if counts is None:
        counts = [float(value) for value in facts.counts_per_round]
    return _changed(part, rounds=rounds, counts_per_round=counts)


def _resolve_round(config: FitConfig, step: RoundConfig, name: str) -> RoundConfig:
    if isinstance(step, InitialRoundConfig):
        return _changed(step, name=name)
    if step.contributions is None and step.from_round is None:
        return _changed(step, name=name, binding=step.binding or config.binding_names)
    return _changed(step, name=name)


def _resolve_psam(psam: PSAMConfig, alphabet: Alphabet) -> PSAMConfig:
    reverse = alphabet.complement if psam.score_reverse is None else psam.score_reverse
    return _changed(
        psam,
        symmetry=psam.symmetry or list(range(1, psam.kernel_size + 1)),
        score_reverse=reverse,
        out_channels=psam.out_channels or (2 if reverse else 1),
    )


def _order_of_discovery(config: FitConfig) -> list[str]:
    """The modes in the order in which the library finds and trains them."""
    found: dict[str, None] = {}
    for name in config.experiments:
        for modes in config.bindings(name):
            found.update(dict.fromkeys(modes))
    return list(found)
