"""Turns columns of text into columns of integer codes, in bulk.

Letters are never looked at one by one in Python: a block of sequences is joined,
translated through a table of bytes and viewed as an array. Only alphabets that
are not plain ASCII take a slower general path.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import PyproboundError

CodeArray: TypeAlias = npt.NDArray[np.signedinteger[Any]]

# Letters per block: large enough for the arrays to pay, small against the table.
_BLOCK_LETTERS = 1 << 21
_BLOCK_ROWS = 1 << 16
# Largest table of all combinations of characters in one monomer.
_MAX_COMBINATIONS = 1 << 20


class UnknownLetterError(PyproboundError, KeyError, ValueError):
    """A letter that the alphabet does not have.

    It is both a ``KeyError`` and a ``ValueError``.

    Attributes:
        letter: The letter (or monomer) that is not in the alphabet.
        row: Index of the sequence in the column, or None for a single sequence.
        position: Index of the letter in the sequence, in monomers.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        letter: str,
        row: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message, letter, row, position)
        self.message = message
        self.letter = letter
        self.row = row
        self.position = position

    def __str__(self) -> str:
        # KeyError would show the message in quotes.
        return self.message


def smallest_code_type(greatest: int) -> np.dtype[np.signedinteger[Any]]:
    """Returns the smallest signed integer type that holds 0 to `greatest`."""
    for kind in (np.int8, np.int16, np.int32):
        if greatest <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


class Translator:
    """Translates text into the codes of one alphabet.

    Args:
        index: The code of each monomer.
        monomer_length: The number of characters of every monomer.
        describe: Text that names the alphabet in error messages.
    """

    def __init__(
        self,
        index: Mapping[str, int],
        monomer_length: int,
        describe: Callable[[], str],
    ) -> None:
        self._index = index
        self._monomer_length = monomer_length
        self._describe = describe
        self.code_type = smallest_code_type(max(index.values()))

    def translate_block(
        self, block: Sequence[str], first_row: int | None = 0
    ) -> tuple[CodeArray, npt.NDArray[np.int64]]:
        """Translates a block of sequences.

        Args:
            block: The sequences.
            first_row: Number of the first one, for error messages; None if it is
                a sequence on its own.

        Returns:
            The codes of all sequences one behind the other, and the number of
            monomers of each sequence.

        Raises:
            TypeError: An element is not a string.
            UnknownLetterError: A letter is not in the alphabet.
            ValueError: A sequence is not a whole number of monomers.
        """
        text = _join(block, first_row)
        lengths = np.fromiter(map(len, block), np.int64, len(block))
        if self._monomer_length > 1:
            lengths = self._count_monomers(lengths, first_row)
        codes = self._codes(text)
        if codes.size and codes.min() < 0:
            self._raise_unknown(block, codes, lengths, first_row)
        return codes, lengths

    def translate_many(
        self, sequences: Sequence[str], pad: int
    ) -> tuple[CodeArray, npt.NDArray[np.int64]]:
        """Translates a column of sequences; see `Alphabet.translate_many`."""
        n_rows = len(sequences)
        lengths = np.zeros(n_rows, np.int64)
        codes: CodeArray = np.empty((n_rows, 0), self.code_type)
        for start, block in _blocks(sequences):
            stop = start + len(block)
            flat, block_lengths = self.translate_block(block, start)
            lengths[start:stop] = block_lengths
            width = int(block_lengths.max())
            if width > codes.shape[1]:
                codes = _widen(codes, width, start, pad)
            _fill(codes[start:stop], flat, block_lengths, pad)
        return codes, lengths

    def _count_monomers(
        self, lengths: npt.NDArray[np.int64], first_row: int | None
    ) -> npt.NDArray[np.int64]:
        counts, rest = np.divmod(lengths, self._monomer_length)
        if rest.any():
            row = int(np.flatnonzero(rest)[0])
            raise ValueError(
                f"{_name_sequence(first_row, row)} has {lengths[row]} characters, "
                f"which is not a multiple of {self._monomer_length}, the length of "
                f"a monomer of {self._describe()}"
            )
        return counts

    @functools.cached_property
    def _byte_codes(self) -> bytes | None:
        """The code of each byte, 255 for none; None if letters are not bytes."""
        if self._monomer_length > 1 or not _are_ascii(self._index):
            return None
        # At most 128 letters: no code is above 127, so 255 reads -1 as int8.
        return _byte_table(self._index, 255)

    @functools.cached_property
    def _combinations(self) -> tuple[bytes, int, CodeArray] | None:
        """Character numbers by byte, their count, and codes by combined number."""
        if self._monomer_length == 1 or not _are_ascii(self._index):
            return None
        numbers = {c: i for i, c in enumerate(sorted(set("".join(self._index))))}
        radix = len(numbers) + 1  # one more for all other characters
        if radix**self._monomer_length > _MAX_COMBINATIONS:
            return None
        codes = np.full(radix**self._monomer_length, -1, self.code_type)
        for monomer, code in self._index.items():
            combined = functools.reduce(
                lambda total, character: total * radix + numbers[character], monomer, 0
            )
            codes[combined] = code
        return _byte_table(numbers, len(numbers)), radix, codes

    def _codes(self, text: str) -> CodeArray:
        """Returns the codes of whole monomers, -1 where there is none."""
        if text.isascii():
            if self._byte_codes is not None:
                packed = text.encode("ascii").translate(self._byte_codes)
                return np.frombuffer(packed, np.int8)
            if self._combinations is not None:
                by_byte, radix, codes = self._combinations
                packed = text.encode("ascii").translate(by_byte)
                numbers = np.frombuffer(packed, np.uint8)
                combined = np.zeros(len(numbers) // self._monomer_length, np.int32)
                for offset in range(self._monomer_length):
                    combined *= radix
                    combined += numbers[offset :: self._monomer_length]
                return codes[combined]
        size = self._monomer_length
        monomers = (text[start : start + size] for start in range(0, len(text), size))
        return np.fromiter(
            (self._index.get(monomer, -1) for monomer in monomers),
            self.code_type,
            len(text) // size,
        )

    def _raise_unknown(
        self,
        block: Sequence[str],
        codes: CodeArray,
        lengths: npt.NDArray[np.int64],
        first_row: int | None,
    ) -> None:
        ends = np.cumsum(lengths)
        place = int(np.flatnonzero(codes < 0)[0])
        row = int(np.searchsorted(ends, place, side="right"))
        position = place - int(ends[row] - lengths[row])
        start = position * self._monomer_length
        letter = block[row][start : start + self._monomer_length]
        raise UnknownLetterError(
            f"{letter!r} at position {position} of {_name_sequence(first_row, row)} "
            f"(counted from 0) is not a letter of {self._describe()}"
            f"{self._advise(letter)}",
            letter,
            None if first_row is None else first_row + row,
            position,
        )

    def _advise(self, letter: str) -> str:
        if letter.upper() in self._index:
            return "; convert the sequences to upper case"
        if letter.lower() in self._index:
            return "; convert the sequences to lower case"
        if {letter.upper().translate(_T_AND_U)} & self._index.keys():
            return "; T and U are not exchanged: choose DNA or RNA to fit the letters"
        return ""


_T_AND_U = str.maketrans("TU", "UT")


def _are_ascii(index: Mapping[str, int]) -> bool:
    return all(monomer.isascii() for monomer in index)


def _byte_table(values: Mapping[str, int], other: int) -> bytes:
    table = bytearray([other]) * 256
    for character, value in values.items():
        table[ord(character)] = value
    return bytes(table)


def _name_sequence(first_row: int | None, row: int) -> str:
    return "the sequence" if first_row is None else f"sequence {first_row + row}"


def _join(block: Sequence[str], first_row: int | None) -> str:
    try:
        return "".join(block)
    except TypeError:
        row, value = next(
            (row, value)
            for row, value in enumerate(block)
            if not isinstance(value, str)
        )
        raise TypeError(
            f"{_name_sequence(first_row, row)} is {value!r} ({type(value).__name__}), "
            "not a string of letters"
        ) from None


def _blocks(sequences: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Iterates over blocks of sequences, each with the number of its first row."""
    start = 0
    while start < len(sequences):
        first = sequences[start]
        typical = len(first) if isinstance(first, str) else 1
        rows = min(_BLOCK_ROWS, max(1, _BLOCK_LETTERS // max(1, typical)))
        block: Any = sequences[start : start + rows]
        # Arrays and pandas indices give plain strings faster all at once.
        yield start, block.tolist() if hasattr(block, "tolist") else block
        start += rows


def _widen(codes: CodeArray, width: int, n_filled: int, pad: int) -> CodeArray:
    """Copies codes into a wider array, of which the first rows are in use."""
    wider = np.empty((len(codes), width), codes.dtype)
    wider[:n_filled, : codes.shape[1]] = codes[:n_filled]
    wider[:n_filled, codes.shape[1] :] = pad
    return wider


def _fill(
    rows: CodeArray, flat: CodeArray, lengths: npt.NDArray[np.int64], pad: int
) -> None:
    """Writes sequences that lie one behind the other into padded rows, in place."""
    if (lengths == rows.shape[1]).all():
        rows[:] = flat.reshape(rows.shape)
        return
    rows[:] = pad
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = flat
