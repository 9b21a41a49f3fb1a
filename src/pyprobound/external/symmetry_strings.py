"""The symmetry of a motif as ProBound writes it: ``1:4:1``, ``ABba`` or ``null``.

A symmetry says which positions of a motif share values. Two notations exist. Blocks,
such as ``1:3:0|0:2:0|-1:3:0``, are ``ID:LENGTH:RC``: equal ids share values, a
negative id is the reverse complement of the block, 0 a block that reads nothing, and
with ``RC`` 1 a block is its own reverse complement. Characters, such as
``ABC|..|cba``, stand for one position each: a lower-case letter is the complement of
the upper-case one, a digit is its own complement, ``.`` reads nothing. A ``|`` is a
barrier: no pair of letters is read across it. One also follows every block.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from ..errors import InputError

NO_SYMMETRY = "null"
_MOST_POSITIONS = 10_000


@dataclass(frozen=True)
class PairTie:
    """How the pairs of letters at two positions are tied to those at others.

    Attributes:
        number: The class, counted from 1; pairs of one class share their values.
        mirrored: Whether the values are read reverse-complemented,
            ``D[a, b] = D'[comp(b), comp(a)]``.
        own_mirror: Whether the values are tied to their own mirror image.
    """

    number: int
    mirrored: bool
    own_mirror: bool


@dataclass(frozen=True)
class MotifSymmetry:
    """Which positions of a motif share values.

    Attributes:
        ids: The id of each position: equal ones share values, negative ones are
            complemented, and a position with 0 reads nothing.
        own_complements: The ids whose values are tied to their own complement.
        barriers: The positions behind which no pair of letters is read.
    """

    ids: tuple[int, ...]
    own_complements: frozenset[int] = frozenset()
    barriers: frozenset[int] = frozenset()

    @classmethod
    def free(cls, size: int) -> MotifSymmetry:
        """A motif in which no position shares its values."""
        return cls(tuple(range(1, size + 1)))

    @property
    def is_free(self) -> bool:
        """Whether all positions have values of their own and all pairs are read."""
        return self == MotifSymmetry.free(len(self.ids))

    def crosses_barrier(self, first: int, second: int) -> bool:
        """Whether there is a barrier between two positions."""
        return any(first <= place < second for place in self.barriers)

    def pair_ties(self, distance: int) -> list[PairTie | None]:
        """How the pairs at one distance are tied; None for those that are not read.

        Args:
            distance: The distance of the two positions, at least 1.
        """
        numbers: dict[tuple[int, int], int] = {}
        ties: list[PairTie | None] = []
        for start in range(len(self.ids) - distance):
            pair = self.ids[start], self.ids[start + distance]
            if 0 in pair or self.crosses_barrier(start, start + distance):
                ties.append(None)
                continue
            mirror = self._complement(pair[1]), self._complement(pair[0])
            mirrored = pair not in numbers and mirror in numbers
            key = mirror if mirrored else pair
            number = numbers.setdefault(key, len(numbers) + 1)
            ties.append(PairTie(number, mirrored, pair == mirror))
        return ties

    def _complement(self, number: int) -> int:
        return number if number in self.own_complements else -number


def parse_symmetry_string(text: str, *, key: str | None = None) -> MotifSymmetry | None:
    """Reads a symmetry string.

    Args:
        text: The string.
        key: The setting it comes from, for messages.

    Returns:
        The symmetry, or None for ``null``: there is none.

    Raises:
        InputError: The string follows neither notation.
    """
    if text == NO_SYMMETRY:
        return None
    found = _parse_blocks(text, key) if ":" in text else _parse_letters(text, key)
    if not found.ids:
        raise InputError(
            f"{text!r} has no positions; expected blocks such as '1:4:1', letters such"
            " as 'ABba', or 'null'",
            key=key,
        )
    last = len(found.ids) - 1
    inner = frozenset(place for place in found.barriers if 0 <= place < last)
    return MotifSymmetry(found.ids, found.own_complements, inner)


def write_symmetry_string(
    symmetry: MotifSymmetry | None, *, with_pairs: bool = True
) -> str:
    """Writes a symmetry as a string that ``parse_symmetry_string`` reads.

    Args:
        symmetry: The symmetry; None if there is none.
        with_pairs: Whether the motif reads pairs of letters. Without them barriers
            mean nothing, and a long motif can be written in blocks.

    Raises:
        InputError: There are more ids than characters, and pairs across which the
            notation of blocks would put barriers.
    """
    if symmetry is None or symmetry.is_free:
        return NO_SYMMETRY
    own = {abs(i) for i in symmetry.ids if i in symmetry.own_complements}
    paired = {abs(i) for i in symmetry.ids} - own - {0}
    if len(paired) <= len(string.ascii_uppercase) and len(own) <= len(string.digits):
        return _write_letters(symmetry)
    if with_pairs:
        raise InputError(
            f"a motif of {len(symmetry.ids)} positions with {len(paired)} different"
            f" ones and {len(own)} that are their own complements has no symmetry"
            " string if it reads pairs of letters; 26 letters and 10 digits exist"
        )
    return "|".join(
        f"{abs(i) if i in own else i}:1:{int(i in own)}" for i in symmetry.ids
    )


def symmetry_of_ids(ids: tuple[int, ...]) -> MotifSymmetry:
    """The symmetry of a ``PSAM`` with these ids, renumbered in order of appearance.

    Args:
        ids: The id of each position, positive or negative.
    """
    numbers: dict[int, int] = {}
    renumbered = (
        numbers.setdefault(abs(i), len(numbers) + 1) * (1 if i > 0 else -1) for i in ids
    )
    return MotifSymmetry(tuple(renumbered))


# --- blocks ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    number: int
    length: int
    is_own_complement: bool


def _parse_blocks(text: str, key: str | None) -> MotifSymmetry:
    ids: list[int] = []
    own: set[int] = set()
    barriers: set[int] = set()
    known: dict[int, tuple[_Block, tuple[int, ...]]] = {}
    n_ids = 0
    for part in text.split("|"):
        block = _parse_block(part, text, key)
        if len(ids) + block.length > _MOST_POSITIONS:
            raise InputError(
                f"{text[:60]!r} has more than {_MOST_POSITIONS:,} positions", key=key
            )
        if block.number == 0:
            ids += [0] * block.length
        else:
            name = abs(block.number)
            if name not in known:
                values, n_ids = _new_ids(block, n_ids)
                known[name] = block, values
                if block.is_own_complement and block.length % 2:
                    own.add(values[block.length // 2])
            _check_repeated(block, known[name][0], text, key)
            ids += _oriented(block, known[name][1])
        barriers.add(len(ids) - 1)
    return MotifSymmetry(tuple(ids), frozenset(own), frozenset(barriers))


def _parse_block(part: str, text: str, key: str | None) -> _Block:
    fields = [field.strip() for field in part.split(":")]
    try:
        number, length = int(fields[0]), int(fields[1])
    except (ValueError, IndexError):
        number, length = 0, 0
    if len(fields) != 3 or length < 1:
        raise InputError(
            f"{part!r} in {text!r} is no block; expected ID:LENGTH:RC with a length of"
            " at least 1, such as 1:4:1",
            key=key,
        )
    own = fields[2] == "1"
    return _Block(abs(number) if own else number, length, own)


def _new_ids(block: _Block, n_ids: int) -> tuple[tuple[int, ...], int]:
    """The ids of a block read forward, and the number of ids handed out by then."""
    n_new = (block.length + 1) // 2 if block.is_own_complement else block.length
    first = tuple(range(n_ids + 1, n_ids + n_new + 1))
    if not block.is_own_complement:
        return first, n_ids + n_new
    mirrored = tuple(-i for i in reversed(first[: block.length // 2]))
    return first + mirrored, n_ids + n_new


def _oriented(block: _Block, values: tuple[int, ...]) -> tuple[int, ...]:
    return values if block.number > 0 else tuple(-i for i in reversed(values))


def _check_repeated(block: _Block, first: _Block, text: str, key: str | None) -> None:
    same = (block.length, block.is_own_complement) == (
        first.length,
        first.is_own_complement,
    )
    if not same:
        raise InputError(
            f"the block {abs(block.number)} of {text!r} is repeated with another length"
            " or RC; blocks with one id must be alike",
            key=key,
        )


# --- letters ---------------------------------------------------------------------


def _parse_letters(text: str, key: str | None) -> MotifSymmetry:
    if len(text) > _MOST_POSITIONS:
        raise InputError(
            f"{text[:60]!r}... has more than {_MOST_POSITIONS:,} positions", key=key
        )
    if "||" in text:
        raise InputError(f"{text!r} has two barriers in a row", key=key)
    ids: list[int] = []
    numbers: dict[str, int] = {}
    own: set[int] = set()
    barriers: set[int] = set()
    for letter in text:
        if letter == "|":
            # Before the first position that reads something a barrier means nothing.
            barriers.update([len(ids) - 1] if numbers else [])
        elif letter == ".":
            ids.append(0)
        elif letter.isspace() or not letter.isprintable():
            raise InputError(
                f"{text!r} holds blanks; expected one character per position", key=key
            )
        else:
            number = numbers.setdefault(letter.upper(), len(numbers) + 1)
            if letter.upper() == letter.lower():
                own.add(number)
            ids.append(number if letter == letter.upper() else -number)
    return MotifSymmetry(tuple(ids), frozenset(own), frozenset(barriers))


def _write_letters(symmetry: MotifSymmetry) -> str:
    letters = iter(string.ascii_uppercase)
    digits = iter(string.digits[1:] + "0")
    names: dict[int, str] = {}
    text = ""
    for place, number in enumerate(symmetry.ids):
        if number == 0:
            text += "."
        elif number in symmetry.own_complements:
            if number not in names:
                names[number] = next(digits)
            text += names[number]
        else:
            if abs(number) not in names:
                names[abs(number)] = next(letters)
            name = names[abs(number)]
            text += name if number > 0 else name.lower()
        if place in symmetry.barriers:
            text += "|"
    return text
