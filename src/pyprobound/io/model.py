"""The model file: tensors with a description, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from ..checkpoint import write_atomically
from ..errors import InputError

FORMAT = 1
_ENTRY = "pyprobound"


def write_model_file(
    path: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]
) -> None:
    """Writes named tensors and a description to a file, atomically.

    Tensors that share memory are stored once; the description lists under
    ``aliases`` which name stands for which.

    Args:
        path: The file.
        tensors: The tensors by name.
        description: Anything that JSON can hold.
    """
    stored: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in first:
            aliases[name] = first[place]
            continue
        first[place] = name
        stored[name] = tensor.detach().cpu().contiguous().clone()
    text = json.dumps(
        {**description, "format": FORMAT, "aliases": aliases}, allow_nan=False
    )
    write_atomically(
        path,
        lambda temporary: safetensors.torch.save_file(
            stored, temporary, metadata={_ENTRY: text}
        ),
    )


def read_model_file(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a file that ``write_model_file`` wrote.

    Args:
        path: The file.

    Returns:
        The tensors by name, on the CPU, and the description.

    Raises:
        InputError: The file is missing, damaged or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"is no readable safetensors file ({error})", path=path
        ) from None
    try:
        description = json.loads(metadata[_ENTRY])
        version, aliases = description["format"], description["aliases"]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"is no model of pyprobound: its metadata has no entry {_ENTRY!r} that"
            " describes one",
            path=path,
        ) from None
    if version != FORMAT:
        raise InputError(
            f"has the format {version}, but this release reads format {FORMAT}; read it"
            " with the release that wrote it"
            f" ({description.get('version', 'unknown')})",
            path=path,
        )
    try:
        tensors.update({name: tensors[source] for name, source in aliases.items()})
    except KeyError as error:
        raise InputError(f"lacks the tensor {error}", path=path) from None
    return tensors, description
