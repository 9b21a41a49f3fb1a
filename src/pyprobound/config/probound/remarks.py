"""What a configuration holds that has no effect, or that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..base import Key
from ..fit import describe_key
from . import schema
from .documents import Document

Kind = Literal["unknown", "dead", "note", "info"]


@dataclass(frozen=True)
class Remark:
    """Something that the user should know about a setting.

    Attributes:
        key: The setting.
        message: What about it.
        line: Its line in the file, counted from 1.
        kind: Whether the key is unknown or has no effect; a note about something
            else; or information that calls for no attention.
    """

    key: str
    message: str
    line: int | None = None
    kind: Kind = "note"

    @classmethod
    def at(
        cls,
        document: Document,
        key: Key,
        message: str,
        kind: Kind = "note",
    ) -> Remark:
        """A remark about a place of a file.

        Args:
            document: The file.
            key: The setting.
            message: What about it.
            kind: What kind of remark it is.
        """
        return cls(describe_key(key), message, document.line_of(key), kind)

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return (
            f"{place}{self.key}: {self.message}" if self.key else place + self.message
        )


def nearest(word: str, known: Iterable[str]) -> str:
    """A question that suggests the known word most like one that is not known.

    Args:
        word: The word.
        known: The words that are known.
    """
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""


def unknown_key(document: Document, key: Key, known: Iterable[str]) -> Remark:
    """A remark about a key that is not known.

    Args:
        document: The file.
        key: The key.
        known: The keys that are known there.
    """
    hint = nearest(str(key[-1]), set(known) - {"function"})
    return Remark.at(
        document, key, f"the key is not known{hint} and has no effect", "unknown"
    )


# Models of a finished fit, which are configurations too, say these.
_RECORDED = {
    "componentName",
    "freezingLevel",
    "includeComponent",
    "variationDescription",
    "variationName",
    "variationsOptimized",
}
_OTHER_PARTS = {"metadata", "coefficients", "modelError", "scoringModel"}


def unknown_keys(document: Document, config: schema.ProBoundConfig) -> list[Remark]:
    """Finds the keys of a full configuration that are not known.

    Args:
        document: The file.
        config: What it holds.
    """
    return [
        unknown_key(document, key, known)
        for key, known in _extras(config, ())
        if key[-1] not in _RECORDED and not (len(key) == 1 and key[0] in _OTHER_PARTS)
    ]


def _extras(part: Any, key: Key) -> Iterator[tuple[Key, list[str]]]:
    if isinstance(part, list):
        for place, each in enumerate(part):
            yield from _extras(each, (*key, place))
    elif isinstance(part, schema.ProBoundModel):
        fields = type(part).model_fields
        known = [field.alias or name for name, field in fields.items()]
        for extra in part.model_extra or {}:
            yield (*key, extra), known
        for name, field in fields.items():
            yield from _extras(getattr(part, name), (*key, field.alias or name))


_NO_EFFECT = "has no effect, in ProBound neither"
# Settings without effect: their place, the value by default, and what to say.
_DEAD: dict[tuple[str, ...], tuple[Any, str]] = {
    ("modelFittingConstraints", "addBindingModesSequentially"): (
        True,
        f"{_NO_EFFECT}: modes are always added one by one",
    ),
    ("modelFittingConstraints", "flankLengths"): ([0], _NO_EFFECT),
    ("modelFittingConstraints", "nShifts"): (0, _NO_EFFECT),
    ("modelFittingConstraints", "singleModeLengthSweep"): (False, _NO_EFFECT),
    ("modelFittingConstraints", "bindingModes", "minSize"): (-1, _NO_EFFECT),
    ("modelSettings", "enrichmentModel", "round"): (1, _NO_EFFECT),
    ("modelSettings", "enrichmentModel", "r0KUsed"): (1, _NO_EFFECT),
    ("modelSettings", "enrichmentModel", "r0KsTested"): ([1], _NO_EFFECT),
    ("modelSeeding", "bindingModes", "mononucleotideFile"): (None, _NO_EFFECT),
    ("modelSeeding", "bindingModeInteractions", "spacingVector"): (None, _NO_EFFECT),
    ("optimizerSetting", "sgdSettings"): ({}, _NO_EFFECT),
    ("optimizerSetting", "slbfgsSettings"): (None, _NO_EFFECT),
    ("optimizerSetting", "fixedLibrarySize"): (False, _NO_EFFECT),
    ("optimizerSetting", "output", "storeHessian"): (False, _NO_EFFECT),
    ("optimizerSetting", "output", "printPSAM"): (False, _NO_EFFECT),
}


def dead_settings(document: Document, values: Any) -> list[Remark]:
    """Finds settings that have no effect and differ from their defaults.

    Args:
        document: The file.
        values: The full configuration.
    """
    remarks = [
        Remark.at(document, key, message, "dead")
        for path, (default, message) in _DEAD.items()
        for key, value in _found(values, path, ())
        if value != default
    ]
    # ``bindingSaturation`` belongs to SELEX, but every model gets it.
    for place, model in enumerate(values["modelSettings"]["enrichmentModel"]):
        if model["modelType"] != "SELEX" and model["bindingSaturation"]:
            key = ("modelSettings", "enrichmentModel", place, "bindingSaturation")
            message = f"has no effect with the modelType {model['modelType']}"
            remarks.append(Remark.at(document, key, message, "dead"))
    return remarks


def _found(value: Any, path: tuple[str, ...], key: Key) -> Iterator[tuple[Key, Any]]:
    """The values at a path, for every element of the lists on it."""
    if isinstance(value, list) and path:
        for place, each in enumerate(value):
            yield from _found(each, path, (*key, place))
    elif not path:
        yield key, value
    elif isinstance(value, dict) and path[0] in value:
        yield from _found(value[path[0]], path[1:], (*key, path[0]))
