"""Adding wildcards to the ends of rows, or cutting letters off."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from ..alphabets import Alphabet
from ..table import Table
from .layer import EmptyLayerSpec, Layer, SpecLayer
from .lengths import LengthMode
from .roll import Roll, RollSpec

Alignment = Literal["left", "1.5"]


class PadSpec(EmptyLayerSpec):
    """How many wildcards are added at each end.

    Args:
        alphabet: The letters.
        left: Positions added on the left; removed if negative.
        right: Positions added on the right; removed if negative.
        name: A name for messages, legends and reports.
    """

    alphabet: Alphabet

    def __init__(
        self, alphabet: Alphabet, left: int = 0, right: int = 0, name: str = ""
    ) -> None:
        n_letters = len(alphabet.alphabet)
        super().__init__(out_channels=n_letters, in_channels=n_letters, name=name)
        self.alphabet = alphabet
        self._left = int(left)
        self._right = int(right)

    @property
    def left(self) -> int:
        """Positions added on the left; removed if negative."""
        return self._left

    @property
    def right(self) -> int:
        """Positions added on the right; removed if negative."""
        return self._right

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of positions with those added, see ``LengthManager.out_len``."""
        del mode
        return length + self.left + self.right

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The number of positions before, see ``LengthManager.in_len``."""
        del mode
        return length - self.left - self.right


class Pad(SpecLayer[PadSpec]):
    """Adds wildcards at the ends of the stored positions, or removes positions.

    The right end is that of the stored positions: in a row shorter than others, what
    is added comes behind its missing positions. ``get_padding_layers`` builds layers
    that add to the letters of each row.

    Args:
        layer_spec: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
    """

    def forward(self, seqs: Tensor) -> Tensor:
        """Adds or removes positions.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, letters,
                length).

        Returns:
            The same kind of tensor. An added position holds the wildcard code, or
            the value 1 / letters for each letter.
        """
        spec = self.layer_spec
        filler = spec.alphabet.wildcard_pad if seqs.ndim == 2 else 1 / self.in_channels
        return F.pad(seqs, (spec.left, spec.right), value=filler)


def get_padding_layers(
    alphabet: Alphabet,
    prev: Table[Any] | Layer,
    left: int = 0,
    right: int = 0,
    *,
    align: Alignment = "1.5",
) -> list[Layer]:
    """The layers that add wildcards to both ends of the letters of each row.

    Args:
        alphabet: The letters.
        prev: What the layers follow.
        left: Positions added on the left; removed if negative.
        right: Positions added on the right; removed if negative.
        align: How rows of different lengths lie behind the layers if ``right`` is not
            zero: ``left`` as before, so that windows keep their numbers, which
            position biases and cooperativity with other modes need; or at the right
            end of the stored positions, as in PyProBound ``1.5``. The two are the same
            if all rows have one length.

    Returns:
        No layer if both numbers are zero; a ``Pad`` for the left end; and for the
        right end a ``Roll`` to the right, a ``Pad`` and a ``Roll`` to the left.

    Raises:
        ValueError: The alignment is unknown, or letters are removed and the shortest
            row has none left.
    """
    if align not in ("left", "1.5"):
        raise ValueError(f"align must be 'left' or '1.5', not {align!r}")
    specs: list[PadSpec | RollSpec] = []
    if left:
        specs.append(PadSpec(alphabet, left=left))
    if right:
        side: Literal["left", "right"] = "right" if align == "left" else "left"
        specs += [
            RollSpec(alphabet, "right"),
            PadSpec(alphabet, right=right),
            RollSpec(alphabet, "left", input_side=side),
        ]
    layers: list[Layer] = []
    for spec in specs:
        before = layers[-1] if layers else prev
        layer = (
            Pad.from_spec(spec, before)
            if isinstance(spec, PadSpec)
            else Roll.from_spec(spec, before)
        )
        layer.check_length_consistency()
        layers.append(layer)
    return layers
