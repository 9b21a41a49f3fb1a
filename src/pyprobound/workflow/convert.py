"""Converts models and motifs from one file format to another."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..io.motifs import FORMATS, format_of_name, write_bytes
from .convert_models import model_of, models_to_models, models_to_motifs, open_models
from .convert_motifs import kind_note, motifs_to_motifs, read_chosen_motifs
from .convert_options import (
    CONFIGURATION,
    FORMAT_NAMES,
    PROBOUND,
    PYPROBOUND,
    STANDARD_OUTPUT,
    Conversion,
    Options,
    first_bytes,
)

__all__ = ["FORMAT_NAMES", "Conversion", "Options", "convert"]

_ENDINGS = {
    ".json": PROBOUND,
    ".safetensors": PYPROBOUND,
    ".yaml": CONFIGURATION,
    ".yml": CONFIGURATION,
}


def convert(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: Options | None = None,
) -> Conversion:
    """Converts a file; the output is replaced atomically.

    Args:
        path: A file of motifs, a model of ProBound, a model of this library or the
            folder of a fit, or a configuration of ProBound.
        output: The file to write; ``-`` for the standard output, of text only.
        options: How to convert.

    Returns:
        What was done, and what was lost.

    Raises:
        InputError: The input cannot be read, the output cannot hold it, or the options
            do not fit; nothing was written.
    """
    options = options or Options()
    path, output = Path(path), Path(output)
    target = _target(output, options)
    if target == CONFIGURATION or _is_configuration(path, options):
        return _convert_configuration(path, output, target)
    if _is_model(path, options):
        models = open_models(path, options)
        if target in FORMATS:
            return models_to_motifs(models, output, target, options)
        return models_to_models(models, output, target, options)
    source, motifs = read_chosen_motifs(path, options)
    if target in FORMATS:
        return motifs_to_motifs(source, motifs, output, target, options)
    models = [model_of(path, motif, options.pseudocount) for motif in motifs]
    done = models_to_models(models, output, target, replace(options, modes=()))
    notes = [kind_note(motif, "energies", options) for motif in motifs[:1]]
    return replace(done, source=source, notes=tuple(filter(None, notes)))


# --- what is given ------------------------------------------------------------------


def _target(output: Path, options: Options) -> str:
    if options.target is not None:
        return options.target
    if str(output) == STANDARD_OUTPUT:
        raise InputError("the standard output has no name that tells: give --to")
    name = output.name.lower()
    for ending, target in _ENDINGS.items():
        if name.endswith(ending):
            return target
    found = format_of_name(output)
    if found is None:
        raise InputError(
            "the ending of its name does not tell in which format to write; give --to,"
            f" one of {', '.join(FORMAT_NAMES)}",
            path=output,
        )
    return found.name


def _is_model(path: Path, options: Options) -> bool:
    """Whether the input is a model, and not a file of motifs."""
    if options.source is not None:
        return options.source not in FORMATS
    if path.is_dir():
        return True
    start = first_bytes(path)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_binary = start.startswith(b"PK") or start[8:9] == b"{"
    return is_binary or text[:1] in (b"{", b"[")


def _is_configuration(path: Path, options: Options) -> bool:
    """Whether the input is a configuration of ProBound: JSON without coefficients."""
    if options.source is not None or path.is_dir():
        return False
    if first_bytes(path).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        return False
    first = document[0] if isinstance(document, list) and document else document
    return isinstance(first, dict) and (
        "function" in first
        or ("modelSettings" in first and "coefficients" not in first)
    )


def _convert_configuration(path: Path, output: Path, target: str) -> Conversion:
    if target != CONFIGURATION:
        raise InputError(
            "is a configuration of ProBound, which describes a fit and not a model;"
            " write a .yaml, or run it with pyprobound fit",
            path=path,
        )
    if not _is_configuration(path, Options()):
        raise InputError(
            "is no configuration of ProBound, the only thing that becomes a .yaml",
            path=path,
        )
    module = importlib.import_module("..config.probound", __package__)
    translate: Callable[[Path], str] | None = vars(module).get("convert")
    if translate is None:
        raise InputError(
            "this release cannot translate configurations of ProBound to YAML",
            path=path,
        )
    text = translate(path)
    shown = _deliver(output, text)
    return Conversion("probound-config", CONFIGURATION, (path.stem,), text=shown)


def _deliver(output: Path, text: str) -> str:
    """Writes a text, or returns it where it goes to the standard output."""
    if str(output) == STANDARD_OUTPUT:
        return text
    write_bytes(output, text.encode())
    return ""
