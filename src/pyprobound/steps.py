"""Optimisation steps as values: what to do, in which order, and how to merge them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_MERGEABLE = ("unfreeze", "activity_heuristic", "freeze")


class Call(NamedTuple):
    """One call of a method of a component: ``getattr(cmpt, fun)(**kwargs)``.

    Attributes:
        cmpt: The component whose method is called.
        fun: The name of the method.
        kwargs: The keyword arguments of the call.
    """

    cmpt: Any
    fun: str
    kwargs: Mapping[str, Any]

    def run(self) -> Any:
        """Makes the call and returns what it returns."""
        return getattr(self.cmpt, self.fun)(**self.kwargs)

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}={_describe(value)}" for name, value in self.kwargs.items()
        )
        return f"{_describe(self.cmpt)}.{self.fun}({arguments})"


class Step(NamedTuple):
    """Calls that are made together before the model is optimised again.

    Attributes:
        calls: The calls, in order.
        greedy: Whether the step is repeated for as long as it lowers the loss.
    """

    calls: list[Call]
    greedy: bool = False


class BindingOptim(NamedTuple):
    """How one binding is trained.

    Attributes:
        ancestry: The chains of components from the root to the binding.
        steps: The optimisation steps, in order.
    """

    ancestry: set[tuple[Any, ...]]
    steps: list[Step]

    def merge_binding_optim(self) -> None:
        """Merges calls that belong together, in place.

        Calls of ``unfreeze``, ``freeze`` and ``activity_heuristic`` that act alike
        on components of one class move to the first step that has such a call.
        Repeated calls, empty steps and repeated steps are dropped, and the step
        that unfreezes everything moves to the end.
        """
        steps = _gather_calls(self.steps)
        steps = _distinct_steps(steps)
        last = [step for step in steps if self._unfreezes_all(step)]
        self.steps[:] = [step for step in steps if not self._unfreezes_all(step)] + last

    def append_unless_present(self, step: Step) -> None:
        """Appends a step unless an equal one is present."""
        if not any(_same_calls(step.calls, other.calls) for other in self.steps):
            self.steps.append(step)

    def _unfreezes_all(self, step: Step) -> bool:
        if len(step.calls) != 1:
            return False
        call = step.calls[0]
        return (
            any(call.cmpt is chain[0] for chain in self.ancestry if chain)
            and call.fun == "unfreeze"
            and dict(call.kwargs) == {"parameter": "all"}
        )


def _describe(value: Any) -> str:
    """A short text for a component or an argument."""
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return f"{type(value).__name__}-{name}" if name else _short(value)
    return repr(value)


def _short(component: Any) -> str:
    text = str(component)
    return text if "\n" not in text else type(component).__name__


def _merge_key(call: Call) -> tuple[Any, ...] | None:
    """What a call has in common with those that should run in the same step."""
    if call.fun not in _MERGEABLE:
        return None
    if call.fun == "activity_heuristic":
        return ("activity_heuristic",)
    if call.fun == "unfreeze" and call.kwargs.get("parameter") == "spacing":
        return ("PSAM", "unfreeze", (("parameter", "monomer"),))
    return (type(call.cmpt).__name__, call.fun, tuple(sorted(call.kwargs.items())))


def _gather_calls(steps: Iterable[Step]) -> list[Step]:
    """Moves each mergeable call to the first step that shows its key."""
    gathered: list[Step] = []
    owners: dict[tuple[Any, ...], Step] = {}
    for step in steps:
        kept = Step([], step.greedy)
        for call in step.calls:
            key = _merge_key(call)
            owner = kept if key is None else owners.setdefault(key, kept)
            if call not in owner.calls:
                owner.calls.append(call)
        gathered.append(kept)
    return gathered


def _distinct_steps(steps: Iterable[Step]) -> list[Step]:
    distinct: list[Step] = []
    for step in steps:
        if step.calls and not any(
            _same_calls(step.calls, other.calls) for other in distinct
        ):
            distinct.append(step)
    return distinct


def _same_calls(left: list[Call], right: list[Call]) -> bool:
    """Whether two lists hold the same calls, in any order."""
    return all(call in right for call in left) and all(call in left for call in right)
