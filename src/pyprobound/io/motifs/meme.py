"""MEME: the minimal motif format, and the text output of MEME itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .motif import DNA_LETTERS, PROTEIN_LETTERS, RNA_LETTERS, Motif
from .source import Line, Source, as_matrix, check_kind, is_number, parse_numbers
from .text import identifier, number, numbers, remark, require_single_letters

_STANDARD = (DNA_LETTERS, RNA_LETTERS, PROTEIN_LETTERS)
_MATRIX = "letter-probability matrix:"
_BACKGROUND = "Background letter frequencies"


def looks_like(source: Source) -> bool:
    """Whether a file begins as one of MEME does."""
    start = source.lines[:30]
    return any(line.text.startswith("MEME version") for line in start)


def read(source: Source) -> list[Motif]:
    """Reads a file in the minimal motif format, or the text output of MEME.

    Args:
        source: The file.

    Raises:
        InputError: The file is malformed or truncated.
    """
    return _Reader(source).read()


class _Reader:
    """Goes through the lines once.

    The minimal format and the output of MEME have the same key lines; what the output
    has besides (sites, diagrams, log-odds) is passed over.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = source.lines
        self.place = 0
        self.letters: tuple[str, ...] = ()
        self.background: tuple[float, ...] = ()
        self.both_strands: bool | None = None
        self.motifs: list[Motif] = []
        self.header: Line | None = None

    def read(self) -> list[Motif]:
        while self.place < len(self.lines):
            line = self.lines[self.place]
            self.place += 1
            text = line.text
            if text.startswith("ALPHABET="):
                self.letters = tuple(text.removeprefix("ALPHABET=").strip())
            elif text.startswith("ALPHABET"):
                self.letters = self._custom_alphabet(line)
            elif text.startswith("strands:"):
                self.both_strands = "-" in text
            elif text.startswith(_BACKGROUND):
                self.background = self._background(line)
            elif text.startswith("MOTIF "):
                self._check_finished()
                self.header = line
            elif text.startswith(_MATRIX):
                self._matrix(line)
            elif text.startswith("URL ") and self.motifs and self.header is None:
                self._add_url(text.removeprefix("URL ").strip())
        self._check_finished()
        if not self.motifs:
            raise self.source.error("the file holds no motif", self.source.last)
        return self.motifs

    def _custom_alphabet(self, line: Line) -> tuple[str, ...]:
        letters: list[str] = []
        while self.place < len(self.lines):
            text = self.lines[self.place].text
            self.place += 1
            if text.startswith("END ALPHABET"):
                return tuple(sorted(letters, key=_symbol_order))
            if "=" in re.sub('"[^"]*"', "", text):
                continue  # A degenerate letter.
            # Complementary letters stand in one line: A "Adenine" ~ T "Thymine".
            letters += [
                part.strip()[:1] for part in re.sub('"[^"]*"', "", text).split("~")
            ]
        raise self.source.error("END ALPHABET is missing", line)

    def _background(self, line: Line) -> tuple[float, ...]:
        shares: dict[str, float] = {}
        while self.place < len(self.lines):
            current = self.lines[self.place]
            fields = current.text.split()
            if len(fields) < 2 or fields[0] not in self._alphabet():
                break
            self.place += 1
            if len(fields) % 2:
                raise self.source.error("expected pairs such as 'A 0.25'", current)
            values = parse_numbers(self.source, current, fields[1::2])
            shares.update(zip(fields[::2], values, strict=True))
        missing = [letter for letter in self._alphabet() if letter not in shares]
        if missing:
            raise self.source.error(
                f"the background frequency of {missing[0]} is missing", line
            )
        found = tuple(shares[letter] for letter in self._alphabet())
        if abs(sum(found) - 1) > 0.01 or min(found) <= 0:
            raise self.source.error(
                "background frequencies must be above 0 and sum to 1, not to"
                f" {sum(found):g}",
                line,
            )
        return found

    def _alphabet(self) -> tuple[str, ...]:
        return self.letters or DNA_LETTERS

    def _matrix(self, line: Line) -> None:
        if self.header is None:
            raise self.source.error("there is no line MOTIF above this matrix", line)
        settings = dict(re.findall(r"(\w+)\s*=\s*(\S+)", line.text))
        letters = self._alphabet()
        n_letters = self._whole(settings, "alength", line, len(letters))
        if n_letters != len(letters):
            raise self.source.error(
                f"alength= {n_letters}, but the alphabet has {len(letters)} letters",
                line,
            )
        width = self._whole(settings, "w", line, None)
        rows: list[Line] = []
        while self.place < len(self.lines) and (width is None or len(rows) < width):
            if not is_number(self.lines[self.place].text.split()[0]):
                break
            rows.append(self.lines[self.place])
            self.place += 1
        if not rows or (width is not None and len(rows) < width):
            raise self.source.error(
                f"expected {width or 'some'} rows of probabilities, found {len(rows)};"
                " is the file truncated?",
                rows[-1] if rows else line,
            )
        follows = self.lines[self.place : self.place + 1]
        if follows and all(map(is_number, follows[0].text.split())):
            raise self.source.error(
                f"the matrix has more rows than w= {width} says", follows[0]
            )
        matrix = as_matrix(
            [parse_numbers(self.source, r, r.text.split(), n_letters) for r in rows]
        )
        check_kind(self.source, matrix, "probabilities", rows)
        self._add(matrix, settings, line)

    def _add(self, matrix: np.ndarray, settings: dict[str, str], line: Line) -> None:
        assert self.header is not None  # noqa: S101 - checked by the caller
        words = self.header.text.split("width")[0].split()[1:]
        if not words:
            raise self.source.error("the motif has no name", self.header)
        metadata = {}
        if len(words) > 1:
            metadata["title"] = " ".join(words[1:])
        if "E" in settings:
            metadata["evalue"] = settings["E"]
        sites = settings.get("nsites")
        if sites is not None and not is_number(sites):
            raise self.source.error(f"nsites= {sites!r} is no number", line)
        self.motifs.append(
            Motif(
                words[0],
                matrix,
                "probabilities",
                self._alphabet(),
                self.background,
                n_sites=float(sites) if sites and float(sites) > 0 else None,
                metadata=metadata,
                both_strands=self.both_strands,
            )
        )
        self.header = None

    def _whole(
        self, settings: dict[str, str], key: str, line: Line, default: int | None
    ) -> int | None:
        text = settings.get(key)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < 1:
            raise self.source.error(f"{key}= {text!r} is no number above 0", line)
        return int(text)

    def _check_finished(self) -> None:
        if self.header is not None:
            raise self.source.error(
                "the motif has no letter-probability matrix; is the file truncated?",
                self.header,
            )

    def _add_url(self, url: str) -> None:
        last = self.motifs[-1]
        dict_of = dict(last.metadata)
        dict_of.setdefault("url", url)
        object.__setattr__(last, "metadata", dict_of)


def write(motifs: Sequence[Motif]) -> str:
    """Motifs in the minimal format of MEME, version 4.

    Args:
        motifs: Motifs of probabilities with the same letters and background.

    Raises:
        ValueError: They differ in what the file says only once.
    """
    require_single_letters(motifs)
    first = motifs[0]
    for motif in motifs:
        if (motif.letters, motif.both_strands) != (first.letters, first.both_strands):
            raise ValueError(
                f"the motifs {first.name!r} and {motif.name!r} differ in their letters"
                " or strands, which a file of MEME has once: write two files"
            )
        if motif.background != first.background:
            raise ValueError(
                f"the motifs {first.name!r} and {motif.name!r} differ in their"
                " background, which a file of MEME has once: give one, or write two"
                " files"
            )
    order = sorted(
        range(len(first.letters)), key=lambda i: _symbol_order(first.letters[i])
    )
    letters = [first.letters[i] for i in order]
    lines = ["MEME version 4", ""]
    if tuple(letters) in _STANDARD:
        lines += [f"ALPHABET= {''.join(letters)}", ""]
    else:
        lines += ['ALPHABET "custom"', *letters, "END ALPHABET", ""]
    if tuple(letters) == DNA_LETTERS:
        lines += ["strands: +" if first.both_strands is False else "strands: + -", ""]
    shares = [
        f"{letters[j]} {number(first.background[i])}" for j, i in enumerate(order)
    ]
    lines += [f"{_BACKGROUND} (from unknown source):", " ".join(shares), ""]
    for motif in motifs:
        title = remark(motif.metadata.get("title", ""))
        lines.append(f"MOTIF {identifier(motif)} {title}".rstrip())
        sites = "" if motif.n_sites is None else f" nsites= {number(motif.n_sites)}"
        evalue = motif.metadata.get("evalue", "0")
        lines.append(
            f"{_MATRIX} alength= {len(letters)} w= {len(motif)}{sites} E= {evalue}"
        )
        lines += [" " + numbers(row[order]) for row in motif.matrix]
        if "url" in motif.metadata:
            lines.append(f"URL {remark(motif.metadata['url'])}")
        lines.append("")
    return "\n".join(lines)


def _symbol_order(symbol: str) -> tuple[int, str]:
    """The order in which MEME has the columns of alphabets of one's own."""
    groups = (str.isupper, str.islower, str.isdigit)
    return next((i for i, test in enumerate(groups) if test(symbol)), 3), symbol
