"""Jacobians of window scores as an operator of PyTorch, ``torch.ops.pyprobound``.

Programs that PyTorch traces keep it as one step. Each type of device has its own
implementation, see ``implement``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import features_reference

_NAME = "pyprobound::window_jacobian"
_SCHEMA = (
    "(Tensor codes, Tensor weights, Tensor? columns, SymInt n_columns, int letters,"
    " int size, int[] distances, int dilation) -> Tensor"
)


def window_jacobian(
    codes: Tensor,
    weights: Tensor,
    columns: Tensor | None,
    n_columns: int,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> Tensor:
    """See ``pyprobound.kernels.features_reference.window_jacobian``."""
    found: Tensor = torch.ops.pyprobound.window_jacobian.default(
        codes, weights, columns, n_columns, letters, size, distances, dilation
    )
    return found


def _fake(
    codes: Tensor, weights: Tensor, columns: Tensor | None, n_columns: int, *rest: Any
) -> Tensor:
    """What tracing needs to know: the shape of the result."""
    del columns, rest
    return weights.new_empty(codes.shape[0], n_columns)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    codes, weights, columns, _, *ctx.numbers = inputs
    ctx.channels = weights.shape[1]
    ctx.save_for_backward(codes, columns)


def _gradient(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    codes, columns = ctx.saved_tensors
    by_weights = features_reference.transposed(
        codes, upstream, columns, ctx.channels, *ctx.numbers
    )
    return None, by_weights, None, None, None, None, None, None


def implement(device: str, kernel: Callable[..., Tensor]) -> None:
    """Registers the implementation of the operator for a type of device.

    Args:
        device: Type of device, such as ``cuda``.
        kernel: Takes the arguments of ``window_jacobian``, with weights of 32 or 64
            bits; the result must not share memory with them.
    """
    # Not ``register_kernel``, which takes a second to load the tracing compiler.
    torch.library.impl(_NAME, device, kernel)


def _on_cpu(*values: Any) -> Tensor:
    # Imported here because the compiler takes a while to load.
    from . import features_cpu

    return features_cpu.window_jacobian(*values)


torch.library.define(_NAME, _SCHEMA, tags=(torch.Tag.pt2_compliant_tag,))
torch.library.register_fake(_NAME, _fake)
torch.library.register_autograd(_NAME, _gradient, setup_context=_save)
implement("cpu", _on_cpu)
