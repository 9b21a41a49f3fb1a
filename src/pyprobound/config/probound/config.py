"""Reads a configuration of ProBound: a builder file, or a full configuration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import InputError
from ..base import Key
from . import schema
from .builder import build_values
from .checks import check_config
from .documents import Document, document_of, read_document
from .remarks import Remark, dead_settings, unknown_keys


class ProBoundConfigWarning(UserWarning):
    """A setting of ProBound is not known, has no effect, or is treated otherwise."""


@dataclass(frozen=True, eq=False)
class ProBoundFile:
    """A configuration of ProBound.

    Attributes:
        config: The full configuration.
        document: Where the values of the full configuration come from.
        is_builder: Whether the file is a list of functions.
        remarks: What the user should know about it.
    """

    config: schema.ProBoundConfig
    document: Document
    is_builder: bool
    remarks: tuple[Remark, ...]

    @cached_property
    def expanded(self) -> dict[str, Any]:
        """The full configuration with all defaults, as ProBound writes it."""
        return schema.expanded(self.config)

    def error(self, message: str, key: Key) -> InputError:
        """An error about a setting of the full configuration.

        Args:
            message: What is wrong and what to do.
            key: The path of the setting.
        """
        return self.document.error(message, key)


def is_probound(path: str | Path) -> bool:
    """Whether a file is a configuration of ProBound by its name or first character.

    Args:
        path: The file.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return True
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError:
        return False
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def load_probound(path: str | Path, *, strict: bool = False) -> ProBoundFile:
    """Reads a builder file or a full configuration of ProBound.

    Args:
        path: A JSON file; a list of functions, or an object.
        strict: Whether unknown keys are errors; ProBound ignores them.

    Raises:
        InputError: The file cannot be read, or the configuration is not valid; the
            message names line and key.
    """
    return _load(read_document(path), strict)


def parse_probound(values: Any, *, strict: bool = False) -> ProBoundFile:
    """Makes a configuration of ProBound from plain values.

    Args:
        values: A list of functions, or a dictionary.
        strict: Whether unknown keys are errors.

    Raises:
        InputError: The configuration is not valid.
    """
    return _load(document_of(values), strict)


def expand(values: Any) -> dict[str, Any]:
    """Expands a builder configuration into the full one, as ProBound does.

    What has no effect is told as a warning.

    Args:
        values: A list of functions, or a full configuration, whose defaults are
            filled in.

    Raises:
        InputError: The configuration is not valid.
    """
    found = parse_probound(values)
    for remark in found.remarks:
        warnings.warn(str(remark), ProBoundConfigWarning, stacklevel=2)
    return found.expanded


def _load(document: Document, strict: bool) -> ProBoundFile:
    remarks: list[Remark] = []
    is_builder = isinstance(document.values, list)
    if is_builder:
        build = build_values(document)
        remarks += build.remarks
        document = _full_document(document, build.values, build.origins)
    elif not isinstance(document.values, Mapping):
        raise document.error(
            "expected a list of functions, or an object with modelSettings", ()
        )
    config = _validate(document)
    found = ProBoundFile(config, document, is_builder, ())
    remarks += [
        remark
        for remark in unknown_keys(document, config)
        # The functions have named theirs.
        if not is_builder or not _is_repeated(remark, remarks)
    ]
    remarks += dead_settings(document, found.expanded)
    unknown = [remark for remark in remarks if remark.kind == "unknown"]
    if strict and unknown:
        first = min(unknown, key=lambda remark: remark.line or 0)
        raise InputError(
            first.message, path=document.path, line=first.line, key=first.key
        )
    check_config(found)
    return replace(found, remarks=tuple(remarks))


def _is_repeated(remark: Remark, remarks: list[Remark]) -> bool:
    name = remark.key.rpartition(".")[2]
    return any(
        other.kind == "unknown" and other.key.rpartition(".")[2] == name
        for other in remarks
    )


def _full_document(
    builder: Document, values: Mapping[str, Any], origins: Mapping[Key, Key]
) -> Document:
    """The full configuration, with the lines of the builder file."""
    lines: dict[Key, int] = {}
    by_entry: dict[Key, list[Key]] = {}
    for key in builder.lines:
        by_entry.setdefault(key[:2], []).append(key)
    for key, origin in origins.items():
        line = builder.line_of(origin)
        if line is None:
            continue
        lines[key] = line
        for inner in by_entry.get(origin, []) if len(origin) == 2 else []:
            lines[(*key, *inner[2:])] = builder.lines[inner]
    return Document(values, builder.path, lines)


def _validate(document: Document) -> schema.ProBoundConfig:
    try:
        return schema.ProBoundConfig.model_validate(document.values)
    except ValidationError as error:
        problems = [_explain(entry) for entry in error.errors()]
        problems.sort(key=lambda item: document.line_of(item[0]) or 0)
        key, message = problems[0]
        if len(problems) > 1:
            message += f" (the first of {len(problems)} errors)"
        raise document.error(message, key) from None


def _explain(entry: Any) -> tuple[Key, str]:
    key: Key = tuple(entry["loc"])
    kind = entry["type"]
    if kind == "missing":
        return key[:-1], f"the key {key[-1]!r} is missing"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return key, f"expected an object, found {_shorten(entry['input'])}"
    if kind == "value_error":
        return key, entry["msg"].removeprefix("Value error, ")
    message = entry["msg"][:1].lower() + entry["msg"][1:]
    return key, f"{message} (found {_shorten(entry['input'])})"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
