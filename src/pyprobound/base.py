"""The parts that every model is built from, and what all of them can do."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, cast

import torch
from torch import Tensor

from . import checkpoint as _checkpoint
from .evaluation import cached
from .steps import BindingOptim, Call, Step

__all__ = [
    "Binding",
    "BindingOptim",
    "Call",
    "Component",
    "Spec",
    "Step",
    "Transform",
]

BindingKey = tuple[Hashable, ...]
Procedure = dict[BindingKey, BindingOptim]


class Component(torch.nn.Module, abc.ABC):
    """A named part of a model, with parameters and further parts.

    Args:
        name: A name for messages, legends and reports; empty if there is none.
    """

    unfreezable = Literal["all"]
    _cache_fun = "forward"
    # Scripts for PyProBound 1.5 look here for what an evaluation left behind; see
    # pyprobound.evaluation for why there is never anything.
    _caches: Mapping[str, tuple[None, None]] = MappingProxyType({})
    _blocking: Mapping[str, frozenset[Any]] = MappingProxyType({})

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name

    @abc.abstractmethod
    def components(self) -> Iterator[Component]:
        """Iterates over the parts this component is directly made of."""

    def freeze(self) -> None:
        """Stops all parameters below this component from being trained."""
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def unfreeze(self, parameter: Any = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: What to train; ``all`` is understood by every component.

        Raises:
            ValueError: The component has no such parameter.
        """
        if parameter != "all":
            raise ValueError(
                f"{type(self).__name__} cannot unfreeze {parameter!r}; it knows"
                f" {', '.join(map(repr, _words(self)))}"
            )
        for component in self.components():
            component.unfreeze("all")

    def max_embedding_size(self) -> int:
        """The most bytes that one sequence takes while it is scored.

        It is used to split the rows where a device limits the size of a tensor.
        """
        sizes = [part.max_embedding_size() for part in self.components()]
        return max([1, *sizes])

    def check_length_consistency(self) -> None:
        """Checks that the lengths of all connected parts agree.

        Raises:
            RuntimeError: Two connected parts expect inputs of different lengths.
        """
        for part in self.components():
            part.check_length_consistency()

    def optim_procedure(
        self,
        ancestry: tuple[Component, ...] | None = None,
        current_order: Procedure | None = None,
    ) -> Procedure:
        """The steps that train each binding, in the order of training.

        Args:
            ancestry: The components above this one, from the root.
            current_order: The procedure found so far; it is extended.

        Returns:
            For the key of each binding its optimisation steps. Bindings with equal
            keys are trained together.
        """
        chain = (*(ancestry or ()), self)
        order: Procedure = {} if current_order is None else current_order
        for part in self.components():
            order = part.optim_procedure(chain, order)
        return order

    def save(
        self,
        checkpoint: _checkpoint.Checkpoint,
        flank_lengths: _checkpoint.FlankLengths = (),
        *,
        format: _checkpoint.Layout = "packed",  # noqa: A002 - the user's word for it
    ) -> None:
        """Writes the state to a file that ``torch.load(weights_only=True)`` reads.

        Args:
            checkpoint: A path, which is replaced atomically, or a binary stream.
            flank_lengths: The left and right flank length of each table.
            format: ``packed``, or ``1.5`` for a file that PyProBound 1.5 reads.

        Raises:
            ValueError: The format is unknown or cannot hold this model.
        """
        _checkpoint.save(self, checkpoint, flank_lengths, format)

    def reload(
        self, checkpoint: _checkpoint.Checkpoint, *, strict: bool = False
    ) -> dict[str, Any]:
        """Takes structure and values from a file, in either format.

        Args:
            checkpoint: A path or a binary stream.
            strict: Whether names that do not match raise an error; otherwise they
                give a warning, and what is not in the file keeps its value.

        Returns:
            The metadata of the file: ``time``, ``version`` and ``flank_lengths``.

        Raises:
            ValueError: The file is no checkpoint, or ``strict`` and names differ.
        """
        state, metadata = _checkpoint.load(checkpoint)
        self.reload_from_state_dict(state, strict=strict)
        return metadata

    def reload_from_state_dict(
        self, state_dict: Mapping[str, Tensor], *, strict: bool = False
    ) -> None:
        """Takes structure and values from a state, see ``reload``.

        Args:
            state_dict: Tensors by name.
            strict: Whether names that do not match raise an error.

        Raises:
            ValueError: ``strict``, and names differ.
        """
        _checkpoint.assign(self, state_dict, strict)

    def __str__(self) -> str:
        return f"{type(self).__name__}-{self.name}" if self.name else repr(self)


def _words(component: Component) -> tuple[str, ...]:
    """The parameters that a component can unfreeze."""
    return cast("tuple[str, ...]", getattr(component.unfreezable, "__args__", ("all",)))


class Transform(Component):
    """A component that turns sequences into numbers."""

    @classmethod
    def cache(
        cls, fun: Callable[[Any, Tensor], Tensor]
    ) -> Callable[[Any, Tensor], Tensor]:
        """Decorates a method so that one evaluation computes it once per input.

        See ``pyprobound.evaluation``: while the outermost decorated call runs, the
        same method of the same component returns the same tensor for the same
        input tensor; nothing is kept afterwards.

        Args:
            fun: A method that takes one tensor and returns one.
        """
        return cached(fun)

    @abc.abstractmethod
    def forward(self, seqs: Tensor) -> Tensor:
        """Transforms sequences.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """


class Spec(Component):
    """What a molecule is: parameters that do not depend on the experiment.

    A spec used by several experiments is one object, so its parameters are shared.
    """

    def components(self) -> Iterator[Component]:
        """A spec has no parts."""
        yield from ()

    def forward(self) -> None:
        """A spec has no output of its own.

        Raises:
            NotImplementedError: Always; the layer that uses the spec computes.
        """
        raise NotImplementedError(
            f"{type(self).__name__} holds parameters; call the layer that uses it"
        )

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds the optimisation steps of this spec to those of a binding.

        Args:
            binding_optim: The steps of the binding, extended in place.

        Returns:
            The same object.
        """
        return binding_optim


class Binding(Transform):
    """A way in which a sequence is bound: a mode, or two modes together."""

    @abc.abstractmethod
    def key(self) -> BindingKey:
        """The specs that define the binding; bindings with equal keys train together."""

    @abc.abstractmethod
    def expected_sequence(self) -> Tensor:
        """A sequence in which all letters are equally likely at every position.

        Returns:
            A tensor of shape (1, letters, length) filled with 1 / letters.
        """

    @abc.abstractmethod
    def score_windows(self, seqs: Tensor) -> Tensor:
        """The log affinity of every window, before the sum over windows."""

    def score_jacobian(
        self, seqs: Tensor, parameters: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        """The scores and their derivatives for each row, as Fisher matrices need them.

        Args:
            seqs: Codes of shape (rows, length).
            parameters: Trainable parameters of the binding.

        Returns:
            The scores of shape (rows,) and their derivatives with respect to the
            parameters, of shape (rows, values of all parameters), both without
            gradients; None if the binding cannot tell.
        """
        del seqs, parameters
        return None

    def expected_log_score(self) -> float:
        """The log score of the expected sequence, in units of RT.

        It is computed in evaluation mode without gradients.
        """
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return float(self(self.expected_sequence()))
        finally:
            self.train(training)
