"""Fits that a configuration of ProBound describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .support import NORMAL, VERBOSE

if TYPE_CHECKING:
    from ..config import FitConfig


def holds_probound(path: Path) -> bool:
    """Whether a file is a configuration of ProBound; tables are not looked into.

    Args:
        path: The file.
    """
    from ..io.tables import SUFFIXES

    if path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return path.suffix.lower() == ".json"
    from ..config.probound import is_probound

    return is_probound(path)


def read_probound(
    path: Path, given: Mapping[str, Any], strict: bool, verbosity: int
) -> tuple[FitConfig, Path | None]:
    """Reads a configuration of ProBound, and shows what is to be said about it.

    Args:
        path: The file.
        given: Settings of the run that were typed.
        strict: Whether unknown keys are errors.
        verbosity: How much is said.

    Returns:
        The same fit in our words, and the folder that the file names, if it does.

    Raises:
        InputError: The file is not valid, or holds what cannot be expressed.
    """
    from ..config.probound import translate_file

    found = translate_file(path, strict=strict)
    for remark in found.remarks:
        is_info = remark.kind == "info"
        if verbosity >= (VERBOSE if is_info else NORMAL):
            label = "Note" if is_info else "Warning"
            place = ":" if remark.line is None else ","
            click.echo(f"{label}: {path}{place} {remark}", err=True)
    output = found.file.config.optimizer_setting.output
    folder = None
    if output.base_name is not None:
        folder = Path(output.output_path or ".") / output.base_name
    return found.config.model_copy(update=dict(given)), folder


def name_file(error: InputError, path: Path) -> InputError:
    """Names the file whose translation an error is about.

    Args:
        error: The error.
        path: The file.
    """
    if error.path is not None:
        return error
    message = error.message
    if error.key is not None:
        message += "; see pyprobound convert for the keys of the translation"
    return InputError(message, path=path, key=error.key)
