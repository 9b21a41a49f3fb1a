"""Two modes that bind together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..base import Binding, BindingOptim, Call, Component, Procedure, Step, Transform
from ..containers import TParameterList
from ..kernels.pairs import pair_jacobian, pair_scores
from ..layers.jacobian import add_column
from ..layers.lengths import LengthChange
from ..mode import Mode
from . import pairs
from .jacobian import energies_jacobian, hill_derivative
from .layout import BiasLayout, BiasMode, Mirror, check_options
from .scores import pair_windows
from .spacing import Growth, Spacing


class Cooperativity(Binding):
    r"""Two modes that bind together, with an energy for each offset between them.

    .. math::
        \log \frac{1}{K^{rel}_D(S)} = \log \sum_{x,y,m,n} \exp\big(h (G_{x,y}(n - m) +
        \pi_{x,y}(m, n) + w^a_{x,m}(S) + w^b_{y,n}(S))\big)

    over the strands :math:`x, y` and windows :math:`m, n` of the modes a and b, with
    the energy :math:`G` of a ``Spacing``, a position bias :math:`\pi`, the window
    scores :math:`w` of the modes and the Hill coefficient :math:`h`.

    Args:
        spacing: The energy by offset; it may be shared between experiments.
        mode_a: The first mode.
        mode_b: The second mode; it may be the first one.
        train_hill: Whether to train the Hill coefficient.
        train_posbias: Whether to train a position bias of pairs of windows.
        bias_mode: ``strand`` for a bias of each pair of strands, ``same`` for one that
            does not depend on the strand of the second mode relative to that of the
            first, ``reverse`` for one that is also mirrored on the reverse strand. With
            a single strand they are the same.
        bias_bin: The number of neighbouring pairs of one offset that share a bias.
        length_specific_bias: Whether each input length has its own bias.
        normalize: Whether the mean over the bins of each offset is subtracted.
        mirror: Where ``bias_mode`` ``reverse`` mirrors the bias: with ``row``, the
            windows of a row change places as on the other strand of the molecule; as
            in PyProBound ``1.5``, the pairs of each offset change places and keep the
            offset.

    Attributes:
        log_hill: The log of the Hill coefficient, 0 at first.
        n_growths: How often a motif of the modes has grown or shrunk.
        log_posbias: The bias in RT, for each offset from ``1 - n_windows_a`` on a
            tensor of shape (lengths of a, lengths of b, strands, strands or 1, bins).

    Raises:
        ValueError: The modes are not those of the spacing, or an option is unknown.
        RuntimeError: The modes do not have the strands of the spacing.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    unfreezable = Literal["all", "hill", "posbias"]
    _cache_fun = "score_windows"

    def __init__(
        self,
        spacing: Spacing,
        mode_a: Mode,
        mode_b: Mode,
        train_hill: bool = False,
        train_posbias: bool = False,
        bias_mode: BiasMode = "strand",
        bias_bin: int = 1,
        length_specific_bias: bool = True,
        normalize: bool = False,
        *,
        mirror: Mirror = "1.5",
    ) -> None:
        check_options(bias_mode, bias_bin, mirror)
        _check_modes(spacing, mode_a, mode_b)
        super().__init__()
        self.spacing = spacing
        self.mode_a = mode_a
        self.mode_b = mode_b
        self.train_hill = train_hill
        self.train_posbias = train_posbias
        self._bias_mode: BiasMode = bias_mode
        self._bias_bin = int(bias_bin)
        self._length_specific_bias = bool(length_specific_bias)
        self.normalize = normalize
        self.mirror: Mirror = mirror
        self.log_hill = torch.nn.Parameter(torch.tensor(0.0), requires_grad=train_hill)
        self._windows: tuple[int, int] | None = None
        self.n_growths = spacing.n_growths
        self._register()
        self.log_posbias = self._bias_list(
            [torch.zeros(shape) for shape in self._layout.shapes()], train_posbias
        )
        spacing.fit_windows()
        self.check_length_consistency()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._register()

    def _register(self) -> None:
        self.spacing._cooperativities.add(self)
        for mode in self._modes:
            mode._cooperativities.add(self)

    def __str__(self) -> str:
        if self.spacing.name:
            return f"Cooperativity-{self.spacing.name}"
        names = [str(mode).removeprefix("Mode-") for mode in (self.mode_a, self.mode_b)]
        if any("\n" in name for name in names):
            return repr(self)
        return f"Cooperativity-{':'.join(names)}"

    @property
    def _modes(self) -> list[Mode]:
        """The modes, each once."""
        return list(dict.fromkeys([self.mode_a, self.mode_b]))

    def components(self) -> Iterator[Component]:
        """The modes and the spacing are the parts of a cooperativity."""
        yield from self._modes
        yield self.spacing

    def key(self) -> tuple[Spacing]:
        """The spacing; cooperativities that share it are trained together."""
        return (self.spacing,)

    def max_embedding_size(self) -> int:
        """The most bytes that one sequence takes, see ``Component``."""
        return 3 * min(mode.max_embedding_size() for mode in self._modes)

    def expected_sequence(self) -> Tensor:
        """The expected sequence of the first mode, see ``Binding``."""
        return self.mode_a.expected_sequence()

    # --- options and sizes -------------------------------------------------------

    @property
    def bias_mode(self) -> BiasMode:
        """How the pairs of strands share the position bias."""
        return self._bias_mode

    @property
    def bias_bin(self) -> int:
        """The number of neighbouring pairs of one offset that share a bias."""
        return self._bias_bin

    @property
    def length_specific_bias(self) -> bool:
        """Whether each input length has its own bias."""
        return self._length_specific_bias

    @property
    def n_strands(self) -> int:
        """The number of strands that each mode scores, 1 or 2."""
        return self.spacing.n_strands

    @property
    def n_windows_a(self) -> int:
        """The number of windows of the first mode."""
        return self._window_counts()[0]

    @property
    def n_windows_b(self) -> int:
        """The number of windows of the second mode."""
        return self._window_counts()[1]

    def _window_counts(self) -> tuple[int, int]:
        if self._windows is None:
            self._windows = (
                self.mode_a.out_len(self.mode_a.input_shape),
                self.mode_b.out_len(self.mode_b.input_shape),
            )
        return self._windows

    @property
    def _layout(self) -> BiasLayout:
        a, b = (
            (
                mode.out_len(mode.min_input_length, "min"),
                mode.out_len(mode.max_input_length, "max"),
            )
            for mode in (self.mode_a, self.mode_b)
        )
        return BiasLayout(
            self._window_counts(),
            a,
            b,
            self.n_strands,
            self.bias_mode,
            self.bias_bin,
            self.length_specific_bias,
            self.mirror,
        )

    def _bias_list(self, values: list[Tensor], trained: bool) -> TParameterList:
        return TParameterList(
            torch.nn.Parameter(value, requires_grad=trained) for value in values
        )

    # --- energies ----------------------------------------------------------------

    def get_log_spacing(self) -> Tensor:
        """The energy by offset for the windows of these modes, see ``Spacing``."""
        return self.spacing.get_log_spacing(*self._window_counts())

    def get_log_spacing_diagonals(self) -> list[Tensor]:
        """The energy of all pairs of windows, by offset.

        Returns:
            For each offset from ``1 - n_windows_a`` on a tensor in RT of shape
            (lengths of a, lengths of b, strands of a, strands of b, pairs). The first
            two axes are the numbers of windows of a row that are not -inf; they have
            a size of 1 if the bias does not depend on them.
        """
        layout = self._layout
        bias = layout.by_length(self._joined_bias())
        matrix = layout.from_zero(self._spacing() + bias)
        n_a, n_b = self._window_counts()
        return [matrix.diagonal(d, -2, -1) for d in range(1 - n_a, n_b)]

    def get_log_spacing_matrix(self) -> Tensor:
        """The energy of all pairs of windows.

        Returns:
            A tensor in RT of shape (lengths of a, lengths of b, strands of a, strands
            of b, windows of a, windows of b), see ``get_log_spacing_diagonals``. The
            first two axes have a size of 1 if there is no position bias.
        """
        spacing = self._spacing()
        if not self._has_bias():
            return spacing[None, None]
        layout = self._layout
        return layout.from_zero(spacing + layout.by_length(self._joined_bias()))

    def _spacing(self) -> Tensor:
        return self.spacing.get_log_spacing_matrix(*self._window_counts())

    def _has_bias(self) -> bool:
        return any(
            value.requires_grad or bool(value.any()) for value in self.log_posbias
        )

    def _joined_bias(self) -> Tensor:
        return BiasLayout.joined(self.log_posbias, self.normalize)

    # --- scores ------------------------------------------------------------------

    @Transform.cache
    def score_windows(self, seqs: Tensor) -> Tensor:
        """Scores every pair of windows.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            Scores in RT, not multiplied by the Hill coefficient, of shape (rows,
            strands of a, strands of b, windows of a, windows of b).
        """
        first, second = self.mode_a.score_windows(seqs), self.mode_b.score_windows(seqs)
        energies = self._spacing().unsqueeze(0)
        if self._has_bias():
            layout = self._layout
            bias = layout.from_zero(layout.by_length(self._joined_bias()))
            if layout.depends_on_length:
                energies = energies + bias[self._row_lengths(first, second)]
            else:
                energies = energies + bias[0]
        return pair_windows(first, second, energies)

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """Scores sequences: the log of the summed affinity of all pairs of windows.

        Nothing is stored for each pair of windows of a row.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            Scores in RT, of shape (rows,).
        """
        first, second = self.mode_a.score_windows(seqs), self.mode_b.score_windows(seqs)
        energies, groups = self._energies(first, second)
        return pair_scores(first, second, energies, groups, self._hill_or_none())

    def score_jacobian(
        self, seqs: Tensor, parameters: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        """The scores and their derivatives for each row, see ``Binding``."""
        with torch.no_grad():
            first = self.mode_a.score_windows(seqs)
            second = self.mode_b.score_windows(seqs)
        energies, groups = self._energies(first, second)
        found = pair_jacobian(
            first, second, energies.detach(), groups, self._hill_or_none()
        )
        total = found.scores.new_zeros(len(seqs), sum(p.numel() for p in parameters))
        for mode, weights in (
            (self.mode_a, found.windows_a),
            (self.mode_b, found.windows_b),
        ):
            part = mode.window_jacobian(seqs, weights, parameters)
            if part is None:
                return None
            total += part
        total += energies_jacobian(found.energies, energies, groups, parameters)
        if self.log_hill.requires_grad:
            own = energies if groups is None else energies[groups]
            by_hill = hill_derivative(
                [
                    (found.windows_a, first),
                    (found.windows_b, second),
                    (found.energies, own.detach().expand_as(found.energies)),
                ]
            )
            add_column(total, parameters, self.log_hill, by_hill)
        return found.scores, total

    def _hill_or_none(self) -> Tensor | None:
        """The log of the Hill coefficient, or None where it has no effect."""
        matters = self.log_hill.requires_grad or bool(self.log_hill != 0)
        return self.log_hill if matters else None

    def _energies(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor | None]:
        """The energies of all pairs of windows.

        Args:
            first: The window scores of the first mode.
            second: The window scores of the second mode.

        Returns:
            Energies of shape (strands, strands, windows of a, windows of b); or of
            several groups of rows, with the group of each row.
        """
        spacing = self._spacing()
        if not self._has_bias():
            return spacing, None
        bias, layout = self._joined_bias(), self._layout
        if not layout.depends_on_length:
            return spacing + layout.expanded(bias[0, 0]), None
        lengths_a, lengths_b = self._row_lengths(first, second)
        # All rows of the same two lengths read the same bias.
        step = self.n_windows_b + 1
        joined = lengths_a * step + lengths_b
        found = joined.bincount().nonzero().squeeze(1)
        by_group = [
            layout.of_rows(bias, finite_a, finite_b).expand_as(spacing)
            for finite_a, finite_b in (divmod(n, step) for n in found.tolist())
        ]
        if not by_group:
            return spacing, None
        return spacing + torch.stack(by_group), torch.searchsorted(found, joined)

    def _row_lengths(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The number of finite windows of each row in both modes.

        Raises:
            IndexError: A row has more windows than the longest input.
        """
        found = []
        limits = (self._layout.finite_a, self._layout.finite_b)
        for windows, (_, high) in zip((first, second), limits, strict=True):
            count = windows[:, 0].isfinite().sum(1)
            if len(count) and int(count.max()) > high:
                raise IndexError(
                    f"{self} has a position bias for up to {high} windows of a row, but"
                    f" a row has {int(count.max())}"
                )
            found.append(count)
        return found[0], found[1]

    # --- lengths -----------------------------------------------------------------

    def check_length_consistency(self) -> None:
        """Checks the modes, and that the numbers of windows fit them.

        Raises:
            RuntimeError: A number of windows or the shape of a bias does not fit.
        """
        for mode in self._modes:
            mode.check_length_consistency()
            if mode.out_channels != self.n_strands:
                raise RuntimeError(
                    f"{mode} scores {mode.out_channels} channels, but {self.spacing}"
                    f" expects {self.n_strands} (the strands)"
                )
        found = self._window_counts()
        expected = tuple(m.out_len(m.input_shape) for m in (self.mode_a, self.mode_b))
        if found != expected:
            raise RuntimeError(
                f"{self} is built for {found} windows, but its modes have {expected}"
            )
        shapes = [tuple(value.shape) for value in self.log_posbias]
        if shapes != self._layout.shapes():
            raise RuntimeError(
                f"The log_posbias of {self} does not fit the windows and lengths of its"
                f" modes: expected shapes {self._layout.shapes()}, found {shapes}"
            )
        if self.spacing.max_num_windows < max(found):
            raise RuntimeError(
                f"{self.spacing} has energies for {self.spacing.max_num_windows}"
                f" windows, but {max(found)} are needed"
            )

    def follow_mode(
        self, mode: Mode, change: LengthChange, growth: Growth, carry_out: bool
    ) -> None:
        """Passes a change of the windows of a mode on to the bias and the spacing.

        Args:
            mode: A mode of the cooperativity.
            change: The change of its windows.
            growth: How far its motif grows to its left and right.
            carry_out: Whether to make the change, or only to check it.

        Raises:
            ValueError: The change is impossible.
        """
        is_part = [mode is part for part in (self.mode_a, self.mode_b)]
        before = self._window_counts()
        added = change.left + change.right
        after = [
            count + added if part else count
            for count, part in zip(before, is_part, strict=True)
        ]
        if min(after) < 1:
            raise ValueError(f"{self} would have no pair of windows")
        if not carry_out:
            return
        none = LengthChange()
        changes = [change if part else none for part in is_part]
        if not self.length_specific_bias:
            changes = [LengthChange(each.left, each.right) for each in changes]
        values = pairs.resized(
            list(self.log_posbias), before, self.bias_bin, (changes[0], changes[1])
        )
        self.log_posbias = self._bias_list(values, self.train_posbias)
        self._windows = (after[0], after[1])
        if any(growth):
            grown = [growth if part else (0, 0) for part in is_part]
            self.spacing.follow_growth(self.n_growths, (grown[0], grown[1]))
            self.n_growths += 1
        self.spacing.fit_windows()

    # --- checkpoints -------------------------------------------------------------

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Makes room for as many offsets as a state has, see ``checkpoint``."""
        count = sum(name.startswith("log_posbias.") for name in entries)
        if count:
            trained = any(value.requires_grad for value in self.log_posbias)
            value = self.log_hill.new_zeros(())
            kept = list(self.log_posbias)[:count]
            kept += [
                torch.nn.Parameter(value.clone(), requires_grad=trained)
                for _ in range(count - len(kept))
            ]
            self.log_posbias = TParameterList(kept)
        # The modes take their lengths from the state after this.
        self._windows = None
        return entries

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a cooperativity are the same in both layouts."""
        return entries

    # --- optimisation ------------------------------------------------------------

    def unfreeze(self, parameter: Literal["all", "hill", "posbias"] = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``hill`` for the Hill coefficient, ``posbias`` for the position
                bias, or ``all``, which includes the modes, and the spacing if it was
                made trainable by its own word before. (The first step of sequential
                training that concerns a spacing does this. In PyProBound 1.5 ``all``
                never includes it.)

        Raises:
            ValueError: A cooperativity has no such parameter.
        """
        word: str = parameter
        if word in ("all", "hill"):
            self.log_hill.requires_grad_(self.train_hill)
        if word in ("all", "posbias"):
            for value in self.log_posbias:
                value.requires_grad_(self.train_posbias)
        if word == "all":
            for mode in self._modes:
                mode.unfreeze("all")
            if self.spacing.was_unfrozen:
                self.spacing.unfreeze("all")
        elif word not in ("hill", "posbias"):
            super().unfreeze(word)

    def optim_procedure(
        self,
        ancestry: tuple[Component, ...] | None = None,
        current_order: Procedure | None = None,
    ) -> Procedure:
        """The steps that train the cooperativity, see ``Component.optim_procedure``.

        The steps of a mode are among them if the mode is not trained before.

        Args:
            ancestry: The components above this one, from the root.
            current_order: The procedure found so far; it is extended.
        """
        chain = (*(ancestry or ()), self)
        order: Procedure = {} if current_order is None else current_order
        root = chain[0]
        optim = order.get(self.key())
        if optim is None:
            optim = BindingOptim({chain}, [Step([Call(root, "freeze", {})])])
            order[self.key()] = optim
        elif chain in optim.ancestry:
            return order
        optim.ancestry.add(chain)
        for mode in self._modes:
            if mode.key() not in order:
                for layer in mode._stack:
                    layer.layer_spec.update_binding_optim(optim)
                    layer.update_binding_optim(optim)
        self.spacing.update_binding_optim(optim)
        optim.merge_binding_optim()
        if self.train_posbias:
            self._add_bias_steps(optim)
        everything = Call(root, "unfreeze", {"parameter": "all"})
        optim.append_unless_present(Step([everything]))
        return order

    def _add_bias_steps(self, optim: BindingOptim) -> None:
        """Trains the position bias behind each step that trains the spacing."""
        spacing = Call(self.spacing, "unfreeze", {"parameter": "spacing"})
        own = Call(self, "unfreeze", {"parameter": "posbias"})
        steps: list[Step] = []
        for step in optim.steps:
            steps.append(step)
            if spacing in step.calls:
                steps.append(Step([own]))
        optim.steps[:] = steps


def _check_modes(spacing: Spacing, mode_a: Mode, mode_b: Mode) -> None:
    """Raises ValueError unless the modes are those of the spacing."""
    expected = (spacing.mode_key_a, spacing.mode_key_b)
    for name, mode, key in zip("ab", (mode_a, mode_b), expected, strict=True):
        if tuple(mode.key()) != tuple(key):
            raise ValueError(
                f"mode_{name} has other layers than the spacing was built for: build"
                " the Spacing from mode_a.key() and mode_b.key(), in this order"
            )
