"""The groups of bindings that are trained one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from ..base import Procedure
from ..steps import BindingOptim, Step

Key = tuple[Hashable, ...]
# The keys of the bindings that are trained together, group by group.
Order = Iterable[Iterable[Key]]


@dataclass(frozen=True)
class Group:
    """Bindings that are trained together.

    Attributes:
        key: The names of the bindings.
        steps: How they are trained.
    """

    key: str
    steps: list[Step]


def grouped(procedure: Procedure, order: Order | None = None) -> list[Group]:
    """Joins the steps of bindings that are to be trained together.

    Args:
        procedure: The steps of each binding, by key.
        order: Groups of keys; each key is a group of its own by default. Bindings
            that are not named are not trained.

    Raises:
        ValueError: A key is not that of a binding of the model, or a group is empty.
    """
    groups = [[key] for key in procedure] if order is None else [list(g) for g in order]
    return [_joined(procedure, keys) for keys in groups]


def _joined(procedure: Procedure, keys: list[Key]) -> Group:
    if not keys:
        raise ValueError("A group of `order` is empty; give it the key of a binding")
    joined = BindingOptim(set(), [])
    for key in keys:
        if key not in procedure:
            known = "; ".join(map(key_text, procedure))
            raise ValueError(
                f"`order` names {key_text(key)}, which is not the key of a binding of"
                f" the model; those are: {known}"
            )
        joined.ancestry.update(procedure[key].ancestry)
        joined.steps.extend(procedure[key].steps)
    if len(keys) > 1:
        joined.merge_binding_optim()
    return Group(" + ".join(map(key_text, keys)), joined.steps)


def key_text(key: Iterable[object]) -> str:
    """The names of the specs of a key."""
    return ", ".join(map(_spec_text, key))


def _spec_text(spec: object) -> str:
    kind, name = type(spec).__name__, getattr(spec, "name", "")
    return f"{kind}-{name}" if name else kind
