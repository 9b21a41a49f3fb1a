"""The parameters that a regularisation applies to, as one vector."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from ..layers.betas import Betas
from ..layers.symmetry import ParameterClass


def penalised_values(component: torch.nn.Module, excluded: tuple[str, ...]) -> Tensor:
    """All parameters of a component, each shared one once, as one vector.

    Left out are parameters that hold -inf, such as the activity of a binding that does
    not contribute; of the values of a motif, only those that are -inf.

    Args:
        component: The component.
        excluded: Parameters whose name contains one of these texts are left out. The
            values of a motif can be named one by one as in PyProBound 1.5, where
            ``betas.3-0`` is the first letter of position 3.
    """
    pieces = []
    are_motifs = []
    for path, owner, key, parameter in _named_parameters(component, "", set()):
        values = parameter.flatten()
        if excluded:
            name = f"{path}.{key}" if path else key
            if any(text in name for text in excluded):
                continue
            if isinstance(owner, Betas):
                part = owner.classes[key]
                sizes = (owner.channels, owner.letters)
                kept = _kept_scalars(path, part, sizes, excluded)
                if len(kept) < len(values):
                    values = values[kept.to(values.device)]
        pieces.append(values)
        are_motifs.append(isinstance(owner, Betas))
    if not pieces:
        like = next(component.parameters(), torch.empty(0))
        return like.new_empty(0)
    vector = torch.cat(pieces)
    absent = vector.detach() == -math.inf
    if bool(absent.any()):
        return vector[_present(absent, [len(piece) for piece in pieces], are_motifs)]
    return vector


def _named_parameters(
    module: torch.nn.Module, path: str, seen: set[int]
) -> Iterator[tuple[str, torch.nn.Module, str, Tensor]]:
    """As ``named_parameters``, with the module that holds each parameter."""
    if id(module) in seen:
        return
    seen.add(id(module))
    for key, parameter in module._parameters.items():
        if parameter is not None and id(parameter) not in seen:
            seen.add(id(parameter))
            yield path, module, key, parameter
    for name, part in module._modules.items():
        if part is not None:
            yield from _named_parameters(part, f"{path}.{name}" if path else name, seen)


@lru_cache(maxsize=4096)
def _kept_scalars(
    path: str, part: ParameterClass, sizes: tuple[int, int], excluded: tuple[str, ...]
) -> Tensor:
    """The places in a class of values whose names contain no excluded text."""
    prefix = f"{path}." if path else ""
    names = (prefix + scalar for scalar in part.scalar_names(*sizes))
    kept = [
        place
        for place, name in enumerate(names)
        if not any(text in name for text in excluded)
    ]
    with torch.inference_mode(False):  # the result outlives the evaluation
        return torch.tensor(kept, dtype=torch.long)


def _present(absent: Tensor, sizes: list[int], are_motifs: list[bool]) -> Tensor:
    """Which entries of the vector are left if some are absent."""
    present = ~absent
    ends = list(itertools.accumulate(sizes))
    for place in absent.nonzero().flatten().tolist():
        index = bisect.bisect_right(ends, place)
        if not are_motifs[index]:
            present[ends[index] - sizes[index] : ends[index]] = False
    return present
