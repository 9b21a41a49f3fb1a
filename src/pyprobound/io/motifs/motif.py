"""A motif as files hold it: a matrix that says what its numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]

Kind = Literal["counts", "probabilities", "log-odds", "energies"]
"""What the numbers of a matrix are.

``counts``: how often each letter was seen among bound sequences, not negative.
``probabilities``: how likely each letter is in a bound sequence; positions sum to 1.
``log-odds``: natural logs of probabilities over background probabilities.
``energies``: natural logs of relative affinities, -ddG/RT; larger is tighter.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

DNA_LETTERS = ("A", "C", "G", "T")
RNA_LETTERS = ("A", "C", "G", "U")
PROTEIN_LETTERS = tuple("ACDEFGHIKLMNPQRSTVWY")


@dataclass(frozen=True, eq=False)
class Motif:
    """A matrix of numbers for letters at positions, and what they mean.

    Attributes:
        name: The identifier; never empty.
        matrix: One row for each position, one column for each letter.
        kind: What the numbers are.
        letters: The letters of the columns.
        background: The probability of each letter where nothing binds; uniform if it
            is not given.
        n_sites: The number of sequences that the matrix was counted on, if known.
        pseudocount: What was added to the counts of each position, over all letters.
        metadata: What else the file says: ``title``, ``url``, ``threshold``, ...
        pairs: For each distance of two letters the energies of pairs, of shape
            (positions - distance, letters, letters); only with the kind ``energies``.
        both_strands: Whether the reverse complement is bound too; None if the file
            does not say.

    Raises:
        ValueError: The parts do not fit together, or a number is not possible.
    """

    name: str
    matrix: FloatArray
    kind: Kind
    letters: tuple[str, ...] = DNA_LETTERS
    background: tuple[float, ...] = ()
    n_sites: float | None = None
    pseudocount: float = 0.0
    metadata: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[int, FloatArray] = field(default_factory=dict)
    both_strands: bool | None = None

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        n_letters = len(self.letters)
        if matrix.ndim != 2 or not len(matrix) or matrix.shape[1] != n_letters:
            raise ValueError(
                f"the matrix must have a row for each position and {n_letters} columns,"
                f" not the shape {matrix.shape}"
            )
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of matrix; there are {KINDS}")
        if not np.isfinite(matrix).all():
            raise ValueError("the matrix has values that are not finite")
        background = self.background or (1 / n_letters,) * n_letters
        if len(background) != n_letters or not min(background) > 0:
            raise ValueError(
                f"the background needs {n_letters} probabilities above 0, one for each"
                " letter"
            )
        if not self.name.strip():
            raise ValueError("a motif needs a name")
        if self.pairs and self.kind != "energies":
            raise ValueError("only energies have pairs of letters")
        pairs = {}
        for distance, values in sorted(self.pairs.items()):
            block = np.array(values, dtype=np.float64)
            expected = (len(matrix) - distance, n_letters, n_letters)
            if distance < 1 or block.shape != expected or not np.isfinite(block).all():
                raise ValueError(
                    f"the pairs at distance {distance} must be finite and of shape"
                    f" {expected}, not {block.shape}"
                )
            pairs[distance] = block
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "background", tuple(map(float, background)))
        object.__setattr__(self, "pairs", pairs)

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def consensus(self) -> str:
        """The letter with the largest value at each position."""
        best = self.matrix.argmax(axis=1)
        return "".join(self.letters[i] for i in best)

    @property
    def has_uniform_background(self) -> bool:
        """Whether all letters are equally likely where nothing binds."""
        return bool(np.ptp(self.background) < 1e-12)
