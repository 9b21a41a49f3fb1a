"""Motifs from MotifCentral."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from ..datasets import DATA_FOLDER_VARIABLE
from ..errors import InputError
from ..layers import PSAM
from .client import WebClient
from .files import metadata_of, read_probound_lines
from .modes import parse_probound_psam

RELEASE_FILE = "motifcentral/MotifCentral.v1.0.0.json"
"""Where the release is looked for below a local folder of data."""


def import_motif_central(
    fit_id: int,
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    client: WebClient | None = None,
) -> PSAM:
    """Creates a motif from a model of MotifCentral: its last binding mode.

    The model is read from ``path``, else fetched from ``url``, else looked up in
    ``motifcentral/MotifCentral.v1.0.0.json`` below the folder that the environment
    variable ``PYPROBOUND_DATA_DIR`` names.

    Args:
        fit_id: The number of the model.
        path: A file with the model, or with a whole release, as published at
            https://motifcentral.org.
        url: The address of a model, with ``{}`` in place of its number, or of a whole
            release.
        client: What fetches it.

    Raises:
        MotifDownloadError: The address cannot be reached, or does not have the model.
        InputError: The file does not have the model, or there is no file.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """
    if path is None and url is not None:
        client = WebClient() if client is None else client
        return client.fetch(
            url.replace("{}", str(fit_id)), lambda text: _from_text(text, fit_id)
        )
    file = _local_release() if path is None else Path(path)
    models = _read_release(file, file.stat().st_mtime_ns)
    try:
        return _parse(models, fit_id)
    except ValueError as error:
        raise InputError(str(error), path=file) from None


def _local_release() -> Path:
    folder = os.environ.get(DATA_FOLDER_VARIABLE)
    file = Path(folder).expanduser() / RELEASE_FILE if folder else None
    if file is None or not file.is_file():
        raise InputError(
            "no source of MotifCentral is given: download a model or a release from"
            " https://motifcentral.org and pass its path, or save it as"
            f" <folder>/{RELEASE_FILE} and set {DATA_FOLDER_VARIABLE}=<folder>; or"
            " pass the url of a service",
            key="path",
        )
    return file


# A release holds hundreds of models, and scripts ask for one after the other.
@functools.lru_cache(maxsize=2)
def _read_release(file: Path, changed: int) -> tuple[dict[str, Any], ...]:
    del changed  # part of the key: a file that was changed is read again
    return tuple(read_probound_lines(file))


def _from_text(text: str, fit_id: int) -> PSAM:
    answer: Any = json.loads(text)
    models = tuple(answer) if isinstance(answer, list) else (answer,)
    if not all(isinstance(model, dict) for model in models):
        raise ValueError("expected a model, or a list of models, as JSON objects")
    return _parse(models, fit_id)


def _parse(models: tuple[dict[str, Any], ...], fit_id: int) -> PSAM:
    """Creates the motif of one of several models; ValueError if it is not there."""
    numbers = [metadata_of(model).get("fit_id") for model in models]
    if fit_id in numbers:
        model = models[numbers.index(fit_id)]
    elif numbers == [None]:  # a model that does not say its number
        model = models[0]
    else:
        raise ValueError(
            f"there is no model with the fit_id {fit_id} among {len(models)}"
        )
    try:
        return parse_probound_psam(model, -1)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"the model {fit_id} is incomplete or malformed ({error})"
        ) from None
