"""Reading the files in which ProBound stores its fits."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError

Fit: TypeAlias = Mapping[str, Any]
"""One line of a fit of ProBound, or a scoring model, as read from JSON."""


def read_probound_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads all models of a file of ProBound.

    Three layouts are accepted: one JSON object per line, as a fit writes them; one
    object over many lines; and a list of objects, as MotifCentral publishes them.

    Args:
        path: The file.

    Returns:
        The models in the order of the file; for a fit, one for each stage.

    Raises:
        InputError: The file holds anything else; the message names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            "this is not text; if the file is compressed, unpack it first", path=path
        ) from None
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        if not _is_by_lines(text):
            raise InputError(
                f"this is not JSON ({error.msg} at column {error.colno}); is the file"
                " complete?",
                path=path,
                line=error.lineno,
            ) from None
        models = _read_lines(text, path)
    else:
        models = whole if isinstance(whole, list) else [whole]
    if not models:
        raise InputError("the file holds no model", path=path)
    for number, model in enumerate(models, 1):
        if not isinstance(model, dict) or "modelSettings" not in model:
            raise InputError(
                f"expected a JSON object with the key 'modelSettings', found"
                f" {json.dumps(model)[:60]}",
                path=path,
                line=number,
                unit="model",
            )
    return models


def _is_by_lines(text: str) -> bool:
    """Whether a text looks like one JSON object per line, not one over many lines."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return all(line.startswith("{") and len(line) > 1 for line in lines[:2])


def _read_lines(text: str, path: str | os.PathLike[str]) -> list[Any]:
    models = []
    # Texts in JSON may hold other characters that `splitlines` takes for line ends.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            models.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(
                f"this is not JSON ({error.msg} at column {error.colno}); a fit of"
                " ProBound has one JSON object on each line",
                path=path,
                line=number,
            ) from None
    return models


def get_fit_final(
    path: str | os.PathLike[str], *, stage: str | int | None = None
) -> dict[str, Any]:
    """Reads one stage of a fit of ProBound.

    ProBound stores the negative log-likelihood under the name ``logLikelihood``, so
    the best stage is the one where that number is smallest. It may be a variation
    that the fit rejected in the end; name a stage to be sure.

    Args:
        path: The file, with one JSON object per line.
        stage: Which one to read: its ``fitName``, such as ``component1-4-all``, or
            its place in the file, with -1 for the last; by default the best, and of
            equally good ones the first.

    Returns:
        The model, as read from JSON.

    Raises:
        InputError: The file is not a fit, or has no such stage.
    """
    lines = read_probound_lines(path)
    if stage is None:
        return min(lines, key=_negative_log_likelihood)
    if isinstance(stage, int):
        if not -len(lines) <= stage < len(lines):
            raise InputError(f"there is no stage {stage} of {len(lines)}", path=path)
        return lines[stage]
    names = [str(metadata_of(line).get("fitName")) for line in lines]
    if stage not in names:
        raise InputError(
            f"there is no stage {stage!r}; the stages are: {', '.join(names)}",
            path=path,
        )
    return lines[names.index(stage)]


def _negative_log_likelihood(line: Fit) -> float:
    value = metadata_of(line).get("logLikelihood")
    return float("inf") if value is None else float(value)


def metadata_of(model: Fit) -> Fit:
    """What a model says about itself; empty if it says nothing."""
    metadata = model.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}
