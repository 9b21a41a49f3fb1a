"""The modes and interactions of a loss, each found again in every experiment."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..aggregate import Contribution
from ..base import Binding
from ..cooperativity import Cooperativity
from ..experiment import Experiment
from ..layers import PSAM, LayerSpec, NonSpecific
from ..loss import MultiExperimentLoss
from ..mode import Mode
from ..rounds import Round
from .lines import ModelLine

Activities = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class ModePart:
    """A mode of a loss.

    Attributes:
        name: Its name; never empty.
        spec: Its motif, or what else scores its windows.
        bindings: The mode in each experiment; None where it does not take part.
        activities: Log activities by experiment and observed round; minus infinity
            where it does not take part.
    """

    name: str
    spec: LayerSpec
    bindings: tuple[Mode | None, ...]
    activities: Activities


@dataclass(frozen=True, eq=False)
class PairPart:
    """An interaction of a loss; see ``ModePart``.

    Attributes:
        name: Its name; never empty.
        modes: The places of its two modes.
        bindings: The cooperativity in each experiment; None where it is not.
        activities: See ``ModePart``.
    """

    name: str
    modes: tuple[int, int]
    bindings: tuple[Cooperativity | None, ...]
    activities: Activities


@dataclass(frozen=True, eq=False)
class LossParts:
    """What binds in a loss, in the order in which it is met."""

    modes: tuple[ModePart, ...]
    pairs: tuple[PairPart, ...]
    experiments: tuple[Experiment, ...]


Names = Sequence[Mapping[str, Mode]]


def loss_parts(
    loss: MultiExperimentLoss,
    names: Names | None = None,
    order: Sequence[str] = (),
) -> LossParts:
    """Finds the modes and interactions of a loss.

    Modes of several experiments are one mode if they have one name or, without
    ``names``, one motif; interactions are one if they share their spacing. Partners of
    interactions that do not bind alone are modes too.

    Args:
        loss: The loss.
        names: For each experiment its modes by name.
        order: Names in the order of the modes; as they are met by default.

    Raises:
        ValueError: A binding is neither a mode nor a cooperativity.
    """
    experiments = tuple(loss.transforms)
    modes: list[dict[Hashable, Mode]] = []
    pairs: list[dict[Hashable, Cooperativity]] = []
    for place, experiment in enumerate(experiments):
        bindings = list(_bindings(experiment))
        couples = [each for each in bindings if isinstance(each, Cooperativity)]
        pairs.append({each.spacing: each for each in couples})
        if names is not None:
            modes.append(dict(names[place].items()))
        else:
            singles = [each for each in bindings if isinstance(each, Mode)]
            modes.append(_keyed(singles, couples))
    met = dict.fromkeys(key for group in modes for key in group)
    mode_keys = [*(key for key in order if key in met), *met]
    mode_keys = list(dict.fromkeys(mode_keys))
    pair_keys = list(dict.fromkeys(key for group in pairs for key in group))
    return LossParts(
        tuple(
            _mode_part(key, place, modes, experiments)
            for place, key in enumerate(mode_keys)
        ),
        tuple(
            _pair_part(key, place, pairs, (modes, mode_keys), experiments)
            for place, key in enumerate(pair_keys)
        ),
        experiments,
    )


@dataclass(frozen=True, eq=False)
class LineParts:
    """The modes and interactions of a line of ProBound in a loss made from it.

    Attributes:
        modes: For each mode, the one of each experiment; None where it is no member.
            Empty without a loss.
        pairs: The same for interactions.
    """

    modes: list[list[Mode | None]]
    pairs: list[list[Cooperativity | None]]


def line_parts(line: ModelLine, loss: MultiExperimentLoss | None) -> LineParts:
    """Finds the modes and interactions of a line in the loss made from it.

    Args:
        line: The line.
        loss: What ``parse_probound_model`` made of it.
    """
    if loss is None:
        return LineParts([], [])
    experiments = list(loss.transforms)
    modes: list[list[Mode | None]]
    modes = [[None] * len(experiments) for _ in range(line.n_modes)]
    pairs: list[list[Cooperativity | None]]
    pairs = [[None] * len(experiments) for _ in line.interactions]
    for table, experiment in enumerate(experiments):
        columns = line.modeled_columns(table, len(line.log_depths(table)))
        for column, each in zip(columns, experiment.observed_rounds, strict=True):
            if not isinstance(each, Round):
                continue
            # Contributions are in this order, see ``parse_probound_aggregate``.
            places = [("mode", i) for i in line.member_modes(table, column)]
            places += [("pair", i) for i in line.member_interactions(table, column)]
            for (kind, place), contribution in zip(
                places, each.aggregate.contributions, strict=True
            ):
                binding = contribution.binding
                if kind == "mode" and isinstance(binding, Mode):
                    modes[place][table] = binding
                elif isinstance(binding, Cooperativity):
                    pairs[place][table] = binding
    return LineParts(modes, pairs)


def contribution_of(each: Round, binding: Binding | None) -> Contribution | None:
    """The contribution of a binding to a round; None if it does not bind there."""
    for contribution in each.aggregate.contributions:
        if contribution.binding is binding:
            return contribution
    return None


def motif_of(mode: Mode) -> LayerSpec:
    """The motif of a mode, or what else scores its windows."""
    specs = mode.key()
    scorers = [spec for spec in specs if isinstance(spec, PSAM | NonSpecific)]
    return scorers[-1] if scorers else specs[-1]


def _bindings(experiment: Experiment) -> Iterator[Binding]:
    found: set[Binding] = set()
    for each in experiment.rounds:
        if not isinstance(each, Round):
            continue
        for contribution in each.aggregate.contributions:
            binding = contribution.binding
            if not isinstance(binding, Mode | Cooperativity):
                raise ValueError(
                    f"{binding} is neither a Mode nor a Cooperativity, but a"
                    f" {type(binding).__name__}"
                )
            if binding not in found:
                found.add(binding)
                yield binding


def _keyed(
    singles: Sequence[Mode], couples: Sequence[Cooperativity]
) -> dict[Hashable, Mode]:
    """Modes by their motif and the number of modes before with the same one."""
    result: dict[Hashable, Mode] = {}
    motifs: list[LayerSpec] = []
    for mode in singles:
        motif = motif_of(mode)
        result[id(motif), sum(other is motif for other in motifs)] = mode
        motifs.append(motif)
    # A partner that is scored without its position bias stands for the same mode.
    for couple in couples:
        for partner in (couple.mode_a, couple.mode_b):
            result.setdefault((id(motif_of(partner)), 0), partner)
    return result


def _mode_part(
    key: Hashable,
    place: int,
    modes: Sequence[Mapping[Hashable, Mode]],
    experiments: Sequence[Experiment],
) -> ModePart:
    bindings = tuple(group.get(key) for group in modes)
    present = [mode for mode in bindings if mode is not None]
    spec = motif_of(present[0])
    given = [key] if isinstance(key, str) else []
    given += [text for mode in present for text in (mode.name, spec.name) if text]
    activities = tuple(map(_activities, experiments, bindings))
    return ModePart(str([*given, f"mode {place}"][0]), spec, bindings, activities)


def _pair_part(
    key: Hashable,
    place: int,
    pairs: Sequence[Mapping[Hashable, Cooperativity]],
    modes: tuple[Sequence[Mapping[Hashable, Mode]], Sequence[Hashable]],
    experiments: Sequence[Experiment],
) -> PairPart:
    bindings = tuple(group.get(key) for group in pairs)
    first = next(each for each in bindings if each is not None)
    groups, keys = modes
    motifs = [motif_of(next(group[k] for group in groups if k in group)) for k in keys]
    places = []
    for partner in (first.mode_a, first.mode_b):
        same = [i for i, motif in enumerate(motifs) if motif is motif_of(partner)]
        if not same:
            raise ValueError(f"{first} joins a mode that has no name: {partner}")
        exact = [i for i in same if any(g.get(keys[i]) is partner for g in groups)]
        places.append((exact or same)[0])
    return PairPart(
        first.spacing.name or f"interaction {place}",
        (places[0], places[1]),
        bindings,
        tuple(map(_activities, experiments, bindings)),
    )


def _activities(experiment: Experiment, binding: Binding | None) -> tuple[float, ...]:
    values = []
    for each in experiment.observed_rounds:
        found = contribution_of(each, binding) if isinstance(each, Round) else None
        values.append(-math.inf if found is None else found.log_activity.item())
    return tuple(values)
