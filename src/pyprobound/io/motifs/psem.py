r"""PSEM and PSAM: energies and relative affinities of letters at positions.

There is no standard for these; both are written as text with what one must know to
read them::

    # PSEM: energies, -ddG/RT, natural logs, larger is tighter
    >name title
    # positions: 2
    # strands: both
    # background: A 0.25 C 0.25 G 0.25 T 0.25
    position A C G T
    1 0 -1.5 -2 -0.5
    2 -1 0 -3 -2.5
    pairs 1 AA AC AG AT CA CC CG CT GA GC GG GT TA TC TG TT
    1 0 0 0.25 0 0 0 0 0 0 0 0 0 0 0 0 0
    # end

A block ``pairs d`` holds energies of two letters at positions ``i`` and ``i + d``, a
row for each ``i``. Where the number of positions is given, a line ``# end`` must follow.
In a PSAM numbers are :math:`e^{-\Delta\Delta G/RT}`, relative to
the best letter of each position, which has 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from .motif import FloatArray, Motif
from .source import SUM_TOLERANCE, Line, Source, as_matrix, is_number, parse_numbers
from .text import identifier, number, numbers, remark

_ENERGY = "# PSEM: energies, -ddG/RT, natural logs, larger is tighter"
_AFFINITY = "# PSAM: relative affinities, exp(-ddG/RT), 1 for the best letter"
_UNITS = {"-ddg/rt": 1.0, "ddg/rt": -1.0}


def looks_like_psem(source: Source) -> bool:
    """Whether a file says that it holds energies."""
    return source.lines[0].text.upper().startswith("# PSEM")


def looks_like_psam(source: Source) -> bool:
    """Whether a file says that it holds relative affinities."""
    return source.lines[0].text.upper().startswith("# PSAM")


def read_psem(source: Source) -> list[Motif]:
    """Reads energies.

    They are ``-ddG/RT`` unless a line ``# unit: ddG/RT`` says otherwise.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated, or the numbers are of another
            kind.
    """
    return [_read(source, *part, is_affinity=False) for part in _parts(source)]


def read_psam(source: Source) -> list[Motif]:
    """Reads relative affinities, whose natural logs are the energies.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated, or the numbers are of another
            kind.
    """
    return [_read(source, *part, is_affinity=True) for part in _parts(source)]


def _parts(source: Source) -> Iterator[tuple[Line | None, list[Line]]]:
    """The lines of each motif; those before the first ``>`` count for all."""
    common: list[Line] = []
    parts: list[tuple[Line | None, list[Line]]] = []
    for line in source.lines:
        if line.text.startswith(">"):
            parts.append((line, []))
        elif parts:
            parts[-1][1].append(line)
        else:
            common.append(line)
    if not parts:
        yield None, common
        return
    for line in common:
        if not line.text.startswith("#"):
            raise source.error("expected a line '>name' before the matrix", line)
    for header, lines in parts:
        yield header, common + lines


@dataclass
class _Parts:
    """The lines of one motif by what they are.

    Attributes:
        settings: The texts behind ``# key:``, with their lines.
        heads: The header of the single letters (0) and of pairs at each distance.
        blocks: The rows below each of them.
    """

    settings: dict[str, tuple[str, Line]] = field(default_factory=dict)
    heads: dict[int, Line] = field(default_factory=dict)
    blocks: dict[int, list[Line]] = field(default_factory=dict)


def _sort(source: Source, lines: Sequence[Line]) -> _Parts:
    found = _Parts()
    current: list[Line] | None = None
    for line in lines:
        if line.text.startswith("#"):
            key, _, value = line.text[1:].partition(":")
            found.settings[key.strip().lower()] = value.strip(), line
        elif is_number(line.text.split()[0]):
            if current is None:
                raise source.error(
                    "there is no header such as 'position A C G T' above this row", line
                )
            current.append(line)
        else:
            distance = _distance(source, line)
            if distance in found.heads or (distance and 0 not in found.heads):
                raise source.error("the blocks of the motif are in disorder", line)
            found.heads[distance] = line
            current = found.blocks.setdefault(distance, [])
    return found


def _distance(source: Source, line: Line) -> int:
    """The distance of the letters of a block, 0 for single ones, from its header."""
    first, *rest = line.text.split()
    if first.lower() == "pairs":
        if not rest or not rest[0].isdecimal() or int(rest[0]) < 1:
            raise source.error("expected the distance after 'pairs'", line)
        return int(rest[0])
    if first.lower() not in ("position", "pos"):
        raise source.error(
            f"expected 'position' and the letters, found {first[:40]!r}", line
        )
    return 0


def _read(
    source: Source, header: Line | None, lines: Sequence[Line], *, is_affinity: bool
) -> Motif:
    words = header.text[1:].split(maxsplit=1) if header else [source.stem]
    if not words:
        raise source.error("the motif has no name", header)
    parts = _sort(source, lines)
    settings = parts.settings
    if not parts.blocks.get(0):
        at = header or (lines[-1] if lines else source.last)
        raise source.error("the motif has no rows; is the file truncated?", at)
    rows = parts.blocks[0]
    letters = tuple(parts.heads[0].text.split()[1:])
    if not letters or len(set(letters)) != len(letters):
        raise source.error("expected the letters of the columns", parts.heads[0])
    matrix = _block(source, rows, len(letters))
    _check_length(source, settings, len(matrix), rows[-1])
    pairs = _pairs(source, parts, letters, len(matrix))
    if is_affinity:
        if pairs:
            raise source.error(
                "a PSAM has no pairs: write a PSEM", parts.heads[max(pairs)]
            )
        matrix = _logs(source, matrix, rows)
    else:
        sign = _sign(source, settings, matrix, rows)
        matrix, pairs = sign * matrix, {d: sign * each for d, each in pairs.items()}
    sites = settings.get("sites")
    return Motif(
        words[0],
        matrix,
        "energies",
        letters,
        _background(source, settings, letters),
        n_sites=None
        if sites is None
        else parse_numbers(source, sites[1], [sites[0]])[0],
        metadata={"title": words[1]} if len(words) > 1 else {},
        pairs=pairs,
        both_strands=_strands(source, settings),
    )


def _pairs(
    source: Source, parts: _Parts, letters: tuple[str, ...], n_positions: int
) -> dict[int, FloatArray]:
    names = ["".join(pair) for pair in product(letters, letters)]
    pairs = {}
    for distance, rows in parts.blocks.items():
        if distance == 0:
            continue
        head = parts.heads[distance]
        if head.text.split()[2:] != names:
            raise source.error(
                f"expected the pairs of letters {' '.join(names[:3])} ... in the order"
                " of the letters above",
                head,
            )
        if not rows or len(rows) != n_positions - distance:
            raise source.error(
                f"expected {max(n_positions - distance, 0)} rows of pairs at distance"
                f" {distance}, found {len(rows)}; is the file truncated?",
                rows[-1] if rows else head,
            )
        values = _block(source, rows, len(names))
        pairs[distance] = values.reshape(-1, len(letters), len(letters))
    return pairs


def _block(source: Source, rows: Sequence[Line], n_columns: int) -> FloatArray:
    """The numbers of a block, without the number of the position in front."""
    values = []
    for place, line in enumerate(rows, 1):
        fields = line.text.split()
        if len(fields) == n_columns + 1:
            if fields[0] != str(place):
                raise source.error(
                    f"expected the row of position {place}, found {fields[0]}", line
                )
            del fields[0]
        values.append(parse_numbers(source, line, fields, n_columns))
    return as_matrix(values)


def _check_length(
    source: Source, settings: dict[str, tuple[str, Line]], found: int, last: Line
) -> None:
    if "positions" not in settings:
        return
    text, line = settings["positions"]
    if not text.isdecimal():
        raise source.error(f"positions: {text!r} is no number", line)
    if "end" not in settings:
        raise source.error(
            "the motif does not end with '# end'; is the file truncated?", last
        )
    if int(text) != found:
        raise source.error(
            f"expected {text} positions, found {found}; is the file truncated?", last
        )


def _background(
    source: Source, settings: dict[str, tuple[str, Line]], letters: tuple[str, ...]
) -> tuple[float, ...]:
    if "background" not in settings:
        return ()
    text, line = settings["background"]
    fields = text.split()
    if tuple(fields[::2]) != letters or len(fields) != 2 * len(letters):
        raise source.error("expected each letter with its background", line)
    values = tuple(parse_numbers(source, line, fields[1::2]))
    if min(values) <= 0 or abs(sum(values) - 1) > SUM_TOLERANCE:
        raise source.error("a background must be above 0 and sum to 1", line)
    return values


def _strands(source: Source, settings: dict[str, tuple[str, Line]]) -> bool | None:
    if "strands" not in settings:
        return None
    text, line = settings["strands"]
    if text not in ("both", "one"):
        raise source.error(f"strands: expected 'both' or 'one', found {text!r}", line)
    return text == "both"


def _sign(
    source: Source,
    settings: dict[str, tuple[str, Line]],
    matrix: FloatArray,
    rows: Sequence[Line],
) -> float:
    if "unit" in settings:
        text, line = settings["unit"]
        if text.lower() not in _UNITS:
            raise source.error(
                f"the unit {text!r} is unknown; expected '-ddG/RT' or 'ddG/RT'", line
            )
        return _UNITS[text.lower()]
    if _are_probabilities(matrix):
        raise source.error(
            "the numbers of each position are not negative and sum to 1, so these look"
            " like probabilities, not energies; read them with --from hocomoco-ppm or"
            " cisbp",
            rows[0],
        )
    if (matrix.min(axis=1) == 0).all() and (matrix > 0).any():
        raise source.error(
            "the least energy of each position is 0, so these look like ddG/RT, of"
            " which a smaller value is tighter; say which by a line '# unit: ddG/RT'"
            " or '# unit: -ddG/RT'",
            rows[0],
        )
    return 1.0


def _logs(source: Source, matrix: FloatArray, rows: Sequence[Line]) -> FloatArray:
    """The energies of relative affinities."""
    if not (matrix > 0).all():
        place = int((matrix <= 0).any(axis=1).argmax())
        raise source.error(
            f"position {place + 1} has an affinity that is not above 0; put the least"
            " affinity that could be measured in its place. Logs of affinities are"
            " read with --from psem",
            rows[place],
        )
    if len(matrix[0]) > 1 and _are_probabilities(matrix):
        raise source.error(
            "the numbers of each position sum to 1, so these look like probabilities,"
            " not relative affinities, of which the best is 1; read them with --from"
            " hocomoco-ppm or cisbp",
            rows[0],
        )
    values: FloatArray = np.log(matrix)
    return values


def _are_probabilities(matrix: FloatArray) -> bool:
    sums = np.abs(matrix.sum(axis=1) - 1) <= SUM_TOLERANCE
    return bool(sums.all() and (matrix >= 0).all() and (matrix.max(axis=1) < 1).any())


# --- writing ------------------------------------------------------------------------


def write_psem(motifs: Sequence[Motif]) -> str:
    """Energies, also of pairs of letters.

    Args:
        motifs: Motifs of energies.
    """
    lines = [_ENERGY]
    for motif in motifs:
        lines += _head(motif) + _rows(
            "position " + " ".join(motif.letters), motif.matrix
        )
        names = " ".join("".join(p) for p in product(motif.letters, motif.letters))
        for distance, block in motif.pairs.items():
            flat = block.reshape(len(block), -1)
            lines += _rows(f"pairs {distance} {names}", flat)
        lines.append("# end")
    return "\n".join(lines) + "\n"


def write_psam(motifs: Sequence[Motif]) -> str:
    """Relative affinities.

    Args:
        motifs: Motifs of energies without pairs of letters.

    Raises:
        ValueError: A motif has pairs, or energies whose affinity is 0 as a number.
    """
    lines = [_AFFINITY]
    for motif in motifs:
        if motif.pairs:
            raise ValueError(
                f"the motif {motif.name!r} has energies of pairs of letters, which a"
                " PSAM cannot hold: write psem"
            )
        values = np.exp(motif.matrix - motif.matrix.max(axis=1, keepdims=True))
        if not (values > np.finfo(np.float64).tiny).all():
            raise ValueError(
                f"the motif {motif.name!r} has energies so low that their affinity is"
                " 0 as a number: write psem"
            )
        lines += _head(motif) + _rows("position " + " ".join(motif.letters), values)
        lines.append("# end")
    return "\n".join(lines) + "\n"


def _head(motif: Motif) -> list[str]:
    title = remark(motif.metadata.get("title", ""))
    lines = [f">{identifier(motif)} {title}".rstrip(), f"# positions: {len(motif)}"]
    if motif.both_strands is not None:
        lines.append(f"# strands: {'both' if motif.both_strands else 'one'}")
    shares = [
        f"{letter} {number(share)}"
        for letter, share in zip(motif.letters, motif.background, strict=True)
    ]
    lines.append("# background: " + " ".join(shares))
    if motif.n_sites is not None:
        lines.append(f"# sites: {number(motif.n_sites)}")
    return lines


def _rows(header: str, values: FloatArray) -> list[str]:
    return [header, *(f"{i} {numbers(row)}" for i, row in enumerate(values, 1))]
