"""One cache per forward pass.

A mode that serves several rounds, or a round that is the reference of another,
is computed once per evaluation. The results live in a table that the outermost
cached call opens and that is dropped when this call returns or raises, so no
component keeps anything between evaluations.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

_Key = tuple[int, str, int, bool]
_table: contextvars.ContextVar[dict[_Key, tuple[Tensor, Tensor]] | None] = (
    contextvars.ContextVar("pyprobound_evaluation", default=None)
)


def cached(
    function: Callable[[Any, Tensor], Tensor],
) -> Callable[[Any, Tensor], Tensor]:
    """Computes a method at most once per evaluation, component and input tensor.

    Args:
        function: A method that takes one tensor and returns one.

    Returns:
        The method; while an outer decorated call runs, a repeated call with the
        same tensor object returns the same result (the same autograd node).
    """
    name = function.__qualname__

    @functools.wraps(function)
    def wrapper(self: Any, seqs: Tensor) -> Tensor:
        table = _table.get()
        if table is None:
            token = _table.set({})
            try:
                return wrapper(self, seqs)
            finally:
                _table.reset(token)
        key = (id(self), name, id(seqs), torch.is_grad_enabled())
        found = table.get(key)
        if found is not None:
            return found[1]
        if logger.isEnabledFor(logging.INFO):
            logger.info("Calculating output of %s.%s", self, function.__name__)
        result = function(self, seqs)
        # Holding the input keeps its id from being given to another tensor.
        table[key] = (seqs, result)
        return result

    return wrapper


@contextlib.contextmanager
def given(seqs: Tensor, outputs: Mapping[Any, Tensor]) -> Iterator[None]:
    """Within the block, some components have outputs that are known already.

    Derivatives with respect to what a component computes can be found in this way.

    Args:
        seqs: The input; only this very tensor counts.
        outputs: What ``forward`` of each component returns for it.
    """
    mode = torch.is_grad_enabled()
    table = {
        (id(component), type(component).forward.__qualname__, id(seqs), mode): (
            seqs,
            output,
        )
        for component, output in outputs.items()
    }
    token = _table.set(table)
    try:
        yield
    finally:
        _table.reset(token)
