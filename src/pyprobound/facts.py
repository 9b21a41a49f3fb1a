"""What is known about a tensor of a table: computed once, kept as long as the tensor.

The tables of a training are evaluated hundreds of times. What depends on nothing but a
tensor itself, such as the length of each row, is found at its first use and kept.

A tensor changed by PyTorch, in place or by another assigned to its ``data``, is seen as
a new one. As with the tensors that PyTorch itself keeps for gradients, changes behind
its back (through ``tensor.data`` or an array that shares its memory) go unnoticed; call
``forget`` after these.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["fact", "forget", "greatest", "row_lengths", "rows", "state", "total"]

T = TypeVar("T")


class TensorState(NamedTuple):
    """What changes if a tensor is changed by PyTorch."""

    version: int
    address: int
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class _Known(NamedTuple):
    state: TensorState
    values: dict[Hashable, Any]


_known: Any = WeakTensorKeyDictionary()


def state(tensor: Tensor) -> TensorState | None:
    """What tells whether a tensor has changed; None if changes cannot be told.

    Args:
        tensor: A tensor; those made in inference mode do not count their changes.
    """
    if torch.compiler.is_compiling() or tensor.is_inference():
        return None
    return TensorState(
        tensor._version,
        tensor.data_ptr(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
        tensor.device,
    )


def fact(tensor: Tensor, name: Hashable, compute: Callable[[Tensor], T]) -> T:
    """Something that depends on a tensor alone.

    Args:
        tensor: The tensor.
        name: A name for what is computed, with all that it depends on otherwise.
        compute: Computes it. The result must not hold the tensor itself.
    """
    now = state(tensor)
    if now is None:
        return compute(tensor)
    known: _Known | None = _known.get(tensor)
    if known is None or known.state != now:
        known = _known[tensor] = _Known(now, {})
    if name not in known.values:
        # What is kept must be of use to later evaluations, which may need gradients.
        with torch.inference_mode(False), torch.no_grad():
            known.values[name] = compute(tensor)
    found: T = known.values[name]
    return found


def forget(tensor: Tensor) -> None:
    """Drops what is known about a tensor, because it was changed behind PyTorch's back.

    Args:
        tensor: The tensor.
    """
    _known.pop(tensor, None)


# --- facts -----------------------------------------------------------------------


def greatest(values: Tensor) -> int:
    """The greatest entry of a tensor of integers that is not empty."""
    return fact(values, "greatest", lambda tensor: int(tensor.max()))


def total(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum of all entries, a scalar.

    Args:
        values: The numbers.
        dtype: The type in which they are added up.
    """
    return fact(values, ("total", dtype), lambda tensor: tensor.sum(dtype=dtype))


def row_lengths(codes: Tensor, missing: int) -> Tensor:
    """How many entries of each row are not missing.

    Args:
        codes: Codes of shape (rows, length).
        missing: The code of a missing position.

    Returns:
        Integers of shape (rows,). If all rows have one length, they share one place in
        memory.
    """

    def count(codes: Tensor) -> Tensor:
        lengths = (codes != missing).sum(dim=1)
        if len(lengths) and bool((lengths == lengths[0]).all()):
            return lengths[:1].clone()
        return lengths.to(_narrowest(codes.shape[1]))

    lengths = fact(codes, ("row_lengths", missing), count).to(torch.int64)
    return lengths.expand(len(codes)) if len(lengths) != len(codes) else lengths


def _narrowest(greatest: int) -> torch.dtype:
    """The narrowest type of integers up to a number."""
    kinds = (torch.uint8, torch.int16, torch.int32)
    return next((k for k in kinds if greatest <= torch.iinfo(k).max), torch.int64)


def rows(values: Tensor, start: int, stop: int) -> Tensor:
    """Some rows of a tensor, as the same view each time.

    Args:
        values: The tensor.
        start: The first row.
        stop: The row after the last.

    Returns:
        The tensor itself if these are all its rows.
    """
    if start == 0 and stop >= len(values):
        return values
    if values.requires_grad:
        return values[start:stop]
    # Of detached data, which does not keep the tensor alive.
    return fact(values, ("rows", start, stop), lambda tensor: tensor.data[start:stop])
