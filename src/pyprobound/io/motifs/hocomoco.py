"""HOCOMOCO: a row of four numbers for each position: pcm, ppm and pwm."""

from __future__ import annotations

from collections.abc import Sequence

from .motif import DNA_LETTERS, Kind, Motif
from .source import (
    Line,
    Source,
    as_matrix,
    check_kind,
    guess_kind,
    is_number,
    parse_numbers,
    sections,
)
from .text import identifier, numbers, require_letters

# What endings of file names say about numbers that could be anything.
_ENDINGS: dict[str, Kind] = {
    ".pcm": "counts",
    ".ppm": "probabilities",
    ".pfm": "probabilities",
    ".pwm": "log-odds",
}


def looks_like(source: Source) -> bool:
    """Whether a file has rows of four numbers below ``>name``."""
    if not source.lines[0].text.startswith(">"):
        return False
    rows = [line.text.split() for line in source.lines[1:9] if line.text[0] != ">"]
    return bool(rows) and all(map(is_number, rows[0])) and len(rows[0]) == 4


def kind_of(source: Source) -> Kind:
    """What the numbers of a file are, by its name, or else by its first motif.

    Args:
        source: The file.
    """
    for ending, kind in _ENDINGS.items():
        if source.path.name.lower().removesuffix(".gz").endswith(ending):
            return kind
    header, lines = next(sections(source))
    del header
    rows = [parse_numbers(source, line, line.text.split(), 4) for line in lines]
    return guess_kind(as_matrix(rows))


def read(source: Source, kind: Kind) -> list[Motif]:
    """Reads a file of HOCOMOCO.

    Args:
        source: The file.
        kind: What its numbers are.

    Raises:
        InputError: The file is malformed or truncated, or its numbers cannot be that.
    """
    return [_read_motif(source, kind, *part) for part in sections(source)]


def read_counts(source: Source) -> list[Motif]:
    """Reads a ``.pcm`` file, see ``read``."""
    return read(source, "counts")


def read_probabilities(source: Source) -> list[Motif]:
    """Reads a ``.ppm`` file (in v11: ``.ppm`` or ``.pfm``), see ``read``."""
    return read(source, "probabilities")


def read_log_odds(source: Source) -> list[Motif]:
    """Reads a ``.pwm`` file, see ``read``."""
    return read(source, "log-odds")


def _read_motif(
    source: Source, kind: Kind, header: Line, lines: Sequence[Line]
) -> Motif:
    words = header.text[1:].split(maxsplit=1)
    if not words:
        raise source.error("the motif has no name", header)
    matrix = as_matrix(
        [parse_numbers(source, line, line.text.split(), 4) for line in lines]
    )
    check_kind(source, matrix, kind, lines)
    metadata = {"title": words[1]} if len(words) > 1 else {}
    return Motif(words[0], matrix, kind, metadata=metadata)


def write(motifs: Sequence[Motif]) -> str:
    """Matrices of any kind in the format of HOCOMOCO.

    Args:
        motifs: The motifs.

    Raises:
        ValueError: A motif has other letters than A, C, G and T.
    """
    require_letters(motifs, DNA_LETTERS)
    lines = []
    for motif in motifs:
        lines.append(f">{identifier(motif)}")
        lines += [numbers(row, "\t") for row in motif.matrix]
    return "\n".join(lines) + "\n"
