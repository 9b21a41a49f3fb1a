"""Opens a model of any kind, as every command of the command line does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from pickle import UnpicklingError

import torch

from .. import checkpoint
from ..alphabets import Alphabet
from ..config import load_config
from ..config.build import Model, build
from ..errors import InputError
from ..external.parts import LossParts, ModePart, loss_parts
from ..layers import PSAM, NonSpecific, PadSpec
from .models import FittedModel, empty_tables, load_model
from .open_lines import (
    checked_index,
    double_precision,
    errors_in,
    open_line,
    scoring_layer,
    select_line,
    some_of,
)
from .opened import ModelInteraction, ModelKind, ModelMode, OpenedModel

__all__ = [
    "ModelInteraction",
    "ModelKind",
    "ModelMode",
    "OpenedModel",
    "double_precision",
    "open_fit",
    "open_line",
    "open_model",
    "register_motif_reader",
    "select_line",
]

MotifReader = Callable[[Path], Sequence[tuple[str, PSAM]] | None]
"""Reads the motifs of a file, with their names; None for a file of another kind."""

_MOTIF_READERS: list[MotifReader] = []
_MODEL_FILE = "model.safetensors"
_START_BYTES = 512


def open_model(
    path: str | os.PathLike[str],
    *,
    index: int | None = None,
    name: str | None = None,
) -> OpenedModel:
    """Opens a model, whatever program wrote it.

    It may be the output folder of a fit, its ``model.safetensors`` or ``model.pt``;
    a file of ProBound: the lines of a fit, a scoring model, or a release of
    MotifCentral; or a file of motifs.

    Args:
        path: The file or folder.
        index: Which model of a file with several, counted from 0; negative numbers
            count from the end.
        name: Which model: the ``fitName`` of a line, ``best`` for the line with the
            least loss, the ``fit_id`` or the gene symbol of a model of MotifCentral,
            or the name of a motif. Without ``index`` and ``name`` it is the last line
            whose ``fitName`` ends in ``-4-all``, and of motifs the only one.

    Raises:
        InputError: There is no such file or model, or it is of no known kind.
    """
    path = Path(path)
    if index is not None and name is not None:
        raise InputError("give an index or a name, not both", path=path)
    if path.is_dir():
        path = _model_in(path)
    start = _first_bytes(path)
    if start.startswith(b"PK"):  # what torch writes is a zip archive
        _refuse_choice(path, index, name)
        return _open_checkpoint(path)
    if start[8:9] == b"{" and path.suffix == ".safetensors":
        _refuse_choice(path, index, name)
        with double_precision():
            return open_fit(path, load_model(path))
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InputError("the file is empty; expected a model", path=path)
    if text[:1] in (b"{", b"["):
        return open_line(path, select_line(path, index=index, name=name))
    return _open_motif(path, index, name)


def register_motif_reader(reader: MotifReader) -> None:
    """Adds a reader of motif files, which is asked before those added earlier.

    Args:
        reader: Returns the motifs of a file, or None if it is of another kind; raises
            ``InputError`` if it is of the right kind but damaged.
    """
    _MOTIF_READERS.insert(0, reader)


def _refuse_choice(path: Path, index: int | None, name: str | None) -> None:
    if index not in (None, 0, -1) or name is not None:
        raise InputError(
            "holds one model; leave out what chooses among several", path=path
        )


# --- files --------------------------------------------------------------------------


def _model_in(folder: Path) -> Path:
    for name in (_MODEL_FILE, "model.pt", "model.json"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"the folder holds no model ({_MODEL_FILE}); give the output folder of a"
        " finished fit, or a file",
        path=folder,
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_START_BYTES)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None


# --- fits of this library -----------------------------------------------------------


def open_fit(path: str | os.PathLike[str], model: Model) -> OpenedModel:
    """Describes a model of this library.

    Args:
        path: Where it comes from.
        model: The model.
    """
    loss = model.loss
    parts = model_parts(model)
    version = model.version if isinstance(model, FittedModel) else ""
    scored = scored_flanks(model)
    return OpenedModel(
        Path(path),
        "pyprobound",
        _alphabet_of(parts),
        tuple(_opened_mode(part, scored) for part in parts.modes),
        tuple(
            ModelInteraction(part.name, part.modes, part.activities, part.bindings)
            for part in parts.pairs
        ),
        parts.experiments,
        loss,
        model.config,
        {"program": "pyprobound", "version": version},
        model=model,
    )


def model_parts(model: Model) -> LossParts:
    """The modes of a model, in the order of its configuration, and its interactions.

    Args:
        model: The model.
    """
    names = [model.modes[name] for name in model.config.experiments]
    return loss_parts(model.loss, names, list(model.config.modes))


def _open_checkpoint(path: Path) -> OpenedModel:
    """Opens weights; their configuration lies beside them."""
    config_file = path.parent / "config.yaml"
    if not config_file.is_file():
        raise InputError(
            "holds weights without a description of the model; give the"
            f" {_MODEL_FILE} of the fit, or keep its config.yaml in the same folder",
            path=path,
        )
    try:
        _, metadata = checkpoint.load(path)
    except (OSError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
        problem = type(error).__name__
        raise InputError(f"is no readable checkpoint ({problem})", path=path) from None
    config = load_config(config_file)
    with torch.random.fork_rng(devices=[]), double_precision(), errors_in(path):
        try:
            model = build(config, empty_tables(config))
            model.loss.reload(path, strict=True)
        except RuntimeError as error:
            raise ValueError(str(error)) from None
    model.loss.freeze()
    model.loss.eval()
    fitted = FittedModel(
        **{field.name: getattr(model, field.name) for field in fields(Model)},
        flank_lengths=tuple((int(a), int(b)) for a, b in metadata["flank_lengths"]),
        version=str(metadata.get("version", "")),
    )
    return open_fit(path, fitted)


def _alphabet_of(parts: LossParts) -> Alphabet:
    for part in parts.modes:
        if isinstance(part.spec, PSAM | NonSpecific) and part.spec.alphabet:
            return part.spec.alphabet
    raise InputError("no mode of the model has an alphabet")


def scored_flanks(model: Model) -> tuple[tuple[int, int], ...]:
    """The letters of the two flanks that tables include, for each experiment.

    Args:
        model: The model; one that was fitted knows how far its flanks have grown.
    """
    if isinstance(model, FittedModel) and model.flank_lengths:
        return model.flank_lengths
    tables = (model.config.tables[e.table] for e in model.config.experiments.values())
    return tuple((t.left_flank_length, t.right_flank_length) for t in tables)


def _opened_mode(part: ModePart, scored: Sequence[tuple[int, int]]) -> ModelMode:
    place, present = next(
        (place, mode) for place, mode in enumerate(part.bindings) if mode is not None
    )
    layer = scoring_layer(present)
    spec = part.spec
    left, right = scored[place]
    pads = [each for each in present.key() if isinstance(each, PadSpec)]
    return ModelMode(
        part.name,
        spec if isinstance(spec, PSAM) else None,
        (left + sum(p.left for p in pads), right + sum(p.right for p in pads)),
        part.activities,
        layer,
        part.bindings,
        not isinstance(spec, NonSpecific) or spec.ignore_length,
    )


# --- motifs -------------------------------------------------------------------------


def _read_known_motifs(path: Path) -> Sequence[tuple[str, PSAM]] | None:
    """The motifs of a file in a format of ``io.motifs``; None if it is of none."""
    from ..io.motifs import read_psams

    return read_psams(path)


def _open_motif(path: Path, index: int | None, name: str | None) -> OpenedModel:
    for reader in (*_MOTIF_READERS, _read_known_motifs):
        motifs = reader(path)
        if motifs:
            break
    else:
        raise InputError(
            "is no model of a known kind: expected the output of pyprobound fit, JSON"
            " of ProBound, or a file of motifs",
            path=path,
        )
    if index is not None:
        chosen = motifs[checked_index(path, index, len(motifs))]
    elif name is not None:
        found = [motif for motif in motifs if motif[0].casefold() == name.casefold()]
        if len(found) != 1:
            problem = f"{len(found)} motifs are" if found else "no motif is"
            raise InputError(
                f"{problem} called {name!r}; there are:"
                f" {some_of([each for each, _ in motifs])}",
                path=path,
            )
        chosen = found[0]
    elif len(motifs) > 1:
        raise InputError(
            f"holds {len(motifs)} motifs; choose one by its name or its place:"
            f" {some_of([each for each, _ in motifs])}",
            path=path,
        )
    else:
        chosen = motifs[0]
    motif_name, psam = chosen
    assert psam.alphabet is not None  # noqa: S101 - readers give one
    mode = ModelMode(motif_name or "motif", psam)
    return OpenedModel(path, "motif", psam.alphabet, (mode,))
