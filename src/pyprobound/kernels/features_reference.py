"""The definition of Jacobians of window scores: plain PyTorch, any device.

The meaning of the arguments is documented in ``pyprobound.kernels.features``. The
features of all filters are numbered one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from .arguments import MISSING, SPECIAL_CODES, WILDCARD
from .reference import extend_letters


def feature_shapes(
    channels: int, letters: int, size: int, distances: Sequence[int]
) -> list[tuple[int, ...]]:
    """Shapes of the filters: of single letters, then of pairs for each distance."""
    pairs = [(channels, letters, letters, size - distance) for distance in distances]
    return [(channels, letters, size), *pairs]


def split_features(
    features: Tensor, shapes: Sequence[tuple[int, ...]]
) -> tuple[Tensor, ...]:
    """Views of the features (N, features) in the shapes of the filters."""
    parts = torch.split(features, [math.prod(shape) for shape in shapes], 1)
    return tuple(
        part.view(-1, *shape) for part, shape in zip(parts, shapes, strict=True)
    )


def check_columns(columns: Tensor, n_columns: int) -> None:
    """Checks that all columns exist.

    Raises:
        ValueError: If a feature has a column that does not exist.
    """
    if len(columns) == 0:
        return
    least, greatest = (int(bound) for bound in columns.aminmax())
    if least < -1 or greatest >= n_columns:
        raise ValueError(
            f"columns must be -1 to {n_columns - 1} for {n_columns} columns, not"
            f" {least} to {greatest}"
        )


def _touches_missing(codes: Tensor, letters: int, size: int, dilation: int) -> Tensor:
    """Whether any of the positions of each window is missing, shape (N, 1, W)."""
    missing = codes == letters + MISSING
    span = dilation * (size - 1) + 1
    return missing.unfold(1, span, 1)[..., ::dilation].any(-1).unsqueeze(1)


def _letters_of_windows(
    codes: Tensor,
    windows: int,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> Iterator[list[Tensor]]:
    """For each filter and position, the letters or pairs that windows have there.

    Those are numbers of shape (N, 1, W) that also know the special codes.
    """
    index = codes.long().unsqueeze(1)
    starts = [i * dilation for i in range(size)]
    yield [index[..., start : start + windows] for start in starts]
    for distance in distances:
        pairs = (
            index[..., :-distance] * (letters + SPECIAL_CODES) + index[..., distance:]
        )
        yield [pairs[..., i : i + windows] for i in range(size - distance)]


def _fold_letters(counts: Tensor, axis: int, letters: int) -> Tensor:
    """Shares out the wildcard's counts on a letter axis; transpose of extending it."""
    wildcard = counts.narrow(axis, letters + WILDCARD, 1)
    return counts.narrow(axis, 0, letters) + wildcard / letters


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
    """Sums of the weights of windows by the parameters they depend on.

    Args:
        codes: Codes, shape (N, L).
        weights: Weights of windows, shape (N, C, W).
        columns: For each feature its column or -1, shape (features,); ``None`` if each
            feature has its own, in order.
        n_columns: Number of columns.
        letters: Number of letters n.
        size: Positions of the motif.
        distances: Distances of pairs.
        dilation: Spacing of the motif's positions.

    Returns:
        Sums of shape (N, n_columns).
    """
    rows, channels, windows = weights.shape
    touched = _touches_missing(codes, letters, size, dilation)
    weights = weights.masked_fill(touched, 0.0)
    extended = letters + SPECIAL_CODES
    parts = []
    for axes, indices in enumerate(
        _letters_of_windows(codes, windows, letters, size, distances, dilation)
    ):
        letter_axes = 1 if axes == 0 else 2
        empty = weights.new_zeros(rows, channels, extended**letter_axes)
        counts = torch.stack(
            [
                empty.scatter_add(2, index.expand(rows, channels, windows), weights)
                for index in indices
            ],
            -1,
        ).view(rows, channels, *(extended,) * letter_axes, len(indices))
        for axis in range(letter_axes):
            counts = _fold_letters(counts, 2 + axis, letters)
        parts.append(counts.flatten(1))
    features = torch.cat(parts, 1)
    if columns is None:
        return features
    if not torch.compiler.is_compiling():
        check_columns(columns, n_columns)
    used = columns >= 0
    return weights.new_zeros(rows, n_columns).index_add(
        1, columns[used], features[:, used]
    )


def transposed(
    codes: Tensor,
    upstream: Tensor,
    columns: Tensor | None,
    channels: int,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> Tensor:
    """The transpose of ``window_jacobian``: scores of windows by filters of each row.

    Args:
        codes: Codes, shape (N, L).
        upstream: Parameters of each row, shape (N, n_columns).
        columns: See ``window_jacobian``.
        channels: Number of channels C.
        letters: Number of letters n.
        size: Positions of the motif.
        distances: Distances of pairs.
        dilation: Spacing of the motif's positions.

    Returns:
        Scores of shape (N, C, W), 0 where a window touches a missing position.
    """
    rows, length = codes.shape
    windows = length - dilation * (size - 1)
    if columns is not None:
        # One more column for features without any, which -1 finds.
        upstream = pad(upstream, (0, 1))[:, columns]
    shapes = feature_shapes(channels, letters, size, distances)
    scores = upstream.new_zeros(rows, channels, windows)
    for filters, indices in zip(
        split_features(upstream, shapes),
        _letters_of_windows(codes, windows, letters, size, distances, dilation),
        strict=True,
    ):
        table = filters
        for axis in range(2, filters.ndim - 1):
            table = extend_letters(table, axis)
        table = table.flatten(2, -2)
        for i, index in enumerate(indices):
            wide = index.expand(rows, channels, windows)
            scores = scores + table[..., i].gather(2, wide)
    touched = _touches_missing(codes, letters, size, dilation)
    return scores.masked_fill(touched, 0.0)
