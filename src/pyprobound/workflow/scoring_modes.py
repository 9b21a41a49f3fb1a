"""Scores sequences of any length with one motif, or with non-specific binding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..alphabets import Alphabet
from ..kernels import row_scores, window_scores
from ..layers import PSAM, Conv1d
from .scoring_wildcards import (
    Codes,
    Doubles,
    ExtendedLetters,
    Filters,
    Wildcard,
    mean_affinity_windows,
)

LONG_ROW = 1 << 15
"""Longer rows are scored in parts of so many windows."""
_MOST_SCORES = 1 << 21
"""The most scores of windows that are held at a time."""


@dataclass(frozen=True)
class WindowStatistics:
    """Statistics of the scores of all windows of each row.

    Attributes:
        total: The log of the sum of affinities.
        greatest: The greatest score; -inf without any window.
        number: The number of windows on all strands.
    """

    total: Doubles
    greatest: Doubles
    number: Doubles

    @property
    def mean(self) -> Doubles:
        """The log of the mean affinity; -inf without any window."""
        return self.total - np.log(np.maximum(self.number, 1))


class MotifScorer:
    r"""Scores sequences of any length with a motif.

    The sum over windows :math:`x` and channels (strands) :math:`c` is
    :math:`\log \sum_{c,x} \exp(h w_{c,x})`, in float64. Position biases are left out,
    for they belong to the sequences of a fit.

    Args:
        psam: The motif.
        layer: The layer that uses it in a fit; it may score some channels only.
        log_hill: The log of the Hill coefficient :math:`h`.
        wildcard: How letters that are not known exactly are scored.

    Attributes:
        n_approximated: The number of windows whose mean affinity was approximated.
    """

    def __init__(
        self,
        psam: PSAM,
        layer: Conv1d | None = None,
        log_hill: float = 0.0,
        wildcard: Wildcard = "mean-affinity",
    ) -> None:
        if psam.alphabet is None:
            raise ValueError(f"The motif {psam} has no alphabet to read sequences by")
        self.alphabet: Alphabet = psam.alphabet
        self.wildcard: Wildcard = wildcard
        self.log_hill = log_hill
        self.n_approximated = 0
        chosen = layer.out_channel_indexing if layer is not None else None
        self.filters = _filters_of(psam, chosen)
        self.strands = _strands_of(psam, chosen)

    @property
    def span(self) -> int:
        """How many letters one window covers."""
        return self.filters.span

    # --- scores ------------------------------------------------------------------

    def totals(self, codes: Codes) -> Doubles:
        """The log of the summed affinity of each row.

        Args:
            codes: Codes of shape (rows, length), padded by missing letters.
        """
        codes = self._padded(codes)
        if codes.shape[1] >= LONG_ROW + self.span:
            parts = [self.totals(self._parts(row)) for row in codes]
            return np.array([np.logaddexp.reduce(part) for part in parts])
        result = np.empty(len(codes))
        special = self._is_special(codes)
        if not special.any():
            return self._plain_totals(codes, self.filters)
        result[~special] = self._plain_totals(codes[~special], self.filters)
        rows = codes[special]
        if self._needs_transfer():
            result[special] = self._statistics_of_windows(rows).total
        else:
            extended, filters = self._extended(rows)
            result[special] = self._plain_totals(extended, filters)
        return result

    def windows(self, codes: Codes) -> Doubles:
        """The score of each window, not multiplied by the Hill coefficient.

        Args:
            codes: Codes of shape (rows, length), padded by missing letters.

        Returns:
            Scores of shape (rows, channels, windows); -inf where letters are missing.
        """
        if codes.shape[1] < self.span:
            return np.empty((len(codes), len(self.filters.bias), 0))
        special = self._is_special(codes)
        if not special.any():
            return _windows(codes, self.filters)
        shape = (
            len(codes),
            len(self.filters.bias),
            codes.shape[1] - self.span + 1,
        )
        result = np.empty(shape)
        result[~special] = _windows(codes[~special], self.filters)
        rows = codes[special]
        if self._needs_transfer():
            result[special], count = mean_affinity_windows(
                rows, self.alphabet, self.filters
            )
            self.n_approximated += count
        else:
            result[special] = _windows(*self._extended(rows))
        return result

    def statistics(self, codes: Codes) -> WindowStatistics:
        """The sum, the maximum and the number of all windows of each row.

        Args:
            codes: Codes of shape (rows, length), padded by missing letters.
        """
        codes = self._padded(codes)
        lengths = (codes != self.alphabet.neginf_pad).sum(1)
        number = np.maximum(lengths - self.span + 1, 0.0) * len(self.filters.bias)
        if codes.shape[1] >= LONG_ROW + self.span:
            parts = [self.statistics(self._parts(row)) for row in codes]
            total = np.array([np.logaddexp.reduce(part.total) for part in parts])
            greatest = np.array([part.greatest.max() for part in parts])
            return WindowStatistics(total, greatest, number)
        found = self._statistics_of_windows(codes)
        return WindowStatistics(found.total, found.greatest, number)

    def profile(self, codes: Codes) -> tuple[Doubles, Doubles | None]:
        """The score of each window on each strand, by its place on the forward strand.

        Args:
            codes: Codes of shape (rows, length), padded by missing letters.

        Returns:
            Scores of shape (rows, windows) of the forward and, if it is scored, of
            the reverse strand. Several motifs on a strand are summed.
        """
        scores = self.windows(codes)
        strands = [
            np.logaddexp.reduce(scores[:, channels], axis=1) if channels else None
            for channels in self.strands
        ]
        forward, reverse = strands
        if forward is None:
            forward = np.full((len(codes), scores.shape[2]), -np.inf)
        return forward, reverse

    # --- parts -------------------------------------------------------------------

    def _padded(self, codes: Codes) -> Codes:
        """Rows that are long enough for one window."""
        lacking = self.span - codes.shape[1]
        if lacking <= 0:
            return codes
        missing = self.alphabet.neginf_pad
        return np.pad(codes, ((0, 0), (0, lacking)), constant_values=missing)

    def _parts(self, row: Codes) -> Codes:
        """A long row as overlapping ones, so that each window is in one of them."""
        n_windows = len(row) - self.span + 1
        n_parts = -(-n_windows // LONG_ROW)
        length = LONG_ROW + self.span - 1
        padded = np.full(n_parts * LONG_ROW + self.span - 1, self.alphabet.neginf_pad)
        padded = padded.astype(row.dtype)
        padded[: len(row)] = row
        view = np.lib.stride_tricks.sliding_window_view(padded, length)
        return np.ascontiguousarray(view[::LONG_ROW])

    def _is_special(self, codes: Codes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each row has letters that are not known exactly."""
        special = codes > self.alphabet.neginf_pad
        return (
            np.asarray(special.any(1)) if special.any() else np.zeros(len(codes), bool)
        )

    def _needs_transfer(self) -> bool:
        return self.wildcard == "mean-affinity" and bool(self.filters.pairs)

    def _extended(self, codes: Codes) -> tuple[Codes, Filters]:
        letters = ExtendedLetters(self.alphabet, np.unique(codes).tolist())
        return letters.encode(codes), letters.extend(self.filters, self.wildcard)

    def _plain_totals(self, codes: Codes, filters: Filters) -> Doubles:
        if not len(codes):
            return np.empty(0)
        hill = None if self.log_hill == 0 else torch.tensor(self.log_hill).double()
        scores: Doubles = row_scores(
            torch.from_numpy(np.ascontiguousarray(codes)),
            torch.from_numpy(filters.monomer),
            _tensors(filters),
            torch.from_numpy(filters.bias),
            None,
            hill,
            dilation=filters.dilation,
        ).numpy()
        return scores

    def _statistics_of_windows(self, codes: Codes) -> WindowStatistics:
        hill = math.exp(self.log_hill)
        total, greatest = np.empty(len(codes)), np.empty(len(codes))
        scores_per_row = len(self.filters.bias) * max(1, codes.shape[1])
        step = max(1, _MOST_SCORES // scores_per_row)
        for start in range(0, len(codes), step):
            part = slice(start, start + step)
            scores = self.windows(codes[part]).reshape(len(codes[part]), -1)
            best = scores.max(1)
            greatest[part] = best
            finite = np.where(np.isfinite(best), best, 0.0)
            with np.errstate(divide="ignore"):
                sums = np.exp(hill * (scores - finite[:, None])).sum(1)
                total[part] = np.log(sums) + hill * finite
        return WindowStatistics(total, greatest, np.zeros(len(codes)))


class NonspecificScorer:
    """Scores non-specific binding: 0, or the log of the number of letters.

    Args:
        alphabet: The letters.
        ignores_length: Whether long sequences bind no better than short ones.
    """

    def __init__(self, alphabet: Alphabet, ignores_length: bool = True) -> None:
        self.alphabet = alphabet
        self.ignores_length = ignores_length

    def totals(self, codes: Codes) -> Doubles:
        """The score of each row.

        Args:
            codes: Codes of shape (rows, length), padded by missing letters.
        """
        if self.ignores_length:
            return np.zeros(len(codes))
        with np.errstate(divide="ignore"):
            lengths: Doubles = (codes != self.alphabet.neginf_pad).sum(1).astype(float)
            return np.asarray(np.log(lengths))


def _filters_of(psam: PSAM, chosen: Sequence[int] | None) -> Filters:
    def pick(values: torch.Tensor) -> Doubles:
        array = values.detach().double().numpy()
        return np.ascontiguousarray(array if chosen is None else array[list(chosen)])

    pairs = tuple(
        (distance, pick(psam.get_filter(distance)))
        for distance in range(1, psam.pairwise_distance + 1)
        if psam.pairs_matter(distance)
    )
    return Filters(
        pick(psam.get_filter(0)), pairs, pick(psam.get_bias())[:, 0], psam.dilation
    )


def _strands_of(
    psam: PSAM, chosen: Sequence[int] | None
) -> tuple[list[int], list[int]]:
    """The channels of the forward and of the reverse strand."""
    channels = list(range(psam.out_channels) if chosen is None else chosen)
    forward = [i for i, channel in enumerate(channels) if channel < psam.n_motifs]
    reverse = [i for i, channel in enumerate(channels) if channel >= psam.n_motifs]
    return forward, reverse


def _tensors(filters: Filters) -> list[tuple[int, torch.Tensor]]:
    return [(distance, torch.from_numpy(values)) for distance, values in filters.pairs]


def _windows(codes: Codes, filters: Filters) -> Doubles:
    if not len(codes):
        shape = (0, len(filters.bias), codes.shape[1] - filters.span + 1)
        return np.empty(shape)
    scores: Doubles = window_scores(
        torch.from_numpy(np.ascontiguousarray(codes)),
        torch.from_numpy(filters.monomer),
        _tensors(filters),
        torch.from_numpy(filters.bias),
        dilation=filters.dilation,
    ).numpy()
    return scores
