"""HOMER: probabilities below a line with the consensus, the name and a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .motif import DNA_LETTERS, Motif
from .source import Line, Source, as_matrix, check_kind, parse_numbers, sections
from .text import identifier, numbers, require_letters

THRESHOLD_SHARE = 0.7
"""The threshold of a motif without one, as a part of its best score."""


def looks_like(source: Source) -> bool:
    """Whether a file begins with the header of a motif of HOMER."""
    fields = source.lines[0].text.split("\t")
    if not fields[0].startswith(">") or len(fields) < 3:
        return False
    try:
        float(fields[2])
    except ValueError:
        return False
    return True


def read(source: Source) -> list[Motif]:
    """Reads a file of HOMER.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated.
    """
    return [_read_motif(source, *part) for part in sections(source)]


def _read_motif(source: Source, header: Line, lines: Sequence[Line]) -> Motif:
    consensus, *fields = header.text[1:].split("\t")
    metadata = {"consensus": consensus.strip()}
    if len(fields) > 1 and fields[1].strip():
        parse_numbers(source, header, [fields[1].strip()])
        metadata["threshold"] = fields[1].strip()
    if len(fields) > 2:
        metadata["statistics"] = "\t".join(fields[2:])
    name = (fields[0].strip() if fields else "") or consensus.strip()
    if not name:
        raise source.error("the motif has no name", header)
    matrix = as_matrix(
        [parse_numbers(source, row, row.text.split(), 4) for row in lines]
    )
    check_kind(source, matrix, "probabilities", lines)
    return Motif(name, matrix, "probabilities", metadata=metadata)


def write(motifs: Sequence[Motif]) -> str:
    r"""Probabilities in the format of HOMER.

    The threshold, in natural logs, is the one that was read, or
    ``THRESHOLD_SHARE`` :math:`\cdot \sum_i \max_a \ln 4 p_{ia}`.

    Args:
        motifs: Motifs of probabilities.

    Raises:
        ValueError: A motif has other letters than A, C, G and T.
    """
    require_letters(motifs, DNA_LETTERS)
    lines = []
    for motif in motifs:
        best = float(np.log(4 * motif.matrix.max(axis=1)).sum())
        threshold = motif.metadata.get("threshold", f"{THRESHOLD_SHARE * best:.6f}")
        statistics = motif.metadata.get("statistics", "0\t0")
        consensus = motif.metadata.get("consensus", "")
        if len(consensus) != len(motif):
            consensus = motif.consensus
        lines.append(f">{consensus}\t{identifier(motif)}\t{threshold}\t{statistics}")
        lines += [numbers(row, "\t") for row in motif.matrix]
    return "\n".join(lines) + "\n"
