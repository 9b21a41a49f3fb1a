"""Keeping the best of neighbouring windows."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from .layer import EmptyLayerSpec, SpecLayer
from .lengths import LengthMode, Lengths


class MaxPool1dSpec(EmptyLayerSpec):
    """The best score of each block of neighbouring windows.

    Blocks do not overlap and are counted from the left end of the row.

    Args:
        in_channels: The number of channels, which stays the same.
        kernel_size: The number of windows of a block.
        ceil_mode: Whether the windows left over at the right end are a block too.
        name: A name for messages, legends and reports.

    Raises:
        ValueError: ``in_channels`` or ``kernel_size`` is not positive.
    """

    def __init__(
        self, in_channels: int, kernel_size: int, ceil_mode: bool = True, name: str = ""
    ) -> None:
        for word, size in {
            "in_channels": in_channels,
            "kernel_size": kernel_size,
        }.items():
            if size < 1:
                raise ValueError(f"{word} must be positive, not {size}")
        super().__init__(out_channels=in_channels, in_channels=in_channels, name=name)
        self._kernel_size = int(kernel_size)
        self._ceil_mode = bool(ceil_mode)

    @property
    def kernel_size(self) -> int:
        """The number of windows of a block."""
        return self._kernel_size

    @property
    def ceil_mode(self) -> bool:
        """Whether the windows left over at the right end are a block too."""
        return self._ceil_mode

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of blocks, see ``LengthManager.out_len``.

        Finite windows may start anywhere within a block, so that ``max`` may count one
        block more than ``min``. As in PyProBound 1.5, both count the windows left over
        at the right end even without ``ceil_mode``.
        """
        size = self.kernel_size
        if mode == "max":
            return -(-(length - 1) // size) + 1
        if mode == "shape" and not self.ceil_mode:
            return length // size
        return -(-length // size)

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The windows that feed some blocks, see ``LengthManager.in_len``."""
        size = self.kernel_size
        if self.ceil_mode:
            return size * (length - 1) + 1 if mode == "min" else size * length
        return size * length if mode == "min" else size * (length + 1) - 1


class MaxPool1d(SpecLayer[MaxPool1dSpec]):
    r"""The best score of each block of :math:`q` neighbouring windows.

    .. math:: y_{c,j} = \max_{jq \le x < (j+1)q} w_{c,x}

    Args:
        layer_spec: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
    """

    def check_lengths(self, lengths: Lengths) -> None:
        """Checks that an input of some lengths would be possible.

        Raises:
            RuntimeError: Unless ``1 <= minimum <= maximum``.
            ValueError: There would be no block.
        """
        super().check_lengths(lengths)
        if self.out_len(lengths.shape, "shape") < 1:
            raise ValueError(
                f"{self.describe()} has no block: {lengths.shape} positions are fewer"
                f" than its kernel_size of {self.layer_spec.kernel_size}; use"
                " ceil_mode=True or smaller blocks"
            )

    def forward(self, seqs: Tensor) -> Tensor:
        """Takes the best value of each block.

        Args:
            seqs: Values of shape (rows, channels, length).

        Returns:
            Values of shape (rows, channels, blocks), in the unit of the input.

        Raises:
            ValueError: The input has another number of axes.
        """
        if seqs.ndim != 3:
            raise ValueError(
                f"{self.describe()} needs values of shape (rows, channels, length),"
                f" not a tensor of shape {tuple(seqs.shape)}; put it behind a layer"
                " that scores, or embed the sequences"
            )
        spec = self.layer_spec
        return F.max_pool1d(seqs, spec.kernel_size, ceil_mode=spec.ceil_mode)
