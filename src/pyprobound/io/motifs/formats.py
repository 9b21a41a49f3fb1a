"""All formats of motif files: which one a file is in, reading and writing."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ...checkpoint import write_atomically
from ...errors import InputError
from . import hocomoco, homer, jaspar, meme, plain, psem, transfac
from .motif import Kind, Motif
from .source import Source, parse_numbers, read_source, sections


@dataclass(frozen=True)
class Format:
    """A format of motif files.

    Attributes:
        name: What it is called on the command line.
        title: What it is, in words.
        kind: What numbers are written.
        read: Reads the motifs of a file.
        write: Makes the text of a file.
        endings: Endings of names of files that are written in it.
        holds: What it keeps beside the matrix, of ``background``, ``sites``,
            ``strands``, ``scale`` (a constant for each position) and ``pairs``.
    """

    name: str
    title: str
    kind: Kind
    read: Callable[[Source], list[Motif]]
    write: Callable[[Sequence[Motif]], str]
    endings: tuple[str, ...] = ()
    holds: frozenset[str] = frozenset()


_ALL = (
    Format(
        "meme",
        "MEME, minimal motif format or (only read) text output",
        "probabilities",
        meme.read,
        meme.write,
        (".meme",),
        frozenset({"background", "sites", "strands"}),
    ),
    Format(
        "jaspar",
        "JASPAR, rows of letters with brackets",
        "counts",
        jaspar.read,
        jaspar.write,
        (".jaspar",),
        frozenset({"sites"}),
    ),
    Format(
        "jaspar-raw",
        "JASPAR, four rows of numbers",
        "counts",
        jaspar.read,
        jaspar.write_raw,
        (".pfm",),
        frozenset({"sites"}),
    ),
    Format(
        "transfac",
        "TRANSFAC records",
        "counts",
        transfac.read,
        transfac.write,
        (".transfac", ".tf"),
        frozenset({"sites"}),
    ),
    Format(
        "homer",
        "HOMER",
        "probabilities",
        homer.read,
        homer.write,
        (".homer", ".motif", ".motifs"),
    ),
    Format(
        "hocomoco-pcm",
        "HOCOMOCO, counts",
        "counts",
        hocomoco.read_counts,
        hocomoco.write,
        (".pcm",),
        frozenset({"sites"}),
    ),
    Format(
        "hocomoco-ppm",
        "HOCOMOCO, probabilities",
        "probabilities",
        hocomoco.read_probabilities,
        hocomoco.write,
        (".ppm",),
    ),
    Format(
        "hocomoco-pwm",
        "HOCOMOCO, natural log-odds",
        "log-odds",
        hocomoco.read_log_odds,
        hocomoco.write,
        (".pwm",),
    ),
    Format(
        "cisbp",
        "CIS-BP",
        "probabilities",
        plain.read_cisbp,
        plain.write_cisbp,
        (".cisbp",),
    ),
    Format(
        "plain",
        "rows of numbers, each after its letter",
        "probabilities",
        plain.read_plain,
        plain.write_plain,
        (".uniprobe",),
    ),
    Format(
        "psem",
        "energies, -ddG/RT, also of pairs of letters",
        "energies",
        psem.read_psem,
        psem.write_psem,
        (".psem",),
        frozenset({"background", "sites", "strands", "scale", "pairs"}),
    ),
    Format(
        "psam",
        "relative affinities, exp(-ddG/RT)",
        "energies",
        psem.read_psam,
        psem.write_psam,
        (".psam",),
        frozenset({"background", "sites", "strands"}),
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType({each.name: each for each in _ALL})
"""The formats by name."""


def format_of_name(path: str | os.PathLike[str]) -> Format | None:
    """The format that a name of a file stands for; None if it stands for none.

    Args:
        path: The file.
    """
    name = Path(path).name.lower().removesuffix(".gz")
    found = (each for each in _ALL if name.endswith(each.endings or ("\0",)))
    return next(found, None)


# --- reading ------------------------------------------------------------------------


def detect(source: Source) -> Format | None:
    """The format of a file, by what it holds; None if it is in none of them.

    Args:
        source: The file.

    Raises:
        InputError: It could be in either of two.
    """
    tests: tuple[tuple[str, Callable[[Source], bool]], ...] = (
        ("psem", psem.looks_like_psem),
        ("psam", psem.looks_like_psam),
        ("meme", meme.looks_like),
        ("transfac", transfac.looks_like),
        ("homer", homer.looks_like),
        ("jaspar", jaspar.looks_like),
    )
    for name, test in tests:
        if test(source):
            return FORMATS[name]
    if hocomoco.looks_like(source):
        if _has_rows_of_letters(source):
            return FORMATS["jaspar-raw"]
        endings = {"counts": "pcm", "probabilities": "ppm", "log-odds": "pwm"}
        return FORMATS[f"hocomoco-{endings[hocomoco.kind_of(source)]}"]
    if plain.looks_like_cisbp(source):
        return FORMATS["cisbp"]
    if plain.looks_like_plain(source):
        return FORMATS["plain"]
    return None


def _has_rows_of_letters(source: Source) -> bool:
    """Whether rows of four numbers below ``>name`` are letters, not positions."""
    parts = [lines for _, lines in sections(source)]
    if any(len(lines) != 4 for lines in parts):
        return False
    if any(len(line.text.split()) != 4 for lines in parts for line in lines):
        return True
    by_letter = by_position = True
    for lines in parts:
        values = np.array([parse_numbers(source, x, x.text.split(), 4) for x in lines])
        if (values < 0).any():
            return False
        by_letter &= _is_even(values.sum(axis=0))
        by_position &= _is_even(values.sum(axis=1))
    if by_letter == by_position:
        raise source.error(
            "every motif has four rows of four numbers, and the sums do not tell whether"
            " rows are letters or positions; say --from jaspar or --from hocomoco-pcm",
            parts[0][0],
        )
    return by_letter


def _is_even(totals: np.ndarray) -> bool:
    return bool(np.ptp(totals) <= 0.01 * np.abs(totals).max())


def read_motifs(
    path: str | os.PathLike[str], format_name: str | None = None
) -> tuple[Format, list[Motif]]:
    """Reads the motifs of a file, gzipped or not.

    Args:
        path: The file.
        format_name: Its format, a key of ``FORMATS``; by default what it looks like.

    Returns:
        The format, and the motifs in the order of the file.

    Raises:
        InputError: The file cannot be read, is malformed, truncated or too large, or
            in no known format.
    """
    source = read_source(Path(path))
    found = detect(source) if format_name is None else FORMATS[format_name]
    if found is None:
        raise source.error(
            "is in no known format of motifs; there are"
            f" {', '.join(FORMATS)}. It begins with {source.lines[0].text[:40]!r}",
            source.lines[0],
        )
    return found, found.read(source)


# --- writing ------------------------------------------------------------------------


def write_motifs(
    path: str | os.PathLike[str], motifs: Sequence[Motif], format_name: str
) -> None:
    """Writes motifs to a file, atomically; gzipped if its name ends with ``.gz``.

    Numbers have as many digits as bring them back exactly.

    Args:
        path: The file.
        motifs: The motifs, whose numbers are of the kind of the format already.
        format_name: A key of ``FORMATS``.

    Raises:
        InputError: The format cannot hold the motifs, or the file cannot be written.
    """
    text = format_text(motifs, format_name)
    content = text.encode()
    if Path(path).name.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    write_bytes(path, content)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file, atomically.

    Args:
        path: The file.
        content: What it shall hold.

    Raises:
        InputError: The file cannot be written.
    """

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    try:
        write_atomically(path, write)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", path=path) from None


def format_text(motifs: Sequence[Motif], format_name: str) -> str:
    """The text of a file of motifs; see ``write_motifs``.

    Args:
        motifs: The motifs.
        format_name: A key of ``FORMATS``.

    Raises:
        InputError: The format cannot hold the motifs.
    """
    chosen = FORMATS[format_name]
    if not motifs:
        raise InputError("there is no motif to write")
    for motif in motifs:
        if motif.kind != chosen.kind:
            raise InputError(
                f"the motif {motif.name!r} has {motif.kind}, but {chosen.name} holds"
                f" {chosen.kind}, which are something else; convert it before, with"
                " pyprobound.io.motifs.to_kind"
            )
    try:
        return chosen.write(motifs)
    except ValueError as error:
        raise InputError(f"cannot be written as {chosen.name}: {error}") from None
