"""JASPAR: a row of counts for each letter, with or without brackets."""

from __future__ import annotations

from collections.abc import Sequence

from .motif import DNA_LETTERS, RNA_LETTERS, Motif
from .source import (
    Line,
    Source,
    as_matrix,
    check_kind,
    guess_kind,
    parse_numbers,
    sections,
)
from .text import identifier, numbers, remark, require_letters


def looks_like(source: Source) -> bool:
    """Whether the first motif of a file has a row for each of four letters."""
    if not source.lines[0].text.startswith(">"):
        return False
    rows = []
    for line in source.lines[1:8]:
        if line.text.startswith(">"):
            break
        rows.append(line.text)
    if rows and all(_letter(text) is not None for text in rows):
        return True
    # Rows without letters: of a matrix with four columns, a row may be a position.
    return len(rows) == 4 and len({len(r.split()) for r in rows} - {4}) > 0


def read(source: Source) -> list[Motif]:
    """Reads a file of JASPAR, in its format of now or in the one before.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated.
    """
    return [_read_motif(source, *part) for part in sections(source)]


def _read_motif(source: Source, header: Line, lines: Sequence[Line]) -> Motif:
    words = header.text[1:].split(maxsplit=1)
    if not words:
        raise source.error("the motif has no name", header)
    rows = [_row(source, line) for line in lines]
    if len(rows) != 4:
        raise source.error(
            f"expected four rows, for A, C, G and T, found {len(rows)}"
            + ("; is the file truncated?" if len(rows) < 4 else ""),
            lines[-1],
        )
    letters = [letter for letter, _ in rows]
    found: tuple[str, ...] = DNA_LETTERS
    if letters != [None] * 4:
        named = tuple(str(letter).upper() for letter in letters)
        options = [each for each in (DNA_LETTERS, RNA_LETTERS) if {*each} == {*named}]
        if not options:
            raise source.error(
                f"expected a row for each of A, C, G and T, found {', '.join(named)}",
                lines[0],
            )
        found = options[0]
        order = [named.index(letter) for letter in found]
        rows, lines = [rows[i] for i in order], [lines[i] for i in order]
    width = len(rows[0][1])
    for (_, values), line in zip(rows, lines, strict=True):
        if len(values) != width or not width:
            raise source.error(
                f"rows have {width} and {len(values)} numbers; expected one for each"
                " position; is the file truncated?",
                line,
            )
    matrix = as_matrix([values for _, values in rows]).T
    kind = guess_kind(matrix)
    check_kind(source, matrix, "counts" if kind == "log-odds" else kind, [header])
    metadata = {"title": words[1]} if len(words) > 1 else {}
    return Motif(words[0], matrix, kind, found, metadata=metadata)


def _letter(text: str) -> str | None:
    return text[0] if text[:1].upper() in ("A", "C", "G", "T", "U") else None


def _row(source: Source, line: Line) -> tuple[str | None, list[float]]:
    letter = _letter(line.text)
    text = line.text if letter is None else line.text[1:].lstrip(" \t|:")
    if text.startswith("["):
        if not text.endswith("]"):
            raise source.error("the row lacks its ']'; is the file truncated?", line)
        text = text[1:-1]
    return letter, parse_numbers(source, line, text.split())


def write(motifs: Sequence[Motif]) -> str:
    """Counts in the format of JASPAR, with letters and brackets.

    Args:
        motifs: Motifs of counts.

    Raises:
        ValueError: A motif has other letters than A, C, G and T (or U).
    """
    require_letters(motifs, DNA_LETTERS, RNA_LETTERS)
    lines = []
    for motif in motifs:
        lines.append(_header(motif))
        for letter, column in zip(motif.letters, motif.matrix.T, strict=True):
            lines.append(f"{letter} [ {numbers(column)} ]")
    return "\n".join(lines) + "\n"


def write_raw(motifs: Sequence[Motif]) -> str:
    """Counts in the older format of JASPAR: rows without letters.

    Args:
        motifs: Motifs of counts.

    Raises:
        ValueError: A motif has other letters than A, C, G and T.
    """
    require_letters(motifs, DNA_LETTERS)
    lines = []
    for motif in motifs:
        lines.append(_header(motif))
        lines += [numbers(column) for column in motif.matrix.T]
    return "\n".join(lines) + "\n"


def _header(motif: Motif) -> str:
    return f">{identifier(motif)} {remark(motif.metadata.get('title', ''))}".rstrip()
