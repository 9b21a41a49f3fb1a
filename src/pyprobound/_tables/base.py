"""What all tables have in common."""

import abc
from typing import Any, TypeVar

import torch.utils.data

from ..alphabets import Alphabet

ItemT_co = TypeVar("ItemT_co", covariant=True)


class Table(torch.utils.data.Dataset[ItemT_co], abc.ABC):
    """A table of sequences that are flanked by constant letters.

    Args:
        alphabet: The letters of the sequences.
        left_flank: The constant letters in front of every sequence.
        right_flank: The constant letters behind every sequence.
        left_flank_length: How many letters of the left flank are included at first.
        right_flank_length: How many letters of the right flank are included at first.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        left_flank: str = "",
        right_flank: str = "",
        left_flank_length: int = 0,
        right_flank_length: int = 0,
    ) -> None:
        # No super().__init__(): a table that is a batch too has that as next class, and
        # sets its fields itself.
        self.alphabet = alphabet
        self._left_flank = left_flank
        self._right_flank = right_flank
        self._left_flank_length = left_flank_length
        self._right_flank_length = right_flank_length

    @property
    def left_flank(self) -> str:
        """The constant letters in front of every sequence."""
        return self._left_flank

    @property
    def right_flank(self) -> str:
        """The constant letters behind every sequence."""
        return self._right_flank

    @property
    def left_flank_length(self) -> int:
        """The number of letters included in front of every sequence."""
        return self._left_flank_length

    @property
    def right_flank_length(self) -> int:
        """The number of letters included behind every sequence."""
        return self._right_flank_length

    @property
    @abc.abstractmethod
    def input_shape(self) -> int:
        """The number of positions stored per row."""

    @property
    @abc.abstractmethod
    def min_read_length(self) -> int:
        """The number of letters in the shortest row, flanks included."""

    @property
    @abc.abstractmethod
    def max_read_length(self) -> int:
        """The number of letters in the longest row, flanks included."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of rows."""

    @abc.abstractmethod
    def __getitem__(self, index: Any) -> ItemT_co:
        """Rows by index."""

    def set_flank_length(self, left: int = 0, right: int = 0) -> None:
        """Sets how many letters of the flanks are included.

        Args:
            left: The number of letters in front of every sequence.
            right: The number of letters behind every sequence.

        Raises:
            ValueError: A number is negative.
        """
        for side, length in (("left", left), ("right", right)):
            if length < 0:
                raise ValueError(
                    f"the {side} flank length is {length}, but must be >= 0"
                )
        self._left_flank_length = left
        self._right_flank_length = right

    def get_setup_string(self) -> str:
        """Describes the table in lines that begin with a tab."""
        return (
            f"\tMaximum read length: {self.max_read_length}\n"
            f"\tLeft flank length: {self.left_flank_length}\n"
            f"\tRight flank length: {self.right_flank_length}"
        )
