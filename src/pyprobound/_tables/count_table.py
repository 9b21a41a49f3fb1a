"""Tables of sequences and their counts."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ..alphabets import Alphabet, UnknownLetterError
from .base import Table
from .batch import CountBatch, Rows
from .columns import read_counts, read_sequences

RowIndex: TypeAlias = "SupportsIndex | slice | Sequence[int] | Tensor"

# Rows handled at once where the temporary arrays are wider than the codes.
_BLOCK_ROWS = 1 << 16


class CountTable(Table[CountBatch], CountBatch):
    """Sequences, as rows of codes, and how often each was read in each round.

    Rows begin with the left flank, go on with the variable region and the right
    flank, and are filled up on the right with the code for "no letter" (with wildcards
    if `wildcard_pad` is set).

    Args:
        dataframe: The sequences, as index, and one column of counts per round; or
            measured values, such as energies, which may be negative, and their
            errors. It is not changed.
        alphabet: The letters of the sequences.
        transliterate: Texts to replace in the sequences, in this order, each with its
            replacement.
        transliterate_flanks: Whether to replace them in the flanks too.
        left_flank: The constant letters in front of the variable region.
        right_flank: The constant letters behind the variable region.
        left_flank_length: How many letters of the left flank are included at first,
            counted in letters of the alphabet.
        right_flank_length: How many letters of the right flank are included at first.
        max_left_flank_length: How many letters may ever be included on the left;
            defaults to the length of the flank. Beyond it rows go on with wildcards.
        max_right_flank_length: How many letters may ever be included on the right.
        wildcard_pad: Whether to fill short variable regions up with wildcards, so
            that all rows are equally long.
        min_variable_length: The least length of a variable region; defaults to the
            one observed.
        max_variable_length: The greatest length of a variable region; defaults to the
            one observed.

    Attributes:
        seqs: Codes, of shape (rows, `input_shape`), in the smallest integer type that
            holds them. It shares memory with the table's own copy while no flank is
            included: do not write into it.
        target: Counts, of shape (rows, rounds), float32: exact up to 2 ** 24.
        counts_per_round: The sum of each column, float64.
        variable_lengths: The length of each variable region, of shape (rows, 1); that
            of the longest one if they are filled up with wildcards. The right flank
            begins there.
        min_variable_length: See above.
        max_variable_length: See above.
        max_left_flank_length: See above.
        max_right_flank_length: See above.
        wildcard_padded: Whether short variable regions are filled up with wildcards.

    Raises:
        TypeError: The index holds something that is not a string.
        UnknownLetterError: A letter is not in the alphabet (it is a ``KeyError`` and a
            ``ValueError``, and names the letter, the row and the position).
        ValueError: A count is not a finite number, a blank precedes a letter, or the
            lengths contradict each other. (Negative counts are refused by the
            likelihood.)

    Warns:
        UserWarning: There are rows without a positive count, in a table without
            negative values. They are kept.
    """

    def __init__(
        self,
        dataframe: pd.DataFrame,
        alphabet: Alphabet,
        transliterate: Mapping[str, str] | None = None,
        transliterate_flanks: bool = False,
        left_flank: str = "",
        right_flank: str = "",
        left_flank_length: int = 0,
        right_flank_length: int = 0,
        max_left_flank_length: int | None = None,
        max_right_flank_length: int | None = None,
        wildcard_pad: bool = False,
        min_variable_length: int | None = None,
        max_variable_length: int | None = None,
    ) -> None:
        if transliterate_flanks:
            for pattern, replacement in (transliterate or {}).items():
                left_flank = left_flank.replace(pattern, replacement)
                right_flank = right_flank.replace(pattern, replacement)
        super().__init__(alphabet, left_flank, right_flank)
        self._left_codes = _translate_flank(alphabet, "left_flank", left_flank)
        self._right_codes = _translate_flank(alphabet, "right_flank", right_flank)
        self.max_left_flank_length = _default(
            max_left_flank_length, len(self._left_codes)
        )
        self.max_right_flank_length = _default(
            max_right_flank_length, len(self._right_codes)
        )
        self._check_flank_lengths(left_flank_length, right_flank_length)

        self.target = read_counts(dataframe)
        _warn_of_empty_rows(self.target)
        self.counts_per_round = self.target.sum(dim=0, dtype=torch.float64)

        codes, lengths = read_sequences(
            dataframe.index,
            alphabet,
            transliterate,
            allow_gaps=self.max_right_flank_length == 0 and not wildcard_pad,
        )
        self.wildcard_padded = wildcard_pad
        self.min_variable_length, self.max_variable_length = _length_limits(
            lengths, wildcard_pad, min_variable_length, max_variable_length
        )
        if wildcard_pad:
            _pad_rows(codes, lengths, alphabet.wildcard_pad)
            lengths[:] = codes.shape[1]
        self._unflanked = _set_width(
            torch.from_numpy(codes),
            max(self.max_variable_length, codes.shape[1]),
            self._pad_code,
        )
        self.variable_lengths = torch.from_numpy(lengths.astype(np.int32))[:, None]
        self.seqs = self._unflanked
        self.set_flank_length(left_flank_length, right_flank_length)

    @property
    def input_shape(self) -> int:
        """The number of positions stored per row."""
        return self.seqs.shape[1]

    @property
    def min_read_length(self) -> int:
        """The number of letters in the shortest row, flanks included."""
        return (
            self.min_variable_length + self.left_flank_length + self.right_flank_length
        )

    @property
    def max_read_length(self) -> int:
        """The number of letters in the longest row, flanks included."""
        return (
            self.max_variable_length + self.left_flank_length + self.right_flank_length
        )

    def set_flank_length(self, left: int = 0, right: int = 0) -> None:
        """Sets how many letters of the flanks are included in the rows.

        `seqs` becomes a new tensor; the previous one is left as it is. Letters beyond
        the end of a flank are wildcards.

        Args:
            left: The number of letters in front of every variable region, the nearest
                ones of the left flank.
            right: The number of letters behind every variable region, the nearest
                ones of the right flank.

        Raises:
            ValueError: A number is negative or exceeds its maximum.
        """
        self._check_flank_lengths(left, right)
        if (left, right) == (self.left_flank_length, self.right_flank_length):
            return
        self.seqs = self._flanked(left, right).to(self.seqs.device)
        super().set_flank_length(left, right)

    @property
    def _pad_code(self) -> int:
        """The code that fills up rows on the right."""
        if self.wildcard_padded:
            return self.alphabet.wildcard_pad
        return self.alphabet.neginf_pad

    def _check_flank_lengths(self, left: int, right: int) -> None:
        for side, length, maximum in (
            ("left", left, self.max_left_flank_length),
            ("right", right, self.max_right_flank_length),
        ):
            if not 0 <= length <= maximum:
                raise ValueError(
                    f"the {side} flank length is {length}, but must be from 0 to "
                    f"{maximum}; raise max_{side}_flank_length to go on with wildcards"
                )

    def _flanked(self, left: int, right: int) -> Tensor:
        """Returns the rows with that many letters of the flanks."""
        if left == right == 0:
            return self._unflanked
        n_rows, width = self._unflanked.shape
        codes = self._unflanked.new_full((n_rows, left + width + right), self._pad_code)
        wildcard = self.alphabet.wildcard_pad
        codes[:, :left] = _set_width(self._left_codes.flip(0), left, wildcard).flip(0)
        codes[:, left : left + width] = self._unflanked
        flank = _set_width(self._right_codes, right, wildcard)
        offsets = torch.arange(right)
        for start in range(0, n_rows, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            places = left + self.variable_lengths[block] + offsets
            codes[block].scatter_(1, places, flank.expand(places.shape))
        return codes

    def get_setup_string(self) -> str:
        """Describes lengths and flanks, in lines that begin with a tab."""
        return (
            f"\tMaximum variable length: {self.max_variable_length}\n"
            f"\tLeft flank length: {self.left_flank_length}\n"
            f"\tRight flank length: {self.right_flank_length}"
        )

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: Any) -> CountBatch:
        return CountBatch(self.seqs[index], self.target[index])

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        """Returns many rows; torch's loaders ask for a batch in this way."""
        return Rows(self[torch.as_tensor(indices)])

    def __delitem__(self, index: RowIndex) -> None:
        """Deletes rows.

        Args:
            index: A row, a slice, a list or tensor of rows, or a tensor of booleans
                that are true for the rows to delete. Negative rows count from the end.
        """
        keep = torch.ones(len(self), dtype=torch.bool)
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        wanted = torch.as_tensor(index, device="cpu")
        if wanted.numel() == 0:
            return
        keep[wanted] = False
        are_shared = self.seqs is self._unflanked
        self._unflanked = self._unflanked[keep]
        self.seqs = (
            self._unflanked if are_shared else self.seqs[keep.to(self.seqs.device)]
        )
        self.target = self.target[keep.to(self.target.device)]
        self.variable_lengths = self.variable_lengths[keep]
        self.counts_per_round = self.target.sum(dim=0, dtype=torch.float64)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} rows, {self.target.shape[1]} columns, "
            f"variable length {self.min_variable_length} to {self.max_variable_length}, "
            f"flanks {self.left_flank_length} and {self.right_flank_length}, "
            f"{self.alphabet!r})"
        )


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _translate_flank(alphabet: Alphabet, name: str, flank: str) -> Tensor:
    try:
        codes = alphabet.translate(flank)
    except UnknownLetterError as error:
        message = f"{name}: {error}"
        raise UnknownLetterError(message, error.letter, None, error.position) from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if (codes == alphabet.neginf_pad).any():
        raise ValueError(f"{name} {flank!r} contains a blank; blanks are no letters")
    return codes


def _warn_of_empty_rows(target: Tensor) -> None:
    empty = ~(target > 0).any(dim=1)
    # Negative values are no counts: they are measurements, of which none is missing.
    if empty.any() and not (target < 0).any():
        warnings.warn(
            f"{int(empty.sum())} of {len(target)} rows have no positive count, the "
            f"first of them row {int(empty.to(torch.uint8).argmax())}",
            UserWarning,
            stacklevel=3,
        )


def _length_limits(
    lengths: npt.NDArray[np.int64],
    wildcard_pad: bool,
    minimum: int | None,
    maximum: int | None,
) -> tuple[int, int]:
    """Returns the limits of the variable length that were given or observed."""
    if not len(lengths):
        if maximum is None:
            raise ValueError(
                "the data frame has no rows; give max_variable_length if that is meant"
            )
        return maximum if wildcard_pad else _default(minimum, maximum), maximum
    longest = int(lengths.max())
    shortest = longest if wildcard_pad else int(lengths.min())
    minimum = _default(minimum, shortest)
    maximum = _default(maximum, longest)
    if not 0 <= minimum <= shortest:
        raise ValueError(
            f"min_variable_length is {minimum}, but the shortest row has {shortest} "
            "letters; it must be from 0 to that"
        )
    if maximum < longest:
        raise ValueError(
            f"max_variable_length is {maximum}, but the longest row has {longest} letters"
        )
    return maximum if wildcard_pad else minimum, maximum


def _pad_rows(
    codes: npt.NDArray[Any], lengths: npt.NDArray[np.int64], pad: int
) -> None:
    """Overwrites whatever follows the letters of each row, in place."""
    places = np.arange(codes.shape[1])
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        codes[block][places >= lengths[block, None]] = pad


def _set_width(codes: Tensor, width: int, pad: int) -> Tensor:
    """Cuts the last axis, or fills it up on the right."""
    if codes.shape[-1] == width:
        return codes
    result = codes.new_full((*codes.shape[:-1], width), pad)
    shared = min(width, codes.shape[-1])
    result[..., :shared] = codes[..., :shared]
    return result
