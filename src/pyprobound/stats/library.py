"""The random molecules of a simulated experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..alphabets import Alphabet
from ..experiment import Experiment
from ..layers import LayerSpec
from ..mode import Mode

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.signedinteger]

_ROWS_PER_BLOCK = 1 << 16
# The streams of random numbers of a block: its letters, then its counts. They differ so
# that a block can be made again when its counts are drawn.
_LETTERS, _COUNTS = 0, 1


@dataclass(frozen=True)
class Library:
    """Random molecules between flanks, block by block.

    Attributes:
        alphabet: The letters.
        length: The number of random letters.
        size: The number of molecules.
        left: The codes before them.
        right: The codes behind them, and the padding behind these.
        shares: The cumulative frequency of the letters, None if they are equal.
        seed: From it follows everything random.
    """

    alphabet: Alphabet
    length: int
    size: int
    left: CodeArray
    right: CodeArray
    shares: FloatArray | None
    seed: int

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        *,
        length: int | None,
        size: int,
        flanks: tuple[str, str],
        composition: Sequence[float] | None,
        seed: int,
    ) -> Library:
        """Checks the arguments of ``simulate``."""
        if size < 1:
            raise ValueError(f"library_size must be at least 1, not {size}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, but is {seed}")
        alphabet = _alphabet(experiment)
        left, right = (alphabet.translate(flank).numpy() for flank in flanks)
        constant = len(left) + len(right)
        if length is None:
            length = _length_of(experiment) - constant
        if length < 1:
            raise ValueError(
                f"length must be at least 1, not {length}"
                + (f", beside flanks of {constant} letters" if constant else "")
            )
        padding = _padding(experiment, length + constant)
        pad = np.full(padding, alphabet.neginf_pad, dtype=right.dtype)
        return cls(
            alphabet,
            length,
            size,
            left,
            np.concatenate([right, pad]),
            _shares(composition, len(alphabet.alphabet)),
            seed,
        )

    @property
    def n_blocks(self) -> int:
        """The number of blocks."""
        return -(-self.size // _ROWS_PER_BLOCK)

    def count_generator(self, block: int) -> np.random.Generator:
        """Random numbers for the counts of a block; of ``n_blocks``, for all blocks."""
        return self._generator(block, _COUNTS)

    def _generator(self, block: int, stream: int) -> np.random.Generator:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(block, stream))
        return np.random.default_rng(sequence)

    def random_codes(self, block: int) -> CodeArray:
        """The random letters of a block, of shape (molecules, length)."""
        rows = min(_ROWS_PER_BLOCK, self.size - block * _ROWS_PER_BLOCK)
        shape = (rows, self.length)
        generator = self._generator(block, _LETTERS)
        n_letters = len(self.alphabet.alphabet)
        if self.shares is None:
            return generator.integers(0, n_letters, shape, dtype=self.left.dtype)
        # The last letter also takes what rounding leaves above the last sum.
        drawn = np.searchsorted(self.shares[:-1], generator.random(shape), "right")
        return drawn.astype(self.left.dtype)

    def with_flanks(self, codes: CodeArray) -> Tensor:
        """Whole molecules, as the model scores them."""
        whole = np.empty(
            (len(codes), len(self.left) + self.length + len(self.right)), codes.dtype
        )
        whole[:, : len(self.left)] = self.left
        whole[:, len(self.left) : len(self.left) + self.length] = codes
        whole[:, len(self.left) + self.length :] = self.right
        return torch.from_numpy(whole)

    def texts(self, codes: CodeArray) -> list[str]:
        """The letters of some codes."""
        letters = np.array(self.alphabet.alphabet)[codes]
        width = self.length * letters.dtype.itemsize // 4
        texts: list[str] = letters.view(f"U{width}")[:, 0].tolist()
        return texts


def _alphabet(experiment: Experiment) -> Alphabet:
    for part in experiment.modules():
        if isinstance(part, LayerSpec) and part.alphabet is not None:
            return part.alphabet
    raise ValueError("The model has no alphabet, so no letters can be drawn")


def _modes(experiment: Experiment) -> list[Mode]:
    return [part for part in experiment.modules() if isinstance(part, Mode)]


def _length_of(experiment: Experiment) -> int:
    return max(mode.max_input_length for mode in _modes(experiment))


def _padding(experiment: Experiment, total: int) -> int:
    """How many positions are missing from molecules of some length.

    Raises:
        ValueError: The model cannot score such molecules.
    """
    modes = _modes(experiment)
    short = [mode for mode in modes if mode.out_len(total, "min") < 1]
    if short:
        raise ValueError(f"Molecules of {total} letters are too short for {short[0]}")
    # What depends on positions only fits the lengths it was made for.
    is_bound_to_length = any(
        ("log_posbias" in name or "log_spacing" in name)
        and (parameter.requires_grad or bool(parameter.any()))
        for name, parameter in experiment.named_parameters()
    )
    if not is_bound_to_length:
        return 0
    low = max(mode.min_input_length for mode in modes)
    high = min(mode.max_input_length for mode in modes)
    if not low <= total <= high:
        known = str(low) if low == high else f"{low} to {high}"
        raise ValueError(
            f"The model has position biases for molecules of {known} letters, flanks"
            f" included, so those of {total} cannot be simulated"
        )
    return max(mode.input_shape for mode in modes) - total


def _shares(composition: Sequence[float] | None, n_letters: int) -> FloatArray | None:
    if composition is None:
        return None
    shares = np.asarray(composition, dtype=np.float64)
    if shares.shape != (n_letters,):
        raise ValueError(
            f"composition must have {n_letters} frequencies, one for each letter, not"
            f" {shares.size}"
        )
    total = shares.sum()
    if not np.isfinite(total) or (shares < 0).any() or total <= 0:
        raise ValueError(
            f"composition must hold frequencies, not all zero, not {list(composition)}"
        )
    cumulative: FloatArray = np.cumsum(shares / total)
    return cumulative
