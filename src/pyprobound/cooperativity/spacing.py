"""How the binding of two proteins together depends on their distance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ..base import BindingOptim, Call, Spec, Step
from ..layers.layer import LayerSpec, ModeKey
from ..layers.pad import PadSpec
from ..users import Users

if TYPE_CHECKING:
    from .binding import Cooperativity

ScoreMode = Literal["both", "positive", "negative"]
Anchor = Literal["core", "1.5"]
Growth = tuple[int, int]


class Spacing(Spec):
    r"""The energy of two modes bound at an offset from each other.

    The offset :math:`o = n - m` is the number of positions from window :math:`m` of
    the first mode (a) to window :math:`n` of the second (b), both counted on the
    forward strand: it is positive where b begins to the right of a. With strands
    :math:`x` of a and :math:`y` of b (0 is forward), the energy is

    .. math::
        G_{x,0}(o) = P_x(o), \qquad G_{x,1}(o) = P_{1-x}((n_b - n_a) - o)

    where :math:`P` is stored in ``log_spacing``: seen from the other strand, left
    and right are exchanged. :math:`n_a` and :math:`n_b` are the numbers of windows.

    Two windows overlap by as many positions as both cover, and a negative overlap is
    the gap between them. Offsets beyond the limits have an energy of -inf.

    Args:
        mode_key_a: The specs of the layers of the first mode.
        mode_key_b: The specs of the layers of the second mode.
        score_same: Whether both may bind in the same orientation.
        score_reverse: Whether they may bind in opposite orientations; of no
            consequence if a single strand is scored.
        score_mode: ``positive`` excludes the offsets :math:`o \le 0`, ``negative``
            those :math:`o > 0`, on the forward strand. Offset 0 thus belongs to
            ``negative``, as in PyProBound 1.5.
        max_overlap: The most positions that both may cover; no limit by default.
        max_spacing: The most positions between them; no limit by default.
        normalize: Whether the mean over all permitted offsets is subtracted.
        ignore_pad: Whether padding is regarded as a part of the sequence: the limits
            then apply to the motifs themselves. Without it, a motif behind padding
            counts as shorter by the padding, so set it wherever there is padding.
        name: A name for messages, legends and reports.
        anchor: What keeps its energies when a motif grows or shrinks on its left. With
            ``core``, the energies stay with the distance between the positions that
            the motifs had before; as in PyProBound ``1.5``, they stay with the offset
            of the windows, so that they describe another distance afterwards.

    Attributes:
        log_spacing: :math:`P` in RT, of shape (strands, 2 W - 1), where W is the
            largest number of windows in any cooperativity; offset 0 is in column W - 1.

    Raises:
        RuntimeError: The modes do not score equally many strands, 1 or 2.
        ValueError: An option is unknown, or no orientation is left.
    """

    unfreezable = Literal["all", "spacing"]

    def __init__(
        self,
        mode_key_a: Iterable[LayerSpec],
        mode_key_b: Iterable[LayerSpec],
        score_same: bool = True,
        score_reverse: bool = True,
        score_mode: ScoreMode = "both",
        max_overlap: int | None = None,
        max_spacing: int | None = None,
        normalize: bool = False,
        ignore_pad: bool = False,
        name: str = "",
        *,
        anchor: Anchor = "1.5",
    ) -> None:
        super().__init__(name=name)
        self.mode_key_a = ModeKey(mode_key_a)
        self.mode_key_b = ModeKey(mode_key_b)
        strands = (self.mode_key_a.out_channels, self.mode_key_b.out_channels)
        if strands not in ((1, 1), (2, 2)):
            raise RuntimeError(
                "Both modes of a Spacing must have one output channel or both must have"
                f" two (the strands); they have {strands[0]} and {strands[1]}"
            )
        self._n_strands = strands[0]
        self.score_same = score_same
        self.score_reverse = score_reverse
        self.score_mode: ScoreMode = score_mode
        self.max_overlap = max_overlap
        self.max_spacing = max_spacing
        self.normalize = normalize
        self.ignore_pad = ignore_pad
        self.anchor: Anchor = anchor
        self._check_options()
        self.log_spacing = torch.nn.Parameter(torch.zeros(self.n_strands, 1))
        self._cooperativities: Users[Cooperativity] = Users()
        # Whether ``unfreeze`` was called; Cooperativity.unfreeze asks for it.
        self.was_unfrozen = False
        # How far the motifs a and b have grown to either side, each time they did.
        self._growths: list[tuple[Growth, Growth]] = []

    def _check_options(self) -> None:
        if self.score_mode not in ("both", "positive", "negative"):
            raise ValueError(
                "score_mode must be 'both', 'positive' or 'negative', not"
                f" {self.score_mode!r}"
            )
        if self.anchor not in ("core", "1.5"):
            raise ValueError(f"anchor must be 'core' or '1.5', not {self.anchor!r}")
        opposite = self.score_reverse and self.n_strands == 2
        if not self.score_same and not opposite:
            raise ValueError(
                "score_same=False leaves no orientation in which two modes could bind:"
                " only with two strands and score_reverse there is another one"
            )

    @property
    def n_strands(self) -> int:
        """The number of strands that each mode scores, 1 or 2."""
        return self._n_strands

    @property
    def max_num_windows(self) -> int:
        """The largest number of windows of a mode, W."""
        return (self.log_spacing.shape[1] + 1) // 2

    def extra_repr(self) -> str:
        """The options, for ``repr``."""
        return (
            f"score_same={self.score_same}, score_reverse={self.score_reverse},"
            f" score_mode={self.score_mode!r}, max_overlap={self.max_overlap},"
            f" max_spacing={self.max_spacing}"
        )

    # --- energies ----------------------------------------------------------------

    def get_log_spacing(self, n_windows_a: int, n_windows_b: int) -> Tensor:
        r"""The energy :math:`G_{x,y}(o)` of each pair of strands and offset.

        Args:
            n_windows_a: The number of windows of the first mode.
            n_windows_b: The number of windows of the second mode.

        Returns:
            A tensor in RT of shape (strands of a, strands of b, n_windows_a +
            n_windows_b - 1) for the offsets from ``1 - n_windows_a`` on; -inf where
            the modes cannot bind together.

        Raises:
            RuntimeError: The size of a mode is not defined, as that of non-specific
                binding.
            ValueError: There are more windows than the energies are stored for.
        """
        self._check_windows(n_windows_a, n_windows_b)
        zero = self.max_num_windows - 1
        offsets = torch.arange(
            1 - n_windows_a, n_windows_b, device=self.log_spacing.device
        )
        stored = self.log_spacing[:, zero + offsets]
        direct, mirrored = (
            stored.masked_fill(self._is_excluded(offsets - adjust), -torch.inf)
            for adjust in self._adjustments()
        )
        if self.n_strands == 1:
            energies = direct.unsqueeze(1)
        else:
            # The offset (n_b - n_a) - o is the mirror image of o in this range.
            energies = torch.stack([direct, mirrored.flip(0, 1)], dim=1)
        energies = energies.masked_fill(self._filtered(offsets), -torch.inf)
        return _centred(energies) if self.normalize else energies

    def get_log_spacing_matrix(self, n_windows_a: int, n_windows_b: int) -> Tensor:
        """The energy of each pair of strands and pair of windows.

        Args:
            n_windows_a: The number of windows of the first mode.
            n_windows_b: The number of windows of the second mode.

        Returns:
            A tensor in RT of shape (strands of a, strands of b, n_windows_a,
            n_windows_b).

        Raises:
            RuntimeError: See ``get_log_spacing``.
            ValueError: See ``get_log_spacing``.
        """
        energies = self.get_log_spacing(n_windows_a, n_windows_b)
        first = torch.arange(n_windows_a, device=energies.device).unsqueeze(1)
        second = torch.arange(n_windows_b, device=energies.device)
        return energies[..., second - first + n_windows_a - 1]

    def _check_windows(self, *counts: int) -> None:
        largest = self.max_num_windows
        if not all(1 <= count <= largest for count in counts):
            raise ValueError(
                f"Energies are stored for 1 to {largest} windows of each mode, not for"
                f" {' and '.join(map(str, counts))}; a Cooperativity of more windows"
                " that uses this Spacing makes room for them"
            )

    def _adjustments(self) -> tuple[int, int]:
        """The offset of the motifs at offset 0 of the windows, for both strands of b."""
        if not self.ignore_pad:
            return 0, 0
        a, b = (_pads(key) for key in (self.mode_key_a, self.mode_key_b))
        return b[0] - a[0], b[1] - a[1]

    def _sizes(self) -> tuple[int, int]:
        """The number of positions that one window of each mode covers."""
        sizes = []
        for key in (self.mode_key_a, self.mode_key_b):
            size = key.in_len(1, "max")
            if size is None:
                raise RuntimeError(
                    f"A window of {key} has no defined size, so that there is no"
                    " spacing between it and another one"
                )
            sizes.append(size + (sum(_pads(key)) if self.ignore_pad else 0))
        return sizes[0], sizes[1]

    def _is_excluded(self, offsets: Tensor) -> Tensor:
        """Whether motifs at some offsets are too close or too far apart."""
        size_a, size_b = self._sizes()
        reach = torch.where(offsets > 0, size_a - offsets, size_b + offsets)
        overlap = reach.clamp(max=min(size_a, size_b))
        excluded = torch.zeros_like(overlap, dtype=torch.bool)
        if self.max_overlap is not None:
            excluded |= overlap > self.max_overlap
        if self.max_spacing is not None:
            excluded |= -overlap > self.max_spacing
        return excluded

    def _filtered(self, offsets: Tensor) -> Tensor:
        """What the options exclude, of shape (strands, strands, offsets)."""
        strands = self.n_strands
        same = torch.eye(strands, dtype=torch.bool, device=offsets.device)
        filtered = (same & (not self.score_same)) | (~same & (not self.score_reverse))
        by_offset = torch.zeros_like(offsets, dtype=torch.bool)
        if self.score_mode == "positive":
            by_offset = offsets <= 0
        elif self.score_mode == "negative":
            by_offset = offsets > 0
        return filtered.unsqueeze(-1) | by_offset

    # --- structure ---------------------------------------------------------------

    def fit_windows(self) -> None:
        """Makes room for the windows of all cooperativities, and for no more.

        Columns are added or removed equally on both sides; new ones are zero.
        """
        counts = [self._windows_to_come(each) for each in self._cooperativities]
        self._widen(max(counts, default=1) - self.max_num_windows)

    def _windows_to_come(self, user: Cooperativity) -> int:
        """The windows of a cooperativity when it has followed all growth."""
        counts = [user.n_windows_a, user.n_windows_b]
        for growth in self._growths[user.n_growths :]:
            counts = [n - sum(own) for n, own in zip(counts, growth, strict=True)]
        return max(counts)

    def _widen(self, columns: int) -> None:
        if columns:
            values = torch.nn.functional.pad(self.log_spacing, (columns, columns))
            self._store(values)

    @property
    def n_growths(self) -> int:
        """How often a motif has grown or shrunk."""
        return len(self._growths)

    def follow_growth(self, place: int, growth: tuple[Growth, Growth]) -> None:
        """Keeps the energies at the distance of the cores of the motifs.

        All cooperativities of this spacing report the growth of the same motifs; the
        first report has an effect. It has none with ``anchor`` ``1.5``.

        Args:
            place: How many growths were reported before by the same cooperativity.
            growth: How many positions the first motif grows on its left and on its
                right, and the same for the second.
        """
        if place < self.n_growths:
            return
        self._growths.append(growth)
        (left_a, right_a), (left_b, _) = growth
        shifts = [left_a - left_b, right_a - left_b]
        if self.anchor == "1.5" or not any(shifts):
            return
        self._widen(max(map(abs, shifts)))
        rows = zip(self.log_spacing, shifts, strict=False)
        self._store(torch.stack([_shifted(row, shift) for row, shift in rows]))

    def _store(self, values: Tensor) -> None:
        trained = self.log_spacing.requires_grad
        self.log_spacing = torch.nn.Parameter(values.detach(), requires_grad=trained)

    # --- checkpoints -------------------------------------------------------------

    _UNFROZEN_NAME = "_was_unfrozen"

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.was_unfrozen:
            destination[prefix + self._UNFROZEN_NAME] = torch.tensor(True)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = state_dict.pop(prefix + self._UNFROZEN_NAME, False)
        self.was_unfrozen = bool(found)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes from a state whether the energies were trained, see ``checkpoint``."""
        self.was_unfrozen = bool(entries.pop(self._UNFROZEN_NAME, False))
        return entries

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a state in the layout 1.5, which has the energies alone."""
        return {k: v for k, v in entries.items() if k != self._UNFROZEN_NAME}

    # --- optimisation ------------------------------------------------------------

    def unfreeze(self, parameter: Literal["all", "spacing"] = "all") -> None:
        """Makes the energies trainable.

        Args:
            parameter: ``spacing`` or ``all``.

        Raises:
            ValueError: A spacing has no such parameter.
        """
        word: str = parameter
        if word in ("all", "spacing"):
            self.log_spacing.requires_grad_()
            self.was_unfrozen = True
        if word != "spacing":
            super().unfreeze(word)

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds a call that trains the energies, together with the motifs if possible.

        Args:
            binding_optim: The steps of the binding, extended in place.

        Returns:
            The same object.
        """
        steps = binding_optim.steps
        place, joins = len(steps), False
        for index, step in enumerate(steps):
            if any(_unfreezes_energies(call) for call in step.calls):
                place, joins = min(place, index), True
            if any(call.fun == "activity_heuristic" for call in step.calls):
                place = index + 1
        call = Call(self, "unfreeze", {"parameter": "spacing"})
        if joins:
            steps[place].calls.append(call)
        else:
            steps.insert(place, Step([call]))
        return binding_optim


def _pads(key: ModeKey) -> tuple[int, int]:
    """The positions that all padding in front of a motif adds on both sides."""
    found = [spec for spec in key if isinstance(spec, PadSpec)]
    return sum(pad.left for pad in found), sum(pad.right for pad in found)


def _unfreezes_energies(call: Call) -> bool:
    words = ("monomer", "spacing")
    return call.fun == "unfreeze" and call.kwargs.get("parameter") in words


def _centred(energies: Tensor) -> Tensor:
    """Subtracts the mean of all entries that are not -inf."""
    kept = energies.isfinite()
    if not bool(kept.any()):
        return energies
    return energies - energies[kept].mean()


def _shifted(values: Tensor, shift: int) -> Tensor:
    """Moves values to the right, or to the left if negative; zeros enter."""
    return torch.nn.functional.pad(values.detach(), (shift, -shift))
