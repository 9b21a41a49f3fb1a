"""Makes the tables and the model that a configuration describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import rounds as rounds_module
from ..aggregate import Aggregate, Contribution
from ..alphabets import Alphabet
from ..base import Binding
from ..cooperativity import Cooperativity, Spacing
from ..errors import InputError
from ..experiment import Experiment
from ..layers import PSAM, NonSpecific
from ..loss import MultiExperimentLoss
from ..mode import Mode
from ..rounds import BaseRound, InitialRound, Round
from ..table import CountTable
from .alphabets import flanks, make_alphabet
from .cropping import Cropping
from .experiments import (
    ExponentialRoundConfig,
    InitialRoundConfig,
    RhoGammaRoundConfig,
    SelectionRoundConfig,
)
from .fit import FitConfig, describe_key
from .modes import PSAMConfig, PSAMModeConfig
from .resolve import alphabet_of_psam
from .tables import TableConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Model:
    """The objects of a model, by their names in the configuration.

    Attributes:
        config: The configuration.
        loss: The loss, with all experiments.
        psams: The motifs.
        experiments: The experiments.
        modes: The modes of each experiment. Modes of the same name share their
            motif, and have the lengths of their own table.
        cooperativities: The cooperativities of each experiment. Those of the same
            name share their energies by offset.
    """

    config: FitConfig
    loss: MultiExperimentLoss
    psams: Mapping[str, PSAM]
    experiments: Mapping[str, Experiment]
    modes: Mapping[str, Mapping[str, Mode]]
    cooperativities: Mapping[str, Mapping[str, Cooperativity]] = field(
        default_factory=dict
    )

    def bindings_called(self, name: str) -> list[Binding]:
        """The modes or cooperativities of one name, one for each experiment with it.

        Args:
            name: The name.
        """
        groups: list[Mapping[str, Binding]] = [
            *self.modes.values(),
            *self.cooperativities.values(),
        ]
        return [group[name] for group in groups if name in group]


def build(config: FitConfig, tables: Mapping[str, CountTable]) -> Model:
    """Makes the model of a configuration.

    Motifs that have no ``seed`` begin with random values from torch's generator.

    Args:
        config: The configuration.
        tables: The tables by name; their lengths count, not their rows, so empty
            tables of the right lengths will do.

    Raises:
        InputError: A part cannot be made; the message names its key.
    """
    specs: dict[tuple[str, Alphabet], NonSpecific] = {}
    psams = {
        name: _make_psam(config, name, part) for name, part in config.psams.items()
    }
    modes: dict[str, dict[str, Mode]] = {}
    spacings: dict[str, Spacing] = {}
    cropping = Cropping()
    pairs: dict[str, dict[str, Cooperativity]] = {}
    experiments: dict[str, Experiment] = {}
    for name, part in config.experiments.items():
        table = tables[part.table]
        modes[name] = {
            mode: _make_mode(config, mode, table, psams, specs, cropping)
            for mode in config.modes_of(name)
        }
        pairs[name] = {
            pair: _make_cooperativity(config, pair, modes[name], spacings)
            for pair in config.cooperativities_of(name)
        }
        bindings = {**modes[name], **pairs[name]}
        experiments[name] = _make_experiment(config, name, bindings)
    with _errors_at("loss"):
        loss = MultiExperimentLoss(
            list(experiments.values()), **config.loss.model_dump()
        )
    return Model(config, loss, psams, experiments, modes, pairs)


def make_table(config: TableConfig, name: str, frame: pd.DataFrame) -> CountTable:
    """Makes a count table.

    Args:
        config: The table; its sequences are transliterated already.
        name: Its name, for messages.
        frame: Its rows.

    Raises:
        InputError: The lengths or flanks do not fit.
    """
    alphabet = make_alphabet(config.alphabet, name)
    left, right = flanks(config, alphabet)
    with _errors_at("tables", name):
        return CountTable(
            frame,
            alphabet,
            left_flank=left,
            right_flank=right,
            left_flank_length=config.left_flank_length,
            right_flank_length=config.right_flank_length,
            max_left_flank_length=config.max_left_flank_length,
            max_right_flank_length=config.max_right_flank_length,
            wildcard_pad=config.wildcard_pad,
            min_variable_length=config.min_variable_length,
            max_variable_length=config.max_variable_length,
        )


@contextmanager
def _errors_at(*key: str | int) -> Iterator[None]:
    """Gives errors about the options of a part the key of the part."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(str(error), key=describe_key(key)) from error


def _make_psam(config: FitConfig, name: str, part: PSAMConfig) -> PSAM:
    alphabet = alphabet_of_psam(config, name)
    with _errors_at("psams", name):
        return PSAM(alphabet=alphabet, name=name, **part.model_dump())


def _make_mode(
    config: FitConfig,
    name: str,
    table: CountTable,
    psams: Mapping[str, PSAM],
    specs: dict[tuple[str, Alphabet], NonSpecific],
    cropping: Cropping,
) -> Mode:
    part = config.modes[name]
    with _errors_at("modes", name):
        if isinstance(part, PSAMModeConfig):
            return cropping.make_mode(part, psams[part.psam], table, name)
        key = (name, table.alphabet)
        if key not in specs:
            specs[key] = NonSpecific(
                table.alphabet, ignore_length=part.ignore_length, name=name
            )
        return Mode.from_nonspecific(
            specs[key], table, train_posbias=part.train_posbias, name=name
        )


_OF_SPACING = {
    "score_same",
    "score_reverse",
    "score_mode",
    "max_overlap",
    "max_spacing",
    "ignore_pad",
    "anchor",
}


def _make_cooperativity(
    config: FitConfig,
    name: str,
    modes: Mapping[str, Mode],
    spacings: dict[str, Spacing],
) -> Cooperativity:
    part = config.cooperativities[name]
    first, second = (modes[mode] for mode in part.modes)
    with _errors_at("cooperativities", name):
        if name not in spacings:
            spacings[name] = Spacing(
                first.key(),
                second.key(),
                normalize=part.normalize_spacing,
                name=name,
                **part.model_dump(include=_OF_SPACING),
            )
        others = part.model_dump(exclude=_OF_SPACING | {"modes", "normalize_spacing"})
        return Cooperativity(spacings[name], first, second, **others)


def _make_experiment(
    config: FitConfig, name: str, modes: Mapping[str, Binding]
) -> Experiment:
    part = config.experiments[name]
    made: dict[str, BaseRound] = {}
    observed: list[BaseRound] = []
    names = part.round_names
    for place, (round_name, step) in enumerate(zip(names, part.rounds, strict=True)):
        if isinstance(step, InitialRoundConfig):
            made[round_name] = InitialRound(name=round_name)
        else:
            with _errors_at("experiments", name, "rounds", place):
                made[round_name] = _make_round(config, step, round_name, made, modes)
        if step.observed:
            observed.append(made[round_name])
    with _errors_at("experiments", name):
        return Experiment(observed, counts_per_round=part.counts_per_round, name=name)


def _make_round(
    config: FitConfig,
    step: SelectionRoundConfig,
    name: str,
    made: Mapping[str, BaseRound],
    modes: Mapping[str, Binding],
) -> Round:
    options: dict[str, Any] = {}
    if isinstance(step, RhoGammaRoundConfig):
        options = {"rho": step.rho, "gamma": step.gamma}
    elif isinstance(step, ExponentialRoundConfig):
        options = {"delta": step.delta, "train_delta": step.train_delta}
    kind: type[Round] = getattr(rounds_module, step.type)
    reference = step.reference_round
    return kind(
        _make_aggregate(config, step, made, modes),
        None if reference is None else made[reference],
        train_depth=step.train_depth,
        log_depth=step.log_depth,
        library_concentration=step.library_concentration,
        name=name,
        **options,
    )


def _make_aggregate(
    config: FitConfig,
    step: SelectionRoundConfig,
    made: Mapping[str, BaseRound],
    modes: Mapping[str, Binding],
) -> Aggregate:
    if step.from_round is not None:
        source = made[step.from_round]
        assert isinstance(source, Round)  # noqa: S101 - the configuration is valid
        if not isinstance(step, ExponentialRoundConfig):
            return source.aggregate
        contributions = list(source.aggregate.contributions)
    elif step.contributions is not None:
        contributions = [
            Contribution(
                modes[part.binding],
                train_activity=part.train_activity,
                log_activity=part.log_activity,
                activity_heuristic=part.activity_heuristic,
            )
            for part in step.contributions
        ]
    else:
        contributions = [
            Contribution(modes[name], activity_heuristic=step.activity_heuristic)
            for name in step.binding or config.binding_names
        ]
    return Aggregate(
        contributions,
        train_concentration=step.train_concentration,
        target_concentration=step.target_concentration,
    )
