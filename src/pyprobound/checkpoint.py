"""Writing the state of a component to a file and reading it back.

A checkpoint is a dictionary with the entries ``state_dict`` and ``metadata``. Two
layouts of the state exist: ``packed``, the names and shapes of this library, and
``1.5``, in which every entry of a motif is a tensor of its own (the layout of
PyProBound 1.5). Both are recognised when they are read.

A state may have another structure than the component it is read into (a longer
motif, more flanking letters): each module first takes its structure from its
entries, by the method ``adopt_structure``, then the values are assigned.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from ._version import __version__

Layout = Literal["packed", "1.5"]
Checkpoint = str | os.PathLike[str] | IO[bytes]
FlankLengths = tuple[tuple[int, int], ...]


@runtime_checkable
class Structured(Protocol):
    """A module whose structure is part of its state."""

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes the structure from the module's own entries.

        Returns:
            The entries that remain to be assigned, under their packed names.
        """

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """The module's own entries under the names of the 1.5 layout."""


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[Path], None]
) -> None:
    """Writes a file by way of a temporary one, so that it is never half-written.

    Args:
        path: The file to be written.
        write: Called with the path of a temporary file in the same folder; with the
            path itself if that is a device or a pipe, which must not be replaced.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        write(target)
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def state_dict_of(
    module: torch.nn.Module, layout: Layout = "packed"
) -> dict[str, Tensor]:
    """The state of a module as a flat dictionary.

    Args:
        module: The module.
        layout: ``packed`` or ``1.5``.

    Raises:
        ValueError: The layout is unknown, or 1.5 cannot hold the module.
    """
    state: dict[str, Tensor] = dict(module.state_dict())
    if layout == "packed":
        return state
    if layout != "1.5":
        raise ValueError(f"format must be 'packed' or '1.5', not {layout!r}")
    for prefix, part in _structured_parts(module):
        state = _replace_entries(state, prefix, part.scalar_entries)
    return state


def save(
    module: torch.nn.Module,
    checkpoint: Checkpoint,
    flank_lengths: FlankLengths = (),
    layout: Layout = "packed",
) -> None:
    """Writes a checkpoint; a path is replaced atomically."""
    content = {
        "state_dict": state_dict_of(module, layout),
        "metadata": {
            "time": time.asctime(),
            "version": __version__ if layout == "packed" else layout + ".0",
            "flank_lengths": tuple((int(a), int(b)) for a, b in flank_lengths),
        },
    }
    if isinstance(checkpoint, str | os.PathLike):
        write_atomically(checkpoint, lambda path: torch.save(content, path))
    else:
        torch.save(content, checkpoint)


def load(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a checkpoint onto the CPU.

    Returns:
        The state and the metadata.

    Raises:
        ValueError: The file is not a checkpoint.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping) or "state_dict" not in content:
        raise ValueError(
            f"{checkpoint} is not a checkpoint: expected a dictionary with the"
            " entries 'state_dict' and 'metadata'"
        )
    return dict(content["state_dict"]), dict(content.get("metadata", {}))


def assign(
    module: torch.nn.Module, state: Mapping[str, Tensor], strict: bool = False
) -> None:
    """Gives a module the structure and the values of a state.

    Parameters keep their identity, so that those shared by several modules stay
    shared, and keep whether they are trainable. Their shapes may change.

    Args:
        module: The module.
        state: The state, in either layout.
        strict: Whether a difference in names is an error or a warning.

    Raises:
        ValueError: ``strict``, and the names differ.
    """
    remaining = dict(state)
    for prefix, part in _structured_parts(module):
        remaining = _replace_entries(remaining, prefix, part.adopt_structure)
    with torch.no_grad():
        unknown = [
            name for name in remaining if not _set(module, name, remaining[name])
        ]
    adopted = {name for name in state if name not in remaining}
    missing = [
        name
        for name in module.state_dict()
        if name not in remaining and name not in adopted
    ]
    _report_difference(unknown, missing, strict)


def _structured_parts(module: torch.nn.Module) -> list[tuple[str, Structured]]:
    return [
        (f"{path}." if path else "", part)
        for path, part in module.named_modules(remove_duplicate=False)
        if isinstance(part, Structured)
    ]


def _replace_entries(
    state: dict[str, Tensor],
    prefix: str,
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Passes the entries below a prefix through a function, in place in the order."""
    own = {
        name[len(prefix) :]: value
        for name, value in state.items()
        if name.startswith(prefix)
    }
    if not own:
        return state
    converted = {prefix + name: value for name, value in convert(own).items()}
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith(prefix):
            result[name] = value
        elif converted:
            result.update(converted)
            converted = {}
    return result


def _set(module: torch.nn.Module, name: str, value: Tensor) -> bool:
    """Assigns one entry by its path; returns False if there is no such path."""
    *path, last = name.split(".")
    owner: Any = module
    for part in path:
        owner = getattr(owner, part, None)
        if owner is None:
            return False
    current = getattr(owner, last, None)
    if not isinstance(current, Tensor):
        return False
    current.data = value.detach().to(current.device, current.dtype, copy=True)
    return True


def _report_difference(unknown: list[str], missing: list[str], strict: bool) -> None:
    if not unknown and not missing:
        return
    parts = []
    if missing:
        parts.append(f"{len(missing)} values are not in the state ({_some(missing)})")
    if unknown:
        parts.append(f"{len(unknown)} of its names are not used ({_some(unknown)})")
    message = "The state does not match the model: " + "; ".join(parts)
    if strict:
        raise ValueError(message)
    warnings.warn(message, stacklevel=4)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
