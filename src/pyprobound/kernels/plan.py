"""How a motif is cut into blocks whose scores fit in tables.

A *family* is a set of blocks of one shape: letters at the same places relative to the
block's start, one block every ``stride`` positions. All blocks of a family read the
same spelled words and share the entries of one table, side by side. Every feature of
the motif (a letter at a position, or a pair of letters) belongs to one block that
covers it; what a block covers beyond its features does not matter to its score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from .arguments import LANES

Integers = npt.NDArray[np.int64]

MOST_ENTRIES = 8192
"""Greatest number of words of a table: places in it are 16-bit integers."""
_SLOWER = ((15, 1.3), (63, 1.15), (1024, 1.0), (4096, 1.3), (MOST_ENTRIES, 1.5))
"""How much slower a step is for tables up to a number of words: small ones are added
to again too soon, large ones do not stay in the caches."""


@dataclass(frozen=True)
class Motif:
    """The shape of a motif and of the rows it is laid on.

    Attributes:
        symbols: Letters that words are spelled with.
        size: Positions.
        channels: Output channels.
        windows: Windows of a row.
        dilation: Spacing of the positions along a row.
        distances: Distances of the pairwise filters, in their order.
    """

    symbols: int
    size: int
    channels: int
    windows: int
    dilation: int = 1
    distances: tuple[int, ...] = ()

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each filter starts in the vector of all parameters, and its end."""
        sizes = [self.channels * self.symbols * self.size]
        for distance in self.distances:
            positions = self.size - distance
            sizes.append(self.channels * self.symbols**2 * positions)
        return tuple(np.cumsum([0, *sizes]).tolist())


@dataclass(frozen=True)
class Family:
    """Blocks of one shape, one at every multiple of ``stride``."""

    places: tuple[int, ...]
    stride: int
    blocks: int

    def entries(self, symbols: int) -> int:
        """Number of different words."""
        return int(symbols ** len(self.places))

    def positions(self, block: int, size: int) -> list[int | None]:
        """Motif position of each letter of a block, ``None`` beyond the motif."""
        positions = [block * self.stride + place for place in self.places]
        return [i if i < size else None for i in positions]


@dataclass(frozen=True)
class Term:
    """Features at one letter, or at two letters, of the words of one pass.

    In the order of the table's words, the letters before the first change slowest and
    the letters after the second fastest. For single letters, ``seconds`` is 1.
    """

    base: int
    before: int
    firsts: int
    between: int
    seconds: int
    after: int
    index: Integers  # shape (channel groups, firsts * seconds, LANES)


@dataclass(frozen=True)
class Plan:
    """Everything about the tables but the numbers in them.

    Attributes:
        motif: What the plan is for.
        group: Channels that lie side by side in a table.
        parts: Groups of channels.
        spellings: Number of letters and their places along the row, one row each.
        passes: Spelling, first place, stride and table of each pass.
        values: Length of the tables of one group of channels.
        terms: Sizes of each term, shape (terms, 7): table, before, firsts, between,
            seconds, after, and where its values start in ``index``.
        index: Place of the parameter behind each value of each term, shape
            (parts, values of all terms); the place after the last parameter is 0.
    """

    motif: Motif
    group: int
    parts: int
    spellings: Integers
    passes: Integers
    values: int
    terms: Integers
    index: Integers

    @property
    def reach(self) -> int:
        """Greatest distance from a window's start to a word that it reads."""
        blocks = LANES // self.group
        last = self.passes[:, 1] + (blocks - 1) * self.passes[:, 2]
        return int(last.max())

    def pass_sizes(self) -> list[int]:
        """Length of the table of each pass."""
        bases = [*self.passes[:, 3].tolist(), self.values]
        return np.diff(bases).tolist()  # type: ignore[no-any-return]


def _contiguous(motif: Motif, most_entries: int) -> Iterator[list[Family]]:
    """Blocks of neighbouring letters, overlapping by the greatest distance."""
    overlap = max(motif.distances, default=0)
    for stride in range(1, motif.size + 1):
        length = min(stride + overlap, motif.size)
        if stride > 1 and motif.symbols**length > most_entries:
            return
        if motif.symbols**length <= MOST_ENTRIES:
            blocks = -(-motif.size // stride)
            yield [Family(tuple(range(length)), stride, blocks)]


def _grouped(motif: Motif, most_entries: int) -> Iterator[list[Family]]:
    """Blocks of two groups of letters, one family for each distance of the groups."""
    for width in range(1, motif.size):
        entries = motif.symbols ** (2 * width)
        if entries > (most_entries if width > 1 else MOST_ENTRIES):
            return
        groups = -(-motif.size // width)
        families = []
        for apart in range(1, groups):
            # The groups hold pairs at distances within ``width`` of their own.
            near = range((apart - 1) * width + 1, (apart + 1) * width)
            if any(distance in near for distance in motif.distances):
                left = tuple(range(width))
                right = tuple(apart * width + i for i in left)
                families.append(Family(left + right, width, groups - apart))
        yield families


def _covered(families: Sequence[Family], size: int) -> set[int]:
    return {
        position
        for family in families
        for block in range(family.blocks)
        for position in family.positions(block, size)
        if position is not None
    }


def _completions(
    families: list[Family], motif: Motif, most_entries: int
) -> Iterator[list[Family]]:
    """Adds blocks of neighbouring letters if a position is in no block yet."""
    if len(_covered(families, motif.size)) == motif.size:
        yield families
        return
    letters = replace(motif, distances=())
    for others in _contiguous(letters, most_entries):
        yield families + others


def _cost(families: Sequence[Family], group: int, motif: Motif) -> float:
    """Relative time for a row, from measurements on tables of different sizes."""
    side_by_side = LANES // group
    length = motif.windows + motif.dilation * (motif.size - 1)
    cost = 0.0
    for family in families:
        phases = min(family.stride * motif.dilation, motif.windows)
        steps = motif.windows + phases * (side_by_side - 1)
        entries = family.entries(motif.symbols)
        slower = next(factor for most, factor in _SLOWER if entries <= most)
        passes = -(-family.blocks // side_by_side)
        cost += slower * steps * passes * -(-motif.channels // group)
        cost += 0.05 * len(family.places) * length
    return cost


def _choose(motif: Motif, most_entries: int) -> tuple[list[Family], int]:
    """The cheapest cut of a motif, and the channels to put side by side."""
    cuts = list(_contiguous(motif, most_entries))
    if motif.distances:
        for families in _grouped(motif, most_entries):
            cuts += _completions(families, motif, most_entries)
    widths = [width for width in (1, 2, 8) if width < 4 * motif.channels]
    options = [(families, group) for families in cuts for group in widths]
    return min(options, key=lambda option: _cost(option[0], option[1], motif))


class _Builder:
    """Hands every feature of a motif to the first block that covers it."""

    def __init__(self, motif: Motif, group: int) -> None:
        self.motif = motif
        self.group = group
        self.parts = -(-motif.channels // group)
        self.taken: set[tuple[int, ...]] = set()
        self.terms: list[Term] = []

    def add_pass(self, family: Family, first: int, base: int) -> None:
        """Adds the terms of the blocks ``first, first + 1, ...`` of a family."""
        side_by_side = LANES // self.group
        blocks = range(first, min(first + side_by_side, family.blocks))
        letters = len(family.places)
        for i in range(letters):
            self._add_term(family, blocks, base, (i,))
        for i in range(letters):
            for j in range(i + 1, letters):
                if family.places[j] - family.places[i] in self.motif.distances:
                    self._add_term(family, blocks, base, (i, j))

    def _add_term(
        self, family: Family, blocks: range, base: int, letters: tuple[int, ...]
    ) -> None:
        symbols = self.motif.symbols
        index = np.full(
            (self.parts, symbols ** len(letters), LANES), self.motif.offsets[-1]
        )
        used = False
        for block in blocks:
            all_positions = family.positions(block, self.motif.size)
            positions = tuple(all_positions[letter] for letter in letters)
            if None in positions or positions in self.taken:
                continue
            used = True
            self.taken.add(positions)  # type: ignore[arg-type]
            # The block that a window meets first is at the top of the vector.
            lane = LANES - (block - blocks.start + 1) * self.group
            index[:, :, lane : lane + self.group] = self._parameters(positions)
        if used:
            after = symbols ** (len(family.places) - 1 - letters[-1])
            pair = len(letters) == 2
            between = symbols ** (letters[1] - letters[0] - 1) if pair else after
            self.terms.append(
                Term(
                    base=base,
                    before=symbols ** letters[0],
                    firsts=symbols,
                    between=between,
                    seconds=symbols if pair else 1,
                    after=after if pair else 1,
                    index=index,
                )
            )

    def _parameters(self, positions: tuple[int | None, ...]) -> Integers:
        """Places of the parameters of a feature, (groups, words, channels)."""
        motif = self.motif
        first = positions[0] or 0
        distance = (positions[-1] or 0) - first
        which = motif.distances.index(distance) + 1 if distance else 0
        words = motif.symbols ** len(positions)
        channel = np.arange(self.parts * self.group).reshape(self.parts, 1, self.group)
        word = np.arange(words).reshape(1, words, 1)
        place = (channel * words + word) * (motif.size - distance) + first
        place += motif.offsets[which]
        return np.where(channel < motif.channels, place, motif.offsets[-1])

    def sizes(self) -> Integers:
        """The numbers of all terms, one row each."""
        rows = []
        start = 0
        for term in self.terms:
            rows.append(
                [
                    term.base,
                    term.before,
                    term.firsts,
                    term.between,
                    term.seconds,
                    term.after,
                    start,
                ]
            )
            start += term.firsts * term.seconds * LANES
        return np.array(rows, np.int64)

    def index(self) -> Integers:
        """The parameters behind the values of all terms."""
        return np.concatenate(
            [term.index.reshape(self.parts, -1) for term in self.terms], 1
        )


@lru_cache(maxsize=256)
def make_plan(motif: Motif, most_entries: int = MOST_ENTRIES) -> Plan:
    """Cuts a motif so that scoring a row takes least time.

    Args:
        motif: The shape of the motif and of the rows.
        most_entries: Greatest number of words of a table, where there is a choice.
    """
    families, group = _choose(motif, most_entries)
    builder = _Builder(motif, group)
    side_by_side = LANES // group
    passes = []
    base = 0
    for spelling, family in enumerate(families):
        for first in range(0, family.blocks, side_by_side):
            start = first * family.stride * motif.dilation
            stride = family.stride * motif.dilation
            passes.append([spelling, start, stride, base])
            builder.add_pass(family, first, base)
            base += family.entries(motif.symbols) * LANES
    longest = max(len(family.places) for family in families)
    spellings = np.zeros((len(families), 1 + longest), np.int64)
    for row, family in zip(spellings, families, strict=True):
        row[0] = len(family.places)
        row[1 : 1 + row[0]] = np.array(family.places) * motif.dilation
    return Plan(
        motif=motif,
        group=group,
        parts=builder.parts,
        spellings=spellings,
        passes=np.array(passes, np.int64),
        values=base,
        terms=builder.sizes(),
        index=builder.index(),
    )
