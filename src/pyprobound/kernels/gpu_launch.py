"""Ready-made arguments for the code on NVIDIA GPUs, and the start of that code.

Everything here depends on the shapes of the arguments alone and runs on the device, so
that the host does not wait for it. The one exception, a check of the codes, is made
once for each tensor of codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import triton
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from .arguments import (
    MISSING,
    SPECIAL_CODES,
    check_length_index,
    invalid_code,
)
from .ops import Arguments

_LOADED_INTERPRETED = bool(triton.knobs.runtime.interpret)

_LANES = 512
"""Windows that a program handles at once."""
_MOST_WINDOWS = 32
_MOST_CHANNELS = 4
_MOST_PROGRAMS = 1024
_LEAST_PROGRAMS = 16
_MOST_BUFFER_VALUES = 1 << 23
"""Bounds the values of the buffers of all programs together."""
_MOST_MATCHES = 4096
"""Lanes times entries times channels that a histogram handles at once."""
_CHECKED_LETTERS = 1 << 26


def interpreted() -> bool:
    """Whether Triton's interpreter runs the code, on any device, instead of a GPU."""
    return _LOADED_INTERPRETED and bool(triton.knobs.runtime.interpret)


def power_above(number: int) -> int:
    """The least power of 2 that is not below a number."""
    return 1 << max(0, number - 1).bit_length()


def ceil_divide(number: int, by: int) -> int:
    """A quotient, rounded up."""
    return -(-number // by)


def programs_for(tiles: int, values: int) -> int:
    """Number of programs with buffers of their own.

    It does not depend on the device, and so neither does the order of additions.

    Args:
        tiles: Number of tiles, which the programs share.
        values: Values of a buffer.
    """
    most = min(_MOST_PROGRAMS, _MOST_BUFFER_VALUES // max(1, values))
    return max(1, min(tiles, max(_LEAST_PROGRAMS, most)))


def start(
    kernel: Any, programs: int, device: torch.device, *arguments: Any, **constants: Any
) -> None:
    """Starts a kernel on a device, which need not be the current one."""
    guard: AbstractContextManager[Any] = nullcontext()
    if device.type == "cuda":
        guard = torch.cuda.device(device)
    with guard:
        kernel[(programs,)](*arguments, **constants)


@dataclass(frozen=True)
class Blocks:
    """How much a program handles at once: powers of 2.

    Attributes:
        rows: Rows of a tile.
        windows: Windows of a tile.
        channels: Channels.
        letters: Entries of a histogram by letters.
        pairs: Entries of a histogram by pairs of letters.
    """

    rows: int
    windows: int
    channels: int
    letters: int
    pairs: int

    def scoring(self) -> dict[str, int]:
        """The constants of kernels that score."""
        return {"ROWS": self.rows, "WINDOWS": self.windows, "CHANNELS": self.channels}

    def counting(self) -> dict[str, int]:
        """The constants of kernels that add up gradients."""
        return self.scoring() | {"LETTERS": self.letters, "PAIRS": self.pairs}


def window_block(windows: int) -> int:
    """Windows of a tile: as few idle lanes as possible, then as many windows."""
    sizes = [size for size in (8, 16, _MOST_WINDOWS) if size < 2 * windows] or [
        power_above(windows)
    ]
    return min(sizes, key=lambda size: (ceil_divide(windows, size) * size, -size))


def blocks_for(
    windows: int, channels: int, letters: int, pairs: bool, gradient: bool
) -> Blocks:
    """Sizes of blocks for a problem."""
    window_lanes = window_block(windows)
    channel_lanes = min(power_above(channels), _MOST_CHANNELS)
    letter_entries = min(32, power_above(letters + 1))
    pair_entries = min(32, power_above((letters + 1) ** 2)) if pairs else 1
    lanes = _LANES
    if gradient:
        entries = max(letter_entries, pair_entries) * channel_lanes
        lanes = min(lanes, max(window_lanes, _MOST_MATCHES // entries))
    return Blocks(
        rows=max(1, lanes // window_lanes),
        windows=window_lanes,
        channels=channel_lanes,
        letters=letter_entries,
        pairs=pair_entries,
    )


# --- codes ----------------------------------------------------------------------


@dataclass
class _Facts:
    """What is known about the codes of some rows."""

    version: int
    letters: int
    least: int
    greatest: int
    lengths: Tensor | None = None
    longest: int = 0


_known: Any = WeakIdKeyDictionary()


def _capturing(device: torch.device) -> bool:
    """Whether work is recorded for later, so that no result can be looked at."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _row_lengths(codes: Tensor, letters: int) -> Tensor:
    """Numbers of positions that are not missing, without a large tensor at any time."""
    step = max(1, _CHECKED_LETTERS // max(1, codes.shape[1]))
    parts = [
        (part != letters + MISSING).sum(1, dtype=torch.int32)
        for part in torch.split(codes, step)
    ]
    return torch.cat(parts)


def _facts(codes: Tensor, letters: int) -> _Facts:
    """What there is to know about codes, looked up once for each tensor."""
    found: _Facts | None = _known.get(codes)
    version = 0 if codes.is_inference() else codes._version
    if found is None or (found.version, found.letters) != (version, letters):
        least, greatest = (int(bound) for bound in codes.aminmax())
        found = _Facts(version, letters, least, greatest)
        if not codes.is_inference():
            _known[codes] = found
    return found


def check_codes(codes: Tensor, letters: int) -> None:
    """Raises a ValueError if there is a code that does not exist."""
    if codes.numel() == 0 or _capturing(codes.device):
        return
    found = _facts(codes, letters)
    if found.least < 0 or found.greatest >= letters + SPECIAL_CODES:
        raise invalid_code(letters)


def lengths_of(codes: Tensor, letters: int, known: int) -> Tensor:
    """Entries of the position bias that belong to the rows.

    Args:
        codes: The codes, (N, L).
        letters: Number of letters.
        known: Number of lengths that the position bias has entries for.

    Raises:
        IndexError: If a row is longer.
    """
    if codes.numel() == 0 or _capturing(codes.device):
        return _row_lengths(codes, letters).clamp(max=known - 1)
    facts = _facts(codes, letters)
    if facts.lengths is None:
        facts.lengths = _row_lengths(codes, letters)
        facts.longest = int(facts.lengths.max())
    check_length_index(facts.longest, known)
    return facts.lengths


# --- tables ---------------------------------------------------------------------


def _letter_table(filters: Tensor, padded: int) -> Tensor:
    """Scores of the symbols of single letters, (k, n + 2, padded)."""
    channels, letters, size = filters.shape
    table = filters.new_zeros(size, letters + 2, padded)
    table[:, :letters, :channels] = filters.permute(2, 1, 0)
    table[:, letters, :channels] = filters.mean(1).t()
    return table


def _pair_table(filters: Tensor, padded: int) -> Tensor:
    """Scores of the symbols of letter pairs, (k - d, n + 2, n + 2, padded)."""
    channels, letters, _, size = filters.shape
    table = filters.new_zeros(size, letters + 2, letters + 2, padded)
    ordered = filters.permute(3, 1, 2, 0)
    table[:, :letters, :letters, :channels] = ordered
    by_first, by_second = ordered.mean(2), ordered.mean(1)
    table[:, :letters, letters, :channels] = by_first
    table[:, letters, :letters, :channels] = by_second
    table[:, letters, letters, :channels] = by_first.mean(1)
    return table


@lru_cache(maxsize=256)
def _pair_places(distances: tuple[int, ...], size: int, device: torch.device) -> Tensor:
    """First and second positions of all pairs, (pairs, 2)."""
    places = [(i, i + d) for d in distances for i in range(size - d)]
    return torch.tensor(places or [(0, 0)], dtype=torch.int32, device=device)


def _constants(arguments: Arguments) -> Tensor | None:
    """Bias and position bias together, (G, C or 1, W or 1)."""
    bias, posbias = arguments.bias, arguments.posbias
    if bias is not None:
        bias = bias.reshape(1, -1, 1)
    if posbias is None:
        return bias
    return posbias if bias is None else bias + posbias


@dataclass(frozen=True)
class Problem:
    """Arguments of the scoring kernels on a device.

    Attributes:
        arguments: What the operator was given.
        windows: Number of windows.
        lengths: Number of lengths the position bias distinguishes.
        hill: The Hill coefficient, one value on the device.
        scoring: Arguments that all scoring kernels begin with.
        flags: Their constants besides the sizes of blocks.
    """

    arguments: Arguments
    windows: int
    lengths: int
    hill: Tensor
    scoring: tuple[Any, ...]
    flags: dict[str, bool]

    @property
    def pairs(self) -> int:
        """Number of pairs of positions."""
        size = self.arguments.monomer.shape[2]
        return sum(size - distance for distance in self.arguments.distances)

    def blocks(self, gradient: bool = False) -> Blocks:
        """Sizes of blocks."""
        channels, letters, _ = self.arguments.monomer.shape
        return blocks_for(self.windows, channels, letters, self.pairs > 0, gradient)


def padded_channels(channels: int) -> int:
    """Number of channels of tables: blocks of channels are never cut."""
    block = min(power_above(channels), _MOST_CHANNELS)
    return ceil_divide(channels, block) * block


def make_problem(arguments: Arguments, windows: int) -> Problem:
    """Prepares the checked arguments of an operator.

    Raises:
        ValueError: If a code does not exist.
        IndexError: If a row has more letters than the position bias has entries.
    """
    codes, monomer = arguments.codes, arguments.monomer.detach()
    channels, letters, size = monomer.shape
    check_codes(codes, letters)
    padded = padded_channels(channels)
    table = _letter_table(monomer, padded)
    pair_tables = [
        _pair_table(filters.detach(), padded) for _, filters in arguments.pairs()
    ]
    pair_table = torch.cat(pair_tables) if pair_tables else table
    constants = _constants(arguments)
    posbias = arguments.posbias
    lengths = 1 if posbias is None else len(posbias)
    strides = [0, 0, 0]
    if constants is not None:
        constants = constants.detach().to(monomer.dtype)
        strides = [
            stride if extent > 1 else 0
            for stride, extent in zip(constants.stride(), constants.shape, strict=True)
        ]
    hill = monomer.new_ones(())
    if arguments.log_hill is not None:
        hill = arguments.log_hill.detach().reshape(()).to(monomer.dtype).exp()
    contiguous = codes.contiguous()
    scoring = (
        contiguous,
        lengths_of(codes, letters, lengths) if lengths > 1 else contiguous,
        len(codes),
        codes.shape[1],
        windows,
        table,
        pair_table,
        _pair_places(tuple(arguments.distances), size, codes.device),
        table if constants is None else constants,
        *strides,
        letters,
        size,
        arguments.dilation,
        sum(size - distance for distance in arguments.distances),
        channels,
        padded,
    )
    flags = {"CONSTANTS": constants is not None, "BY_LENGTH": lengths > 1}
    return Problem(arguments, windows, lengths, hill, scoring, flags)


# --- gradients ------------------------------------------------------------------


def fold_letters(sums: Tensor, axis: int) -> Tensor:
    """Shares out the wildcard, the last entry of a letter axis, to the letters."""
    letters = sums.shape[axis] - 1
    return sums.narrow(axis, 0, letters) + sums.narrow(axis, letters, 1) / letters


def split_gradients(
    problem: Problem, sums: Tensor, padded: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """The parts of the kernel's sums, (values,), in the shapes of the parameters.

    Returns:
        Gradients by the filters of letters (C, n, k), of pairs (C, n, n, k - d), and
        by the constants (G, C, W).
    """
    arguments = problem.arguments
    channels, letters, size = arguments.monomer.shape
    shapes: list[tuple[int, ...]] = [(size, letters + 1, padded)]
    shapes += [
        (size - d, letters + 1, letters + 1, padded) for d in arguments.distances
    ]
    shapes.append((problem.lengths, problem.windows, padded))
    split = torch.split(sums, [math.prod(shape) for shape in shapes])
    first, *pairs, constants = (
        part.view(shape)[..., :channels]
        for part, shape in zip(split, shapes, strict=True)
    )
    by_letters = fold_letters(first, 1).permute(2, 1, 0)
    by_pairs = [
        fold_letters(fold_letters(part, 1), 2).permute(3, 1, 2, 0) for part in pairs
    ]
    return by_letters, by_pairs, constants.permute(0, 2, 1)


def sum_to(gradient: Tensor, shape: Sequence[int]) -> Tensor:
    """Sums a gradient over the axes along which a parameter was repeated."""
    for axis, extent in enumerate(shape):
        if extent == 1 and gradient.shape[axis] > 1:
            gradient = gradient.sum(axis, keepdim=True)
    return gradient
