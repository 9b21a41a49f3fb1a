"""Letters and their codes: DNA, RNA, protein, codons and alphabets of your own.

A letter is stored as a small integer, its code. Besides its letters, an alphabet has
a code for "no letter" (``" "``, scores minus infinity), a wildcard (``"*"``, the mean
of all letters), a zero code (``"-"``, contributes nothing) and degenerate codes such
as ``R`` for A or G (the mean of their letters).
"""

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ._translation import CodeArray, Translator, UnknownLetterError

__all__ = ["DNA", "RNA", "Alphabet", "Codon", "Protein", "UnknownLetterError"]

ColorScheme: TypeAlias = str | Mapping[str, Any]

_MISSING, _WILDCARD, _ZERO = " ", "*", "-"
# A table of all pairs above this size is refused; Codon's would take 190 GB.
_MAX_PAIR_TABLE_BYTES = 1 << 30
_TORCH_TYPES = {
    1: torch.int8,
    2: torch.int16,
    4: torch.int32,
    8: torch.int64,
}


class Alphabet:
    """An alphabet: its letters, their codes and their embeddings.

    Codes are numbered: the `n` letters in the order given, then ``" "`` (index `n`,
    no letter), ``"*"`` (`n + 1`, any letter), ``"-"`` (`n + 2`, contributes nothing),
    then the entries of `encoding`. An entry that stands for the same letters as an
    earlier code is an alias of it: it is translated into the earlier index, while the
    row of its own number stays unused.

    The complement of letter `i` is letter `n - 1 - i`: list the letters such that the
    reversed list is the complement.

    Two alphabets are equal if they translate and complement alike; names of classes
    and colours do not count. Treat an alphabet as a constant.

    Args:
        alphabet: The letters, in order; repeated ones are dropped.
        complement: Whether scoring matrices also score the reverse complement by
            default.
        monomer_length: The number of characters of each letter.
        encoding: Degenerate codes, each with the letters it stands for.
        color_scheme: Colours of the letters in logos: the name of a scheme of
            logomaker, or a colour for each letter.

    Attributes:
        alphabet: The letters, in order.
        complement: See above.
        monomer_length: See above.
        color_scheme: See above.
        encoding: The codes, in the order of the rows of `embedding`.
        get_index: The index of each code.
        get_encoding: The indices of the letters that each code stands for: ``(n,)``
            for ``" "``, all letters for ``"*"``, none for ``"-"``.
        get_inv_encoding: The first code that stands for a tuple of letter indices.
        neginf_pad: The index of ``" "``.
        wildcard_pad: The index of ``"*"``.
        zero_pad: The index of ``"-"``.

    Raises:
        ValueError: There is no letter, a code has another length than
            `monomer_length`, or a code is defined twice with different letters.
        UnknownLetterError: An entry of `encoding` names a letter that is not in the
            alphabet (it is also a ``KeyError``).
    """

    def __init__(
        self,
        alphabet: Iterable[str],
        complement: bool = False,
        monomer_length: int = 1,
        encoding: Mapping[str, Iterable[str]] | None = None,
        color_scheme: ColorScheme | None = None,
    ) -> None:
        self.alphabet: tuple[str, ...] = tuple(dict.fromkeys(alphabet))
        self.complement = complement
        self.monomer_length = monomer_length
        self.color_scheme = color_scheme
        if not self.alphabet:
            raise ValueError("an alphabet needs at least one letter")
        if monomer_length < 1:
            raise ValueError(f"monomer_length is {monomer_length}, but must be >= 1")

        n_letters = len(self.alphabet)
        self.encoding: list[str] = []
        self.get_index: dict[str, int] = {}
        self.get_encoding: dict[str, tuple[int, ...]] = {}
        self.get_inv_encoding: dict[tuple[int, ...], str] = {}
        for index, letter in enumerate(self.alphabet):
            self._add_code(letter, (index,))
        self._add_code(_MISSING * monomer_length, (n_letters,))
        self._add_code(_WILDCARD * monomer_length, tuple(range(n_letters)))
        self._add_code(_ZERO * monomer_length, ())
        for code, letters in (encoding or {}).items():
            self._add_code(code, self._letter_indices(code, letters))

        self.neginf_pad = self.get_index[_MISSING * monomer_length]
        self.wildcard_pad = self.get_index[_WILDCARD * monomer_length]
        self.zero_pad = self.get_index[_ZERO * monomer_length]

    def _add_code(self, code: str, letters: tuple[int, ...]) -> None:
        if len(code) != self.monomer_length:
            raise ValueError(
                f"code {code!r} has {len(code)} characters, but monomer_length is "
                f"{self.monomer_length}"
            )
        if self.get_encoding.setdefault(code, letters) != letters:
            raise ValueError(
                f"code {code!r} is defined twice; letters, {_MISSING!r}, {_WILDCARD!r} "
                f"and {_ZERO!r} cannot be given another meaning"
            )
        first = self.get_inv_encoding.setdefault(letters, code)
        self.get_index[code] = self.get_index.get(first, len(self.encoding))
        self.encoding.append(code)

    def _letter_indices(self, code: str, letters: Iterable[str]) -> tuple[int, ...]:
        if isinstance(letters, str):
            size = self.monomer_length
            letters = [letters[i : i + size] for i in range(0, len(letters), size)]
        indices = []
        for letter in dict.fromkeys(letters):
            index = self.get_index.get(letter, len(self.alphabet))
            if index >= len(self.alphabet):
                raise UnknownLetterError(
                    f"code {code!r} stands for {letter!r}, which is not among the "
                    f"letters {self.alphabet}",
                    letter,
                )
            indices.append(index)
        return tuple(indices)

    @functools.cached_property
    def _translator(self) -> Translator:
        return Translator(self.get_index, self.monomer_length, self.__repr__)

    @property
    def code_dtype(self) -> torch.dtype:
        """The smallest signed integer type that holds all codes."""
        return _TORCH_TYPES[self._translator.code_type.itemsize]

    def translate(self, sequence: str) -> Tensor:
        """Translates a sequence into codes.

        Args:
            sequence: The letters; upper and lower case differ.

        Returns:
            The codes, of shape (length in monomers,) and type `code_dtype`.

        Raises:
            UnknownLetterError: A letter is not in the alphabet (it is a ``KeyError``
                and a ``ValueError``, and names the letter and its position).
            ValueError: The sequence is not a whole number of monomers.
        """
        codes, _ = self._translator.translate_block([sequence], None)
        return torch.from_numpy(codes.copy())

    def translate_many(
        self, sequences: Sequence[str], pad: int | None = None
    ) -> tuple[CodeArray, npt.NDArray[np.int64]]:
        """Translates a column of sequences at once.

        Args:
            sequences: The sequences: a list, a numpy array or a pandas index.
            pad: The code that fills short rows up; defaults to `neginf_pad`.

        Returns:
            The codes, of shape (rows, length of the longest row) and the type that
            `code_dtype` names, and the length of each row in monomers.

        Raises:
            TypeError: An element is not a string.
            UnknownLetterError: A letter is not in the alphabet (it is a ``KeyError``
                and a ``ValueError``, and names the letter, the row and the position).
            ValueError: A sequence is not a whole number of monomers.
        """
        if pad is None:
            pad = self.neginf_pad
        return self._translator.translate_many(sequences, pad)

    @functools.cached_property
    def _rows(self) -> npt.NDArray[np.float64]:
        """The share of each letter in each code, of shape (codes, letters)."""
        n_letters = len(self.alphabet)
        rows = np.zeros((len(self.encoding), n_letters))
        for row, code in zip(rows, self.encoding, strict=True):
            letters = self.get_encoding[code]
            if letters == (n_letters,):
                row[:] = -np.inf
            elif letters:
                row[list(letters)] = 1 / len(letters)
        return rows

    @functools.cached_property
    def embedding(self) -> torch.nn.Embedding:
        """The share of each letter in each code: a frozen table (codes, letters)."""
        return _frozen_embedding(self._rows)

    @functools.cached_property
    def pairwise_embedding(self) -> torch.nn.Embedding:
        """The outer products of all pairs of rows: (codes ** 2, letters ** 2).

        Row ``a * codes + b`` belongs to the codes `a` and `b`. It is computed when
        asked for; `pairwise_embed` does without it.

        Raises:
            ValueError: The table would be larger than 1 GiB (of `Codon`, for one).
        """
        n_codes, n_letters = self._rows.shape
        size = 4 * (n_codes * n_letters) ** 2
        if size > _MAX_PAIR_TABLE_BYTES:
            raise ValueError(
                f"the table of all pairs of {self!r} would take {size / 2**30:.0f} GiB;"
                " use pairwise_embed, which computes the pairs that occur"
            )
        with np.errstate(invalid="ignore"):
            pairs = np.einsum("ai,bj->abij", self._rows, self._rows)
        return _frozen_embedding(pairs.reshape(n_codes**2, n_letters**2))

    def _table(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        if dtype != torch.float32:
            return torch.from_numpy(self._rows).to(dtype).to(device)
        # Moved in place, so that only the first batch on a device pays for it.
        with torch.inference_mode(False):
            return self.embedding.to(device).weight

    def embed(self, seqs: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Expands codes into the shares of the letters ("one-hot").

        Args:
            seqs: Codes of any integer type, of shape (rows, length).
            dtype: The floating point type of the result.

        Returns:
            A tensor of shape (rows, letters, length): 1 at the letter, 1/m at each of
            the m letters of a degenerate code, minus infinity where no letter is.
        """
        table = self._table(seqs.device, dtype)
        return torch.nn.functional.embedding(_as_index(seqs), table).mT

    def pairwise_embed(
        self, seqs: Tensor, dist: int, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Expands pairs of codes into the shares of the pairs of letters.

        Args:
            seqs: Codes of any integer type, of shape (rows, length).
            dist: The distance between the two letters of a pair.
            dtype: The floating point type of the result.

        Returns:
            A tensor of shape (rows, letters ** 2, length - dist), the first letter of
            the pair varying slowest; not finite where one of the two is missing.

        Raises:
            ValueError: `dist` is below 1.
        """
        if dist < 1:
            raise ValueError(f"dist is {dist}, but letters of a pair are >= 1 apart")
        rows = torch.nn.functional.embedding(
            _as_index(seqs), self._table(seqs.device, dtype)
        )
        pairs = rows[:, :-dist, :, None] * rows[:, dist:, None, :]
        return pairs.flatten(2).mT

    def _definition(self) -> tuple[object, ...]:
        codes = tuple((code, self.get_encoding[code]) for code in self.encoding)
        return self.complement, self.monomer_length, codes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Alphabet):
            return NotImplemented
        return self is other or self._definition() == other._definition()

    def __hash__(self) -> int:
        return hash((self.alphabet, self.complement, self.monomer_length))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __getstate__(self) -> dict[str, object]:
        derived = {"_translator", "_rows", "embedding", "pairwise_embedding"}
        return {key: value for key, value in vars(self).items() if key not in derived}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alphabet!r})"


class _NamedAlphabet(Alphabet):
    """An alphabet that its name defines."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


_DEGENERATE_DNA = {
    "M": "AC",
    "R": "AG",
    "W": "AT",
    "S": "CG",
    "Y": "CT",
    "K": "GT",
    "V": "ACG",
    "H": "ACT",
    "D": "AGT",
    "B": "CGT",
    "N": "ACGT",
}


class DNA(_NamedAlphabet):
    """The letters A, C, G and T with the degenerate codes of IUPAC; complementary."""

    def __init__(self) -> None:
        super().__init__(
            "ACGT", complement=True, encoding=_DEGENERATE_DNA, color_scheme="classic"
        )


class RNA(_NamedAlphabet):
    """The letters A, C, G and U with the degenerate codes of IUPAC; single-stranded."""

    def __init__(self) -> None:
        encoding = {k: v.replace("T", "U") for k, v in _DEGENERATE_DNA.items()}
        super().__init__("ACGU", encoding=encoding, color_scheme="classic")


class Protein(_NamedAlphabet):
    """The twenty amino acids, with B (D or N), Z (E or Q), J (I or L) and X (any)."""

    def __init__(self) -> None:
        letters = "ACDEFGHIKLMNPQRSTVWY"
        super().__init__(
            letters,
            encoding={"B": "DN", "Z": "EQ", "J": "IL", "X": letters},
            color_scheme="weblogo_protein",
        )


class Codon(_NamedAlphabet):
    """The 64 triplets of A, C, G and T; three characters make one letter.

    Every triplet of IUPAC's degenerate letters is a code, and so are those that mix
    degenerate and plain letters, such as ``ANN``.
    """

    def __init__(self) -> None:
        super().__init__(
            map("".join, itertools.product("ACGT", repeat=3)),
            monomer_length=3,
            encoding=_degenerate_codons(),
        )


@functools.cache
def _degenerate_codons() -> dict[str, list[str]]:
    meaning = {letter: letter for letter in "ACGT"} | _DEGENERATE_DNA
    uniform = list(map("".join, itertools.product(_DEGENERATE_DNA, repeat=3)))
    every = map("".join, itertools.product(meaning, repeat=3))
    known = {*uniform, *map("".join, itertools.product("ACGT", repeat=3))}
    mixed = [codon for codon in every if codon not in known]
    return {
        codon: list(map("".join, itertools.product(*(meaning[c] for c in codon))))
        for codon in uniform + mixed
    }


def _frozen_embedding(rows: npt.NDArray[np.float64]) -> torch.nn.Embedding:
    # A table made in inference mode could not be used in training afterwards.
    with torch.inference_mode(False):
        weight = torch.from_numpy(rows).to(torch.float32)
        n_codes, size = rows.shape
        return torch.nn.Embedding(n_codes, size, _weight=weight, _freeze=True)


def _as_index(seqs: Tensor) -> Tensor:
    """Returns codes in an integer type that a table of embeddings accepts."""
    return seqs if seqs.dtype == torch.int64 else seqs.int()
