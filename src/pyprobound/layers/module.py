"""Scoring whole sequences with any module of PyTorch."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..alphabets import Alphabet
from .layer import LayerSpec, SpecLayer
from .lengths import LengthMode


class ModuleSpec(LayerSpec):
    """A module that scores embedded sequences.

    Args:
        alphabet: The letters.
        module: Takes values of shape (rows, letters, length) and returns one log
            affinity for each row, in RT, of shape (rows, 1, 1). It gets 1 at the
            letter of a position, 1/m at each of the m letters of a degenerate code,
            and minus infinity where a row shorter than others has no letter; a table
            with ``wildcard_pad`` has no such positions.
        name: A name for messages, legends and reports.

    Attributes:
        alphabet: The letters.
        module: The module.
    """

    alphabet: Alphabet

    def __init__(
        self, alphabet: Alphabet, module: torch.nn.Module, name: str = ""
    ) -> None:
        super().__init__(out_channels=1, in_channels=len(alphabet.alphabet), name=name)
        self.alphabet = alphabet
        self.module = module

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """There is one output, whatever the length."""
        del mode
        return torch.ones_like(length) if isinstance(length, Tensor) else 1

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """At least one position feeds the output, and there is no limit."""
        if mode == "max":
            return None
        return torch.ones_like(length) if isinstance(length, Tensor) else 1

    def unfreeze(self, parameter: str = "all") -> None:
        """Makes all parameters of the module trainable.

        Args:
            parameter: ``all``; any other word changes nothing.
        """
        if parameter == "all":
            for value in self.module.parameters():
                if value.is_floating_point() or value.is_complex():
                    value.requires_grad_(True)


class ModuleLayer(SpecLayer[ModuleSpec]):
    """Scores sequences with a module.

    The module has no optimisation step of its own: sequential training trains it in
    the last step, which makes all parameters trainable.

    Args:
        layer_spec: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
    """

    def max_embedding_size(self) -> int:
        """The most bytes that one embedded sequence takes, see ``Component``."""
        return 4 * self.in_channels * self.max_input_length

    def forward(self, seqs: Tensor) -> Tensor:
        """Scores rows.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, letters,
                length).

        Returns:
            Scores of shape (rows, 1, 1), in units of RT.

        Raises:
            ValueError: The module returns another shape.
        """
        dtype = self._dtype()
        if seqs.ndim == 2:
            seqs = self.layer_spec.alphabet.embed(seqs, dtype or torch.float32)
        elif dtype is not None:
            seqs = seqs.to(dtype)
        scores: Tensor = self.layer_spec.module(seqs)
        if scores.shape != (len(seqs), 1, 1):
            raise ValueError(
                f"The module of {self.describe()} must return one score for each row,"
                f" of shape {(len(seqs), 1, 1)}, not {tuple(scores.shape)}; reshape its"
                " result, for instance with scores.view(-1, 1, 1)"
            )
        return scores

    def _dtype(self) -> torch.dtype | None:
        """The floating point type of the module; None if it has no parameters."""
        for value in self.layer_spec.module.parameters():
            if value.is_floating_point():
                return value.dtype
        return None
