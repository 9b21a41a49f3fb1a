"""What every implementation of the kernels agrees on about its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import Tensor

Pair: TypeAlias = tuple[int, Tensor]
"""A distance ``d`` and the filters of letter pairs ``d`` apart, (C, n, n, k - d)."""

MISSING = 0
"""Offset from ``n`` of the code of a missing position: its windows score -inf."""
WILDCARD = 1
"""Offset from ``n`` of the wildcard's code: the mean over the letters."""
ZERO = 2
"""Offset from ``n`` of the zero code: contributes nothing."""
SPECIAL_CODES = 3

LANES = 8
"""Values of a vector of the compiled loops: blocks of a motif times channels."""
ROWS = 4
"""Rows that the compiled loops handle together."""


def number_of_windows(length: int, size: int, dilation: int) -> int:
    """Number of windows of a motif along a row.

    Args:
        length: Stored positions of the row.
        size: Positions of the motif.
        dilation: Spacing of the motif's positions along the row.

    Raises:
        RuntimeError: If the motif is longer than the row.
    """
    windows = length - dilation * (size - 1)
    if windows < 1:
        raise RuntimeError(
            f"a motif of {size} positions with dilation {dilation} spans"
            f" {length - windows + 1} letters but the sequences have only {length}:"
            " give longer sequences or flanks, or a shorter motif"
        )
    return windows


def check_length_index(longest: int, lengths: int) -> None:
    """Checks that the position bias has an entry for the longest row.

    Raises:
        IndexError: If a row is longer than the position bias knows.
    """
    if longest >= lengths:
        raise IndexError(
            f"a sequence of {longest} letters is longer than the position bias"
            f" allows (at most {lengths - 1}): raise the layer's max_input_length"
        )


def invalid_code(letters: int) -> ValueError:
    """The error for a code that does not exist."""
    return ValueError(
        f"codes must be 0 to {letters + SPECIAL_CODES - 1} for {letters} letters (the"
        " last three: missing, wildcard, zero): encode the sequences with the alphabet"
        " of the filters, and score degenerate letters one-hot"
    )


def check_arguments(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair],
    bias: Tensor | None,
    posbias: Tensor | None,
    dilation: int,
) -> None:
    """Checks the shapes of the arguments of a kernel (not the values of codes).

    Raises:
        ValueError: If a shape does not fit.
        RuntimeError: If the motif is longer than the rows.
    """
    if codes.ndim != 2 or codes.is_floating_point():
        raise ValueError(
            "codes must be integers of shape (rows, positions),"
            f" not {codes.dtype} of shape {tuple(codes.shape)}"
        )
    if monomer.ndim != 3:
        raise ValueError(
            "monomer filters must have the shape (channels, letters, positions),"
            f" not {tuple(monomer.shape)}"
        )
    if dilation < 1:
        raise ValueError(f"dilation must be at least 1, not {dilation}")
    channels, letters, size = monomer.shape
    windows = number_of_windows(codes.shape[1], size, dilation)
    if pairs and dilation != 1:
        raise ValueError("pairwise filters cannot be combined with a dilation above 1")
    distances = [distance for distance, _ in pairs]
    if len(set(distances)) < len(distances):
        raise ValueError(
            f"pairwise filters are given twice for a distance: {distances}"
        )
    for distance, filters in pairs:
        expected = (channels, letters, letters, size - distance)
        if not 1 <= distance < size or filters.shape != expected:
            raise ValueError(
                f"pairwise filters at distance {distance} must have the shape"
                f" {expected}, not {tuple(filters.shape)}"
            )
    if bias is not None and bias.numel() != channels:
        raise ValueError(
            f"bias must hold one value for each of {channels} channels,"
            f" not {bias.numel()}"
        )
    if posbias is not None and (
        posbias.ndim != 3
        or len(posbias) < 1
        or posbias.shape[1] not in (1, channels)
        or posbias.shape[2] != windows
    ):
        raise ValueError(
            f"position bias must have the shape (lengths, 1 or {channels},"
            f" {windows}), not {tuple(posbias.shape)}"
        )
