"""Reads sequences as codes: FASTA, FASTQ, plain text, a column of a table.

The text is never held as a whole and never looked at letter by letter in Python. A
chunk of some megabytes is split into lines and records by array operations, and its
letters go through a table of 256 entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..errors import InputError
from .lines import Lines, Places, Spans, split_lines
from .records import (
    HEADER_WORDS,
    RecordError,
    TableFinder,
    detect_format,
    find_fasta,
    find_fastq,
    find_text,
)
from .streams import ByteStream, open_stream

Codes: TypeAlias = npt.NDArray[np.signedinteger[Any]]
OnInvalid: TypeAlias = Literal["error", "skip"]

CHUNK_BYTES = 1 << 18
"""How much text is read at once."""
MAX_LINE_BYTES = 1 << 22
"""The most letters of a line: longer ones are no sequences, or need to be wrapped."""
MAX_SEQUENCE_BYTES = 1 << 24
"""The most letters of a sequence."""

_UNKNOWN = -1
_Finder = Callable[[Lines, bool], tuple[Spans, int]]


@dataclass(frozen=True)
class SequenceBlock:
    """Some consecutive sequences.

    Attributes:
        codes: Their codes, one sequence behind the other.
        limits: Where each begins, and where the last one ends, of shape (n + 1,).
        letters: Their letters as they were written, of shape (n + 1,) limits too; a
            letter takes as many bytes as the alphabet says.
        lines: The line on which each begins.
        names: The name of each; None in formats without names.
    """

    codes: Codes
    limits: Places
    letters: npt.NDArray[np.uint8]
    lines: Places
    names: list[str] | None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def lengths(self) -> Places:
        """The number of letters of each sequence."""
        return np.diff(self.limits)

    def texts(self) -> list[str]:
        """The sequences as they were written."""
        if not len(self):
            return []
        width = len(self.letters) // max(1, len(self.codes))
        text = self.letters.tobytes().decode("ascii")
        limits = (self.limits * width).tolist()
        return [text[a:b] for a, b in pairwise(limits)]


class SequenceReader:
    """Reads sequences in blocks, so that memory does not grow with the file.

    Which format a text has is seen from its first line: ``>`` begins FASTA, ``@``
    begins FASTQ, a line with a tab or a comma is a row of a table, and anything else
    is one sequence per line. Gzip is recognised, too. Lower case is folded if the
    alphabet has no lower-case letters, and U and T are the same to DNA and RNA.

    Args:
        path: The file; ``-`` for the standard input.
        alphabet: The letters.
        column: The column of a table that holds the sequences: its name, or its
            number from 1; the first one by default.
        on_invalid: What to do about a sequence that has no letters, or some that the
            alphabet does not know: raise an error, or skip it and count it.
        chunk_bytes: How much text is read at once.

    Attributes:
        n_skipped: The number of sequences that were skipped.
        first_skipped: Why the first of them was.
    """

    def __init__(
        self,
        path: str | Path,
        alphabet: Alphabet,
        *,
        column: str | int | None = None,
        on_invalid: OnInvalid = "error",
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.path = Path(path)
        self.alphabet = alphabet
        self.column = column
        self.on_invalid = on_invalid
        self.chunk_bytes = chunk_bytes
        self.n_skipped = 0
        self.first_skipped: InputError | None = None
        self.stream: ByteStream | None = None
        self._letters = LetterTable(alphabet)

    def __iter__(self) -> Iterator[SequenceBlock]:
        """Iterates over the sequences.

        Raises:
            InputError: The file cannot be read, or is malformed; the message names
                the line.
        """
        with open_stream(self.path) as stream:
            self.stream = stream
            found = False
            try:
                for spans in self._spans(stream):
                    found = found or len(spans) > 0
                    block = self._block(spans)
                    if len(block):
                        yield block
            except RecordError as error:
                raise InputError(
                    error.message, path=self.path, line=error.line, key=error.key
                ) from None
            if not found:
                raise InputError("there are no sequences in it", path=self.path)

    # --- records -----------------------------------------------------------------

    def _spans(self, stream: ByteStream) -> Iterator[Spans]:
        """Finds the records, chunk by chunk."""
        finder: _Finder | None = None
        rest, line = b"", 1
        chunks = stream.chunks(self.chunk_bytes)
        chunk = next(chunks, b"").removeprefix(b"\xef\xbb\xbf")
        while chunk:
            following = next(chunks, b"")
            is_last = not following
            text = rest + chunk
            end = len(text) if is_last else text.rfind(b"\n") + 1
            self._check_chunk(chunk, len(text) - end, text.count(b"\n") + line)
            lines = split_lines(text[:end], line)
            if finder is None and not lines.is_blank().all():
                finder, lines = self._begin(lines)
            used = len(lines)
            if finder is not None and len(lines):
                spans, used = finder(lines, is_last)
                yield spans
            left = lines.slice(used)
            start = int(left.starts[0]) if len(left) else end
            # Line ends of other kinds were replaced, so that the lines have the rest.
            rest = lines.text[start:].tobytes() if len(left) else b""
            rest += text[end:]
            line = lines.first + used
            self._check_record(len(rest), line)
            chunk = following

    def _begin(self, lines: Lines) -> tuple[_Finder, Lines]:
        """Chooses the format; returns the lines without an announcing first one."""
        kind = detect_format(lines, self.column)
        if kind == "fasta":
            return find_fasta, lines
        if kind == "fastq":
            return find_fastq, lines.slice(int(np.argmin(lines.is_blank())))
        if kind == "table":
            accepts = self._letters.accepts
            return TableFinder(
                1 if self.column is None else self.column, accepts
            ), lines
        index = int(np.argmin(lines.is_blank()))
        first = lines.decode(index)
        if first.lower() in HEADER_WORDS and not self._letters.accepts(first):
            lines = lines.slice(index + 1)
        return find_text, lines

    def _check_chunk(self, chunk: bytes, unfinished: int, line: int) -> None:
        """Raises InputError if a chunk is no text or its last line is too long."""
        if b"\0" in chunk:
            raise InputError(
                "expected text (FASTA, FASTQ, one sequence per line, or a table), but"
                " found binary data",
                path=self.path,
            )
        if unfinished > MAX_LINE_BYTES:
            raise InputError(
                f"the line is longer than {MAX_LINE_BYTES:,} characters; if it is a"
                " sequence, wrap it into shorter lines of a FASTA file",
                path=self.path,
                line=line,
            )

    def _check_record(self, size: int, line: int) -> None:
        if size > MAX_SEQUENCE_BYTES:
            raise InputError(
                f"the record is longer than {MAX_SEQUENCE_BYTES:,} characters, the"
                " longest sequence that is read; cut it into overlapping parts",
                path=self.path,
                line=line,
            )

    # --- letters -----------------------------------------------------------------

    def _block(self, spans: Spans) -> SequenceBlock:
        """Translates the letters of records."""
        mask = spans.mask()
        letters = spans.lines.text[mask]
        lengths = spans.lengths()
        blank = (letters == 32) | (letters == 9)
        if spans.names is not None and blank.any():
            # Some FASTA files set off groups of ten letters.
            where = np.repeat(np.arange(len(spans)), lengths)
            lengths = lengths - np.bincount(where[blank], minlength=len(spans))
            mask[np.flatnonzero(mask)[blank]] = False
            letters = letters[~blank]
        codes, bad = self._letters.translate(letters, lengths)
        invalid = np.zeros(len(spans), bool)
        if len(bad) or (lengths == 0).any():
            ends = np.cumsum(lengths)
            invalid[lengths == 0] = True
            invalid[np.searchsorted(ends, bad, side="right")] = True
            self._handle_invalid(spans, mask, lengths, bad, invalid)
        width = self.alphabet.monomer_length
        names = spans.names
        lines = spans.places + spans.lines.first
        if invalid.any():
            kept = np.repeat(~invalid, lengths)
            letters = letters[kept]
            codes = codes[np.repeat(~invalid, lengths // width)]
            lengths, lines = lengths[~invalid], lines[~invalid]
            if names is not None:
                names = [n for n, no in zip(names, invalid, strict=True) if not no]
        limits = np.concatenate([[0], np.cumsum(lengths // width)])
        return SequenceBlock(codes, limits, letters, lines, names)

    def _handle_invalid(
        self,
        spans: Spans,
        mask: npt.NDArray[np.bool_],
        lengths: Places,
        bad: Places,
        invalid: npt.NDArray[np.bool_],
    ) -> None:
        """Raises the error of the first invalid sequence, or takes note of it."""
        record = int(np.argmax(invalid))
        ends = np.cumsum(lengths)
        start = int(ends[record] - lengths[record])
        line = spans.lines.first + int(spans.places[record])
        if lengths[record] == 0:
            message = "the sequence has no letters"
        else:
            place = int(bad[(bad >= start) & (bad < ends[record])][0])
            where = np.flatnonzero(mask)[place]
            line = spans.lines.line_at(int(where))
            text = spans.lines.text[where : where + 4].tobytes()
            message = self._letters.refusal(text, place - start, int(lengths[record]))
        hint = "; leave such sequences out with --invalid skip"
        error = InputError(message + hint, path=self.path, line=line)
        if self.on_invalid == "error":
            raise error
        self.n_skipped += int(invalid.sum())
        if self.first_skipped is None:
            self.first_skipped = InputError(message, path=self.path, line=line)


class LetterTable:
    """The codes of the bytes of sequences.

    Args:
        alphabet: The letters.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self._folds = all(code == code.upper() for code in alphabet.encoding)

    @cached_property
    def codes_of(self) -> dict[str, int]:
        """The code of each text that stands for a letter."""
        alphabet = self.alphabet
        size = alphabet.monomer_length
        found = {}
        has_wildcard = any(
            index == alphabet.wildcard_pad and code.isalnum()
            for code, index in alphabet.get_index.items()
        )
        for code, index in alphabet.get_index.items():
            if code in (" " * size, "-" * size) or (
                code == "*" * size and has_wildcard
            ):
                continue
            found[code] = index
        letters = set("".join(alphabet.alphabet))
        for one, other in (("T", "U"), ("U", "T")):
            if letters == set("ACG" + one):
                found |= {c.replace(one, other): i for c, i in found.items()}
        return found

    @cached_property
    def _table(self) -> Codes:
        kind: type[np.int8 | np.int16]
        kind = np.int16 if max(self.codes_of.values()) > 127 else np.int8
        table: Codes = np.full(256, _UNKNOWN).astype(kind)
        for code, index in self.codes_of.items():
            if ord(code) < 128:
                table[ord(code)] = index
                if self._folds:
                    table[ord(code.lower())] = index
        return table

    def accepts(self, text: str) -> bool:
        """Whether a text is a sequence."""
        letters = np.frombuffer(text.encode(errors="replace"), np.uint8)
        _, bad = self.translate(letters, np.array([len(letters)]))
        return len(letters) > 0 and not len(bad)

    def translate(
        self, letters: npt.NDArray[np.uint8], lengths: Places
    ) -> tuple[Codes, Places]:
        """Translates letters.

        Args:
            letters: The bytes of sequences, one behind the other.
            lengths: The number of bytes of each sequence.

        Returns:
            The codes, and the places of bytes that are not known.
        """
        size = self.alphabet.monomer_length
        if size == 1:
            codes = self._table[letters]
            bad = np.flatnonzero(codes == _UNKNOWN)
            return codes, bad
        return self._translate_groups(letters, lengths, size)

    def _translate_groups(
        self, letters: npt.NDArray[np.uint8], lengths: Places, size: int
    ) -> tuple[Codes, Places]:
        """Translates letters of several bytes each."""
        ends = np.cumsum(lengths)
        whole = lengths // size * size
        inside = np.arange(len(letters)) - np.repeat(ends - lengths, lengths)
        used = inside < np.repeat(whole, lengths)
        text = letters[used]
        if self._folds:
            lower = (text >= 97) & (text <= 122)
            text = text - 32 * lower.astype(np.uint8)
        groups, place = np.unique(text.reshape(-1, size), axis=0, return_inverse=True)
        found = [
            self.codes_of.get(group.tobytes().decode(errors="replace"), _UNKNOWN)
            for group in groups
        ]
        codes = np.array(found, np.int16)[place.reshape(-1)]
        bad = np.concatenate(
            [
                np.flatnonzero(used)[::size][codes == _UNKNOWN],
                np.flatnonzero(~used & (inside == np.repeat(whole, lengths))),
            ]
        )
        return codes, np.sort(bad)

    def refusal(self, text: bytes, position: int, length: int) -> str:
        """Why a letter is not accepted.

        Args:
            text: Some bytes that begin with the letter.
            position: Its place in the sequence, from 0.
            length: The number of bytes of the sequence.
        """
        size = self.alphabet.monomer_length
        if size > 1 and length - position < size:
            return (
                f"the sequence has {length} characters, which is not a multiple of"
                f" {size}, the length of a letter of {self.alphabet!r}"
            )
        decoded = text.decode(errors="replace")
        letter = decoded[:size]
        letters = self.alphabet.alphabet
        known = ", ".join(letters) if len(letters) <= 30 else f"{len(letters)} letters"
        place = position // size + 1
        hint = "; a gap has no affinity: remove it" if letter == "-" else ""
        return (
            f"letter {letter!r} at position {place} of the sequence is not in the"
            f" alphabet {self.alphabet!r} ({known}){hint}"
        )
