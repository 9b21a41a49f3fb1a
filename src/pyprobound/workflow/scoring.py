"""Scores sequences of any length with a model of any kind, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from ..alphabets import Alphabet
from ..errors import InputError
from ..io.sequences import LetterTable, SequenceBlock
from ..kernels import pair_scores
from ..layers import Conv1d
from .opened import Activities, ModelInteraction, ModelMode, OpenedModel
from .scoring_choice import choose_activities
from .scoring_modes import MotifScorer, NonspecificScorer
from .scoring_wildcards import Codes, Doubles, Wildcard

Statistic: TypeAlias = Literal["sum", "max", "mean"]
STATISTICS: tuple[Statistic, ...] = ("sum", "max", "mean")

TOTAL = "log_affinity"
"""The column of the log of the affinity of the whole model."""

_BATCH_LETTERS = 1 << 20
"""The most letters, with padding, that are scored at once."""
_LENGTH_STEP = 1.25
"""How much longer than the shortest the rows of a batch may be."""


@dataclass(frozen=True)
class ScoringOptions:
    """What is computed, and how.

    Attributes:
        total: Whether to compute the affinity of the whole model.
        statistics: What to compute for each motif: the log of the ``sum``, the
            ``max`` or the ``mean`` of the affinities of its windows.
        profile: Whether to give the scores of all windows, on both strands.
        wildcard: How letters such as N are scored.
        experiment: The experiment whose activities count, by name or by its number
            from 1; needed if there are several.
        column: Its round, by the number of the column from 1; the last one in which
            something binds by default.
        interactions: Whether the total includes modes that bind together.
        left_flank: Letters in front of every sequence.
        right_flank: Letters behind every sequence.
    """

    total: bool = True
    statistics: tuple[Statistic, ...] = ()
    profile: bool = False
    wildcard: Wildcard = "mean-affinity"
    experiment: str | None = None
    column: int | None = None
    interactions: bool = True
    left_flank: str = ""
    right_flank: str = ""


@dataclass(frozen=True)
class _Member:
    """A mode of the model, and what the total makes of it."""

    name: str
    scorer: MotifScorer | NonspecificScorer
    log_activity: float


@dataclass(frozen=True)
class _Pair:
    """An interaction that is a part of the total."""

    interaction: ModelInteraction
    experiment: int
    log_activity: float


@dataclass
class BlockScores:
    """The scores of a block of sequences.

    Attributes:
        values: A value for each sequence, by the name of the column.
        profiles: For each sequence the scores of all windows, by the name of the
            column.
    """

    values: dict[str, Doubles]
    profiles: dict[str, list[Doubles]] = field(default_factory=dict)


class ModelScorer:
    r"""Scores sequences of any length with an opened model.

    The affinity of the whole model is
    :math:`\log \sum_m \exp(A_m + \alpha_m)` with the log activities :math:`A_m` of
    one round of one experiment (0 for a motif) and the scores :math:`\alpha_m` of the
    modes, all in float64 and in RT. The sequences are scored as they are given:
    position biases, which belong to the sequences of a fit, are left out, and so is
    the concentration.

    Args:
        model: The model.
        options: What to compute.

    Attributes:
        alphabet: The letters.
        remarks: What the user should know about the scores, in sentences.

    Raises:
        InputError: The options do not fit the model.
    """

    def __init__(self, model: OpenedModel, options: ScoringOptions) -> None:
        self.alphabet: Alphabet = model.alphabet
        self.options = options
        self.remarks: list[str] = []
        self._flanks = [
            self._flank(flank, option)
            for flank, option in (
                (options.left_flank, "--left-flank"),
                (options.right_flank, "--right-flank"),
            )
        ]
        place = (0, 0)
        if options.total:
            place = choose_activities(model, options.experiment, options.column)
        names = _unique([mode.name for mode in model.modes])
        self._modes = [
            self._member(mode, name, *place)
            for mode, name in zip(model.modes, names, strict=True)
        ]
        self._pairs = [
            pair
            for interaction in model.interactions
            if (pair := self._pair(interaction, *place)) is not None
        ]
        self.motifs = [m for m in self._modes if isinstance(m.scorer, MotifScorer)]
        if not self.motifs and (options.statistics or options.profile):
            raise InputError("the model has no motif to score windows with")

    def _member(
        self, mode: ModelMode, name: str, experiment: int, column: int
    ) -> _Member:
        activity = _activity(mode.activities, experiment, column)
        if mode.psam is None:
            return _Member(
                name, NonspecificScorer(self.alphabet, mode.ignores_length), activity
            )
        binding = mode.bindings[experiment] if mode.bindings else None
        layer = mode.layer if isinstance(mode.layer, Conv1d) else None
        if layer is not None and bool(layer.log_posbias.any()):
            self.remarks.append(
                f"the position bias of the mode {name!r} is left out; --predict uses it"
            )
        hill = 0.0 if binding is None else float(binding.log_hill)
        return _Member(
            name, MotifScorer(mode.psam, layer, hill, self.options.wildcard), activity
        )

    def _pair(
        self, interaction: ModelInteraction, experiment: int, column: int
    ) -> _Pair | None:
        if not (self.options.total and self.options.interactions):
            return None
        activity = _activity(interaction.activities, experiment, column)
        if activity == -math.inf:
            return None
        bindings = interaction.bindings
        if not bindings or bindings[experiment] is None:
            raise InputError(
                f"the interaction {interaction.name!r} cannot be scored, because the"
                " file does not describe its experiment in full; leave it out with"
                " --no-interactions"
            )
        return _Pair(interaction, experiment, activity)

    def _flank(self, letters: str, option: str) -> Codes:
        bytes_ = np.frombuffer(letters.encode(errors="replace"), np.uint8)
        table = LetterTable(self.alphabet)
        codes, bad = table.translate(bytes_, np.array([len(bytes_)]))
        if len(bad):
            place = int(bad[0])
            message = table.refusal(bytes_[place:].tobytes(), place, len(bytes_))
            raise InputError(message, key=option)
        return codes

    # --- columns -----------------------------------------------------------------

    def value_columns(self) -> list[str]:
        """The names of the columns with one value for each sequence."""
        names = [TOTAL] if self.options.total else []
        return names + [
            f"{motif.name}:{statistic}"
            for motif in self.motifs
            for statistic in self.options.statistics
        ]

    def profile_columns(self) -> list[str]:
        """The names of the columns with the scores of all windows."""
        if not self.options.profile:
            return []
        return [
            f"{motif.name}:{strand}"
            for motif in self.motifs
            for strand in ("forward", "reverse")
        ]

    # --- scores ------------------------------------------------------------------

    @property
    def n_approximated(self) -> int:
        """The number of windows whose mean affinity had to be approximated."""
        return sum(
            member.scorer.n_approximated
            for member in self._modes
            if isinstance(member.scorer, MotifScorer)
        )

    def score(self, block: SequenceBlock) -> BlockScores:
        """Scores the sequences of a block.

        Args:
            block: Sequences of this alphabet.

        Raises:
            InputError: An interaction does not know sequences of such lengths.
        """
        found = BlockScores(
            {name: np.empty(len(block)) for name in self.value_columns()},
            {name: [np.empty(0)] * len(block) for name in self.profile_columns()},
        )
        for rows, codes in self._batches(block):
            self._score_batch(rows, codes, found)
        return found

    def _score_batch(
        self, rows: npt.NDArray[np.int64], codes: Codes, found: BlockScores
    ) -> None:
        terms = []
        for member in self._modes:
            total = None
            if isinstance(member.scorer, MotifScorer):
                if set(self.options.statistics) - {"sum"}:
                    statistics = member.scorer.statistics(codes)
                    total = statistics.total
                    for name, values in (
                        ("max", statistics.greatest),
                        ("mean", statistics.mean),
                    ):
                        if f"{member.name}:{name}" in found.values:
                            found.values[f"{member.name}:{name}"][rows] = values
                elif self._needs_sum(member):
                    total = member.scorer.totals(codes)
                if f"{member.name}:sum" in found.values and total is not None:
                    found.values[f"{member.name}:sum"][rows] = total
                if self.options.profile:
                    self._add_profiles(member.name, member.scorer, rows, codes, found)
            elif self._needs_sum(member):
                total = member.scorer.totals(codes)
            if total is not None and member.log_activity > -math.inf:
                terms.append(total + member.log_activity)
        if self.options.total:
            terms += [self._score_pair(pair, codes) for pair in self._pairs]
            empty = np.full(len(codes), -np.inf)
            found.values[TOTAL][rows] = np.logaddexp.reduce([empty, *terms], axis=0)

    def _needs_sum(self, member: _Member) -> bool:
        counts = self.options.total and member.log_activity > -math.inf
        return counts or "sum" in self.options.statistics

    def _add_profiles(
        self,
        name: str,
        scorer: MotifScorer,
        rows: npt.NDArray[np.int64],
        codes: Codes,
        found: BlockScores,
    ) -> None:
        forward, reverse = scorer.profile(codes)
        lengths = (codes != self.alphabet.neginf_pad).sum(1)
        windows = np.maximum(lengths - scorer.span + 1, 0)
        for strand, scores in (("forward", forward), ("reverse", reverse)):
            column = found.profiles[f"{name}:{strand}"]
            for place, row in enumerate(rows):
                # A strand that is not scored has no window.
                column[row] = (
                    np.empty(0) if scores is None else scores[place, : windows[place]]
                )

    def _score_pair(self, pair: _Pair, codes: Codes) -> Doubles:
        """The log contribution of an interaction."""
        binding = pair.interaction.bindings[pair.experiment]
        assert binding is not None  # noqa: S101 - see _pair
        first, second = (self._modes[place] for place in pair.interaction.modes)
        windows = []
        for member in (first, second):
            assert isinstance(member.scorer, MotifScorer)  # noqa: S101 - has windows
            windows.append(member.scorer.windows(codes))
        counts = windows[0].shape[2], windows[1].shape[2]
        if 0 in counts:
            return np.full(len(codes), -np.inf)
        known = (binding.n_windows_a, binding.n_windows_b)
        has_bias = any(bool(value.any()) for value in binding.log_posbias)
        if has_bias and counts == known:
            energies = binding.get_log_spacing_matrix()
            if energies.shape[:2] != (1, 1):
                energies = energies[counts[0], counts[1]]
            energies = energies.reshape(energies.shape[-4:])
        elif not has_bias and max(counts) <= binding.spacing.max_num_windows:
            energies = binding.spacing.get_log_spacing_matrix(*counts)
        else:
            length = binding.mode_a.input_shape
            raise InputError(
                f"the interaction {pair.interaction.name!r} is known for sequences of"
                f" {length} letters only (with flanks, see --left-flank); score such"
                " sequences, or leave it out with --no-interactions"
            )
        hill = binding.log_hill.detach().double()
        scores: Doubles = pair_scores(
            torch.from_numpy(np.ascontiguousarray(windows[0])),
            torch.from_numpy(np.ascontiguousarray(windows[1])),
            energies.detach().double(),
            None,
            hill if bool(hill != 0) else None,
        ).numpy()
        return scores + pair.log_activity

    # --- batches -----------------------------------------------------------------

    def _batches(
        self, block: SequenceBlock
    ) -> Iterator[tuple[npt.NDArray[np.int64], Codes]]:
        """Rows of similar lengths, with their numbers, padded by missing letters."""
        codes, limits = self._with_flanks(block)
        lengths = np.diff(limits)
        if not len(lengths):
            return
        step = 1.0 if self._pairs else _LENGTH_STEP
        order = np.argsort(lengths, kind="stable")
        ordered = lengths[order]
        uniform = ordered[0] == ordered[-1]
        start = 0
        while start < len(order):
            longest = int(ordered[start] * step)
            stop = int(np.searchsorted(ordered, longest, side="right"))
            width = int(ordered[stop - 1])
            stop = min(stop, start + max(1, _BATCH_LETTERS // max(1, width)))
            if uniform:
                part = codes[start * width : stop * width]
                yield np.arange(start, stop), part.reshape(stop - start, width)
            else:
                rows = order[start:stop]
                yield rows, self._rows(codes, limits[rows], lengths[rows])
            start = stop

    def _rows(
        self,
        codes: Codes,
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> Codes:
        place = np.arange(lengths.max())
        index = np.minimum(starts[:, None] + place, len(codes) - 1)
        rows = codes[index]
        rows[place >= lengths[:, None]] = self.alphabet.neginf_pad
        return np.asarray(rows)

    def _with_flanks(self, block: SequenceBlock) -> tuple[Codes, npt.NDArray[np.int64]]:
        left, right = self._flanks
        added = len(left) + len(right)
        if not added:
            return block.codes, block.limits
        limits = block.limits + added * np.arange(len(block) + 1)
        codes = np.empty(int(limits[-1]), block.codes.dtype)
        row = np.repeat(np.arange(len(block)), block.lengths)
        codes[np.arange(len(block.codes)) + row * added + len(left)] = block.codes
        codes[limits[:-1, None] + np.arange(len(left))] = left
        codes[limits[1:, None] - len(right) + np.arange(len(right))] = right
        return codes, limits


def _activity(activities: Activities, experiment: int, column: int) -> float:
    if not activities:
        return 0.0
    row = activities[experiment] if experiment < len(activities) else ()
    return row[column] if column < len(row) else -math.inf


def _unique(names: Sequence[str]) -> list[str]:
    """Names that differ; repeated ones get their number."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[:i].count(name) + 1})"
        for i, name in enumerate(names)
    ]
