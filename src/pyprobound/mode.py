"""A mode: one way of binding, as a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from .base import Binding, BindingOptim, Call, Component, Procedure, Step, Transform
from .layers.conv0d import Conv0d, NonSpecific
from .layers.conv1d import BiasMode, Conv1d, Mirror
from .layers.jacobian import add_column
from .layers.layer import Layer, ModeKey
from .layers.lengths import LengthChange, LengthManager, LengthMode, Lengths
from .layers.psam import PSAM
from .layers.windows import log_sum_windows
from .table import Table
from .users import Users


class ModeUser(Protocol):
    """A cooperativity, as the modes in it see it."""

    def follow_mode(
        self,
        mode: Mode,
        change: LengthChange,
        growth: tuple[int, int],
        carry_out: bool,
    ) -> None:
        """Follows a change of the windows of a mode.

        Args:
            mode: The mode.
            change: The change of its windows.
            growth: How many positions its motif grows on its left and on its right.
            carry_out: Whether to make the change, or only to check it.

        Raises:
            ValueError: The change is impossible.
        """


class _Plan(NamedTuple):
    """What a change of length means: for some layers, and for the windows behind."""

    layers: list[tuple[Layer, LengthChange, Lengths]]
    windows: LengthChange


class Mode(Binding, LengthManager):
    r"""One way in which a protein binds a sequence.

    The layers are applied one after the other, and the affinities of all windows of
    the last one are summed:

    .. math::
        \log \frac{1}{K^{rel}_D(S)} = \log \sum_{c,x} \exp(h \, w_{c,x}(S))

    over its channels :math:`c` and windows :math:`x`, with the Hill coefficient
    :math:`h = e^{\text{log_hill}}`.

    Args:
        layers: The layers; each takes the output of the one before it.
        train_hill: Whether to train the Hill coefficient.
        name: A name for messages, legends and reports.

    Attributes:
        layers: The layers.
        log_hill: The log of the Hill coefficient, 0 at first.

    Raises:
        ValueError: There are no layers.
        RuntimeError: The lengths or channels of two successive layers do not agree.
    """

    unfreezable = Literal["all", "hill"]

    def __init__(
        self, layers: Iterable[Layer], train_hill: bool = False, name: str = ""
    ) -> None:
        super().__init__(name=name)
        self.layers = torch.nn.ModuleList(layers)
        if not self.layers:
            raise ValueError("A mode needs at least one layer")
        self.train_hill = train_hill
        self.log_hill = torch.nn.Parameter(torch.tensor(0.0), requires_grad=train_hill)
        self._cooperativities: Users[ModeUser] = Users()
        self._register()
        self.check_length_consistency()

    @classmethod
    def from_psam(
        cls,
        psam: PSAM,
        prev: Table[Any] | Layer,
        train_posbias: bool = False,
        bias_mode: BiasMode = "channel",
        bias_bin: int = 1,
        length_specific_bias: bool = True,
        out_channel_indexing: Sequence[int] | None = None,
        one_hot: bool = False,
        unfold: bool = False,
        normalize: bool = False,
        train_hill: bool = False,
        name: str = "",
        *,
        mirror: Mirror = "1.5",
    ) -> Mode:
        """Creates a mode that scores with one motif.

        Args:
            psam: The motif.
            prev: The table that is scored, or a layer that precedes the mode.
            train_posbias: See ``Conv1d``, as for all options that follow.
            bias_mode: See ``Conv1d``.
            bias_bin: See ``Conv1d``.
            length_specific_bias: See ``Conv1d``.
            out_channel_indexing: See ``Conv1d``.
            one_hot: See ``Conv1d``.
            unfold: See ``Conv1d``.
            normalize: See ``Conv1d``.
            train_hill: Whether to train the Hill coefficient.
            name: A name for messages, legends and reports.
            mirror: See ``Conv1d``.
        """
        layer = Conv1d.from_psam(
            psam,
            prev,
            train_posbias=train_posbias,
            bias_mode=bias_mode,
            bias_bin=bias_bin,
            length_specific_bias=length_specific_bias,
            out_channel_indexing=out_channel_indexing,
            one_hot=one_hot,
            unfold=unfold,
            normalize=normalize,
            mirror=mirror,
        )
        return cls([layer], train_hill=train_hill, name=name)

    @classmethod
    def from_nonspecific(
        cls,
        nonspecific: NonSpecific,
        prev: Table[Any] | Layer,
        train_posbias: bool = False,
        name: str = "",
    ) -> Mode:
        """Creates a mode of non-specific binding.

        Args:
            nonspecific: The spec.
            prev: The table that is scored, or a layer that precedes the mode.
            train_posbias: Whether to train a bias for each input length.
            name: A name for messages, legends and reports.
        """
        layer = Conv0d.from_nonspecific(nonspecific, prev, train_posbias=train_posbias)
        return cls([layer], name=name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._register()

    def _register(self) -> None:
        for layer in self._stack:
            layer._modes.add(self)

    @property
    def _stack(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def __str__(self) -> str:
        if self.name:
            return f"Mode-{self.name}"
        key = str(self.key())
        return key.replace("ModeKey", "Mode", 1) if "\n" not in key else repr(self)

    def components(self) -> Iterator[Component]:
        """The layers are the parts of a mode."""
        yield from self._stack

    def key(self) -> ModeKey:
        """The specs of the layers; modes with equal keys are trained together."""
        return ModeKey(layer.layer_spec for layer in self._stack)

    # --- lengths -----------------------------------------------------------------

    @property
    def in_channels(self) -> int:
        """The number of input channels of the first layer."""
        return self._stack[0].in_channels

    @property
    def out_channels(self) -> int:
        """The number of output channels of the last layer."""
        return self._stack[-1].out_channels

    @property
    def input_shape(self) -> int:
        """The number of positions stored for each row of the input."""
        return self._stack[0].input_shape

    @property
    def min_input_length(self) -> int:
        """The least number of positions of an input that are not missing."""
        return self._stack[0].min_input_length

    @property
    def max_input_length(self) -> int:
        """The greatest number of positions of an input that are not missing."""
        return self._stack[0].max_input_length

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of windows, see ``LengthManager.out_len``."""
        return self.key().out_len(length, mode)

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The receptive field, see ``LengthManager.in_len``."""
        return self.key().in_len(length, mode)

    def check_length_consistency(self) -> None:
        """Checks that each layer fits the output of the one before it.

        Raises:
            RuntimeError: The lengths or channels of two successive layers differ, or
                those of one layer are impossible.
            ValueError: The shortest input leaves no window.
        """
        for layer in self._stack:
            layer.check_length_consistency()
        for before, after in zip(self._stack, self._stack[1:], strict=False):
            _check_connection(before, after)

    def update_read_length(
        self,
        left_shift: int = 0,
        right_shift: int = 0,
        min_len_shift: int = 0,
        max_len_shift: int = 0,
        new_min_len: int | None = None,
        new_max_len: int | None = None,
    ) -> None:
        """Adapts all layers to sequences of other lengths, as with other flanks.

        Position biases keep their place: windows that are new start at zero. A refused
        change leaves everything as it was.

        Args:
            left_shift: Positions added on the left of every row; removed if negative.
            right_shift: Positions added on the right of every row.
            min_len_shift: Change of the least length relative to that of the shape.
            max_len_shift: Change of the greatest length relative to that of the shape.
            new_min_len: The new least length, if it is not the sum of the changes.
            new_max_len: The new greatest length, if it is not the sum of the changes.

        Raises:
            ValueError: The lengths do not agree, or a row would have no window.
        """
        change = LengthChange(left_shift, right_shift, min_len_shift, max_len_shift)
        plan = self._plan(0, change, new_min_len, new_max_len)
        self._inform_users(plan, is_growth=False, carry_out=False)
        self._carry_out(plan, is_growth=False)

    def follow_layer(self, layer: Layer, change: LengthChange, carry_out: bool) -> None:
        """Passes a change of the windows of a layer on to the layers behind it.

        Args:
            layer: A layer of the mode.
            change: The change of its output.
            carry_out: Whether to make the change, or only to check it.

        Raises:
            ValueError: The change is impossible.
        """
        for index, member in enumerate(self._stack):
            if member is layer:
                plan = self._plan(index + 1, change)
                if carry_out:
                    self._carry_out(plan, is_growth=True)
                else:
                    self._inform_users(plan, is_growth=True, carry_out=False)

    def _plan(
        self,
        start: int,
        change: LengthChange,
        new_minimum: int | None = None,
        new_maximum: int | None = None,
    ) -> _Plan:
        """What a change of the input of one layer means for it and those behind it."""
        layers = []
        for layer in self._stack[start:]:
            old = layer.input_lengths
            new = change.apply(old, new_minimum, new_maximum)
            layer.check_lengths(new)
            layers.append((layer, change, new))
            change = _output_change(layer, change, new)
            output = layer.out_lengths(new)
            new_minimum, new_maximum = output.minimum, output.maximum
        return _Plan(layers, change)

    def _carry_out(self, plan: _Plan, is_growth: bool) -> None:
        for layer, change, lengths in plan.layers:
            layer.resize(change, lengths)
        self._inform_users(plan, is_growth, carry_out=True)

    def _inform_users(self, plan: _Plan, is_growth: bool, carry_out: bool) -> None:
        """Tells the cooperativities how the windows of the mode change.

        Args:
            plan: The change.
            is_growth: Whether the motif changes, rather than the sequences.
            carry_out: Whether to make the change, or only to check it.
        """
        windows = plan.windows
        growth = (-windows.left, -windows.right) if is_growth else (0, 0)
        for user in self._cooperativities:
            user.follow_mode(self, windows, growth, carry_out)

    # --- scores ------------------------------------------------------------------

    def max_embedding_size(self) -> int:
        """The most bytes that one sequence takes, see ``Component``."""
        return max(layer.max_embedding_size() for layer in self._stack)

    def expected_sequence(self) -> Tensor:
        """A sequence in which every letter has a share of 1 / letters everywhere.

        Returns:
            A tensor of shape (1, in_channels, input_shape).
        """
        shape = (1, self.in_channels, self.input_shape)
        return self.log_hill.new_full(shape, 1 / self.in_channels)

    @Transform.cache
    def score_windows(self, seqs: Tensor) -> Tensor:
        """Scores every window.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            Scores in RT, not multiplied by the Hill coefficient, of shape (rows,
            channels, windows).
        """
        for layer in self.layers:
            seqs = layer(seqs)
        return seqs

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """Scores sequences: the log of the summed affinity of all windows.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            Scores in RT, of shape (rows,).
        """
        *before, last = self._stack
        for layer in before:
            seqs = layer(seqs)
        return last.log_score(seqs, self.log_hill)

    def window_jacobian(
        self, seqs: Tensor, weights: Tensor, parameters: Sequence[Tensor]
    ) -> Tensor | None:
        """Derivatives of a function of the window scores of each row.

        Modes of one layer only can tell, see ``Layer.window_jacobian``.
        """
        if len(self._stack) > 1:
            return None
        return self._stack[0].window_jacobian(seqs, weights, parameters)

    def score_jacobian(
        self, seqs: Tensor, parameters: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        """The scores and their derivatives for each row, see ``Binding``."""
        with torch.no_grad():
            windows = self.score_windows(seqs)
            scores = log_sum_windows(windows, self.log_hill)
            hill = self.log_hill.exp()
            excess = windows * hill - scores.view(-1, 1, 1)
            weights = hill * excess.exp().masked_fill(windows == -torch.inf, 0.0)
        found = self.window_jacobian(seqs, weights, parameters)
        if found is None:
            return None
        with torch.no_grad():
            by_hill = (weights * windows.masked_fill(weights == 0, 0.0)).sum((1, 2))
            add_column(found, parameters, self.log_hill, by_hill)
        return scores, found

    # --- optimisation ------------------------------------------------------------

    def unfreeze(self, parameter: Literal["all", "hill"] = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``hill`` for the Hill coefficient, or ``all``.

        Raises:
            ValueError: A mode has no such parameter.
        """
        if parameter in ("all", "hill"):
            self.log_hill.requires_grad_(self.train_hill)
        if parameter != "hill":
            super().unfreeze(parameter)

    def optim_procedure(
        self,
        ancestry: tuple[Component, ...] | None = None,
        current_order: Procedure | None = None,
    ) -> Procedure:
        """The steps that train the mode, see ``Component.optim_procedure``."""
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
        for layer in self._stack:
            layer.layer_spec.update_binding_optim(optim)
            layer.update_binding_optim(optim)
        optim.merge_binding_optim()
        everything = Call(root, "unfreeze", {"parameter": "all"})
        optim.append_unless_present(Step([everything]))
        return order


def _check_connection(before: Layer, after: Layer) -> None:
    """Raises RuntimeError unless a layer fits the output of another."""
    output = before.output_lengths
    expected = {
        "channels": before.out_channels,
        "input_shape": output.shape,
        "min_input_length": output.minimum,
        "max_input_length": output.maximum,
    }
    found = {
        "channels": after.in_channels,
        "input_shape": after.input_shape,
        "min_input_length": after.min_input_length,
        "max_input_length": after.max_input_length,
    }
    for name, value in expected.items():
        if found[name] != value:
            raise RuntimeError(
                f"{after.describe()} has {name} {found[name]}, but {before.describe()}"
                f" before it gives {value}"
            )


def _output_change(layer: Layer, change: LengthChange, new: Lengths) -> LengthChange:
    """How the output of a layer changes with its input."""
    old = layer.input_lengths
    shapes = [
        old.shape,
        old.shape + change.left,
        old.shape + change.left + change.right,
    ]
    start, middle, end = (layer.out_len(shape, "shape") for shape in shapes)
    before, after = layer.out_lengths(old), layer.out_lengths(new)
    added = end - start
    return LengthChange(
        middle - start,
        end - middle,
        after.minimum - before.minimum - added,
        after.maximum - before.maximum - added,
    )
