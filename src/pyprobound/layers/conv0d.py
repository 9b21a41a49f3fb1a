"""Non-specific binding, which depends on the length of a sequence alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from .. import facts
from ..alphabets import Alphabet
from ..base import BindingOptim, Call, Step
from ..table import Table
from . import jacobian
from .layer import Layer, LayerSpec, input_lengths_from
from .lengths import LengthChange, LengthMode, Lengths
from .windows import resized


class NonSpecific(LayerSpec):
    """Binding anywhere along a sequence, whatever its letters.

    Args:
        alphabet: The letters.
        ignore_length: Whether long sequences bind no better than short ones.
        name: A name for messages, legends and reports.
    """

    def __init__(
        self, alphabet: Alphabet, ignore_length: bool = False, name: str = ""
    ) -> None:
        super().__init__(out_channels=1, in_channels=len(alphabet.alphabet), name=name)
        self.alphabet: Alphabet = alphabet
        self.ignore_length = ignore_length

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """There is one output, whatever the length."""
        del mode
        return torch.ones_like(length) if isinstance(length, Tensor) else 1

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """At least one position feeds the output, and there is no limit."""
        if mode == "max":
            return None
        return torch.ones_like(length) if isinstance(length, Tensor) else 1


class Conv0d(Layer):
    r"""Scores non-specific binding: :math:`\log |S| + \omega(|S|)`.

    :math:`|S|` is the number of positions that are not missing, and the first term is
    absent with ``ignore_length``.

    Args:
        nonspecific: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
        train_posbias: Whether to train a bias for each length.

    Attributes:
        log_posbias: The bias of each length, of shape (lengths, 1, 1), in RT.
    """

    unfreezable = Literal["all", "posbias"]
    layer_spec: NonSpecific

    def __init__(
        self,
        nonspecific: NonSpecific,
        input_shape: int,
        min_input_length: int,
        max_input_length: int,
        train_posbias: bool = False,
    ) -> None:
        super().__init__(nonspecific, input_shape, min_input_length, max_input_length)
        self.train_posbias = train_posbias
        self.log_posbias = torch.nn.Parameter(
            torch.zeros(max_input_length - min_input_length + 1, 1, 1),
            requires_grad=train_posbias,
        )

    @classmethod
    def from_nonspecific(
        cls,
        nonspecific: NonSpecific,
        prev: Table[Any] | Layer,
        train_posbias: bool = False,
    ) -> Conv0d:
        """Creates the layer for the lengths of a table or of a layer.

        Args:
            nonspecific: The spec.
            prev: What the layer follows.
            train_posbias: Whether to train a bias for each length.
        """
        lengths = input_lengths_from(prev)
        return cls(
            nonspecific,
            lengths.shape,
            lengths.minimum,
            lengths.maximum,
            train_posbias=train_posbias,
        )

    def max_embedding_size(self) -> int:
        """The most bytes that one sequence takes, see ``Component``."""
        return 8 * self.max_input_length

    def check_length_consistency(self) -> None:
        """Checks the lengths, and that each has a bias.

        Raises:
            RuntimeError: The lengths are impossible or the bias has another shape.
        """
        super().check_length_consistency()
        expected = (self.max_input_length - self.min_input_length + 1, 1, 1)
        if self.log_posbias.shape != expected:
            raise RuntimeError(
                f"{self.describe()} expects a log_posbias of shape {expected}, found"
                f" {tuple(self.log_posbias.shape)}"
            )

    def unfreeze(self, parameter: Literal["all", "posbias"] = "all") -> None:
        """Makes the position bias trainable, if it is meant to be.

        Args:
            parameter: ``posbias`` or ``all``.

        Raises:
            ValueError: The layer has no such parameter.
        """
        if parameter in ("all", "posbias"):
            self.log_posbias.requires_grad_(self.train_posbias)
        if parameter != "posbias":
            super().unfreeze(parameter)

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds a step that trains the position bias, if it is meant to be trained."""
        if self.train_posbias:
            call = Call(self, "unfreeze", {"parameter": "posbias"})
            binding_optim.steps.append(Step([call]))
        return binding_optim

    def resize(self, change: LengthChange, lengths: Lengths) -> None:
        """Carries out a change of lengths: new lengths start with a bias of zero."""
        shift = (-change.minimum, change.maximum)
        self.log_posbias = torch.nn.Parameter(
            resized(self.log_posbias, lengths=shift), self.log_posbias.requires_grad
        )
        super().resize(change, lengths)

    def get_log_posbias(self) -> Tensor:
        """The bias by length, of shape (max_input_length + 1, 1, 1)."""
        padding = (0, 0, 0, 0, self.min_input_length, 0)
        return torch.nn.functional.pad(self.log_posbias, padding)

    def window_jacobian(
        self, seqs: Tensor, weights: Tensor, parameters: Sequence[Tensor]
    ) -> Tensor | None:
        """Derivatives for single rows, see ``Layer.window_jacobian``."""
        return jacobian.posbias_jacobian(
            weights, self.lengths(seqs), self.get_log_posbias(), parameters
        )

    def forward(self, seqs: Tensor) -> Tensor:
        """Scores rows.

        Args:
            seqs: Codes of shape (rows, length) or values of shape (rows, letters,
                length).

        Returns:
            Scores of shape (rows, 1, 1), in units of RT.
        """
        if seqs.ndim == 2:
            missing = self.layer_spec.alphabet.neginf_pad
            lengths = facts.row_lengths(seqs, missing)
        else:
            lengths = self.lengths(seqs)
        if self.layer_spec.ignore_length:
            score = torch.zeros_like(lengths, dtype=self.log_posbias.dtype)
        else:
            score = lengths.to(self.log_posbias.dtype).log()
        score = score.view(-1, 1, 1)
        if self.train_posbias or bool(self.log_posbias.any()):
            score = score + self.get_log_posbias()[lengths]
        return score
