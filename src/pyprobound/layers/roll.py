"""Aligning rows of different lengths at their left or right ends or their middles."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from ..alphabets import Alphabet
from .layer import EmptyLayerSpec, SpecLayer
from .lengths import LengthMode

Direction = Literal["left", "center", "right"]
Side = Literal["left", "right"]


class RollSpec(EmptyLayerSpec):
    """Where the letters of a row are put within the stored positions.

    Args:
        alphabet: The letters.
        direction: ``left`` or ``right`` for rows that start or end together,
            ``center`` for rows with a common middle.
        max_length: The number of positions that are kept: the first ones for the
            direction ``left``, the last ones for ``right``. All by default.
        include_n: Whether wildcards at the end of a row are moved like missing
            positions.
        name: A name for messages, legends and reports.
        input_side: The side at which the rows of the input lie; the missing positions
            are at the other one. Tables give rows that lie ``left``. So a roll to the
            ``left`` moves nothing, unless it is told that its input lies ``right``.

    Attributes:
        alphabet: See above.
        direction: See above.
        include_n: See above.
        input_side: See above.

    Raises:
        ValueError: The options do not agree.
    """

    alphabet: Alphabet

    def __init__(
        self,
        alphabet: Alphabet,
        direction: Direction,
        max_length: int | None = None,
        include_n: bool = False,
        name: str = "",
        *,
        input_side: Side = "left",
    ) -> None:
        _check_options(direction, max_length, input_side)
        n_letters = len(alphabet.alphabet)
        super().__init__(out_channels=n_letters, in_channels=n_letters, name=name)
        self.alphabet = alphabet
        self.direction: Direction = direction
        self._max_length = None if max_length is None else int(max_length)
        self.include_n = bool(include_n)
        self.input_side: Side = input_side

    @property
    def max_length(self) -> int | None:
        """The number of positions that are kept; None for all."""
        return self._max_length

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of positions behind the roll, see ``LengthManager.out_len``.

        With a ``max_length`` that many are stored, whatever the input: a shorter one
        is filled up with missing positions.
        """
        limit = self.max_length
        if limit is None:
            return length
        if isinstance(length, Tensor):
            kept = length.clamp(max=limit)
            return torch.full_like(length, limit) if mode == "shape" else kept
        return limit if mode == "shape" else min(length, limit)

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The positions that feed some outputs, see ``LengthManager.in_len``."""
        limit = self.max_length
        if limit is None:
            return length
        if mode == "max":
            return None
        return (
            length.clamp(max=limit)
            if isinstance(length, Tensor)
            else min(length, limit)
        )


class Roll(SpecLayer[RollSpec]):
    """Moves the letters of each row to one side, or to the middle.

    The missing positions at the end of a row move to its other end; those within a
    row, and zero codes, count as letters. Sequences of codes and of values are moved
    alike.

    Args:
        layer_spec: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
    """

    def forward(self, seqs: Tensor) -> Tensor:
        """Moves rows.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, letters,
                length).

        Returns:
            The same kind of tensor, with ``max_length`` positions if there is one.
        """
        spec = self.layer_spec
        outer = seqs[..., -1:] if spec.input_side == "left" else seqs[..., :1]
        # Most tables have reads of one length, whose rows need not be copied.
        if spec.direction != spec.input_side and bool(self._movable(outer).any()):
            seqs = _rolled(seqs, self._shifts(seqs))
        if spec.max_length is None:
            return seqs
        return self._with_length(seqs, spec.max_length)

    def _shifts(self, seqs: Tensor) -> Tensor:
        """How far each row moves to the right, of shape (rows,)."""
        spec = self.layer_spec
        movable = self._movable(seqs)
        if spec.input_side == "left":
            movable = movable.flip(1)
        free = movable.long().cumprod(dim=1).sum(dim=1)
        if spec.direction == "center":
            # The rounding leaves the same half on the left whichever way a row comes.
            free = free // 2 if spec.input_side == "left" else (free + 1) // 2
        return free if spec.input_side == "left" else -free

    def _movable(self, seqs: Tensor) -> Tensor:
        """Which positions hold no letter, of shape (rows, length)."""
        alphabet = self.layer_spec.alphabet
        if seqs.ndim == 2:
            result = seqs == alphabet.neginf_pad
            wildcard = seqs == alphabet.wildcard_pad
        else:
            result = ~seqs.isfinite().all(dim=1)
            share = seqs.new_tensor(1 / self.in_channels)
            wildcard = (seqs == share).all(dim=1)
        return result | wildcard if self.layer_spec.include_n else result

    def _with_length(self, seqs: Tensor, length: int) -> Tensor:
        """Keeps the positions of one side, or adds missing ones at the other."""
        missing = self.layer_spec.alphabet.neginf_pad if seqs.ndim == 2 else -torch.inf
        added = length - seqs.shape[-1]
        sides = (added, 0) if self.layer_spec.direction == "right" else (0, added)
        return F.pad(seqs, sides, value=missing)


def _rolled(seqs: Tensor, shifts: Tensor) -> Tensor:
    """Moves each row to the right, with what leaves it coming back on the left."""
    length = seqs.shape[-1]
    places = torch.arange(length, device=seqs.device) - shifts.unsqueeze(1)
    places = places.remainder(length)
    if seqs.ndim == 3:
        places = places.unsqueeze(1).expand(seqs.shape)
    return seqs.gather(-1, places)


def _check_options(direction: str, max_length: int | None, input_side: str) -> None:
    """Raises ValueError where the options of a roll do not agree."""
    if direction not in ("left", "center", "right"):
        raise ValueError(
            f"direction must be 'left', 'center' or 'right', not {direction!r}"
        )
    if input_side not in ("left", "right"):
        raise ValueError(f"input_side must be 'left' or 'right', not {input_side!r}")
    if max_length is None:
        return
    if direction == "center":
        raise ValueError(
            "max_length needs the direction 'left' or 'right', since rows with a"
            " common middle are not cut at one end"
        )
    if max_length < 1:
        raise ValueError(f"max_length must be positive, not {max_length}")
