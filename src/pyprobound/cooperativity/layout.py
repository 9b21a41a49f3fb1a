"""How the position bias of pairs of windows is stored and read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import pairs

BiasMode = Literal["strand", "same", "reverse"]
Mirror = Literal["row", "1.5"]
Range = tuple[int, int]


def check_options(bias_mode: str, bias_bin: int, mirror: str) -> None:
    """Checks the options of a position bias.

    Raises:
        ValueError: An option is unknown or impossible.
    """
    if bias_mode not in ("strand", "same", "reverse"):
        raise ValueError(
            f"bias_mode must be 'strand', 'same' or 'reverse', not {bias_mode!r}"
        )
    if mirror not in ("row", "1.5"):
        raise ValueError(f"mirror must be 'row' or '1.5', not {mirror!r}")
    if bias_bin < 1:
        raise ValueError(f"bias_bin must be at least 1, not {bias_bin}")


@dataclass(frozen=True)
class BiasLayout:
    """The layout of a position bias.

    Attributes:
        windows: The number of windows of both modes.
        finite_a: The least and the greatest number of windows of the first mode that
            a row has.
        finite_b: The same for the second mode.
        n_strands: The number of strands of each mode.
        bias_mode: See ``Cooperativity``, as for all that follow.
        bias_bin: See ``Cooperativity``.
        length_specific: See ``Cooperativity``.
        mirror: See ``Cooperativity``.
    """

    windows: tuple[int, int]
    finite_a: Range
    finite_b: Range
    n_strands: int
    bias_mode: BiasMode
    bias_bin: int
    length_specific: bool
    mirror: Mirror

    def shapes(self) -> list[tuple[int, ...]]:
        """The shape that is stored for each offset."""
        lengths = [1, 1]
        if self.length_specific:
            lengths = [high - low + 1 for low, high in (self.finite_a, self.finite_b)]
        free = self.n_strands if self.bias_mode == "strand" else 1
        counts = pairs.bin_counts(*self.windows, self.bias_bin)
        return [(*lengths, self.n_strands, free, count) for count in counts]

    @property
    def depends_on_length(self) -> bool:
        """Whether rows of different lengths have a different bias."""
        mirrors_rows = self.bias_mode == "reverse" and self.mirror == "row"
        return self.length_specific or (mirrors_rows and self.n_strands == 2)

    @staticmethod
    def joined(values: Iterable[Tensor], normalize: bool) -> Tensor:
        """The bins of all offsets in one tensor, along the last axis.

        Args:
            values: The stored bias of each offset.
            normalize: Whether the mean over the bins of each offset is subtracted.
        """
        if normalize:
            values = (value - value.mean(dim=-1, keepdim=True) for value in values)
        return torch.cat(list(values), dim=-1)

    def expanded(self, bias: Tensor, finite: tuple[int, int] | None = None) -> Tensor:
        """The bias of all pairs of strands and windows.

        Args:
            bias: Joined bins, of shape (..., strands, strands or 1, bins).
            finite: How many windows of each mode a row has; all by default.

        Returns:
            A tensor of shape (..., strands, strands, windows of a, windows of b).
        """
        index = pairs.bin_index(*self.windows, self.bias_bin)
        direct = bias[..., index.to(bias.device)]
        if self.bias_mode == "strand" or self.n_strands == 1:
            return direct
        other = direct
        if self.bias_mode == "reverse":
            if self.mirror == "row":
                index = pairs.mirrored_index(index, *(finite or self.windows))
            else:
                index = pairs.bin_index(*self.windows, self.bias_bin, backwards=True)
            other = bias[..., index.to(bias.device)]
        return torch.cat([direct, other.flip(-4)], dim=-3)

    def of_rows(self, bias: Tensor, finite_a: int, finite_b: int) -> Tensor:
        """The bias of the rows that have some number of windows of each mode.

        Args:
            bias: Joined bins.
            finite_a: The number of windows of the first mode.
            finite_b: The number of windows of the second mode.

        Returns:
            A tensor of shape (strands, strands, windows of a, windows of b); one zero
            if the rows have fewer windows than the shortest input.
        """
        low_a, low_b = self.finite_a[0], self.finite_b[0]
        if finite_a < low_a or finite_b < low_b:
            return bias.new_zeros(())
        own = bias[0, 0]
        if self.length_specific:
            own = bias[finite_a - low_a, finite_b - low_b]
        return self.expanded(own, (finite_a, finite_b))

    def by_length(self, bias: Tensor) -> Tensor:
        """The bias of all pairs, for all numbers of windows that an input may have.

        Args:
            bias: Joined bins.

        Returns:
            A tensor of shape (lengths of a, lengths of b, strands, strands, windows of
            a, windows of b), whose first two axes begin with the least numbers of
            windows; they have a size of 1 if the bias does not depend on them.
        """
        if not self.depends_on_length:
            return self.expanded(bias)
        numbers_a, numbers_b = (
            range(low, high + 1) for low, high in (self.finite_a, self.finite_b)
        )
        rows = [
            torch.stack([self.of_rows(bias, a, b) for b in numbers_b])
            for a in numbers_a
        ]
        return torch.stack(rows)

    def from_zero(self, values: Tensor) -> Tensor:
        """Adds zeros for fewer windows, so that their numbers are the first indices.

        Args:
            values: What ``by_length`` returns.
        """
        if not self.depends_on_length:
            return values
        padding = (0,) * 8 + (self.finite_b[0], 0, self.finite_a[0], 0)
        return torch.nn.functional.pad(values, padding)
