"""How the lengths of sequences pass through layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, overload

from torch import Tensor

LengthMode = Literal["shape", "min", "max"]


@dataclass(frozen=True)
class Lengths:
    """The lengths of an input, which travel together through all layers.

    Attributes:
        shape: The number of positions that are stored for each row.
        minimum: The least number of positions of a row that are not missing.
        maximum: The greatest number of positions of a row that are not missing.
    """

    shape: int
    minimum: int
    maximum: int

    def check(self) -> None:
        """Checks that the lengths are possible.

        Raises:
            RuntimeError: Unless ``1 <= minimum <= maximum``.
        """
        if not 1 <= self.minimum <= self.maximum:
            raise RuntimeError(
                "Expected 1 <= minimum input length <= maximum input length, found"
                f" a minimum of {self.minimum} and a maximum of {self.maximum}"
            )


@dataclass(frozen=True)
class LengthChange:
    """A change of the lengths of an input.

    Attributes:
        left: Positions added on the left of every row (removed if negative).
        right: Positions added on the right of every row.
        minimum: Change of the least length, beyond that of the stored shape.
        maximum: Change of the greatest length, beyond that of the stored shape.
    """

    left: int = 0
    right: int = 0
    minimum: int = 0
    maximum: int = 0

    def apply(
        self,
        lengths: Lengths,
        new_minimum: int | None = None,
        new_maximum: int | None = None,
    ) -> Lengths:
        """The lengths after the change.

        Args:
            lengths: The lengths before.
            new_minimum: The new least length, if the layers before this one make it
                differ from the old one plus the changes.
            new_maximum: The new greatest length, likewise.

        Raises:
            ValueError: The range of lengths would not change as announced.
        """
        added = self.left + self.right
        result = Lengths(
            lengths.shape + added,
            lengths.minimum + self.minimum + added
            if new_minimum is None
            else new_minimum,
            lengths.maximum + self.maximum + added
            if new_maximum is None
            else new_maximum,
        )
        span = lengths.maximum + self.maximum - (lengths.minimum + self.minimum)
        if result.maximum - result.minimum != span:
            raise ValueError(
                f"New lengths of {result.minimum} to {result.maximum} do not agree"
                f" with the announced change: the range of lengths should be {span}"
            )
        return result


class LengthManager(Protocol):
    """Knows how many positions come out of a number of positions, and back."""

    @property
    def out_channels(self) -> int:
        """The number of output channels."""

    @property
    def in_channels(self) -> int:
        """The number of input channels."""

    @overload
    def out_len(self, length: int, mode: LengthMode = "shape") -> int: ...
    @overload
    def out_len(self, length: Tensor, mode: LengthMode = "shape") -> Tensor: ...
    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of output positions for a number of input positions.

        Args:
            length: The number of input positions, or an integer tensor of them.
            mode: ``shape`` for stored positions; ``min`` or ``max`` for the least or
                greatest number of outputs that are finite when ``length`` inputs are.
        """
        del mode
        return length

    @overload
    def in_len(
        self, length: int, mode: Literal["min", "max"] = "max"
    ) -> int | None: ...
    @overload
    def in_len(
        self, length: Tensor, mode: Literal["min", "max"] = "max"
    ) -> Tensor | None: ...
    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The receptive field: how many input positions feed some outputs.

        Args:
            length: The number of output positions, or an integer tensor of them.
            mode: The least (``min``) or greatest (``max``) number of inputs; None if
                there is no limit.
        """
        del mode
        return length

    def out_lengths(self, lengths: Lengths) -> Lengths:
        """The lengths of the output for those of the input."""
        return Lengths(
            self.out_len(lengths.shape, "shape"),
            self.out_len(lengths.minimum, "min"),
            self.out_len(lengths.maximum, "max"),
        )
