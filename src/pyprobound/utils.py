"""Small numerical helpers without a better home."""

import math
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch
from torch import Tensor

__all__ = [
    "avg_pool1d",
    "betaln",
    "ceil_div",
    "clear_cache",
    "count_kmers",
    "floor_div",
    "get_ordinal",
    "get_split_size",
    "log1mexp",
]

Kmer = TypeVar("Kmer", bound=Hashable)

# Metal refuses larger grids and larger buffers.
_MPS_MAX_ROWS = 65535
_MPS_MAX_BYTES = 1 << 27


@overload
def floor_div(dividend: int, divisor: int) -> int: ...
@overload
def floor_div(dividend: Tensor, divisor: int | Tensor) -> Tensor: ...
@overload
def floor_div(dividend: int, divisor: Tensor) -> Tensor: ...
def floor_div(dividend: int | Tensor, divisor: int | Tensor) -> int | Tensor:
    """Returns the quotient of integers, rounded down."""
    return dividend // divisor


@overload
def ceil_div(dividend: int, divisor: int) -> int: ...
@overload
def ceil_div(dividend: Tensor, divisor: int | Tensor) -> Tensor: ...
@overload
def ceil_div(dividend: int, divisor: Tensor) -> Tensor: ...
def ceil_div(dividend: int | Tensor, divisor: int | Tensor) -> int | Tensor:
    """Returns the quotient of integers, rounded up."""
    return -(-dividend // divisor)


def log1mexp(tensor: Tensor, eps: float = 1e-8) -> Tensor:
    r"""Computes :math:`\log(1 - e^{-|x|})` without loss of precision.

    Args:
        tensor: The values x, of any shape.
        eps: Absolute values below it are replaced by it, so that the result is finite.

    Returns:
        A tensor of the shape of the input.
    """
    x = tensor.abs().clamp(min=eps)
    # Each branch is given values that it can differentiate; the other ones of a
    # branch would turn the gradient of `where` into NaN.
    small = x <= math.log(2)
    below = torch.where(small, x, 1.0)
    above = torch.where(small, 1.0, x)
    return torch.where(
        small, torch.log(-torch.expm1(-below)), torch.log1p(-torch.exp(-above))
    )


def betaln(z_1: Tensor, z_2: Tensor) -> Tensor:
    r"""Computes the natural logarithm of the beta function, :math:`\log B(z_1, z_2)`.

    Args:
        z_1: First argument, positive.
        z_2: Second argument, positive.

    Returns:
        A tensor of the broadcast shape of the arguments.
    """
    return torch.lgamma(z_1) + torch.lgamma(z_2) - torch.lgamma(z_1 + z_2)


def avg_pool1d(tensor: Tensor, kernel: int = 1) -> Tensor:
    """Averages groups of consecutive rows.

    Args:
        tensor: The values, with the rows along the first axis.
        kernel: The number of rows in a group; the input itself is returned if it is
            1 or less. An incomplete last group is dropped.

    Returns:
        A tensor of shape (rows // kernel, ...).

    Raises:
        ValueError: The tensor has no axis.
    """
    if tensor.ndim == 0:
        raise ValueError("a tensor without axes cannot be pooled")
    if kernel <= 1:
        return tensor
    n_groups = len(tensor) // kernel
    groups = tensor[: n_groups * kernel].reshape(n_groups, kernel, *tensor.shape[1:])
    if not groups.is_floating_point():
        groups = groups.to(torch.get_default_dtype())
    return groups.mean(dim=1)


def get_split_size(
    max_embedding_size: int, max_split: int, device: str | torch.device
) -> int:
    """Returns how many rows can be scored at once.

    Args:
        max_embedding_size: The number of bytes that a row takes at most.
        max_split: The number of rows wanted.
        device: The device that scores; only ``mps`` is limited.

    Returns:
        The number of rows: at least 1, at most `max_split`.
    """
    if torch.device(device).type != "mps":
        return max_split
    fitting = _MPS_MAX_BYTES // max(1, max_embedding_size)
    return min(max_split, _MPS_MAX_ROWS, max(1, fitting))


def get_ordinal(integer: int) -> str:
    """Writes an integer as an ordinal number: 1st, 2nd, 3rd, 4th, 11th, 21st."""
    if abs(integer) % 100 in (11, 12, 13):
        return f"{integer}th"
    return f"{integer}{({1: 'st', 2: 'nd', 3: 'rd'}).get(abs(integer) % 10, 'th')}"


def clear_cache() -> None:
    """Gives memory that torch holds in reserve on a GPU back to the system."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


@overload
def count_kmers(
    sequences: Tensor | Iterable[Tensor],
    kmer_length: int = 3,
    vocabulary: dict[tuple[int, ...], int] | None = None,
    *,
    excluded: Collection[Hashable] = (),
) -> tuple[scipy.sparse.csc_matrix, dict[tuple[int, ...], int]]: ...
@overload
def count_kmers(
    sequences: Iterable[Sequence[Hashable]],
    kmer_length: int = 3,
    vocabulary: dict[Kmer, int] | None = None,
    *,
    excluded: Collection[Hashable] = (),
) -> tuple[scipy.sparse.csc_matrix, dict[Kmer, int]]: ...
def count_kmers(
    sequences: Iterable[Sequence[Hashable] | Tensor],
    kmer_length: int = 3,
    vocabulary: dict[Kmer, int] | None = None,
    *,
    excluded: Collection[Hashable] = (),
) -> tuple[scipy.sparse.csc_matrix, dict[Kmer, int]]:
    """Counts how often each k-mer occurs in each sequence.

    Args:
        sequences: Strings, other sequences of letters, or rows of codes (a tensor of
            shape (sequences, length), for example).
        kmer_length: The number k of letters in a k-mer.
        vocabulary: The row of each k-mer that is already known. New ones are added to
            it in the order in which they appear. Strings have strings as k-mers,
            anything else has tuples.
        excluded: Letters whose k-mers are not counted, such as the code of a padding.

    Returns:
        The counts, a sparse matrix of shape (k-mers, sequences), and the vocabulary.

    Raises:
        ValueError: `kmer_length` is below 1.
    """
    if kmer_length < 1:
        raise ValueError(f"kmer_length is {kmer_length}, but must be >= 1")
    known: dict[Hashable, int] = {} if vocabulary is None else vocabulary  # type: ignore[assignment]
    next_row = max(known.values(), default=-1) + 1
    rows: list[int] = []
    ends = [0]
    forbidden = frozenset(excluded)
    for sequence in sequences:
        # Slices of a tensor are hashed by identity: every one would be a new k-mer.
        letters = sequence if isinstance(sequence, str) else _as_tuple(sequence)
        for start in range(len(letters) - kmer_length + 1):
            kmer = letters[start : start + kmer_length]
            if forbidden and not forbidden.isdisjoint(kmer):
                continue
            row = known.setdefault(kmer, next_row)
            next_row = max(next_row, row + 1)
            rows.append(row)
        ends.append(len(rows))
    matrix = scipy.sparse.csc_matrix(
        (np.ones(len(rows), np.int64), np.array(rows, np.int64), np.array(ends)),
        shape=(next_row, len(ends) - 1),
    )
    matrix.sum_duplicates()
    return matrix, known  # type: ignore[return-value]


def _as_tuple(
    sequence: Sequence[Hashable] | Tensor | npt.NDArray[np.integer],
) -> tuple[Hashable, ...]:
    if isinstance(sequence, Tensor | np.ndarray):
        return tuple(sequence.tolist())
    return tuple(sequence)
