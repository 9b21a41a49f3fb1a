"""How a conversion is asked for, and what it says in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io.motifs import FORMATS
from .convert_losses import Loss

PROBOUND = "probound"
"""JSON of ProBound."""
PYPROBOUND = "pyprobound"
"""The model file of this library."""
CONFIGURATION = "config"
"""The configuration of a fit, in YAML."""
FORMAT_NAMES = (*FORMATS, PROBOUND, PYPROBOUND)
STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        source: The format of the input, of ``FORMAT_NAMES``; by default what it
            looks like.
        target: The format of the output; by default what the ending of its name says.
        model: Which model of a file with several: its place, counted from 0, or its
            name; see ``open_model``.
        modes: Names or places of the modes or motifs to convert; all by default.
        background: The probability of each letter where nothing binds; by default as
            the file says, else uniform.
        pseudocount: What is added to the counts of each position over all letters; by
            default see ``io.motifs.default_pseudocount``.
    """

    source: str | None = None
    target: str | None = None
    model: str | None = None
    modes: tuple[str, ...] = ()
    background: tuple[float, ...] = ()
    pseudocount: float | None = None


@dataclass(frozen=True)
class Conversion:
    """What was done.

    Attributes:
        source: The format that was read.
        target: The format that was written.
        names: The motifs, modes or models that were written.
        notes: What the numbers became, in sentences.
        losses: What the output does not hold.
        text: The output, if it goes to the standard output.
    """

    source: str
    target: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    text: str = ""


def background_of(letters: Sequence[str], options: Options) -> tuple[float, ...]:
    """The background that was given for some letters; nothing if none was.

    Args:
        letters: The letters.
        options: How to convert.

    Raises:
        InputError: There are more or fewer numbers, or they do not sum to 1.
    """
    values = options.background
    if not values:
        return ()
    if len(values) != len(letters):
        raise InputError(
            f"expected {len(letters)} numbers, for {', '.join(letters)}, found"
            f" {len(values)}",
            key="--background",
        )
    if min(values) <= 0 or abs(sum(values) - 1) > 1e-6:
        raise InputError(
            f"expected numbers above 0 that sum to 1, not to {sum(values):g}",
            key="--background",
        )
    return values


def chosen_places(path: Path, names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The places of what was asked for by name or by place."""
    places = []
    for word in wanted:
        found = [i for i, name in enumerate(names) if name == word]
        if not found and word.isdecimal() and int(word) < len(names):
            found = [int(word)]
        if len(found) != 1:
            some = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            problem = (
                f"{len(found)} are called {word!r}; give the place, counted from 0"
                if found
                else f"there is no {word!r}; there are: {some}"
            )
            raise InputError(problem, path=path, key="--mode")
        places += found
    return places or list(range(len(names)))


def first_bytes(path: Path) -> bytes:
    """How a file begins.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(512)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None
