"""How names and numbers are written into motif files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .motif import Motif


def number(value: float) -> str:
    """A number with as many digits as bring it back exactly; whole ones without point.

    Args:
        value: The number.
    """
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def numbers(values: Iterable[float], separator: str = " ") -> str:
    """Numbers, see ``number``, with something between them.

    Args:
        values: The numbers.
        separator: What stands between them.
    """
    return separator.join(map(number, values))


def identifier(motif: Motif) -> str:
    """The name of a motif as one word."""
    return re.sub(r"\s+", "_", motif.name.strip())


def remark(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def require_letters(motifs: Sequence[Motif], *known: Sequence[str]) -> None:
    """Checks the letters of motifs.

    Args:
        motifs: The motifs.
        known: The alphabets that the format can hold, in their order.

    Raises:
        ValueError: A motif has other letters.
    """
    for motif in motifs:
        if motif.letters not in [tuple(letters) for letters in known]:
            raise ValueError(
                f"the motif {motif.name!r} has the letters {''.join(motif.letters)};"
                f" this format holds {' or '.join(''.join(each) for each in known)}:"
                " write meme, cisbp, transfac or psem"
            )


def require_single_letters(motifs: Sequence[Motif]) -> None:
    """Checks that every letter of motifs is one character.

    Raises:
        ValueError: A motif has longer letters, such as codons.
    """
    for motif in motifs:
        if any(len(letter) != 1 for letter in motif.letters):
            raise ValueError(
                f"the letters of the motif {motif.name!r} have several characters, which"
                " this format cannot hold: write psem"
            )
