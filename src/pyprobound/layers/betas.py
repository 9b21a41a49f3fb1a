"""The stored values of a motif, one tensor for each parameter class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from .symmetry import ParameterClass

_PREFIX = "betas."
SCALAR_NAME = re.compile(r"betas\.\d+(-\d+){1,2}")
"""The name of a value in a state of the layout 1.5."""


class Betas(torch.nn.ParameterDict):
    """The values of a motif by parameter class, in the order of their features.

    Iterating yields the classes. For scripts written for PyProBound 1.5, in which
    every value is a parameter of its own, ``betas["1-0"]`` is a view of one value.

    Args:
        channels: The number of motifs.
        letters: The number of letters.
        frozen_names: Names, in the layout 1.5, of values that are never trained.
    """

    def __init__(
        self, channels: int, letters: int, frozen_names: Iterable[str] = ()
    ) -> None:
        super().__init__()
        self.channels = channels
        self.letters = letters
        self.frozen_names = frozenset(frozen_names)
        self.classes: dict[str, ParameterClass] = {}
        self._frozen: dict[str, Tensor] = {}

    def __getitem__(self, key: str) -> Tensor:
        if key in self.classes or "-" not in key:
            return self._stored(key)
        for part in self.classes.values():
            names = self.scalar_names(part)
            if key in names:
                return self._stored(part.key).detach().view(-1)[names.index(key)]
        raise KeyError(key)

    def _stored(self, key: str) -> Tensor:
        values: Tensor = super().__getitem__(key)
        return values

    def scalar_names(self, part: ParameterClass) -> list[str]:
        """The names of the values of a class in the layout 1.5, in order."""
        return part.scalar_names(self.channels, self.letters)

    def fit_to(
        self,
        needed: Mapping[str, ParameterClass],
        create: Callable[[ParameterClass], Tensor],
        is_trained: Callable[[ParameterClass], bool],
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Creates the classes that are needed and drops the others.

        Args:
            needed: All classes, in order.
            create: Returns the first values of a new class.
            is_trained: Whether a new class is trainable.

        Returns:
            The parameters that were added and those that were removed.
        """
        old = dict(self.items())
        self._frozen = {key: self._frozen_values(part) for key, part in needed.items()}
        added: dict[str, torch.nn.Parameter] = {}
        for key, part in needed.items():
            if key not in old:
                trained = is_trained(part) and not bool(self._frozen[key].all())
                added[key] = torch.nn.Parameter(create(part), requires_grad=trained)
        self.classes = dict(needed)
        self._replace({key: old.get(key, added.get(key)) for key in needed})
        removed = tuple(value for key, value in old.items() if key not in needed)
        return tuple(added.values()), removed

    def share_with(self, other: Betas) -> None:
        """Uses the very parameters of another motif for the classes both have."""
        theirs = dict(other.items())
        self._replace({key: theirs.get(key, own) for key, own in self.items()})

    def values_of(self, part: ParameterClass) -> Tensor:
        """The values of a class; those that are never trained carry no gradient."""
        values = self._stored(part.key)
        frozen = self._frozen[part.key]
        if not values.requires_grad or not bool(frozen.any()):
            return values
        return torch.where(frozen.to(values.device), values.detach(), values)

    def unfreeze(self, kind: str) -> None:
        """Makes ``monomer``, ``pairwise`` or ``all`` values trainable."""
        for key, part in self.classes.items():
            own_kind = "pairwise" if part.is_pair else "monomer"
            if kind in ("all", own_kind) and not bool(self._frozen[key].all()):
                self._stored(key).requires_grad_(True)

    def pack(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Converts the entries of a state from the layout 1.5.

        Args:
            entries: The entries of the motif; those that are not values are kept.
        """
        result = {k: v for k, v in entries.items() if not k.startswith(_PREFIX)}
        for key, part in self.classes.items():
            names = [_PREFIX + name for name in self.scalar_names(part)]
            found = [name for name in names if name in entries]
            if found and len(found) < len(names):
                missing = next(name for name in names if name not in entries)
                raise ValueError(
                    f"The checkpoint has some values of position {key} but not"
                    f" {missing!r}: the number of motifs or letters differs"
                )
            if found:
                values = torch.stack([entries[name] for name in names])
                result[_PREFIX + key] = values.view(self.channels, *part.shape)
        return result

    def unpack(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Converts the entries of a state to the layout 1.5."""
        result: dict[str, Tensor] = {}
        for name, values in entries.items():
            part = self.classes.get(name.removeprefix(_PREFIX))
            if part is None or not name.startswith(_PREFIX):
                result[name] = values
                continue
            named = zip(self.scalar_names(part), values.reshape(-1), strict=True)
            ordered = sorted(named, key=lambda pair: int(pair[0].rpartition("-")[2]))
            result.update(
                (_PREFIX + scalar, value.clone()) for scalar, value in ordered
            )
        return result

    def _frozen_values(self, part: ParameterClass) -> Tensor:
        names = self.scalar_names(part) if self.frozen_names else ()
        flags = [name in self.frozen_names for name in names]
        if not flags:
            return torch.zeros((), dtype=torch.bool)
        return torch.tensor(flags).view(self.channels, *part.shape)

    def _replace(self, values: Mapping[str, Tensor | None]) -> None:
        for key in list(self.keys()):
            del self[key]
        for key, value in values.items():
            self[key] = value
