"""Tables of numbers: CIS-BP, UniPROBE, and matrices without any words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .motif import DNA_LETTERS, FloatArray, Motif
from .source import (
    SUM_TOLERANCE,
    Line,
    Source,
    as_matrix,
    check_kind,
    guess_kind,
    is_number,
    parse_numbers,
)
from .text import identifier, numbers, remark, require_single_letters

_LETTER_ROW = re.compile(r"([A-Za-z])\s*[:|\s]\s*(\S.*)")


# --- CIS-BP -------------------------------------------------------------------------


def looks_like_cisbp(source: Source) -> bool:
    """Whether a file has a header ``Pos A C G T``."""
    return any(_is_cisbp_header(line) for line in source.lines[:50])


def _is_cisbp_header(line: Line) -> bool:
    return line.text.split()[0].lower() in ("pos", "po")


def read_cisbp(source: Source) -> list[Motif]:
    """Reads a file of CIS-BP, with one or more matrices.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated.
    """
    motifs: list[Motif] = []
    names: dict[str, str] = {}
    place = 0
    while place < len(source.lines):
        line = source.lines[place]
        place += 1
        if not _is_cisbp_header(line):
            key, *rest = line.text.split("\t")
            if is_number(key) and not names:
                raise source.error("there is no header such as 'Pos A C G T'", line)
            names[key.strip().lower()] = " ".join(rest).strip()
            continue
        letters = tuple(line.text.split()[1:])
        rows: list[Line] = []
        while place < len(source.lines) and is_number(
            source.lines[place].text.split()[0]
        ):
            rows.append(source.lines[place])
            place += 1
        motifs.append(_cisbp_motif(source, line, letters, rows, names, len(motifs)))
        names = {}
    if names:
        raise source.error(
            "the last motif has no matrix; is the file truncated?", source.last
        )
    return motifs


def _cisbp_motif(
    source: Source,
    header: Line,
    letters: tuple[str, ...],
    rows: Sequence[Line],
    names: dict[str, str],
    place: int,
) -> Motif:
    if len(letters) < 2 or len(set(letters)) != len(letters):
        raise source.error("expected the letters of the columns after 'Pos'", header)
    if not rows:
        raise source.error("the matrix has no rows; is the file truncated?", header)
    values = []
    for number, row in enumerate(rows, 1):
        position, *found = parse_numbers(
            source, row, row.text.split(), len(letters) + 1
        )
        if position not in (number, number - 1):
            raise source.error(
                f"expected the row of position {number}, found {position:g}", row
            )
        values.append(found)
    matrix = as_matrix(values)
    kind = guess_kind(matrix)
    check_kind(source, matrix, "probabilities" if kind == "log-odds" else kind, rows)
    name = names.get("motif") or (
        source.stem if not place else f"{source.stem}_{place}"
    )
    metadata = {
        key.replace(" ", "_"): text
        for key, text in names.items()
        if key != "motif" and text
    }
    if "tf_name" in metadata:
        metadata["title"] = metadata["tf_name"]
    return Motif(name, matrix, kind, letters, metadata=metadata)


def write_cisbp(motifs: Sequence[Motif]) -> str:
    """Probabilities in the format of CIS-BP.

    One motif is written as the header and the rows alone, as CIS-BP does, so that its
    name is only that of the file; several have a line ``Motif`` each.

    Args:
        motifs: Motifs of probabilities.

    Raises:
        ValueError: The letters have several characters.
    """
    require_single_letters(motifs)
    lines = []
    for motif in motifs:
        if len(motifs) > 1:
            lines.append(f"Motif\t{identifier(motif)}")
            if "title" in motif.metadata:
                lines.append(f"TF Name\t{remark(motif.metadata['title'])}")
        lines.append("Pos\t" + "\t".join(motif.letters))
        for place, row in enumerate(motif.matrix, 1):
            lines.append(f"{place}\t{numbers(row, chr(9))}")
        if len(motifs) > 1:
            lines.append("")
    return "\n".join(lines) + "\n"


# --- matrices -----------------------------------------------------------------------


def looks_like_plain(source: Source) -> bool:
    """Whether a file has rows of numbers, each after a letter or without."""
    rows = [line.text for line in source.lines[:3]]
    return any(_numbers_of(text) for text in rows)


def _numbers_of(text: str) -> list[str]:
    match = _LETTER_ROW.fullmatch(text)
    fields = (match[2] if match else text).replace(",", " ").split()
    return fields if fields and all(map(is_number, fields)) else []


def read_plain(source: Source) -> list[Motif]:
    """Reads rows of numbers, with a line of text before each matrix or without.

    A row belongs to a letter, which may stand in front of it (``A:`` or ``A``), or to
    a position; which of them follows from the sizes, and where both are four from the
    sums.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed, truncated, or can be read in two ways.
    """
    parts: list[tuple[Line | None, list[Line]]] = []
    for line in source.lines:
        if _numbers_of(line.text) or _LETTER_ROW.fullmatch(line.text):
            if not parts:
                parts.append((None, []))
            parts[-1][1].append(line)
        elif parts and not parts[-1][1]:
            raise source.error(
                f"expected a row of numbers, found {line.text[:40]!r}", line
            )
        else:
            parts.append((line, []))
    if not parts[-1][1]:
        raise source.error(
            "expected rows of numbers; is the file truncated?", source.last
        )
    return [_plain_motif(source, *part, len(parts) > 1) for part in parts]


def _plain_motif(
    source: Source, header: Line | None, lines: list[Line], is_one_of_many: bool
) -> Motif:
    matches = [_LETTER_ROW.fullmatch(line.text) for line in lines]
    letters: tuple[str, ...] = DNA_LETTERS
    rows = []
    for line, match in zip(lines, matches, strict=True):
        text = (match[2] if match else line.text).replace(",", " ")
        rows.append(parse_numbers(source, line, text.split()))
    width = len(rows[0])
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise source.error(
                f"expected {width} numbers, as in the row above, found {len(row)}"
                + ("; is the file truncated?" if line.number == source.last else ""),
                line,
            )
    matrix = as_matrix(rows)
    if all(matches):
        letters = tuple(match[1].upper() for match in matches if match)
        if len(set(letters)) != len(letters):
            raise source.error(f"a letter has two rows ({''.join(letters)})", lines[0])
        order = sorted(range(len(letters)), key=letters.__getitem__)
        letters = tuple(letters[i] for i in order)
        matrix = matrix[order].T
        at: Sequence[Line] = [lines[0]]
    else:
        if any(matches):
            place = [bool(match) for match in matches].index(False)
            raise source.error("the row lacks its letter", lines[place])
        is_by_letter = _rows_are_letters(source, matrix, lines[0])
        matrix = matrix.T if is_by_letter else matrix
        at = [lines[0]] if is_by_letter else lines
    kind = guess_kind(matrix)
    if kind == "log-odds":
        raise source.error(
            "has negative numbers, and nothing says what they are; log-odds are read"
            " below a line >name with --from hocomoco-pwm, energies with --from psem",
            lines[0],
        )
    check_kind(source, matrix, kind, at)
    name = source.stem
    if header is not None:
        name = re.sub(r"^[#>\s]+", "", header.text) or name
    elif is_one_of_many:
        raise source.error("a name is missing above this matrix", lines[0])
    return Motif(name.split()[0], matrix, kind, letters, metadata=_title(name))


def _title(name: str) -> dict[str, str]:
    _, _, rest = name.partition(" ")
    return {"title": rest.strip()} if rest.strip() else {}


def _rows_are_letters(source: Source, matrix: FloatArray, line: Line) -> bool:
    """Whether rows are letters and not positions."""
    n_rows, n_columns = matrix.shape
    if 4 not in (n_rows, n_columns):
        raise source.error(
            f"has {n_rows} rows and {n_columns} columns; expected four of one of them,"
            " for A, C, G and T",
            line,
        )
    if n_rows != n_columns:
        return bool(n_rows == 4)
    by_position, by_letter = (_is_even(matrix.sum(axis=axis)) for axis in (1, 0))
    if by_position == by_letter:
        raise source.error(
            "has four rows and four columns, and the sums do not tell whether rows are"
            " letters or positions; put the letters in front of the rows (A: ...)",
            line,
        )
    return by_letter


def _is_even(totals: FloatArray) -> bool:
    return bool(np.ptp(totals) <= SUM_TOLERANCE * np.abs(totals).max())


def write_plain(motifs: Sequence[Motif]) -> str:
    """Probabilities with a row for each letter, as UniPROBE has them.

    Args:
        motifs: Motifs of probabilities.

    Raises:
        ValueError: A letter has several characters, or is not in A to Z.
    """
    require_single_letters(motifs)
    lines = []
    for motif in motifs:
        if not "".join(motif.letters).isalpha() or list(motif.letters) != sorted(
            map(str.upper, motif.letters)
        ):
            raise ValueError(
                f"the letters of the motif {motif.name!r} are not upper-case ones in"
                " the order of the alphabet: write psem"
            )
        title = remark(motif.metadata.get("title", ""))
        lines.append(f"#{identifier(motif)} {title}".rstrip())
        for letter, column in zip(motif.letters, motif.matrix.T, strict=True):
            lines.append(f"{letter}:\t{numbers(column, chr(9))}")
    return "\n".join(lines) + "\n"
