"""Changes models that were read from files: their modes, their gauge, their kind.

Each function returns a new model and leaves the one it is given as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..checkpoint import write_atomically
from ..errors import InputError
from ..external.export import (
    ScoringMode,
    export_scoring_model,
    write_probound_lines,
)
from ..stats.gauges import Gauge
from . import surgery_fits, surgery_lines
from .models import FittedModel, save_model
from .open_model import open_fit, open_line
from .opened import ModelInteraction, ModelMode, OpenedModel

_MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class _Parts:
    """Which modes and interactions of a model are meant, by place."""

    modes: list[int]
    pairs: list[int]


def select(
    opened: OpenedModel, modes: Sequence[str] = (), interactions: Sequence[str] = ()
) -> OpenedModel:
    """Keeps some modes and interactions of a model.

    Args:
        opened: The model.
        modes: The names or places, from 0, of the modes to keep.
        interactions: Those of the interactions to keep, with their partners; by
            default all whose partners are kept.

    Raises:
        InputError: There is no such part, nothing is named, or an experiment would be
            left without any mode.
    """
    chosen = _chosen(opened, modes, interactions)
    kept = set(chosen.modes)
    for pair in chosen.pairs:
        kept.update(opened.interactions[pair].modes)
    pairs = chosen.pairs or [
        place
        for place, pair in enumerate(opened.interactions)
        if kept.issuperset(pair.modes)
    ]
    return _keep(opened, _Parts(sorted(kept), pairs))


def drop(
    opened: OpenedModel, modes: Sequence[str] = (), interactions: Sequence[str] = ()
) -> OpenedModel:
    """Removes modes, with their interactions, and interactions of a model.

    Args:
        opened: The model.
        modes: The names or places, from 0, of the modes to remove.
        interactions: Those of the interactions to remove.

    Raises:
        InputError: There is no such part, nothing is named, or an experiment would be
            left without any mode.
    """
    chosen = _chosen(opened, modes, interactions)
    kept = [i for i in range(len(opened.modes)) if i not in chosen.modes]
    if not kept:
        raise InputError("no mode would be left", path=opened.path)
    pairs = [
        place
        for place, pair in enumerate(opened.interactions)
        if place not in chosen.pairs and set(kept).issuperset(pair.modes)
    ]
    return _keep(opened, _Parts(kept, pairs))


def fix_gauge(
    opened: OpenedModel, gauge: Gauge, modes: Sequence[str] = ()
) -> OpenedModel:
    """Brings motifs into a gauge without any change of predictions.

    What the energies of a motif lose is added to the log activities of its mode and
    of its interactions. The position bias of a fit of ProBound is normalised with the
    mismatch gauge; that of other fits stays as it is.

    Args:
        opened: The model.
        gauge: ``mean``, in which the letters of each position and the rows and columns
            of pairs have mean zero, or ``mismatch``, in which values are relative to
            the best sequence.
        modes: The names or places, from 0, of the modes; all by default.

    Raises:
        InputError: There is no such mode, or its motif cannot be written in this
            gauge.
    """
    places = [place_of(opened, word) for word in modes] or range(len(opened.modes))
    opened = as_editable(opened)
    if opened.config is not None and opened.loss is not None:
        psams = [opened.modes[place].psam for place in places]
        config = opened.config
        flanks = surgery_fits.flank_lengths_of(opened.path, config)
        chosen = [psam for psam in psams if psam is not None]
        model = surgery_fits.gauge_modes(config, opened.loss, flanks, chosen, gauge)
        return _opened_fit(opened, model)
    assert opened.document is not None  # noqa: S101 - it is editable
    document = surgery_lines.gauge_modes(opened.document, places, gauge)
    return _opened_line(opened, document)


def as_editable(opened: OpenedModel) -> OpenedModel:
    """The model with a configuration or a document, which a motif does not have.

    Args:
        opened: The model; a motif becomes a scoring model with one mode.

    Raises:
        InputError: It is neither, or has no counterpart in ProBound.
    """
    if opened.document is not None:
        return opened
    if opened.config is not None and opened.loss is not None:
        return opened
    modes = [
        ScoringMode(mode.psam, only_activity(mode), mode.name) for mode in opened.modes
    ]
    return _opened_line(opened, export_scoring_model(modes, opened.alphabet).document)


def save_opened(path: str | os.PathLike[str], opened: OpenedModel) -> None:
    """Writes a model: as it was written by this library, or as JSON of ProBound.

    Args:
        path: The file; its ending is ``.safetensors`` for a model with a configuration
            and ``.json`` otherwise.
        opened: The model.

    Raises:
        InputError: The file has another ending, or its folder is missing.
    """
    path = Path(path)
    opened = as_editable(opened)
    is_fit = opened.config is not None and opened.loss is not None
    suffix = _MODEL_SUFFIX if is_fit else ".json"
    if path.suffix != suffix:
        kind = "model of pyprobound" if is_fit else "model of ProBound"
        raise InputError(
            f"a {kind} is written to a file that ends in {suffix}; for other formats"
            " use pyprobound convert",
            path=path,
        )
    check_folder(path)
    if is_fit:
        assert opened.loss is not None  # noqa: S101 - see above
        assert opened.config is not None  # noqa: S101 - see above
        flanks = surgery_fits.flank_lengths_of(opened.path, opened.config)
        save_model(path, opened.loss, opened.config, flank_lengths=flanks)
        return
    assert opened.document is not None  # noqa: S101 - it is editable
    write_probound_lines(path, opened.document)


def write_text(path: Path, text: str) -> None:
    """Writes a text file as a whole.

    Args:
        path: The file.
        text: Its content.
    """

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def check_folder(path: Path) -> None:
    """Checks that a file can be written.

    Raises:
        InputError: Its folder is missing, or it is a folder.
    """
    if path.is_dir():
        raise InputError("is a folder; give the name of a file", path=path)
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent} to write to; make it first", path=path
        )


def place_of(opened: OpenedModel, word: str) -> int:
    """The place of a mode, from 0.

    Args:
        opened: The model.
        word: Its name, or its place.

    Raises:
        InputError: There is no such mode, or there are several.
    """
    return _place(opened, opened.modes, word, "mode")


def only_activity(mode: ModelMode) -> float:
    """The log activity of a mode of a scoring model or of a motif file."""
    values = [value for row in mode.activities for value in row]
    return values[0] if values else 0.0


def _keep(opened: OpenedModel, parts: _Parts) -> OpenedModel:
    opened = as_editable(opened)
    if opened.config is not None and opened.loss is not None:
        flanks = surgery_fits.flank_lengths_of(opened.path, opened.config)
        names = [opened.modes[place].name for place in parts.modes]
        names += [opened.interactions[place].name for place in parts.pairs]
        return _opened_fit(
            opened,
            surgery_fits.keep_bindings(opened.config, opened.loss, flanks, names),
        )
    assert opened.document is not None  # noqa: S101 - it is editable
    return _opened_line(
        opened, surgery_lines.keep_parts(opened.document, parts.modes, parts.pairs)
    )


def _opened_fit(before: OpenedModel, model: FittedModel) -> OpenedModel:
    return replace(open_fit(before.path, model), provenance=before.provenance)


def _opened_line(before: OpenedModel, document: dict[str, Any]) -> OpenedModel:
    return open_line(before.path, document)


def _chosen(
    opened: OpenedModel, modes: Sequence[str], interactions: Sequence[str]
) -> _Parts:
    if not modes and not interactions:
        raise InputError(
            f"name a mode or an interaction; the modes are {_listed(opened.modes)}",
            path=opened.path,
        )
    pairs = opened.interactions
    return _Parts(
        [place_of(opened, word) for word in modes],
        [_place(opened, pairs, word, "interaction") for word in interactions],
    )


def _place(
    opened: OpenedModel,
    items: Sequence[ModelMode | ModelInteraction],
    word: str,
    kind: str,
) -> int:
    rules: list[Callable[[int, str], bool]] = [
        lambda _, name: name == word,
        lambda _, name: name.casefold() == word.casefold(),
        lambda place, _: str(place) == word,
    ]
    for rule in rules:
        found = [place for place, item in enumerate(items) if rule(place, item.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{len(found)} {kind}s are called {word!r}; give the place of one,"
                f" counted from 0: {', '.join(map(str, found))}",
                path=opened.path,
            )
    raise InputError(
        f"there is no {kind} {word!r}; there are, counted from 0: {_listed(items)}",
        path=opened.path,
    )


def _listed(items: Sequence[ModelMode | ModelInteraction]) -> str:
    return ", ".join(f"{i} ({item.name!r})" for i, item in enumerate(items)) or "none"
