"""Writes models as ProBound does, so that its tools read them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .._version import __version__
from ..alphabets import Alphabet
from ..checkpoint import write_atomically
from ..errors import InputError
from ..layers import PSAM, NonSpecific
from ..loss import MultiExperimentLoss
from .export_modes import (
    Motif,
    export_motifs,
    letter_settings,
    motif_values,
    symmetry_string,
)
from .export_pairs import Interaction, export_interaction
from .export_rounds import ABSENT, Selection, export_rounds
from .export_tables import TableSettings
from .files import Fit
from .parts import LossParts, loss_parts

OWN_KEY = "pyprobound"
"""The key under which a model has what ProBound does not know."""


@dataclass(frozen=True)
class Export:
    """A model as ProBound stores it.

    Attributes:
        document: The JSON object.
        losses: What it does not hold, or holds in another way, in sentences.
    """

    document: dict[str, Any]
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ScoringMode:
    """A mode of a scoring model.

    Attributes:
        psam: The motif; None for non-specific binding.
        log_activity: The log of its activity.
        name: Its name.
    """

    psam: PSAM | None
    log_activity: float = 0.0
    name: str = ""


def export_scoring_model(
    modes: Sequence[ScoringMode],
    alphabet: Alphabet | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> Export:
    """Writes modes as a model with which ProBoundTools scores sequences.

    Args:
        modes: The modes.
        alphabet: The letters; by default those of the first motif.
        metadata: What the model says about itself.
        extras: What is added under the key ``pyprobound``.

    Raises:
        InputError: There is no mode or no alphabet, or a mode has a part that ProBound
            does not know.
    """
    losses: list[str] = []
    motifs: list[Motif] = []
    activities: list[float] = []
    for place, mode in enumerate(modes):
        name = mode.name or f"Binding mode {place}"
        if not math.isfinite(mode.log_activity):
            losses.append(f"mode {name!r}: it does not bind, and is left out")
            continue
        written = _scoring_motifs(mode.psam, name, place, losses)
        motifs += written
        activities += [mode.log_activity + motif.constants[0] for motif in written]
    if not motifs:
        raise InputError("a model for ProBound needs a mode that binds", key="modes")
    psams = [mode.psam for mode in modes if mode.psam is not None]
    settings = _letters(alphabet, psams)
    settings |= {
        "bindingModes": [motif.settings() for motif in motifs],
        "bindingModeInteractions": [],
    }
    values = [
        {"positionBias": []} | motif.coefficients([[activity]], [])
        for motif, activity in zip(motifs, activities, strict=True)
    ]
    document: dict[str, Any] = {
        "modelSettings": settings,
        "coefficients": {"bindingModes": values, "bindingModeInteractions": []},
    }
    if any(motif.symmetry != "null" for motif in motifs):
        document["modelFittingConstraints"] = {
            "bindingModes": [motif.constraints() for motif in motifs]
        }
    if metadata:
        document["metadata"] = dict(metadata)
    return _finished(document, losses, extras)


def export_fit(
    loss: MultiExperimentLoss,
    tables: Sequence[TableSettings],
    *,
    parts: LossParts | None = None,
    metadata: Mapping[str, Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> Export:
    """Writes a whole model as a line of a fit of ProBound.

    Args:
        loss: The model.
        tables: The table of each experiment.
        parts: The modes and interactions, see ``loss_parts``.
        metadata: What the model says about itself.
        extras: What is added under the key ``pyprobound``.

    Raises:
        InputError: The model has a part that ProBound does not know; the message names
            it.
    """
    if len(tables) != len(loss.transforms):
        raise InputError(
            f"expected one table for each of {len(loss.transforms)} experiments, found"
            f" {len(tables)}",
            key="tables",
        )
    try:
        parts = loss_parts(loss) if parts is None else parts
    except ValueError as error:
        raise InputError(f"cannot be written for ProBound: {error}") from None
    losses: list[str] = []
    motifs = [
        motif
        for place, part in enumerate(parts.modes)
        for motif in export_motifs(part, place, tables, losses)
    ]
    pairs = [
        export_interaction(part, place, motifs, tables, losses)
        for place, part in enumerate(parts.pairs)
    ]
    selections = [
        export_rounds(experiment, place)
        for place, experiment in enumerate(parts.experiments)
    ]
    psams = [part.spec for part in parts.modes if isinstance(part.spec, PSAM)]
    scorers = [part.spec for part in parts.modes if isinstance(part.spec, NonSpecific)]
    settings = _letters(scorers[0].alphabet if scorers and not psams else None, psams)
    settings |= {
        "countTable": [
            table.settings(place, losses) for place, table in enumerate(tables)
        ],
        "bindingModes": [motif.settings() for motif in motifs],
        "bindingModeInteractions": [pair.settings() for pair in pairs],
        "enrichmentModel": [],
    }
    members = [
        _members(selection, place, motifs, pairs, parts)
        for place, selection in enumerate(selections)
    ]
    settings["enrichmentModel"] = [
        selection.settings | found.settings
        for selection, found in zip(selections, members, strict=True)
    ]
    document: dict[str, Any] = {
        "metadata": {
            "fitName": f"component{len(motifs) + len(pairs) - 1}-4-all",
            "fitter": "pyprobound",
            "version": __version__,
            "timeStamp": _now(),
            **(metadata or {}),
        },
        "optimizerSetting": _optimizer_settings(loss, losses),
        "modelSettings": settings,
        "coefficients": {
            "countTable": [{"h": selection.log_depths} for selection in selections],
            "enrichmentModel": [selection.coefficients for selection in selections],
            "bindingModes": [
                motif.coefficients([found.modes[i] for found in members], tables)
                for i, motif in enumerate(motifs)
            ],
            "bindingModeInteractions": [
                pair.coefficients([found.pairs[i] for found in members])
                for i, pair in enumerate(pairs)
            ],
        },
        "modelFittingConstraints": {
            "countTable": [{} for _ in tables],
            "enrichmentModel": [selection.constraints for selection in selections],
            "bindingModes": [motif.constraints() for motif in motifs],
            "bindingModeInteractions": [pair.constraints() for pair in pairs],
        },
    }
    return _finished(document, losses, extras)


def write_probound_lines(
    path: str | os.PathLike[str], documents: Iterable[Fit] | Fit
) -> None:
    """Writes models, one JSON object per line; the file is replaced atomically.

    A scoring model must be the only one of its file.

    Args:
        path: The file.
        documents: The models, or one model.

    Raises:
        InputError: A model holds something that is no JSON, such as an infinite
            number; nothing was written.
    """
    lines = [documents] if isinstance(documents, Mapping) else list(documents)
    try:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot be written as JSON: {error}", path=path) from None
    write_atomically(path, lambda target: _write_text(target, text))


# --- parts --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Members:
    """What binds in an experiment.

    Attributes:
        settings: The lists of members.
        modes: For each mode that is written its log activities by column.
        pairs: The same for interactions.
    """

    settings: dict[str, Any]
    modes: list[list[float]] = field(default_factory=list)
    pairs: list[list[float]] = field(default_factory=list)


def _members(
    selection: Selection,
    place: int,
    motifs: Sequence[Motif],
    pairs: Sequence[Interaction],
    parts: LossParts,
) -> _Members:
    columns = range(len(selection.log_depths))
    modes = [
        [
            selection.activity(column, parts.modes[motif.part].bindings[place])
            + motif.constants[place]
            for column in columns
        ]
        for motif in motifs
    ]
    couples = [
        [
            selection.activity(column, parts.pairs[pair.part].bindings[place])
            + pair.constant
            for column in columns
        ]
        for pair in pairs
    ]
    mode_members = _present(modes)
    pair_members = _present(couples)
    partners = {mode for i in pair_members for mode in pairs[i].modes}
    mode_members = sorted({*mode_members, *partners})
    settings: dict[str, Any] = {
        "bindingModes": mode_members,
        "bindingModeInteractions": pair_members,
        "roundSpecificBindingModes": _by_column(modes, mode_members, selection),
        "roundSpecificBindingModeInteractions": _by_column(
            couples, pair_members, selection
        ),
        "modifications": [],
    }
    return _Members(
        settings,
        [_written(v, i in mode_members, selection) for i, v in enumerate(modes)],
        [_written(v, i in pair_members, selection) for i, v in enumerate(couples)],
    )


def _present(activities: Sequence[Sequence[float]]) -> list[int]:
    return [i for i, values in enumerate(activities) if max(values) > -math.inf]


def _by_column(
    activities: Sequence[Sequence[float]], members: Sequence[int], selection: Selection
) -> list[list[int]]:
    """The members of each column, or an empty list where all bind in all of them."""
    found = [
        [i for i in members if not counts or activities[i][column] > -math.inf]
        for column, counts in enumerate(selection.matters)
    ]
    return [[]] if all(each == list(members) for each in found) else found


def _written(
    values: Sequence[float], is_member: bool, selection: Selection
) -> list[float]:
    """Log activities without infinities."""
    return [
        value if value > -math.inf else ABSENT if is_member and counts else 0.0
        for value, counts in zip(values, selection.matters, strict=True)
    ]


def _scoring_motifs(
    psam: PSAM | None, name: str, place: int, losses: list[str]
) -> list[Motif]:
    if psam is None:
        return [Motif(name, place, None, constants=(0.0,))]
    key = f"mode {name!r}"
    motifs = []
    for motif in range(psam.n_motifs):
        monomers, pairs = motif_values(psam, motif, key, losses)
        suffix = f" motif {motif + 1}" if psam.n_motifs > 1 else ""
        motifs.append(
            Motif(
                name + suffix,
                place,
                monomers,
                pairs,
                single_strand=not psam.score_reverse,
                symmetry=symmetry_string(psam, key, losses),
                constants=(psam.bias[motif].item(),),
            )
        )
    return motifs


def _letters(alphabet: Alphabet | None, psams: Sequence[PSAM]) -> dict[str, Any]:
    if alphabet is None:
        known = [psam.alphabet for psam in psams if psam.alphabet is not None]
        if not known:
            raise InputError(
                "cannot be written for ProBound: no motif has an alphabet",
                key="alphabet",
            )
        alphabet = known[0]
    for psam in psams:
        if psam.alphabet is None or psam.alphabet.alphabet != alphabet.alphabet:
            raise InputError(
                "cannot be written for ProBound: its motifs have different letters",
                key="alphabet",
            )
    return dict(letter_settings(alphabet, any(psam.score_reverse for psam in psams)))


def _optimizer_settings(loss: MultiExperimentLoss, losses: list[str]) -> dict[str, Any]:
    if loss.lambda_l1:
        losses.append(f"the regularisation: lambda_l1 = {loss.lambda_l1:g}")
    bound = loss.exponential_bound
    return {
        "minimizerType": "lbfgs",
        "lambdaL2": float(loss.lambda_l2),
        "pseudocount": float(loss.pseudocount),
        # Java reads numbers up to 1.8e308; beside 1e6 no value is pushed back.
        "expBound": float(bound) if math.isfinite(bound) else 1e6,
        "output": {"outputPath": "", "baseName": ""},
    }


def _finished(
    document: dict[str, Any], losses: list[str], extras: Mapping[str, Any] | None
) -> Export:
    unique = tuple(dict.fromkeys(losses))
    own: dict[str, Any] = {"version": __version__, **(extras or {})}
    if unique:
        own["losses"] = list(unique)
    document[OWN_KEY] = own
    return Export(document, unique)


def _now() -> str:
    moment = datetime.now(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def _write_text(path: Any, text: str) -> None:
    path.write_text(text, encoding="utf-8")


__all__ = [
    "OWN_KEY",
    "Export",
    "ScoringMode",
    "TableSettings",
    "export_fit",
    "export_scoring_model",
    "write_probound_lines",
]
