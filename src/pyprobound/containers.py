"""Lists and dictionaries of modules and parameters that know what they hold.

They are torch's own containers with the type of their elements, and with the
behaviour of Python's lists and dictionaries where torch's differs.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, SupportsIndex, TypeVar, overload

import torch
from torch import Tensor
from torch.nn import Module, Parameter

__all__ = ["TModuleList", "TParameterDict", "TParameterList"]

ModuleT = TypeVar("ModuleT", bound=Module)


class TModuleList(torch.nn.ModuleList, Generic[ModuleT]):
    """A list of modules of one type, registered as ``"0"``, ``"1"``, ...

    Args:
        modules: The first elements.
    """

    def __init__(self, modules: Iterable[ModuleT] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    @overload  # type: ignore[override]
    def __getitem__(self, idx: SupportsIndex) -> ModuleT: ...
    @overload
    def __getitem__(self, idx: slice) -> Self: ...
    def __getitem__(self, idx: SupportsIndex | slice) -> ModuleT | Self:
        found = list(self)[idx]
        return type(self)(found) if isinstance(found, list) else found

    def __setitem__(  # type: ignore[override]
        self,
        idx: SupportsIndex | slice,
        module: ModuleT | Iterable[ModuleT],
    ) -> None:
        self._replace(_with_item(list(self), idx, module))

    def __delitem__(self, idx: SupportsIndex | slice) -> None:
        kept = list(self)
        del kept[idx]
        self._replace(kept)

    def __iter__(self) -> Iterator[ModuleT]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __reversed__(self) -> Iterator[ModuleT]:
        return reversed(list(self))

    def __contains__(self, item: object) -> bool:
        return any(item is module for module in self)

    def __add__(self, other: Iterable[ModuleT]) -> Self:  # type: ignore[override]
        return type(self)([*self, *other])

    def append(self, module: ModuleT) -> Self:  # type: ignore[override]
        """Adds a module at the end; returns the list."""
        return self.extend([module])

    def extend(self, modules: Iterable[ModuleT]) -> Self:  # type: ignore[override]
        """Adds modules at the end; returns the list."""
        self._replace([*self, *modules])
        return self

    def insert(self, index: SupportsIndex, module: ModuleT) -> None:  # type: ignore[override]
        """Inserts a module before an index; negative ones count from the end."""
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)

    def pop(self, key: SupportsIndex = -1) -> ModuleT:  # type: ignore[override]
        """Removes and returns a module, the last one by default."""
        modules = list(self)
        module = modules.pop(key)
        self._replace(modules)
        return module

    def index(self, module: Module) -> int:
        """Returns the place of a module, compared by identity.

        Raises:
            ValueError: The module is not in the list.
        """
        return _index(self, module)

    def _replace(self, modules: list[ModuleT]) -> None:
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(f"{type(module).__name__} is not a module")
        self._modules = collections.OrderedDict(
            (str(i), module) for i, module in enumerate(modules)
        )


class TParameterList(torch.nn.ParameterList):
    """A list of parameters, registered as ``"0"``, ``"1"``, ...

    Tensors become trainable parameters.

    Args:
        values: The first elements.
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    @overload
    def __getitem__(self, idx: SupportsIndex) -> Parameter: ...
    @overload
    def __getitem__(self, idx: slice) -> Self: ...
    def __getitem__(self, idx: SupportsIndex | slice) -> Parameter | Self:
        found = list(self)[idx]
        return type(self)(found) if isinstance(found, list) else found

    def __setitem__(
        self,
        idx: SupportsIndex | slice,
        param: Tensor | Iterable[Tensor],
    ) -> None:
        self._replace(_with_item(list[Tensor](self), idx, param))

    def __delitem__(self, idx: SupportsIndex | slice) -> None:
        kept = list[Tensor](self)
        del kept[idx]
        self._replace(kept)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())  # type: ignore[arg-type]

    def __reversed__(self) -> Iterator[Parameter]:
        return reversed(list(self))

    def __contains__(self, item: object) -> bool:
        return any(item is parameter for parameter in self)

    def __add__(self, other: Iterable[Tensor]) -> Self:
        return type(self)([*self, *other])

    def append(self, value: Tensor) -> Self:
        """Adds a parameter at the end; returns the list."""
        return self.extend([value])

    def extend(self, values: Iterable[Tensor]) -> Self:
        """Adds parameters at the end; returns the list."""
        if isinstance(values, Tensor):
            raise TypeError("a list is extended by several tensors, not by one")
        self._replace([*self, *values])
        return self

    def insert(self, index: SupportsIndex, value: Tensor) -> None:
        """Inserts a parameter before an index; negative ones count from the end."""
        values = list[Tensor](self)
        values.insert(index, value)
        self._replace(values)

    def pop(self, key: SupportsIndex = -1) -> Parameter:
        """Removes and returns a parameter, the last one by default."""
        parameter = self[key]
        del self[key]
        return parameter

    def index(self, value: Tensor) -> int:
        """Returns the place of a parameter, compared by identity.

        Raises:
            ValueError: The parameter is not in the list.
        """
        return _index(self, value)

    def _replace(self, values: list[Tensor]) -> None:
        parameters = [_as_parameter(value) for value in values]
        self._parameters = {str(i): value for i, value in enumerate(parameters)}
        self._size = len(parameters)


class TParameterDict(torch.nn.ParameterDict):
    """A dictionary of parameters, registered by their keys, in order of insertion.

    Tensors become trainable parameters. Every text without a dot can be a key, also
    one that is the name of a method.

    Args:
        parameters: The first items.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        self.update(() if parameters is None else parameters)

    def __setattr__(self, name: str, value: Any) -> None:
        # Attributes and items are different things here: torch would refuse to set
        # its own `training` once there is a parameter of that name.
        object.__setattr__(self, name, value)

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]  # type: ignore[return-value]

    def __setitem__(self, key: str, value: Tensor) -> None:
        if not isinstance(key, str):
            raise TypeError(f"key {key!r} is not a string")
        if not key or "." in key:
            raise KeyError(f"key {key!r} is empty or holds a dot")
        self._parameters[key] = _as_parameter(value)
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]
        del self._keys[key]

    def get(self, key: str, default: Any | None = None) -> Any:
        """Returns the parameter of a key, or the default if there is none."""
        return self._parameters.get(key, default)

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """Iterates over keys and parameters."""
        return self._parameters.items()  # type: ignore[return-value]

    def values(self) -> Iterable[Parameter]:
        """Iterates over the parameters."""
        return self._parameters.values()  # type: ignore[return-value]

    def copy(self) -> Self:
        """Returns a new dictionary of the same parameters."""
        return type(self)(self.items())

    def update(  # type: ignore[override]
        self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]
    ) -> None:
        """Sets items, in the order given."""
        given: Any = parameters
        pairs = given.items() if hasattr(given, "items") else given
        for key, value in pairs:
            self[key] = value


ItemT = TypeVar("ItemT")


def _with_item(
    items: list[ItemT], idx: SupportsIndex | slice, value: ItemT | Iterable[ItemT]
) -> list[ItemT]:
    items[idx] = value  # type: ignore[index, assignment]
    return items


def _index(items: Iterable[object], wanted: object) -> int:
    for place, item in enumerate(items):
        if item is wanted:
            return place
    raise ValueError("the list does not hold this element")


def _as_parameter(value: Tensor) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if isinstance(value, Tensor):
        return Parameter(value)
    raise TypeError(f"{type(value).__name__} is not a tensor")
