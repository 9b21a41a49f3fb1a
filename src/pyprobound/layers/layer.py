"""Layers, their specs, and how lengths pass through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor

from .. import facts
from ..base import BindingOptim, Component, Spec, Transform
from ..table import Table
from ..users import Users
from .lengths import LengthChange, LengthManager, LengthMode, Lengths
from .windows import log_sum_windows

if TYPE_CHECKING:
    from ..alphabets import Alphabet


class LayerSpec(Spec, LengthManager):
    """What a layer computes, without regard to the lengths of an experiment.

    Args:
        out_channels: The number of output channels.
        in_channels: The number of input channels.
        name: A name for messages, legends and reports.
    """

    alphabet: Alphabet | None = None

    def __init__(self, out_channels: int, in_channels: int, name: str = "") -> None:
        super().__init__(name=name)
        self._out_channels = out_channels
        self._in_channels = in_channels
        self._layers: Users[Layer] = Users()

    @property
    def out_channels(self) -> int:
        """The number of output channels."""
        return self._out_channels

    @property
    def in_channels(self) -> int:
        """The number of input channels."""
        return self._in_channels


class EmptyLayerSpec(LayerSpec):
    """A spec without parameters; all instances of one type are equal."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class ModeKey(tuple[LayerSpec, ...], LengthManager):
    """The specs of the layers of a mode, which identify it across experiments.

    Args:
        specs: The specs, in order.
    """

    __slots__ = ()

    @property
    def out_channels(self) -> int:
        """The number of output channels of the last layer."""
        return self[-1].out_channels

    @property
    def in_channels(self) -> int:
        """The number of input channels of the first layer."""
        return self[0].in_channels

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of output positions, see ``LengthManager.out_len``."""
        for spec in self:
            length = spec.out_len(length, mode)
        return length

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The receptive field, see ``LengthManager.in_len``."""
        for spec in reversed(self):
            if length is None:
                return None
            length = spec.in_len(length, mode)
        return length

    def __str__(self) -> str:
        if not all(spec.name for spec in self):
            return repr(self)
        joined = "-".join(spec.name for spec in self)
        return f"ModeKey-[{joined}]" if "-" in joined else f"ModeKey-{joined}"


class Layer(Transform, LengthManager):
    """One step from sequences to scores, for the lengths of one experiment.

    Args:
        layer_spec: What is computed; it may be shared with other layers.
        input_shape: The number of positions stored for each row of the input.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
        name: A name for messages; the name of the spec by default.
    """

    def __init__(
        self,
        layer_spec: LayerSpec,
        input_shape: int,
        min_input_length: int,
        max_input_length: int,
        name: str = "",
    ) -> None:
        super().__init__(name=name)
        self.layer_spec = layer_spec
        self.input_lengths = Lengths(
            int(input_shape), int(min_input_length), int(max_input_length)
        )
        self._modes: Users[ModePlace] = Users()
        layer_spec._layers.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.layer_spec._layers.add(self)

    def __str__(self) -> str:
        name = self.name or self.layer_spec.name
        return f"{type(self).__name__}-{name}" if name else repr(self)

    def extra_repr(self) -> str:
        """The lengths, for ``repr``."""
        lengths = self.input_lengths
        return (
            f"input_shape={lengths.shape}, min_input_length={lengths.minimum},"
            f" max_input_length={lengths.maximum}"
        )

    @property
    def input_shape(self) -> int:
        """The number of positions stored for each row of the input."""
        return self.input_lengths.shape

    @property
    def min_input_length(self) -> int:
        """The least number of positions of an input that are not missing."""
        return self.input_lengths.minimum

    @property
    def max_input_length(self) -> int:
        """The greatest number of positions of an input that are not missing."""
        return self.input_lengths.maximum

    @property
    def output_lengths(self) -> Lengths:
        """The lengths of the output."""
        return self.out_lengths(self.input_lengths)

    @property
    def out_channels(self) -> int:
        """The number of output channels."""
        return self.layer_spec.out_channels

    @property
    def in_channels(self) -> int:
        """The number of input channels."""
        return self.layer_spec.in_channels

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of output positions, see ``LengthManager.out_len``."""
        return self.layer_spec.out_len(length, mode)

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The receptive field, see ``LengthManager.in_len``."""
        return self.layer_spec.in_len(length, mode)

    def components(self) -> Iterator[Component]:
        """The spec is the only part of a layer."""
        yield self.layer_spec

    def lengths(self, seqs: Tensor) -> Tensor:
        """Counts the positions of each row that are not missing.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length), in which a missing position has a value that is not finite.

        Returns:
            Integers of shape (rows,).

        Raises:
            ValueError: Codes are given and the spec has no alphabet.
        """
        if seqs.ndim > 2:
            return seqs.sum(dim=1).isfinite().sum(dim=1)
        alphabet = self.layer_spec.alphabet
        if alphabet is None:
            raise ValueError(
                f"{type(self.layer_spec).__name__} has no alphabet, so it cannot tell"
                " which codes are missing positions; pass embedded sequences of shape"
                " (rows, channels, length)"
            )
        return facts.row_lengths(seqs, alphabet.neginf_pad)

    def log_score(self, seqs: Tensor, log_hill: Tensor) -> Tensor:
        r"""The log of the summed affinity of all windows, as the last layer of a mode.

        .. math:: \log \sum_{c,x} \exp(h \, w_{c,x}), \quad h = e^{\text{log_hill}}

        Args:
            seqs: The input of the layer.
            log_hill: The log of the Hill coefficient, without dimension.

        Returns:
            Scores of shape (rows,), in units of RT.
        """
        return log_sum_windows(self(seqs), log_hill)

    def window_jacobian(
        self, seqs: Tensor, weights: Tensor, parameters: Sequence[Tensor]
    ) -> Tensor | None:
        """Derivatives of a function of the window scores of each row.

        Args:
            seqs: Codes of shape (rows, length).
            weights: The derivatives of the function with respect to the window scores,
                of shape (rows, channels, windows); 0 where a score is -inf.
            parameters: Trainable parameters of the layer.

        Returns:
            The derivatives with respect to the parameters, of shape (rows, values of
            all parameters); None if the layer cannot tell.
        """
        del seqs, weights, parameters
        return None

    def check_length_consistency(self) -> None:
        """Checks that the lengths are possible for this layer.

        Raises:
            RuntimeError: Unless ``1 <= min_input_length <= max_input_length``.
            ValueError: The shortest input leaves no output.
        """
        self.check_lengths(self.input_lengths)

    def check_lengths(self, lengths: Lengths) -> None:
        """Checks that an input of some lengths would be possible.

        Raises:
            RuntimeError: Unless ``1 <= minimum <= maximum``.
            ValueError: The shortest input would leave no output.
        """
        lengths.check()
        if self.out_len(lengths.minimum, "min") < 1:
            raise ValueError(
                f"{self.describe()} needs more than {lengths.minimum} positions, the"
                " length of the shortest input, to have an output"
            )

    def describe(self) -> str:
        """A short text for messages."""
        name = self.name or self.layer_spec.name
        return f"{type(self).__name__}-{name}" if name else type(self).__name__

    def update_input_length(
        self,
        left_shift: int = 0,
        right_shift: int = 0,
        min_len_shift: int = 0,
        max_len_shift: int = 0,
        new_min_len: int | None = None,
        new_max_len: int | None = None,
    ) -> None:
        """Adapts the layer to an input of other lengths.

        Args:
            left_shift: Positions added on the left of every row.
            right_shift: Positions added on the right of every row.
            min_len_shift: Change of the least length relative to that of the shape.
            max_len_shift: Change of the greatest length relative to that of the shape.
            new_min_len: The new least length, if it is not the sum of the changes.
            new_max_len: The new greatest length, if it is not the sum of the changes.

        Raises:
            ValueError: The new lengths do not agree with the changes.
        """
        change = LengthChange(left_shift, right_shift, min_len_shift, max_len_shift)
        self.resize(change, change.apply(self.input_lengths, new_min_len, new_max_len))

    def resize(self, change: LengthChange, lengths: Lengths) -> None:
        """Carries out a change that has been checked.

        Args:
            change: What changes; layers with a position bias crop or extend it.
            lengths: The lengths after the change.
        """
        del change
        self.input_lengths = lengths

    def check_window_change(self, change: LengthChange) -> None:
        """Checks that the number of windows could change.

        Args:
            change: The change of the output.

        Raises:
            ValueError: The shortest input would leave no output.
        """
        left = change.left + change.right + self.output_lengths.minimum
        if left < 1:
            raise ValueError(
                f"{self.describe()} would have no output for its shortest input of"
                f" {self.min_input_length} positions"
            )

    def resize_windows(self, change: LengthChange) -> None:
        """Carries out a change of the number of windows that has been checked.

        Args:
            change: The change of the output; the input stays as it is.
        """

    _LENGTH_NAMES = ("_input_shape", "_min_input_length", "_max_input_length")

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        lengths = self.input_lengths
        values = (lengths.shape, lengths.minimum, lengths.maximum)
        for name, value in zip(self._LENGTH_NAMES, values, strict=True):
            destination[prefix + name] = torch.tensor(value)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        own = {
            name: state_dict.pop(prefix + name)
            for name in self._LENGTH_NAMES
            if prefix + name in state_dict
        }
        self.adopt_structure(own)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes the lengths from a state, see ``pyprobound.checkpoint``."""
        old = self.input_lengths
        names = self._LENGTH_NAMES
        values = (old.shape, old.minimum, old.maximum)
        new = [
            int(entries.pop(name, value))
            for name, value in zip(names, values, strict=True)
        ]
        self.input_lengths = Lengths(*new)
        return entries

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a layer are the same in both layouts."""
        return entries

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds the optimisation steps of this layer to those of a binding.

        Args:
            binding_optim: The steps of the binding, extended in place.

        Returns:
            The same object.
        """
        return binding_optim


SpecT = TypeVar("SpecT", bound=LayerSpec)


class SpecLayer(Layer, Generic[SpecT]):
    """A layer that adds nothing but lengths to its spec.

    Args:
        layer_spec: The spec.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
    """

    layer_spec: SpecT

    def __init__(
        self,
        layer_spec: SpecT,
        input_shape: int,
        min_input_length: int,
        max_input_length: int,
    ) -> None:
        super().__init__(layer_spec, input_shape, min_input_length, max_input_length)

    @classmethod
    def from_spec(cls, spec: SpecT, prev: Table[Any] | Layer) -> Self:
        """Creates the layer for the lengths of a table or of a layer.

        Args:
            spec: The spec.
            prev: What the layer follows.
        """
        lengths = input_lengths_from(prev)
        return cls(spec, lengths.shape, lengths.minimum, lengths.maximum)


class ModePlace(Protocol):
    """A mode, as the layers in it see it."""

    def follow_layer(self, layer: Layer, change: LengthChange, carry_out: bool) -> None:
        """Passes a change of the windows of a layer on to the layers behind it.

        Args:
            layer: A layer of the mode.
            change: The change of its output.
            carry_out: Whether to make the change, or only to check it.

        Raises:
            ValueError: The change is impossible.
        """


def input_lengths_from(prev: Table[Any] | Layer) -> Lengths:
    """The lengths that a layer meets behind a table or another layer."""
    if isinstance(prev, Layer):
        return prev.output_lengths
    return Lengths(prev.input_shape, prev.min_read_length, prev.max_read_length)
