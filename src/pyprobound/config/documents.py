"""Reads the configuration from YAML, with errors that name line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import InputError
from .base import Key
from .explain import explain
from .fit import FitConfig, describe_key

MAX_BYTES = 1 << 24
# Aliases let a small file describe a huge tree.
MAX_VALUES = 1 << 17


def load_config(path: str | Path) -> FitConfig:
    """Reads a configuration file.

    Relative paths of tables start at the folder of the file.

    Args:
        path: A YAML file.

    Raises:
        InputError: The file cannot be read or the configuration is not valid; the
            message names line and key.
    """
    path = Path(path)
    text = _read(path)
    values, lines = _parse(text, path)
    config = validate(values, path=path, line_of=lambda key: _line_of(lines, key))
    folder = path.resolve().parent
    tables = {
        name: table.model_copy(update={"path": str(folder / table.path)})
        for name, table in config.tables.items()
    }
    return config.model_copy(update={"tables": tables})


def dump_config(config: FitConfig) -> str:
    """Writes a configuration as YAML."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, width=88)


def validate(
    values: Any,
    *,
    path: Path | None = None,
    line_of: Callable[[Key], int | None] = lambda key: None,  # noqa: ARG005
) -> FitConfig:
    """Makes a configuration from plain values.

    Args:
        values: Dictionaries and lists, as in a YAML file.
        path: The file they come from.
        line_of: Finds the line of a key in it.

    Raises:
        InputError: The configuration is not valid; the message names the key.
    """
    try:
        return FitConfig.model_validate(values)
    except ValidationError as error:
        entries = error.errors()
        # A key that is not known may be the reason why another one is missing.
        unknown = [part for part in entries if part["type"] == "extra_forbidden"]
        problems = [explain(entry, values) for entry in unknown or entries]
        problems.sort(key=lambda item: line_of(item[0]) or 0)
        key, message = problems[0]
        if len(problems) > 1:
            message += f" (the first of {len(problems)} errors)"
        raise InputError(
            message, path=path, line=line_of(key), key=describe_key(key) or None
        ) from None


def line_of_key(path: str | Path, key: str) -> int | None:
    """Finds the line of a key in a valid configuration file.

    Args:
        path: The file.
        key: The key as messages write it, such as ``tables.a.left_flank``.

    Returns:
        The line of the key, or of the part that lacks it, counted from 1.
    """
    path = Path(path)
    _, lines = _parse(_read(path), path)
    named = {describe_key(parts): line for parts, line in lines.items()}
    while key and key not in named:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return named.get(key)


# --- YAML ------------------------------------------------------------------------


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None
    if len(data) > MAX_BYTES:
        raise InputError("is too large for a configuration", path=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        line = data[:MAX_BYTES].decode("utf-8", "replace").count("\n", 0) + 1
        raise InputError("expected UTF-8 text", path=path, line=line) from None


def _parse(text: str, path: Path) -> tuple[Any, dict[Key, int]]:
    """The values of a YAML document, and the line of each key."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Key, int] = {}
        for key, line in _walk(root, (), path):
            # A key comes before its value, which may begin on the next line.
            lines.setdefault(key, line)
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            f"is no valid YAML: {error.problem or error.context}",
            path=path,
            line=None if mark is None else mark.line + 1,
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).split("\n")[0]
        raise InputError(f"is no valid YAML: {reason}", path=path) from None


def _walk(root: yaml.Node | None, key: Key, path: Path) -> Iterator[tuple[Key, int]]:
    pending: list[tuple[yaml.Node | None, Key]] = [(root, key)]
    n_values = 0
    while pending:
        node, key = pending.pop()
        n_values += 1
        if n_values > MAX_VALUES or len(key) > 100:
            raise InputError("holds too many values for a configuration", path=path)
        if node is None:
            continue
        yield key, node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            pending += [(part, (*key, place)) for place, part in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            yield from _walk_mapping(node, key, path, pending)


def _walk_mapping(
    node: yaml.MappingNode,
    key: Key,
    path: Path,
    pending: list[tuple[yaml.Node | None, Key]],
) -> Iterator[tuple[Key, int]]:
    seen = set()
    for name, value in node.value:
        line = name.start_mark.line + 1
        word = str(name.value)
        if word in seen and name.tag != "tag:yaml.org,2002:merge":
            raise InputError(
                "the key is given twice",
                path=path,
                line=line,
                key=describe_key((*key, word)),
            )
        seen.add(word)
        pending.append((value, (*key, word)))
        yield (*key, word), line


def _line_of(lines: Mapping[Key, int], key: Key) -> int | None:
    while key not in lines:
        if not key:
            return None
        key = key[:-1]
    return lines[key]
