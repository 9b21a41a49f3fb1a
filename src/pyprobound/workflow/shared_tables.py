"""Hands tables to other processes without a copy for each of them.

The tensors of the tables are written to one file, which every process maps into its
memory, so that all of them look at the same pages. What else belongs to the tables is
small, and travels as bytes.

The bytes are a pickle: they must come from the process that wrote them, and must never
be read from a file.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from ..table import CountTable

Tables = Mapping[str, CountTable]

_ALIGNMENT = 64


def write_tables(path: Path, *groups: Tables | None) -> bytes:
    """Writes the tensors of tables to a file.

    Args:
        path: The file.
        groups: Groups of tables, by name.

    Returns:
        What ``map_tables`` makes the tables from, together with the file.
    """
    description = io.BytesIO()
    with path.open("wb") as file:
        _Pickler(description, file).dump(groups)
    return description.getvalue()


def map_tables(path: Path, description: bytes) -> list[dict[str, CountTable] | None]:
    """Makes the tables again, with tensors that lie in the file.

    Writing to such a tensor changes neither the file nor the tables of others.

    Args:
        path: The file.
        description: What ``write_tables`` returned.
    """
    size = path.stat().st_size
    data = torch.zeros(0, dtype=torch.uint8)
    if size:
        data = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    groups = _Unpickler(io.BytesIO(description), data).load()
    return [None if group is None else dict(group) for group in groups]


class _Pickler(pickle.Pickler):
    """Puts the values of tensors into a file of their own."""

    def __init__(self, description: IO[bytes], file: IO[bytes]) -> None:
        super().__init__(description, protocol=pickle.HIGHEST_PROTOCOL)
        self._file = file
        # The tensors are kept, lest another one gets the id of one that is gone.
        self._seen: dict[int, tuple[Tensor, tuple[Any, ...]]] = {}

    def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
        """The place of a tensor in the file; None for anything else."""
        if not isinstance(value, Tensor):
            return None
        if id(value) not in self._seen:
            self._seen[id(value)] = value, self._write(value)
        return self._seen[id(value)][1]

    def _write(self, tensor: Tensor) -> tuple[Any, ...]:
        self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
        place = self._file.tell()
        values = tensor.detach().cpu().contiguous()
        self._file.write(values.reshape(-1).view(torch.uint8).numpy().data)
        return place, values.dtype, tuple(values.shape)


class _Unpickler(pickle.Unpickler):
    """Takes the values of tensors from their file."""

    def __init__(self, description: IO[bytes], data: Tensor) -> None:
        super().__init__(description)
        self._data = data
        self._made: dict[tuple[Any, ...], Tensor] = {}

    def persistent_load(self, identity: tuple[Any, ...]) -> Tensor:
        """The tensor at a place; the same object for the same place."""
        if identity not in self._made:
            place, dtype, shape = identity
            size = torch.Size(shape).numel() * dtype.itemsize
            values = self._data[place : place + size].view(dtype)
            self._made[identity] = values.reshape(shape)
        return self._made[identity]
