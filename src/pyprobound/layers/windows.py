"""Sums and shapes of window scores."""

from __future__ import annotations

import torch
from torch import Tensor


def log_sum_windows(windows: Tensor, log_hill: Tensor) -> Tensor:
    r"""The log of the sum of :math:`\exp(h w)` over all axes but the first.

    A window of -inf has no part in the value nor in any gradient, and a row of
    only such windows scores -inf with zero gradients.

    Args:
        windows: Window scores of shape (rows, ...).
        log_hill: The log of the Hill coefficient :math:`h`.

    Returns:
        A tensor of shape (rows,).
    """
    flat = windows.flatten(1)
    missing = flat == -torch.inf
    if not bool(missing.any()):
        return torch.logsumexp(flat * log_hill.exp(), dim=1)
    empty = missing.all(dim=1)
    scaled = flat.masked_fill(missing, 0.0) * log_hill.exp()
    # A row without windows is summed over zeros first, to keep its gradient finite.
    scaled = scaled.masked_fill(missing & ~empty.unsqueeze(1), -torch.inf)
    return torch.logsumexp(scaled, dim=1).masked_fill(empty, -torch.inf)


def resized(
    values: Tensor, windows: tuple[int, int] = (0, 0), lengths: tuple[int, int] = (0, 0)
) -> Tensor:
    """Adds zeros to a position bias, or crops it.

    Args:
        values: A bias of shape (lengths, channels, bins).
        windows: Bins added in front and behind; cropped if negative.
        lengths: Lengths added in front and behind; cropped if negative.

    Returns:
        The new values, without gradient.
    """
    padding = (*windows, 0, 0, *lengths)
    # One end may lose more than there was before the other end gained.
    grown = torch.nn.functional.pad(values.detach(), [max(n, 0) for n in padding])
    return torch.nn.functional.pad(grown, [min(n, 0) for n in padding])


def bin_changes(windows: int, left: int, right: int, size: int) -> tuple[int, int]:
    """How many bins a change of windows adds in front and behind.

    Args:
        windows: The number of windows before.
        left: Windows added in front.
        right: Windows added behind.
        size: The number of windows of one bin.
    """

    def bins(count: int) -> int:
        return -(-count // size)

    return (
        bins(windows + left) - bins(windows),
        bins(windows + left + right) - bins(windows + left),
    )
