"""TRANSFAC: records of two-letter keys that end with //."""

from __future__ import annotations

from collections.abc import Sequence

from .motif import Motif
from .source import (
    Line,
    Source,
    as_matrix,
    check_kind,
    guess_kind,
    is_number,
    parse_numbers,
)
from .text import identifier, numbers, remark, require_single_letters

_HEADERS = ("P0", "PO")
_KEYS = {"AC": "accession", "NA": "title", "DE": "description", "BF": "factors"}


def looks_like(source: Source) -> bool:
    """Whether a file has the header of a matrix of TRANSFAC."""
    return any(line.text.split()[0] in _HEADERS for line in source.lines[:200])


def read(source: Source) -> list[Motif]:
    """Reads records with a matrix; what comes before the first ``//`` may have none.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated.
    """
    motifs = []
    record: list[Line] = []
    for line in source.lines:
        if line.text == "//":
            motifs += _read_record(source, record)
            record = []
        else:
            record.append(line)
    if record:
        raise source.error(
            "the last record does not end with '//'; is the file truncated?",
            record[-1],
        )
    if not motifs:
        raise source.error("the file holds no matrix", source.last)
    return motifs


def _read_record(source: Source, record: Sequence[Line]) -> list[Motif]:
    names: dict[str, str] = {}
    letters: tuple[str, ...] = ()
    rows: list[list[float]] = []
    at: list[Line] = []
    for line in record:
        key, *fields = line.text.split()
        if key in _HEADERS:
            if letters:
                raise source.error(
                    "the record has a second matrix; is '//' missing?", line
                )
            letters = _letters(source, line)
        elif key.isdecimal():
            rows.append(_row(source, line, letters, len(rows)))
            at.append(line)
        elif fields and key in ("ID", *_KEYS):
            text = " ".join(fields)
            names[key] = f"{names[key]} {text}" if key in names else text
    if not letters:
        return []
    if not rows:
        raise source.error("the matrix has no rows", record[-1])
    matrix = as_matrix(rows)
    kind = guess_kind(matrix)
    check_kind(source, matrix, "counts" if kind == "log-odds" else kind, at)
    name = names.get("ID") or names.get("AC") or names.get("NA") or source.stem
    metadata = {_KEYS[key]: text for key, text in names.items() if key in _KEYS}
    if metadata.get("accession") == name:
        del metadata["accession"]
    return [Motif(name.split()[0], matrix, kind, letters, metadata=metadata)]


def _letters(source: Source, line: Line) -> tuple[str, ...]:
    letters = tuple(line.text.split()[1:])
    if len(letters) < 2 or len(set(letters)) != len(letters):
        raise source.error("expected the letters of the columns", line)
    return letters


def _row(
    source: Source, line: Line, letters: Sequence[str], n_before: int
) -> list[float]:
    key, *fields = line.text.split()
    if not letters:
        raise source.error("there is no line 'P0' above this row", line)
    if int(key) not in (n_before + 1, n_before):
        raise source.error(
            f"expected the row of position {n_before + 1}, found {key}", line
        )
    # The letter of the consensus may stand at the end.
    if len(fields) == len(letters) + 1 and not is_number(fields[-1]):
        fields.pop()
    return parse_numbers(source, line, fields, len(letters))


def write(motifs: Sequence[Motif]) -> str:
    """Counts in the format of TRANSFAC.

    Args:
        motifs: Motifs of counts.

    Raises:
        ValueError: The letters have several characters.
    """
    require_single_letters(motifs)
    lines = []
    for motif in motifs:
        name = identifier(motif)
        texts = {"AC": remark(motif.metadata.get("accession", name)), "ID": name}
        for key in ("NA", "DE", "BF"):
            if _KEYS[key] in motif.metadata:
                texts[key] = remark(motif.metadata[_KEYS[key]])
        for key, text in texts.items():
            lines += [f"{key}  {text}", "XX"]
        lines.append("P0  " + " ".join(motif.letters))
        for place, row in enumerate(motif.matrix, 1):
            lines.append(f"{place:02d}  {numbers(row)} {motif.consensus[place - 1]}")
        lines += ["XX", "//"]
    return "\n".join(lines) + "\n"
