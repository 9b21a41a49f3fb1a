r"""Windows that hold letters which are not known exactly, such as N.

The affinity of a window :math:`w` in which some letters stand for several ones is the
mean over all sequences that it may be,

.. math::
    \log \frac{1}{|S_w|} \sum_{s \in S_w} \exp\Big(\sum_i M_{s_i, i}
        + \sum_{d, i} P^{(d)}_{s_i, s_{i+d}, i}\Big)

Without pairs the positions are independent, so that an unknown letter is a letter of
its own with the score :math:`\log \mathrm{mean}_a \exp M_{a,i}`. With pairs up to a
distance D the sum runs over transfer matrices whose states are the last D letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..kernels.compiling import compiled, inner

Wildcard: TypeAlias = Literal["mean-affinity", "mean-energy"]
Doubles: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.signedinteger[Any]]

MOST_STATES = 1 << 16
"""Windows with more combinations within reach of a pair are scored approximately."""


@dataclass(frozen=True)
class Filters:
    """The values of a motif on all its strands.

    Attributes:
        monomer: Of single letters, of shape (channels, letters, positions).
        pairs: Of pairs of letters, by distance, each of shape (channels, letters,
            letters, positions - distance).
        bias: The constant of each channel.
        dilation: The distance between neighbouring positions.
    """

    monomer: Doubles
    pairs: tuple[tuple[int, Doubles], ...]
    bias: Doubles
    dilation: int

    @property
    def span(self) -> int:
        """How many letters one window covers."""
        return self.dilation * (int(self.monomer.shape[2]) - 1) + 1


class ExtendedLetters:
    """An alphabet in which each degenerate code is a letter of its own.

    Args:
        alphabet: The alphabet.
        present: The codes that occur.
    """

    def __init__(self, alphabet: Alphabet, present: Sequence[int]) -> None:
        n_letters = len(alphabet.alphabet)
        self.meanings: list[tuple[int, ...]] = [(i,) for i in range(n_letters)]
        # Codes are looked up here; those of missing letters are set below.
        self._index = np.zeros(len(alphabet.encoding), np.int16)
        self._index[:n_letters] = np.arange(n_letters)
        for code in sorted(present):
            if code >= n_letters and code != alphabet.neginf_pad:
                self._index[code] = len(self.meanings)
                self.meanings.append(alphabet.get_encoding[alphabet.encoding[code]])
        self.missing = len(self.meanings)
        self._index[alphabet.neginf_pad] = self.missing

    def encode(self, codes: Codes) -> npt.NDArray[np.int16]:
        """Codes of the alphabet as those of this one."""
        return self._index[codes]

    def extend(self, filters: Filters, wildcard: Wildcard) -> Filters:
        """The values of all letters, as means of what they stand for.

        Args:
            filters: The values of plain letters.
            wildcard: The mean of affinities, or of energies. Pairs are averaged
                independently, which is exact for energies alone.
        """
        mean = log_mean_exp if wildcard == "mean-affinity" else np.mean
        pairs = tuple(
            (distance, self._extended(self._extended(values, 1, mean), 2, mean))
            for distance, values in filters.pairs
        )
        monomer = self._extended(filters.monomer, 1, mean)
        return Filters(monomer, pairs, filters.bias, filters.dilation)

    def _extended(self, values: Doubles, axis: int, mean: Any) -> Doubles:
        columns = [
            mean(values.take(meaning, axis), axis=axis)
            if meaning
            else np.zeros_like(values.take(0, axis))
            for meaning in self.meanings
        ]
        return np.stack(columns, axis)


def log_mean_exp(values: Doubles, axis: int) -> Doubles:
    """The logarithm of the mean of exponentials along an axis.

    Args:
        values: The values; -inf is allowed.
        axis: The axis.
    """
    total = np.logaddexp.reduce(values, axis=axis)
    return np.asarray(total - np.log(values.shape[axis]))


def mean_affinity_windows(
    codes: Codes,
    alphabet: Alphabet,
    filters: Filters,
    most_states: int = MOST_STATES,
) -> tuple[Doubles, int]:
    """Scores windows by their mean affinity; exact with pairs, too.

    Args:
        codes: Codes of shape (rows, length), of any kind.
        alphabet: What they mean.
        filters: The values of the motif.
        most_states: The most combinations of letters within reach of a pair for which
            a window is scored exactly.

    Returns:
        Scores of shape (rows, channels, windows), and the number of windows that had
        to be approximated, because pairs reach over too many unknown letters: there,
        pairs are averaged independently of each other, with letters weighted by their
        own affinity.

    Raises:
        ValueError: There are codes that stand for no letter.
    """
    if (codes == alphabet.zero_pad).any():
        raise ValueError("The code '-' stands for no letter, and has no mean affinity")
    letters = ExtendedLetters(alphabet, np.unique(codes).tolist())
    meanings = np.zeros((len(letters.meanings) + 1, len(alphabet.alphabet)), np.int64)
    sizes = np.zeros(len(meanings), np.int64)
    for place, meaning in enumerate(letters.meanings):
        meanings[place, : len(meaning)] = meaning
        sizes[place] = len(meaning)
    channels, n_letters, size = filters.monomer.shape
    reach = max((distance for distance, _ in filters.pairs), default=0)
    pairs = np.zeros((channels, reach, size, n_letters, n_letters))
    for distance, values in filters.pairs:
        # By the position of the second letter.
        pairs[:, distance - 1, distance:] = values.transpose(0, 3, 1, 2)
    single = np.ascontiguousarray(filters.monomer.transpose(0, 2, 1))
    windows = codes.shape[1] - filters.span + 1
    scores = np.empty((len(codes), channels, windows))
    approximated = _score_windows(
        letters.encode(codes),
        meanings,
        sizes,
        letters.missing,
        single,
        pairs,
        most_states,
        scores,
    )
    scores += filters.bias.reshape(1, -1, 1)
    return scores, int(approximated)


@inner
def _log_add(a: Any, b: Any) -> Any:
    if a < b:
        a, b = b, a
    if b == -np.inf:
        return a
    return a + np.log1p(np.exp(b - a))


@inner
def _exact(
    codes: Any,
    meanings: Any,
    sizes: Any,
    single: Any,
    pairs: Any,
    digits: Any,
    states: Any,
    following: Any,
) -> Any:
    """The score of a window; the letters of the states are in mixed radix."""
    reach = len(pairs)
    n_states = 1
    states[0] = 0.0
    for i in range(len(codes)):
        options = sizes[codes[i]]
        first = max(0, i - reach)
        # The oldest letter is forgotten once no pair reaches it any more.
        forgotten = sizes[codes[first]] if i >= reach > 0 else 1
        kept = 1 if reach == 0 else n_states // forgotten
        n_following = kept * options
        for state in range(n_following):
            following[state] = -np.inf
        for state in range(n_states):
            rest = state
            for j in range(i - 1, first - 1, -1):
                digits[i - 1 - j] = meanings[codes[j], rest % sizes[codes[j]]]
                rest //= sizes[codes[j]]
            for option in range(options):
                letter = meanings[codes[i], option]
                score = states[state] + single[i, letter]
                for j in range(i - 1, first - 1, -1):
                    score += pairs[i - 1 - j, i, digits[i - 1 - j], letter]
                place = (state % kept) * options + option
                following[place] = _log_add(following[place], score)
        for state in range(n_following):
            states[state] = following[state] - np.log(options)
        n_states = n_following
    total = -np.inf
    for state in range(n_states):
        total = _log_add(total, states[state])
    return total


@inner
def _shares(code: Any, meanings: Any, sizes: Any, single: Any, shares: Any) -> Any:
    """The share of each letter in a mean affinity, and the logarithm of that mean."""
    total = -np.inf
    for option in range(sizes[code]):
        total = _log_add(total, single[meanings[code, option]])
    for option in range(sizes[code]):
        value = single[meanings[code, option]]
        shares[option] = np.exp(value - total) if total > -np.inf else 0.0
    return total - np.log(sizes[code])


@inner
def _approximate(codes: Any, meanings: Any, sizes: Any, single: Any, pairs: Any) -> Any:
    """The score of a window in which each pair is averaged by itself."""
    letters = single.shape[1]
    first, second = np.empty(letters), np.empty(letters)
    total = 0.0
    for i in range(len(codes)):
        total += _shares(codes[i], meanings, sizes, single[i], second)
        for j in range(max(0, i - len(pairs)), i):
            _shares(codes[j], meanings, sizes, single[j], first)
            mean = -np.inf
            for a in range(sizes[codes[j]]):
                for b in range(sizes[codes[i]]):
                    value = pairs[
                        i - j - 1, i, meanings[codes[j], a], meanings[codes[i], b]
                    ]
                    share = first[a] * second[b]
                    if share > 0:
                        mean = _log_add(mean, value + np.log(share))
            total += mean
    return total


@inner
def _states_needed(codes: Any, sizes: Any, reach: Any, limit: Any) -> Any:
    """The most combinations of letters that follow each other within a reach."""
    most = 1
    for i in range(len(codes)):
        product = 1
        for j in range(max(0, i - reach), i + 1):
            product *= sizes[codes[j]]
            if product > limit:
                return product
        most = max(most, product)
    return most


@compiled
def _score_windows(
    codes: Any,
    meanings: Any,
    sizes: Any,
    missing: Any,
    single: Any,
    pairs: Any,
    limit: Any,
    scores: Any,
) -> Any:
    """Scores all windows, in place; returns how many were approximated."""
    size, reach = single.shape[1], pairs.shape[1]
    states, following = np.empty(limit), np.empty(limit)
    digits = np.zeros(max(1, reach), np.int64)
    approximated = 0
    for row in range(len(codes)):
        was_approximated = False
        for window in range(scores.shape[2]):
            here = codes[row, window : window + size]
            if window > 0:
                same = True
                for i in range(size):
                    same = same and here[i] == codes[row, window - 1 + i]
                if same:  # runs of unknown letters, which are long
                    scores[row, :, window] = scores[row, :, window - 1]
                    approximated += was_approximated
                    continue
            was_approximated = False
            absent = False
            for i in range(size):
                absent = absent or here[i] == missing
            if absent:
                scores[row, :, window] = -np.inf
                continue
            was_approximated = _states_needed(here, sizes, reach, limit) > limit
            approximated += was_approximated
            for channel in range(len(single)):
                if was_approximated:
                    scores[row, channel, window] = _approximate(
                        here, meanings, sizes, single[channel], pairs[channel]
                    )
                else:
                    scores[row, channel, window] = _exact(
                        here,
                        meanings,
                        sizes,
                        single[channel],
                        pairs[channel],
                        digits,
                        states,
                        following,
                    )
    return approximated
