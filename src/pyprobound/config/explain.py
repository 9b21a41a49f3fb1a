"""Says in plain words what is wrong with a configuration, and at which key."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union

from pydantic import BaseModel

from .base import Key, problem_key
from .fit import FitConfig

_Model = type[BaseModel]


def explain(entry: Any, values: Any) -> tuple[Key, str]:
    """The key and the message of one error.

    Args:
        entry: An entry of ``pydantic.ValidationError.errors()``.
        values: What was validated.
    """
    key = _real_key(entry["loc"], values) + problem_key(entry)
    kind = entry["type"]
    if kind in ("extra_forbidden", "invalid_key"):
        return key, _unknown_key(key, values)
    if kind == "missing":
        return key[:-1], f"the key {key[-1]!r} is missing"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _unknown_type(entry, key)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        names = sorted({name for part in _models_at(key) for name in part.model_fields})
        listed = f" with some of the keys {', '.join(names)}" if names else ""
        return key, f"expected a mapping{listed}, but found {_shorten(entry['input'])}"
    if kind in ("disagreement", "value_error"):
        return key, entry["msg"].removeprefix("Value error, ")
    message = entry["msg"][:1].lower() + entry["msg"][1:]
    return key, f"{message} (found {_shorten(entry['input'])})"


def _shorten(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _real_key(location: tuple[str | int, ...], values: Any) -> Key:
    """The path of a value: pydantic's, without the names of members of unions."""
    key: list[str | int] = []
    node = values
    tagged = None
    for place, part in enumerate(location):
        last = place == len(location) - 1
        if node is not tagged and part == _get(node, "type"):
            # The tag of a union, which may also be the name of a key.
            tagged = node
            continue
        if isinstance(node, list | tuple):
            if not isinstance(part, int):
                continue
            node = node[part] if part < len(node) else None
            key.append(part)
        elif isinstance(node, Mapping):
            names = {str(name): name for name in node}
            if str(part) not in names and (not last or part == "[key]"):
                continue
            node = node[names[str(part)]] if str(part) in names else None
            key.append(str(part))
    return tuple(key)


def _unknown_type(entry: Any, key: Key) -> tuple[Key, str]:
    known = [str(tag) for part in _models_at(key) for tag in _tags(part)]
    listed = ", ".join(known)
    found = entry["ctx"].get("tag")
    if found is None:
        return key, f"the key 'type' is missing; expected one of {listed}"
    hint = _suggest(str(found), known)
    return (*key, "type"), f"{found!r} is not known{hint}; expected one of {listed}"


def _tags(model: _Model) -> tuple[Any, ...]:
    return typing.get_args(model.model_fields["type"].annotation)


def _unknown_key(key: Key, values: Any) -> str:
    node = values
    for part in key[:-1]:
        node = _get(node, part)
    models = _models_at(key[:-1])
    tag = _get(node, "type")
    chosen = [part for part in models if len(models) > 1 and tag in _tags(part)]
    known = sorted({name for part in chosen or models for name in part.model_fields})
    listed = f"; known here: {', '.join(known)}" if known else ""
    return f"the key is not known{_suggest(str(key[-1]), known)}{listed}"


def _get(node: Any, name: str | int) -> Any:
    """The value at a key, which YAML may have read as a number, or at a place."""
    if isinstance(node, list | tuple) and isinstance(name, int):
        return node[name]
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.items() if str(key) == str(name)), None)


def _suggest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _models_at(key: Key) -> list[_Model]:
    """The models one of which describes the value of a key."""
    kinds: list[Any] = [FitConfig]
    for part in key:
        below: list[Any] = []
        for kind in kinds:
            if _is_model(kind):
                field = kind.model_fields.get(str(part))
                below += _members(field.annotation) if field else []
            elif typing.get_origin(kind) in (dict, list):
                below += _members(typing.get_args(kind)[-1])
        kinds = below
    return [kind for kind in kinds if _is_model(kind)]


def _members(kind: Any) -> list[Any]:
    """The members of a union, without annotations."""
    if typing.get_origin(kind) is Annotated:
        return _members(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (Union, types.UnionType):
        return [part for member in typing.get_args(kind) for part in _members(member)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
