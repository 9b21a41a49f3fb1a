"""The definition of the sums over pairs of windows, in plain PyTorch.

It runs on any device and with any floating point type and can be differentiated twice.
The sum over the pairs of a row is the product of a vector, a matrix and a vector, so
that nothing is stored for the pairs of a row; it is computed with 64 bits and relative
to the largest terms. Rows in which only pairs far below those contribute are summed
pair by pair. The meaning of the arguments is documented in ``pyprobound.kernels.pairs``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MOST_PAIR_VALUES = 1 << 22
"""Greatest number of pairs that the sum pair by pair holds at once."""


def check_arguments(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None,
    log_hill: Tensor | None,
) -> None:
    """Checks the shapes of the arguments.

    Raises:
        ValueError: If a shape does not fit.
    """
    if windows_a.ndim != 3 or windows_b.ndim != 3 or len(windows_a) != len(windows_b):
        raise ValueError(
            "window scores of both modes must have the shapes (rows, strands, windows)"
            f" with as many rows, not {tuple(windows_a.shape)} and"
            f" {tuple(windows_b.shape)}"
        )
    (_, strands_a, n_a), (_, strands_b, n_b) = windows_a.shape, windows_b.shape
    expected = (strands_a, strands_b, n_a, n_b)
    if energies.ndim != 5 or energies.shape[1:] != expected or 0 in energies.shape:
        raise ValueError(
            f"energies of pairs must have the shape {expected}, with another axis in"
            f" front for groups of rows, not {tuple(energies.shape)}"
        )
    if groups is None:
        if len(energies) != 1:
            raise ValueError(
                f"there are energies for {len(energies)} groups of rows, but no groups"
            )
    elif groups.shape != windows_a.shape[:1] or groups.is_floating_point():
        raise ValueError(
            f"groups must be an integer for each of {len(windows_a)} rows, not"
            f" {groups.dtype} of shape {tuple(groups.shape)}"
        )
    if log_hill is not None and log_hill.numel() != 1:
        raise ValueError(f"log_hill must be one value, not {log_hill.numel()}")


def check_groups(groups: Tensor, count: int) -> None:
    """Checks that there are energies for all groups of rows.

    Raises:
        IndexError: If a group is unknown.
    """
    if groups.numel() > 0:
        least, greatest = (int(bound) for bound in groups.aminmax())
        if least < 0 or greatest >= count:
            raise IndexError(
                f"there are energies for the groups 0 to {count - 1}, but rows of group"
                f" {least if least < 0 else greatest}"
            )


def wide_type(tensor: Tensor) -> torch.dtype:
    """The type of most bits where a tensor is."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def pair_scores(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None = None,
    log_hill: Tensor | None = None,
) -> Tensor:
    """Log sums over pairs; see ``pyprobound.kernels.pairs.pair_scores``.

    The energies have an axis of groups here, also if there is one.
    """
    check_arguments(windows_a, windows_b, energies, groups, log_hill)
    kind = windows_a.dtype
    wide = wide_type(windows_a)
    hill = torch.ones((), dtype=wide, device=windows_a.device)
    if log_hill is not None:
        hill = log_hill.to(wide).reshape(()).exp()
    first, second = (windows.flatten(1).to(wide) for windows in (windows_a, windows_b))
    matrices = energies.transpose(2, 3).to(wide)
    matrices = matrices.reshape(len(energies), first.shape[1], second.shape[1])
    if groups is None:
        return _log_sums(first, second, matrices[0], hill).to(kind)
    check_groups(groups, len(energies))
    # No rows have a graph, too.
    scores = [_log_sums(first[:0], second[:0], matrices[0], hill)]
    places = [groups.new_zeros(0, dtype=torch.long)]
    present = torch.bincount(groups, minlength=len(energies)).nonzero().squeeze(1)
    for group in present.tolist():
        rows = (groups == group).nonzero().squeeze(1)
        scores.append(_log_sums(first[rows], second[rows], matrices[group], hill))
        places.append(rows)
    return torch.cat(scores)[torch.cat(places).argsort()].to(kind)


def affinities(
    scores: Tensor, hill: Tensor | float, axes: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Exponentials relative to the largest along some axes, and its logarithm."""
    absent = scores == -math.inf
    scaled = scores.masked_fill(absent, 0.0) * hill
    scaled = scaled.masked_fill(absent, -math.inf)
    top = scaled.detach().amax(axes, keepdim=True)
    top = top.masked_fill(top == -math.inf, 0.0)
    return (scaled - top).exp(), top


def _log_sums(first: Tensor, second: Tensor, energies: Tensor, hill: Tensor) -> Tensor:
    """Scores of rows (N, A) and (N, B) with the same energies (A, B)."""
    left, left_top = affinities(first, hill, (1,))
    right, right_top = affinities(second, hill, (1,))
    matrix, top = affinities(energies, hill, (0, 1))
    products = ((left @ matrix) * right).sum(1)
    # Below this, terms that were lost might matter.
    lost = products < 1e15 * torch.finfo(products.dtype).tiny
    scores = products.masked_fill(lost, 1.0).log()
    scores = scores + (left_top + right_top + top).squeeze(1)
    scores = scores.masked_fill(lost, -math.inf)
    if not bool(lost.any()):
        return scores
    rows = (lost & _has_pair(first, second, energies)).nonzero().squeeze(1)
    if len(rows) == 0:
        return scores
    step = max(1, _MOST_PAIR_VALUES // energies.numel())
    parts = [rows[start : start + step] for start in range(0, len(rows), step)]
    exact = [
        _sums_pair_by_pair(first[part], second[part], energies, hill) for part in parts
    ]
    return scores.index_put((rows,), torch.cat(exact))


def _has_pair(first: Tensor, second: Tensor, energies: Tensor) -> Tensor:
    """Whether each row has a pair of windows that is not -inf."""
    left, right, matrix = (
        (values != -math.inf).float() for values in (first, second, energies)
    )
    return ((left @ matrix) * right).sum(1) > 0


def _sums_pair_by_pair(
    first: Tensor, second: Tensor, energies: Tensor, hill: Tensor
) -> Tensor:
    """Scores of rows that have a pair."""
    scores = (energies + first.unsqueeze(2) + second.unsqueeze(1)).flatten(1)
    absent = scores == -math.inf
    scaled = scores.masked_fill(absent, 0.0) * hill
    return scaled.masked_fill(absent, -math.inf).logsumexp(1)
