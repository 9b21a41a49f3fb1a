"""Builds a full configuration from the list of functions that ProBound also reads.

Unlike in ProBound the order of the functions does not matter: everything that is
appended is collected first, and what changes it is merged into it afterwards. An
``index`` of -1 means all elements wherever there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..base import Key
from . import schema
from .documents import Document
from .remarks import Remark, nearest, unknown_key

Values = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """A function of a builder file.

    Attributes:
        model: The part of the configuration whose keys it takes; None if only
            ``required`` and ``optional`` ones.
        target: The list, or the object, that it fills in.
        appends: Whether it adds an element to the list.
        index: Whether it has an ``index`` that must be given, or may be.
        required: The keys that must be given.
        optional: Keys besides those of the model.
    """

    model: type[schema.ProBoundModel] | None
    target: tuple[str, ...]
    appends: bool = False
    index: Literal["none", "needed", "optional"] = "none"
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def known(self) -> set[str]:
        """The keys that it takes."""
        own = {"function", *self.required, *self.optional}
        if self.index != "none":
            own.add("index")
        if self.model is not None:
            own |= {part.alias or name for name, part in _fields(self.model)}
        return own


def _fields(model: type[schema.ProBoundModel]) -> Iterable[tuple[str, Any]]:
    return model.model_fields.items()


_CONSTRAINTS = "modelFittingConstraints"
_SEEDING = "modelSeeding"
_OPTIMIZER = "optimizerSetting"

FUNCTIONS: dict[str, Function] = {
    "addTable": Function(
        schema.CountTableSettings,
        ("countTable",),
        appends=True,
        required=("countTableFile", "variableRegionLength", "nColumns"),
    ),
    "addSELEX": Function(
        schema.EnrichmentModelSettings,
        ("enrichmentModel",),
        appends=True,
        optional=("rounds",),
    ),
    "addBindingMode": Function(
        schema.BindingModeSettings, ("bindingModes",), appends=True, required=("size",)
    ),
    "addNS": Function(None, ("bindingModes",), appends=True),
    "addInteraction": Function(
        schema.InteractionSettings,
        ("bindingModeInteractions",),
        appends=True,
        required=("bindingModes",),
    ),
    "output": Function(schema.OutputSettings, (_OPTIMIZER, "output")),
    "optimizerSetting": Function(schema.OptimizerSetting, (_OPTIMIZER,)),
    "lbfgsSettings": Function(schema.LbfgsSettings, (_OPTIMIZER, "lbfgsSettings")),
    "patternSearchSettings": Function(
        schema.PatternSearchSettings, (_OPTIMIZER, "patternSearchSettings")
    ),
    "slbfgsSettings": Function(schema.SgdSettings, (_OPTIMIZER, "slbfgsSettings")),
    "basicConstraints": Function(schema.FittingConstraints, (_CONSTRAINTS,)),
    "enrichmentModelConstraints": Function(
        schema.EnrichmentModelConstraints,
        (_CONSTRAINTS, "enrichmentModel"),
        index="needed",
    ),
    "bindingModeConstraints": Function(
        schema.BindingModeConstraints, (_CONSTRAINTS, "bindingModes"), index="needed"
    ),
    "interactionConstraints": Function(
        schema.InteractionConstraints,
        (_CONSTRAINTS, "bindingModeInteractions"),
        index="needed",
    ),
    "symmetry": Function(
        None,
        (_CONSTRAINTS, "bindingModes"),
        index="needed",
        optional=("symmetryString",),
    ),
    "bindingModeSeed": Function(
        schema.BindingModeSeed, (_SEEDING, "bindingModes"), index="optional"
    ),
    "enrichmentModelSeed": Function(
        schema.EnrichmentModelSeed, (_SEEDING, "enrichmentModel"), index="optional"
    ),
    "setAlphabet": Function(
        None, ("modelSettings",), required=("letterOrder", "letterComplement")
    ),
    "NRLBConstraints": Function(
        None,
        (_CONSTRAINTS, "bindingModes"),
        index="optional",
        optional=(
            "symmetryString",
            "startK",
            "endK",
            "nShifts",
            "singleModeLengthSweep",
            "flankLengths",
        ),
    ),
}
_LISTS = (
    "countTable",
    "enrichmentModel",
    "bindingModes",
    "bindingModeInteractions",
)
_FROM_DATABASE = (
    "addTableDB",
    "addTableDBs",
    "addSELEXDB",
    "addSELEXTableDB",
    "addSELEXTableDBs",
    "outputDB",
)
_SELEX_DEFAULTS: Values = {
    "modelType": "SELEX",
    "modifications": [],
    "bindingModes": [-1],
    "bindingModeInteractions": [-1],
}


@dataclass
class Build:
    """A full configuration in the making.

    Attributes:
        values: What is given of it; defaults are missing.
        origins: Where in the builder file each value comes from.
        remarks: What the user should know.
    """

    values: Values
    origins: dict[Key, Key] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def put(
        self, target: Values, path: Key, name: str, value: Any, origin: Key
    ) -> None:
        """Sets a value and remembers where it comes from."""
        target[name] = value
        self.origins[(*path, name)] = origin


@dataclass(frozen=True)
class _Entry:
    place: int
    name: str
    values: Mapping[str, Any]

    @property
    def function(self) -> Function:
        return FUNCTIONS[self.name]


def build_values(document: Document) -> Build:
    """Executes the functions of a builder file.

    Args:
        document: The file; its values are a list.

    Raises:
        InputError: A function or an index does not exist, a key is missing, or there
            is no table or no mode.
    """
    entries = [_read_entry(document, place) for place in range(len(document.values))]
    settings: Values = {name: [] for name in _LISTS}
    build = Build({"modelSettings": settings, _CONSTRAINTS: {}, _OPTIMIZER: {}})
    for entry in entries:
        build.remarks += _unknown_keys(document, entry)
        if entry.function.appends:
            _append(build, document, entry)
    _check_complete(document, settings)
    _add_default_selections(build, document)
    constraints = build.values[_CONSTRAINTS]
    for name in _LISTS:
        constraints[name] = [{} for _ in settings[name]]
    for entry in entries:
        if not entry.function.appends:
            _merge(build, document, entry)
    _set_output(build, document)
    return build


def _read_entry(document: Document, place: int) -> _Entry:
    values = document.values[place]
    if not isinstance(values, Mapping) or "function" not in values:
        raise document.error(
            'expected an object such as {"function": "addNS"}', (place,)
        )
    name = values["function"]
    if name in _FROM_DATABASE:
        raise document.error(
            f"{name!r} reads a private database; name the table in a function addTable"
            " or the folder in a function output instead",
            (place, "function"),
        )
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise document.error(
            f"{name!r} is no function{nearest(str(name), FUNCTIONS)}; expected one of"
            f" {', '.join(FUNCTIONS)}",
            (place, "function"),
        )
    function = FUNCTIONS[name]
    needed = [*function.required, *(["index"] if function.index == "needed" else [])]
    for key in needed:
        if key not in values:
            misspelt = [each for each in values if each not in function.known]
            hint = nearest(key, misspelt).replace("did you mean", "is it misspelt as")
            raise document.error(
                f"the function {name} needs the key {key!r}{hint}", (place,)
            )
    return _Entry(place, name, values)


def _unknown_keys(document: Document, entry: _Entry) -> Iterable[Remark]:
    known = entry.function.known
    for key in entry.values:
        if key not in known:
            yield unknown_key(document, (entry.place, key), known)


# --- what is appended ------------------------------------------------------------


def _append(build: Build, document: Document, entry: _Entry) -> None:
    target = build.values["modelSettings"][entry.function.target[0]]
    path: Key = ("modelSettings", entry.function.target[0], len(target))
    build.origins[path] = (entry.place,)
    made: Values = {}
    target.append(made)
    if entry.name == "addNS":
        build.put(made, path, "size", 0, (entry.place,))
        return
    given = {key: value for key, value in entry.values.items() if key != "function"}
    if entry.name == "addSELEX":
        given = {**_SELEX_DEFAULTS, **given}
        if given.pop("rounds", None) is not None:
            build.remarks.append(
                Remark.at(
                    document,
                    (entry.place, "rounds"),
                    "has no effect; nColumns of the table says how many there are",
                )
            )
    if entry.name == "addInteraction" and isinstance(given["bindingModes"], list):
        given["bindingModes"] = given["bindingModes"][:2]
    _put(build, made, path, entry, given)


def _put(
    build: Build,
    target: Values,
    path: Key,
    entry: _Entry,
    given: Mapping[str, Any],
) -> None:
    for key, value in given.items():
        build.put(target, path, key, value, (entry.place, key))


def _check_complete(document: Document, settings: Values) -> None:
    for name, function in (("countTable", "addTable"), ("bindingModes", "addNS")):
        if not settings[name]:
            other = " or addBindingMode" if function == "addNS" else ""
            raise document.error(
                f"there is no function {function}{other}; a fit needs at least one", ()
            )


def _add_default_selections(build: Build, document: Document) -> None:
    """Tables that have no addSELEX are taken for unsaturated SELEX."""
    settings = build.values["modelSettings"]
    missing = len(settings["countTable"]) - len(settings["enrichmentModel"])
    if missing > 0:
        build.remarks.append(
            Remark.at(
                document,
                (),
                f"{missing} of {len(settings['countTable'])} tables have no function"
                " addSELEX; they are taken for the modelType SELEX",
            )
        )
    for _ in range(missing):
        settings["enrichmentModel"].append(dict(_SELEX_DEFAULTS))


# --- what is merged --------------------------------------------------------------


def _merge(build: Build, document: Document, entry: _Entry) -> None:
    given = {
        key: value
        for key, value in entry.values.items()
        if key not in ("function", "index")
    }
    if entry.name == "NRLBConstraints":
        _merge_nrlb(build, document, entry, given)
        return
    if entry.name == "output":
        given = {"verbose": True, **given}
    if entry.function.index == "none":
        target, path = _object(build.values, entry.function.target)
        _put(build, target, path, entry, given)
        return
    for place in _places(build, document, entry):
        chosen = given
        if entry.name == "symmetry" and "symmetryString" not in given:
            size = build.values["modelSettings"]["bindingModes"][place].get("size", 0)
            chosen = {"symmetryString": f"1:{size}:1"}
        target, path = _element(build, entry.function.target, place)
        _put(build, target, path, entry, chosen)


def _merge_nrlb(build: Build, document: Document, entry: _Entry, given: Values) -> None:
    text = given.get("symmetryString", "null")
    dead = [key for key in given if key != "symmetryString"]
    message = "the function NRLBConstraints belongs to an older program"
    if dead:
        message += f"; {', '.join(dead)} have no effect"
    if text != "null":
        message += "; its symmetryString applies to all modes"
    build.remarks.append(Remark.at(document, (entry.place,), message, "dead"))
    if text == "null":
        return
    for place, mode in enumerate(build.values["modelSettings"]["bindingModes"]):
        if mode.get("size", 0) != 0:
            target, path = _element(build, entry.function.target, place)
            build.put(
                target, path, "symmetryString", text, (entry.place, "symmetryString")
            )


def _object(values: Values, names: Iterable[str]) -> tuple[Values, Key]:
    for name in names:
        values = values.setdefault(name, {})
    return values, tuple(names)


def _element(build: Build, names: tuple[str, ...], place: int) -> tuple[Values, Key]:
    parent, path = _object(build.values, names[:-1])
    elements = parent.setdefault(names[-1], [])
    elements += [{} for _ in range(place + 1 - len(elements))]
    return elements[place], (*path, names[-1], place)


def _places(build: Build, document: Document, entry: _Entry) -> Iterable[int]:
    """The elements that an index stands for."""
    index = entry.values.get("index", -1)
    name = entry.function.target[-1]
    n_elements = len(build.values["modelSettings"][name])
    if index == -1 and not isinstance(index, bool):
        return range(n_elements)
    if not isinstance(index, int) or isinstance(index, bool):
        raise document.error(
            f"expected a whole number, found {index!r}", (entry.place, "index")
        )
    if not 0 <= index < n_elements:
        raise document.error(
            f"there is no element {index} of {name}: there are {n_elements}, counted"
            " from 0; -1 means all",
            (entry.place, "index"),
        )
    return [index]


def _set_output(build: Build, document: Document) -> None:
    output = build.values[_OPTIMIZER].setdefault("output", {"verbose": True})
    defaults = {"outputPath": ".", "baseName": "fit"}
    missing = [key for key in defaults if key not in output]
    if missing:
        build.remarks.append(
            Remark.at(
                document,
                (),
                "there is no function output with"
                f" {' and '.join(missing)}, without which ProBound refuses the file;"
                f" taken for {', '.join(repr(defaults[key]) for key in missing)}",
            )
        )
        output.update({key: defaults[key] for key in missing})
