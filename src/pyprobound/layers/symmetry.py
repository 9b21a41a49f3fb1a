"""Which entries of a motif share a parameter.

The symmetry of a motif is a list of position ids. Positions with the same id share
their parameters, and a negative id reads them complemented (letter ``a`` becomes
``n - 1 - a``). This module turns ids into *parameter classes*, the tensors that are
stored, and into *filter plans*, which say where in the classes each entry of a
filter is found. It knows integers only.

For pairs of positions two layouts exist. ``exact`` ties two pairs if they are at the
same distance and have the same two ids, in the same order, or if one is the reverse
complement of the other; a pair of a position with its own complement is tied to
itself. ``1.5`` is the layout of PyProBound 1.5, which ties all pairs of the same two
ids whatever their distance and order, and complements the other letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

PairSymmetry = Literal["exact", "1.5"]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ParameterClass:
    """A tensor of parameters that several places of a motif may share.

    Attributes:
        key: The name of the class: ``"3"`` for the letters of id 3, ``"1:2@1"`` for
            the pairs of ids 1 and 2 at distance 1 (``"1:2"`` in the layout 1.5).
        ids: The one or two position ids, without sign.
        shape: The shape of the values of one channel.
        scalar_index: For each value, its number in the naming of PyProBound 1.5.
    """

    key: str
    ids: tuple[int, ...]
    shape: tuple[int, ...]
    scalar_index: IntArray

    @property
    def size(self) -> int:
        """The number of values of one channel."""
        return len(self.scalar_index)

    @property
    def is_pair(self) -> bool:
        """Whether the values belong to pairs of letters."""
        return len(self.ids) > 1

    def scalar_names(self, channels: int, letters: int) -> list[str]:
        """The names of all values in the layout 1.5, channel after channel."""
        prefix = "-".join(str(i) for i in sorted(self.ids))
        block: int = letters ** len(self.ids)
        return [
            f"{prefix}-{channel * block + index}"
            for channel in range(channels)
            for index in self.scalar_index.tolist()
        ]


@dataclass(frozen=True, eq=False)
class FilterPlan:
    """How a filter is read from its parameter classes.

    Attributes:
        classes: The classes, in the order in which their values are concatenated.
        index: For each entry of the filter of one channel, of shape (letters,
            positions) or (letters, letters, positions), its place among the values.
    """

    classes: tuple[ParameterClass, ...]
    index: IntArray


@lru_cache(maxsize=256)
def monomer_plan(symmetry: tuple[int, ...], letters: int) -> FilterPlan:
    """The plan of the single letters.

    Args:
        symmetry: The id of each position.
        letters: The number of letters of the alphabet.
    """
    ids = list(dict.fromkeys(abs(i) for i in symmetry))
    numbers = np.arange(letters)
    classes = tuple(ParameterClass(str(i), (i,), (letters,), numbers) for i in ids)
    columns = [
        ids.index(abs(i)) * letters + (numbers if i > 0 else numbers[::-1])
        for i in symmetry
    ]
    return FilterPlan(classes, np.stack(columns, axis=-1))


@lru_cache(maxsize=1024)
def pair_plan(
    symmetry: tuple[int, ...], distance: int, letters: int, layout: PairSymmetry
) -> FilterPlan:
    """The plan of the pairs of letters at one distance.

    Args:
        symmetry: The id of each position.
        distance: The distance between the two positions, at least 1.
        letters: The number of letters of the alphabet.
        layout: How pairs are tied, see the module.
    """
    read = _exact_pair if layout == "exact" else _legacy_pair
    classes: dict[str, ParameterClass] = {}
    offsets: dict[str, int] = {}
    blocks = []
    end = 0
    for first, second in zip(symmetry, symmetry[distance:], strict=False):
        parameters, index = read(first, second, distance, letters)
        if parameters.key not in classes:
            classes[parameters.key] = parameters
            offsets[parameters.key] = end
            end += parameters.size
        blocks.append(index + offsets[parameters.key])
    return FilterPlan(tuple(classes.values()), np.stack(blocks, axis=-1))


def has_plain_pairs(symmetry: Sequence[int]) -> bool:
    """Whether both layouts of pairs tie the same ones: distinct positive ids."""
    return all(i > 0 for i in symmetry) and len(set(symmetry)) == len(symmetry)


def _letter_grid(letters: int) -> tuple[IntArray, IntArray]:
    """The first and the second letter of each pair, of shape (letters, letters)."""
    first, second = np.indices((letters, letters))
    return first, second


def _exact_pair(
    first: int, second: int, distance: int, letters: int
) -> tuple[ParameterClass, IntArray]:
    """The class of a pair of ids and the place of each pair of letters in it."""
    x, y = _letter_grid(letters)
    representative = max((first, second), (-second, -first), key=_preference)
    place = x * letters + y
    mirrored = (letters - 1 - y) * letters + (letters - 1 - x)
    key = f"{representative[0]}:{representative[1]}@{distance}"
    ids = (abs(representative[0]), abs(representative[1]))
    number = place if ids[0] <= ids[1] else y * letters + x
    if first == -second:
        live, inverse = np.unique(np.minimum(place, mirrored), return_inverse=True)
        parameters = ParameterClass(key, ids, (len(live),), number.ravel()[live])
        return parameters, inverse.reshape(letters, letters)
    parameters = ParameterClass(key, ids, (letters, letters), number.ravel())
    return parameters, place if representative == (first, second) else mirrored


def _preference(pair: tuple[int, int]) -> tuple[bool, int, bool, int]:
    """Orders a pair of ids and its reverse complement; the greater one names both."""
    return pair[0] > 0, -abs(pair[0]), pair[1] > 0, -abs(pair[1])


def _legacy_pair(
    first: int, second: int, distance: int, letters: int
) -> tuple[ParameterClass, IntArray]:
    """The same for the layout 1.5."""
    del distance
    x, y = _letter_grid(letters)
    u = letters - 1 - x if second < 0 else x
    v = letters - 1 - y if first < 0 else y
    if abs(first) > abs(second):
        u, v = v, u
    if first == second:
        u, v = np.minimum(u, v), np.maximum(u, v)
    low, high = sorted((abs(first), abs(second)))
    numbers = np.arange(letters * letters)
    shape = (letters, letters)
    return ParameterClass(f"{low}:{high}", (low, high), shape, numbers), u * letters + v


def check_options(
    sizes: dict[str, int],
    n_strands: int,
    symmetry: Sequence[int],
    pairwise_distance: int,
    pair_symmetry: str,
) -> None:
    """Checks that the options of a motif agree.

    Args:
        sizes: Numbers that must be positive, by name.
        n_strands: The number of strands that are scored.
        symmetry: The id of each position.
        pairwise_distance: The greatest distance between the letters of a pair.
        pair_symmetry: How pairs are tied.

    Raises:
        ValueError: They do not agree.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be positive, not {size}")
    if sizes["out_channels"] % n_strands:
        raise ValueError(
            f"out_channels must be a multiple of the {n_strands} strands, not"
            f" {sizes['out_channels']}"
        )
    kernel_size = sizes["kernel_size"]
    if len(symmetry) != kernel_size:
        raise ValueError(
            f"symmetry must have one id for each of {kernel_size} positions, not"
            f" {len(symmetry)}: {list(symmetry)}"
        )
    if 0 in symmetry:
        raise ValueError(f"The ids in symmetry must not be zero: {list(symmetry)}")
    if not 0 <= pairwise_distance < kernel_size:
        raise ValueError(
            f"pairwise_distance must be at least 0 and below the kernel_size of"
            f" {kernel_size}, not {pairwise_distance}"
        )
    if sizes["dilation"] > 1 and pairwise_distance > 0:
        raise ValueError("Pair features need a dilation of 1")
    if pair_symmetry not in ("exact", "1.5"):
        raise ValueError(
            f"pair_symmetry must be 'exact' or '1.5', not {pair_symmetry!r}"
        )


def frozen_names(
    positions: Iterable[int], symmetry: Sequence[int], channels: int, letters: int
) -> set[str]:
    """The names, in the layout 1.5, of all values in which some ids take part.

    Args:
        positions: The ids, with or without sign.
        symmetry: The id of each position of the motif.
        channels: The number of motifs.
        letters: The number of letters.

    Returns:
        The names, also of pairs with ids that the motif gets when it grows to twice
        its size.
    """
    present = {abs(i) for i in symmetry}
    last = max(present, default=0)
    partners = present | set(range(last + 1, last + len(symmetry) + 1))
    names: set[str] = set()
    for position in {abs(i) for i in positions}:
        size = channels * letters
        names.update(f"{position}-{index}" for index in range(size))
        for partner in partners | {position}:
            low, high = sorted((position, partner))
            names.update(f"{low}-{high}-{index}" for index in range(size * letters))
    return names
