"""Reads the columns of a data frame into arrays."""

from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from .._translation import CodeArray
from ..alphabets import Alphabet

_BLOCK_ROWS = 1 << 16


def read_counts(dataframe: pd.DataFrame) -> Tensor:
    """Reads counts, or measured values.

    Whether values are counts is known only to a likelihood, which refuses negative
    ones; measured energies may be negative.

    Args:
        dataframe: One column of counts per round, or of values and their errors.

    Returns:
        The counts, float32, of shape (rows, columns).

    Raises:
        ValueError: A count is not a finite number.
    """
    counts = np.empty(dataframe.shape, np.float32)
    for place, label in enumerate(dataframe.columns):
        column = dataframe.iloc[:, place]
        try:
            counts[:, place] = column.to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"column {label!r} does not hold numbers: {error}"
            ) from None
        wrong = ~np.isfinite(counts[:, place])
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"column {label!r} holds {column.iloc[row]!r} in row {row} "
                f"({dataframe.index[row]!r}), which is not a finite number"
            )
    return torch.from_numpy(counts)


def read_sequences(
    index: pd.Index,
    alphabet: Alphabet,
    transliterate: Mapping[str, str] | None,
    allow_gaps: bool = False,
) -> tuple[CodeArray, npt.NDArray[np.int64]]:
    """Translates sequences.

    Args:
        index: The sequences.
        alphabet: Their letters.
        transliterate: Texts to replace first, each with its replacement.
        allow_gaps: Whether blanks may precede letters.

    Returns:
        The codes, of shape (rows, longest length), filled up with `neginf_pad`, and
        the number of letters of each row, that is, without blanks.

    Raises:
        TypeError: The index holds something that is not a string.
        ValueError: A blank precedes a letter, or an empty text is to be replaced.
        UnknownLetterError: A letter is not in the alphabet.
    """
    if isinstance(index, pd.MultiIndex) or pd.api.types.is_numeric_dtype(index.dtype):
        raise TypeError(
            "the index of the data frame does not hold sequences; set it with "
            "dataframe.set_index(...)"
        )
    if transliterate and "" in transliterate:
        raise ValueError("transliterate cannot replace the empty text")
    sequences = Transliterated(index, transliterate) if transliterate else index
    codes, lengths = alphabet.translate_many(sequences)  # type: ignore[arg-type]
    longest = _discount_blanks(codes, lengths, alphabet.neginf_pad, allow_gaps)
    return np.ascontiguousarray(codes[:, :longest]), lengths


class Transliterated(Sequence[str]):
    """Sequences in which texts are replaced when they are asked for.

    Args:
        sequences: The sequences.
        replacements: The texts, in order, each with its replacement.
    """

    def __init__(self, sequences: pd.Index, replacements: Mapping[str, str]) -> None:
        self._sequences = sequences
        self._replacements = dict(replacements)

    def __len__(self) -> int:
        return len(self._sequences)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._replace(text) for text in self._sequences[index].tolist()]
        return self._replace(self._sequences[index])

    def _replace(self, text: str) -> str:
        if isinstance(text, str):  # whatever else there is, is reported later
            for pattern, replacement in self._replacements.items():
                text = text.replace(pattern, replacement)
        return text


def _discount_blanks(
    codes: CodeArray, lengths: npt.NDArray[np.int64], blank: int, allow_gaps: bool
) -> int:
    """Subtracts blanks from the lengths, in place; returns the last place in use."""
    places = np.arange(codes.shape[1])
    used = 0
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        letters = codes[block] != blank
        counts = np.count_nonzero(letters, axis=1)
        misplaced = letters != (places < counts[:, None])
        if misplaced.any() and not allow_gaps:
            row, position = np.argwhere(misplaced)[0]
            raise ValueError(
                f"sequence {start + row} has a blank at position {position} (counted "
                "from 0), before other letters, so that nothing can be placed behind "
                "it; mark an unknown letter with a wildcard"
            )
        used = max(used, int(np.max((places + 1) * letters.any(axis=0), initial=0)))
        lengths[block] = counts
    return used
