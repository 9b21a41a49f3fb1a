"""What is computed once: per forward pass, and while nothing changes.

A mode that serves several rounds, or a round that is the reference of another, is
computed once per evaluation. The results live in a table that the outermost cached call
opens and that is dropped when this call returns or raises.

Training often leaves most bindings as they are. The scores of a binding without
trainable parameters are kept from one evaluation to the next, one number for each row
of a table, for types that ``keep_scores`` was told. They are used again only if the
values of all parameters and buffers, all attributes of all parts and the rows are what
they were, and only within the evaluation of a larger part, which changes no result of
another.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from . import facts, kernels

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
_Key = tuple[int, str, int, bool]
_table: contextvars.ContextVar[dict[_Key, tuple[Tensor, Any]] | None] = (
    contextvars.ContextVar("pyprobound_evaluation", default=None)
)

_FEW_CODES = 4096
"""The scores of fewer codes are computed faster than their validity is checked."""


@contextmanager
def scope() -> Iterator[None]:
    """Makes what is done within the block one evaluation, or part of the current one."""
    if _table.get() is not None:
        yield
        return
    token = _table.set({})
    try:
        yield
    finally:
        _table.reset(token)


def cached(
    function: Callable[[Any, Tensor], ResultT],
) -> Callable[[Any, Tensor], ResultT]:
    """Computes a method at most once per evaluation, component and input tensor.

    Args:
        function: A method that takes one tensor.

    Returns:
        The method; while an outer decorated call runs, a repeated call with the
        same tensor object returns the same result (the same autograd node).
    """
    is_forward = function.__name__ == "forward"

    @functools.wraps(function)
    def wrapper(self: Any, seqs: Tensor) -> ResultT:
        table = _table.get()
        if table is None:
            with scope():
                _log(self, function)
                return function(self, seqs)
        key = _key(self, function, seqs)
        found = table.get(key)
        if found is not None:
            result: ResultT = found[1]
            return result
        if is_forward and type(self) in _kept_kinds:
            result = _kept_or_computed(self, seqs, function)
        else:
            _log(self, function)
            result = function(self, seqs)
        # Holding the input keeps its id from being given to another tensor.
        table[key] = (seqs, result)
        return result

    return wrapper


@contextmanager
def given(seqs: Tensor, outputs: Mapping[Any, Tensor]) -> Iterator[None]:
    """Within the block, some components have outputs that are known already.

    Derivatives with respect to what a component computes can be found in this way.

    Args:
        seqs: The input; only this very tensor counts.
        outputs: What ``forward`` of each component returns for it.
    """
    token = _table.set({})
    try:
        for component, output in outputs.items():
            remember(component, type(component).forward, seqs, output)
        yield
    finally:
        _table.reset(token)


def remember(
    component: Any, method: Callable[..., Any], seqs: Tensor, result: Any
) -> None:
    """Stores the result of a method, which the current evaluation will not compute.

    Args:
        component: The component.
        method: A decorated method of its class.
        seqs: The input; only this very tensor counts.
        result: The result.
    """
    table = _table.get()
    if table is not None:
        table[_key(component, method, seqs)] = (seqs, result)


def _key(component: Any, method: Callable[..., Any], seqs: Tensor) -> _Key:
    return id(component), method.__qualname__, id(seqs), torch.is_grad_enabled()


def is_plain(component: torch.nn.Module, kind: type[torch.nn.Module]) -> bool:
    """Whether calling a component does what its class says, and nothing else.

    Args:
        component: The component.
        kind: The class; a subclass with a ``forward`` of its own is another thing, and
            so is a component with hooks.
    """
    own = vars(component)
    return (
        type(component).forward is kind.forward
        and "forward" not in own
        and not any([own[name] for name in _HOOKS])  # noqa: C419 - faster
    )


def _log(component: Any, function: Callable[[Any, Tensor], Any]) -> None:
    if logger.isEnabledFor(logging.INFO):
        logger.info("Calculating output of %s.%s", component, function.__name__)


# --- scores that are kept --------------------------------------------------------


class _Snapshot(NamedTuple):
    """All that the scores of a binding depend on, apart from the rows."""

    attributes: tuple[Any, ...]
    values: tuple[Tensor, ...]


class _Scores(NamedTuple):
    """The scores of some rows."""

    rows: facts.TensorState
    snapshot: _Snapshot
    result: Tensor
    version: int


_kept_kinds: set[type] = set()
_known_parts: set[type] = {torch.nn.ModuleList}
# For each binding a dictionary of ``_Scores`` by the rows.
_kept: weakref.WeakKeyDictionary[torch.nn.Module, Any] = weakref.WeakKeyDictionary()

# A trainable parameter of each binding, which tells fast that nothing can be kept.
_trained: weakref.WeakKeyDictionary[torch.nn.Module, weakref.ref[Tensor]] = (
    weakref.WeakKeyDictionary()
)

_SCALARS = (bool, int, float, str, bytes, type(None), torch.dtype, torch.device)
_INTERNAL = frozenset(vars(torch.nn.Module()))
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def keep_scores(kinds: set[type], parts: set[type]) -> None:
    """Names types of bindings whose scores may be kept between evaluations.

    Only objects of exactly these types count: nobody knows what a subclass does.

    Args:
        kinds: Types of bindings whose ``forward`` returns a score for each row that
            depends on nothing but the rows and the parameters, buffers and attributes
            of the binding and its parts.
        parts: Types of modules of which this is true, too, and that may be in them.
    """
    _kept_kinds.update(kinds)
    _known_parts.update(kinds | parts)


def _kept_or_computed(
    binding: Any, seqs: Tensor, function: Callable[[Any, Tensor], Any]
) -> Any:
    """The result of a method of a binding, which is kept if that is possible."""
    rows = facts.state(seqs)
    snapshot = None
    if rows is not None and _are_many_codes(seqs) and not _is_trained(binding):
        snapshot = _snapshot(binding, seqs.device)
    if rows is None or snapshot is None:
        _log(binding, function)
        return function(binding, seqs)
    by_rows = _kept.get(binding)
    if by_rows is None:
        by_rows = _kept[binding] = WeakTensorKeyDictionary()
    kept: _Scores | None = by_rows.get(seqs)
    if (
        kept is not None
        and kept.rows == rows
        and kept.version == kept.result._version
        and _is_same(kept.snapshot.attributes, snapshot.attributes)
        and _are_equal(kept.snapshot.values, snapshot.values)
    ):
        return kept.result
    values = tuple(value.detach().clone() for value in snapshot.values)
    # The scores must be of use to later evaluations, which may need gradients.
    with torch.inference_mode(False), torch.no_grad():
        _log(binding, function)
        result = function(binding, seqs)
    by_rows[seqs] = _Scores(
        rows, snapshot._replace(values=values), result, result._version
    )
    return result


def _are_many_codes(seqs: Tensor) -> bool:
    return (
        seqs.ndim == 2 and seqs.numel() >= _FEW_CODES and not seqs.is_floating_point()
    )


def _is_trained(binding: torch.nn.Module) -> bool:
    """Whether a parameter that was trainable when the binding was looked at still is."""
    known = _trained.get(binding)
    example = None if known is None else known()
    # If it is no part any more, nothing is kept for a while.
    return example is not None and example.requires_grad


def _snapshot(binding: torch.nn.Module, device: torch.device) -> _Snapshot | None:
    """The state of a binding; None if its scores must not be kept."""
    if torch.is_autocast_enabled(device.type):
        return None
    attributes: list[Any] = [kernels.implementation()]
    values: list[Tensor] = []
    if not _describe(binding, {}, attributes, values):
        if values and values[-1].requires_grad:
            _trained[binding] = weakref.ref(values[-1])
        return None
    return _Snapshot(tuple(attributes), tuple(values))


def _describe(
    module: torch.nn.Module,
    places: dict[int, int],
    attributes: list[Any],
    values: list[Tensor],
) -> bool:
    """Lists the state of a module and its parts.

    Returns:
        Whether it may be kept. If not because of a trainable value, this is the last
        of those listed.
    """
    own = vars(module)
    if type(module) not in _known_parts:
        return False
    if any([own[name] for name in _HOOKS]):  # noqa: C419 - faster
        return False
    places[id(module)] = len(places)
    attributes.append(type(module))
    if not _list_values(module, attributes, values):
        return False
    for name, attribute in own.items():
        if name not in _INTERNAL:
            if name in ("forward", "score_windows") or callable(attribute):
                return False
            attributes.append((name, _copied(attribute)))
    for name, part in module._modules.items():
        if part is None or id(part) in places:
            attributes.append((name, None if part is None else places[id(part)]))
            continue
        attributes.append(name)
        if not _describe(part, places, attributes, values):
            return False
    return True


def _list_values(
    module: torch.nn.Module, attributes: list[Any], values: list[Tensor]
) -> bool:
    """Lists the parameters and buffers of a module, as ``_describe``."""
    for tensors in (module._parameters, module._buffers):
        for name, value in tensors.items():
            attributes.append((name, value is None))
            if value is not None:
                values.append(value)
                if value.requires_grad:
                    return False
    return True


def _copied(value: Any) -> Any:
    """A value that does not change when the original does."""
    if isinstance(value, Tensor):
        return value, facts.state(value)
    if isinstance(value, dict):
        return tuple((key, _copied(each)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_copied(each) for each in value)
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    return value


def _is_same(first: Any, second: Any) -> bool:
    """Whether two copies are equal; objects of other types must be the same."""
    if first is second:
        return True
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(_is_same, first, second))
    if type(first) is not type(second):
        return False
    if isinstance(first, frozenset) or type(first) in _SCALARS:
        return bool(first == second)
    return False


def _are_equal(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> bool:
    return len(first) == len(second) and all(
        a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
        for a, b in zip(first, second, strict=True)
    )
