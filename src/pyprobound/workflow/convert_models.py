"""Converts models to motifs, and models and motifs to models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..external.export import write_probound_lines
from ..external.files import read_probound_lines
from ..io.motifs import FORMATS, Motif, motifs_of_psam, psam_of_motif, write_bytes
from .convert_checkpoint import save_as_model
from .convert_losses import Loss, model_losses, motif_losses
from .convert_motifs import kind_note, write_kind
from .convert_options import (
    PROBOUND,
    STANDARD_OUTPUT,
    Conversion,
    Options,
    background_of,
    chosen_places,
    first_bytes,
)
from .export_model import probound_document
from .models import save_model
from .open_model import open_line, open_model
from .opened import ModelMode, OpenedModel


def open_models(path: Path, options: Options) -> list[OpenedModel]:
    """The chosen model; or all, of a release of MotifCentral."""
    name = options.model
    if name is not None:
        index = int(name) if name.lstrip("-").isdecimal() else None
        if index is None:
            return [open_model(path, name=name)]
        if not path.is_dir() and first_bytes(path).lstrip()[:1] == b"[":
            # Models of a release are called by numbers.
            return [open_model(path, name=name)]
        return [open_model(path, index=index)]
    if not path.is_dir() and first_bytes(path).lstrip()[:1] == b"[":
        lines = read_probound_lines(path)
        if len(lines) > 1:
            return [open_line(path, line) for line in lines]
    return [open_model(path)]


def models_to_motifs(
    models: Sequence[OpenedModel], output: Path, target: str, options: Options
) -> Conversion:
    """Writes the motifs of models.

    Args:
        models: The models.
        output: The file.
        target: A format of motifs.
        options: How to convert.

    Raises:
        InputError: No mode has a motif, or the format cannot hold them.
    """
    chosen = FORMATS[target]
    motifs: list[Motif] = []
    losses: list[Loss] = []
    for model in models:
        names = [mode.name for mode in model.modes]
        places = chosen_places(model.path, names, options.modes)
        kept = [place for place in places if model.modes[place].psam is not None]
        if not kept:
            raise InputError(
                "has no motif among the modes that were chosen; non-specific binding"
                " has no matrix",
                path=model.path,
            )
        found = [
            motif
            for place in kept
            for motif in _motifs_of(model, model.modes[place], len(models), options)
        ]
        motifs += found
        losses += model_losses(model, kept)
        losses += [loss for motif in found for loss in motif_losses(motif, chosen)]
        losses += [Loss(model.path.name, remark) for remark in model.remarks]
    text = write_kind(motifs, output, target, options.pseudocount)
    note = kind_note(motifs[0], chosen.kind, options)
    return Conversion(
        models[0].kind,
        target,
        tuple(motif.name for motif in motifs),
        (note,) if note else (),
        tuple(losses),
        text,
    )


def _motifs_of(
    model: OpenedModel, mode: ModelMode, n_models: int, options: Options
) -> list[Motif]:
    assert mode.psam is not None  # noqa: S101 - chosen by the caller
    name = mode.name
    fit_id = model.provenance.get("fit_id")
    if fit_id is not None and len(model.modes) == 1:
        # The modes of a release are all called alike.
        name = f"{_symbols(model)}_{fit_id}"
    elif n_models > 1:
        raise InputError(
            "holds several models; choose one with --model", path=model.path
        )
    background = (
        background_of(mode.psam.alphabet.alphabet, options)
        if (mode.psam.alphabet is not None)
        else ()
    )
    return motifs_of_psam(mode.psam, name, background)


def _symbols(model: OpenedModel) -> str:
    factors: Any = model.provenance.get("factors")
    names = [
        str(factor.get("gene_symbol", ""))
        for factor in (factors if isinstance(factors, list) else [])
        if isinstance(factor, dict)
    ]
    return ":".join(filter(None, names)) or "motif"


def model_of(path: Path, motif: Motif, pseudocount: float | None) -> OpenedModel:
    """A motif of a file as a model.

    Args:
        path: The file.
        motif: The motif.
        pseudocount: See ``convert.Options``.

    Raises:
        InputError: The pseudocount does not fit the motif.
    """
    if motif.kind == "energies" and pseudocount:
        raise InputError(
            "energies stay as they are; a pseudocount belongs to counts and"
            " probabilities",
            key="--pseudocount",
        )
    psam = psam_of_motif(motif, pseudocount)
    assert psam.alphabet is not None  # noqa: S101 - made so above
    mode = ModelMode(motif.name, psam, activities=((0.0,),))
    return OpenedModel(path, "motif", psam.alphabet, (mode,))


def models_to_models(
    models: Sequence[OpenedModel], output: Path, target: str, options: Options
) -> Conversion:
    """Writes models as models, of ProBound or of this library.

    Args:
        models: The models.
        output: The file.
        target: ``PROBOUND`` or ``PYPROBOUND``.
        options: How to convert.

    Raises:
        InputError: A model has a part that cannot be written, or there are several
            where one is possible.
    """
    selected: list[OpenedModel] = []
    losses: list[Loss] = []
    for model in models:
        names = [mode.name for mode in model.modes]
        places = chosen_places(model.path, names, options.modes)
        losses += [Loss(model.path.name, remark) for remark in model.remarks]
        if options.modes and len(places) < len(names):
            losses += model_losses(model, places, keeps_activities=True)
            model = _with_modes(model, places)
        selected.append(model)
    names = [mode.name for model in selected for mode in model.modes]
    if target == PROBOUND:
        text, more = _write_probound(selected, output)
    else:
        text, more = _write_pyprobound(selected, output)
    return Conversion(models[0].kind, target, tuple(names), (), (*losses, *more), text)


def _with_modes(model: OpenedModel, places: Sequence[int]) -> OpenedModel:
    """Some modes of a model, without its experiments."""
    return OpenedModel(
        model.path,
        "probound-scoring",
        model.alphabet,
        tuple(replace(model.modes[place], bindings=(), layer=None) for place in places),
        provenance=model.provenance,
    )


def _write_probound(
    models: Sequence[OpenedModel], output: Path
) -> tuple[str, list[Loss]]:
    exports = [probound_document(model) for model in models]
    losses = [
        Loss(model.path.name, text)
        for model, export in zip(models, exports, strict=True)
        for text in export.losses
    ]
    documents = [export.document for export in exports]
    for model, document in zip(models, documents, strict=True):
        if model.kind == "motif":
            # Motifs of one file are told apart by their names.
            document.setdefault("metadata", {})["name"] = model.modes[0].name
    if str(output) == STANDARD_OUTPUT:
        content: Any = documents if len(documents) > 1 else documents[0]
        return json.dumps(content, allow_nan=False) + "\n", losses
    if len(documents) == 1:
        write_probound_lines(output, documents)
    else:
        write_bytes(output, (json.dumps(documents, allow_nan=False) + "\n").encode())
    return "", losses


def _write_pyprobound(
    models: Sequence[OpenedModel], output: Path
) -> tuple[str, list[Loss]]:
    if str(output) == STANDARD_OUTPUT:
        raise InputError("a model file is no text; give the name of a file")
    if len(models) > 1:
        raise InputError(
            f"there are {len(models)} models or motifs, and a model file holds one;"
            " choose with --model or --mode",
            path=models[0].path,
        )
    model = models[0]
    if model.model is not None:
        save_model(output, model.model, flank_lengths=_flanks(model))
        return "", []
    kept = list(range(len(model.modes)))
    save_as_model(output, model, kept)
    losses = []
    if model.kind == "probound-fit" or model.interactions:
        losses = model_losses(model, kept, keeps_activities=True)
    return "", losses


def _flanks(model: OpenedModel) -> list[tuple[int, int]] | None:
    found = getattr(model.model, "flank_lengths", ())
    return list(found) or None
