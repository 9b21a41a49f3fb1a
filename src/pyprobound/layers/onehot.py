"""Scoring embedded sequences, whose positions may hold any values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor


def window_scores(
    embedded: Tensor,
    monomer: Tensor,
    pairs: Sequence[tuple[int, Tensor]] = (),
    *,
    dilation: int = 1,
    unfold: bool = False,
) -> Tensor:
    """Scores every window by convolution.

    A window that touches a position with a value that is not finite scores -inf.

    Args:
        embedded: Values of shape (rows, letters, length).
        monomer: Filter of shape (channels, letters, positions).
        pairs: Distances with filters of shape (channels, letters, letters, positions -
            distance).
        dilation: The distance between neighbouring positions of the motif.
        unfold: Whether to multiply explicit windows rather than to convolve.

    Returns:
        Scores of shape (rows, channels, windows).
    """
    missing = ~embedded.isfinite().all(dim=1)
    # The product is taken without the missing positions, so that neither values nor
    # gradients become NaN.
    embedded = embedded.masked_fill(missing.unsqueeze(1), 0.0)
    convolve = _by_windows if unfold else _by_convolution
    scores = convolve(embedded, monomer, dilation)
    for distance, filters in pairs:
        first, second = embedded[..., :-distance], embedded[..., distance:]
        products = torch.einsum("nax,nbx->nabx", first, second).flatten(1, 2)
        scores = scores + convolve(products, filters.flatten(1, 2), 1)
    touched = _touched(missing, monomer.shape[-1], dilation)
    return scores.masked_fill(touched.unsqueeze(1), -torch.inf)


def _by_convolution(values: Tensor, filters: Tensor, dilation: int) -> Tensor:
    with _full_precision(values):
        return F.conv1d(values, filters, dilation=dilation)


def _by_windows(values: Tensor, filters: Tensor, dilation: int) -> Tensor:
    span = dilation * (filters.shape[-1] - 1) + 1
    windows = values.unfold(-1, span, 1)[..., ::dilation]
    return torch.einsum("nawi,cai->ncw", windows, filters)


def _touched(missing: Tensor, positions: int, dilation: int) -> Tensor:
    """Which windows touch a missing position, of shape (rows, windows)."""
    span = dilation * (positions - 1) + 1
    return missing.unfold(-1, span, 1)[..., ::dilation].any(dim=-1)


@contextlib.contextmanager
def _full_precision(values: Tensor) -> Iterator[None]:
    """Keeps convolutions on NVIDIA GPUs from rounding their inputs to 10 bits."""
    if values.device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
