"""Opens one model of a file of ProBound."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from ..errors import InputError
from ..external import (
    parse_probound_alphabet,
    parse_probound_model,
    parse_probound_psam,
    parse_probound_tables,
    read_probound_lines,
)
from ..external.files import metadata_of
from ..external.lines import ModelLine
from ..external.parts import LineParts, line_parts
from ..layers import PSAM, Conv0d, Conv1d
from ..loss import MultiExperimentLoss
from ..mode import Mode
from .opened import Activities, ModelInteraction, ModelKind, ModelMode, OpenedModel

_FINAL_STAGE = "-4-all"


def open_line(path: str | os.PathLike[str], document: dict[str, Any]) -> OpenedModel:
    """Describes one model of ProBound.

    Args:
        path: The file that it comes from.
        document: The model, as read from JSON.

    Raises:
        InputError: It is incomplete or malformed.
    """
    path = Path(path)
    remarks: list[str] = []
    with errors_in(path), double_precision():
        line = ModelLine(document)
        alphabet = parse_probound_alphabet(document)
        psams = [
            parse_probound_psam(document, mode, symmetry="tied")
            if line.size(mode)
            else None
            for mode in range(line.n_modes)
        ]
        loss = _loss_of_line(document, remarks) if line.tables else None
        parts = line_parts(line, loss)
        modes = tuple(
            _mode_of_line(line, mode, psam, parts) for mode, psam in enumerate(psams)
        )
        pairs = tuple(
            ModelInteraction(
                str(settings.get("componentName") or f"interaction {place}"),
                line.partners(place),
                _activities_of_line(line, "bindingModeInteractions", place),
                tuple(parts.pairs[place]) if parts.pairs else (),
            )
            for place, settings in enumerate(line.interactions)
        )
    kind: ModelKind = "probound-fit" if line.tables else "probound-scoring"
    return OpenedModel(
        path,
        kind,
        alphabet,
        modes,
        pairs,
        () if loss is None else tuple(loss.transforms),
        loss,
        None,
        {"program": "ProBound", **metadata_of(document)},
        tuple(remarks),
        document,
    )


def _mode_of_line(
    line: ModelLine, mode: int, psam: PSAM | None, parts: LineParts
) -> ModelMode:
    flank = line.flank_length(mode)
    bindings = tuple(parts.modes[mode]) if parts.modes else ()
    present = [each for each in bindings if each is not None]
    layer = scoring_layer(present[0]) if present else None
    if layer is not None and isinstance(layer.layer_spec, PSAM):
        psam = layer.layer_spec
    return ModelMode(
        line.mode_name(mode) or f"mode {mode}",
        psam,
        (flank, flank),
        _activities_of_line(line, "bindingModes", mode),
        layer,
        bindings,
    )


def _activities_of_line(
    line: ModelLine, kind: Literal["bindingModes", "bindingModeInteractions"], i: int
) -> Activities:
    """The log activities of a mode or an interaction, in the columns that count."""
    if not line.tables:
        values = line.stored_activity(kind, i) or [[0.0]]
        return tuple(tuple(float(value) for value in row) for row in values)
    members = line.member_modes if kind == "bindingModes" else line.member_interactions
    return tuple(
        tuple(
            line.log_activity(kind, i, table, column)
            if i in members(table, column)
            else -math.inf
            for column in line.modeled_columns(table, len(line.log_depths(table)))
        )
        for table in range(len(line.tables))
    )


def _loss_of_line(
    document: dict[str, Any], remarks: list[str]
) -> MultiExperimentLoss | None:
    """The loss of a fit; None, with a remark, where it has no counterpart."""
    try:
        frames = _example_frames(ModelLine(document))
        loss = parse_probound_model(
            document,
            document,
            parse_probound_tables(document, frames),
            noncumulative_reference="none",
            symmetry="tied",
        )
    except (InputError, RuntimeError) as error:
        remarks.append(f"the counts of this fit cannot be predicted: {error}")
        return None
    loss.freeze()
    loss.eval()
    return loss


def _example_frames(line: ModelLine) -> list[pd.DataFrame]:
    """For each table a sequence of the right length, which is all that matters."""
    frames = []
    for table, settings in enumerate(line.tables):
        sequence = line.letter_order[0] * int(settings["variableRegionLength"])
        counts = {column: [1] for column in range(len(line.log_depths(table)))}
        frames.append(pd.DataFrame(counts, index=[sequence]))
    return frames


def scoring_layer(mode: Mode) -> Conv1d | Conv0d | None:
    """The layer that scores the windows of a mode; None for a layer of one's own."""
    layers = [each for each in mode.layers if isinstance(each, Conv1d | Conv0d)]
    return layers[-1] if layers else None


# --- choosing -----------------------------------------------------------------------


def select_line(
    path: str | os.PathLike[str],
    *,
    index: int | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Reads one model of a file of ProBound, see ``open_model``.

    Args:
        path: The file.
        index: Which one, by its place.
        name: Which one, by its name.

    Raises:
        InputError: There is no such model, or several are meant.
    """
    path = Path(path)
    try:
        lines = read_probound_lines(path)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None
    if index is not None:
        return lines[checked_index(path, index, len(lines))]
    stages = [str(metadata_of(line).get("fitName", "")) for line in lines]
    if name is not None:
        return lines[_place_of(path, lines, stages, name)]
    final = [i for i, stage in enumerate(stages) if stage.endswith(_FINAL_STAGE)]
    if final:
        return lines[final[-1]]
    if len(lines) > 1 and not any(stages):
        raise InputError(
            f"holds {len(lines)} models; choose one by its fit_id, its gene symbol or"
            " its place, counted from 0",
            path=path,
        )
    return lines[-1]


def _place_of(
    path: Path, lines: Sequence[Mapping[str, Any]], stages: Sequence[str], name: str
) -> int:
    if name in stages:
        return len(stages) - 1 - list(reversed(stages)).index(name)
    if name == "best":
        losses = [_loss_of(line) for line in lines]
        return losses.index(min(losses))
    found = [i for i, line in enumerate(lines) if name.casefold() in _names_of(line)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = [str(metadata_of(lines[i]).get("fit_id", i)) for i in found]
        raise InputError(
            f"{len(found)} models are called {name!r}; choose one by its fit_id:"
            f" {some_of(ids)}",
            path=path,
        )
    known = [stage for stage in stages if stage]
    known = known or [str(metadata_of(line).get("fit_id", "")) for line in lines]
    raise InputError(
        f"there is no model {name!r}; there are: {some_of(known)}", path=path
    )


def _names_of(line: Mapping[str, Any]) -> set[str]:
    """By what a model of MotifCentral may be called, in lower case."""
    metadata = metadata_of(line)
    names = {str(metadata["fit_id"])} if "fit_id" in metadata else set()
    factors = metadata.get("factors")
    symbols = [
        str(factor.get("gene_symbol", ""))
        for factor in (factors if isinstance(factors, list) else [])
        if isinstance(factor, Mapping)
    ]
    if symbols:
        names |= {":".join(symbols).casefold(), *map(str.casefold, symbols)}
    return names


def _loss_of(line: Mapping[str, Any]) -> float:
    value = metadata_of(line).get("logLikelihood")
    return float(value) if isinstance(value, int | float) else math.inf


def some_of(names: Sequence[str]) -> str:
    """Lists the first of some names, for messages.

    Args:
        names: The names.
    """
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def checked_index(path: Path, index: int, number: int) -> int:
    """The place of a model in a file, which may count from the end.

    Args:
        path: The file, for messages.
        index: The place.
        number: How many models the file holds.

    Raises:
        InputError: There is no such place.
    """
    if not -number <= index < number:
        raise InputError(
            f"there is no model {index}: the file holds {number}, counted from 0",
            path=path,
        )
    return index


# --- reading ------------------------------------------------------------------------


@contextmanager
def double_precision() -> Iterator[None]:
    """Parameters that are created meanwhile are in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def errors_in(path: Path) -> Iterator[None]:
    """Names the file in errors about what it holds.

    Args:
        path: The file.

    Raises:
        InputError: The model in it is wrong.
    """
    try:
        yield
    except InputError as error:
        if error.path is not None:
            raise
        raise InputError(error.message, path=path, key=error.key) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the model is incomplete or malformed ({error!r})", path=path
        ) from None
