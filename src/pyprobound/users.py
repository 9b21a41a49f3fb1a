"""Who uses a shared part: an ordered collection that does not keep its members alive."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Users(Generic[T]):
    """An ordered set of weak references.

    A shared part (a motif, a layer) has to reach its users when its structure
    changes. The references are weak so that a part never keeps its users alive,
    and they are left behind when the part is copied or pickled: each user
    registers itself again with its own copy.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[T]] = {}

    def add(self, user: T) -> None:
        """Registers a user, unless it is registered already."""
        references = self._references
        identity = id(user)
        references[identity] = weakref.ref(
            user, lambda _: references.pop(identity, None)
        )

    def discard(self, user: T) -> None:
        """Forgets a user."""
        self._references.pop(id(user), None)

    def __iter__(self) -> Iterator[T]:
        for reference in list(self._references.values()):
            user = reference()
            if user is not None:
                yield user

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, user: object) -> bool:
        return any(user is member for member in self)

    def __repr__(self) -> str:
        return f"Users({[type(user).__name__ for user in self]})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Users[T]:
        return type(self)()

    def __reduce__(self) -> tuple[type[Users[T]], tuple[()]]:
        return (type(self), ())
