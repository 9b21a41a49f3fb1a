"""What a model of ProBound says, with its defaults and lists written out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .files import Fit

FloatArray = npt.NDArray[np.float64]


class ModelLine:
    """A reader of one model of ProBound.

    Modes, interactions and tables are counted from 0, in the order of the file. A
    mode or an interaction that the fit had not yet included at this stage is no
    member of any experiment.

    Args:
        fit: The model, as read from JSON.

    Raises:
        InputError: A value that is asked for, here or later, is missing; the message
            names its place.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.settings: Fit = self._value("modelSettings")

    def _value(self, *path: str | int) -> Any:
        """The value at a place of the model."""
        value: Any = self._fit
        for depth, step in enumerate(path, 1):
            try:
                value = value[step]
            except (LookupError, TypeError):
                raise InputError(
                    "the model does not have this value", key=_written(path[:depth])
                ) from None
        return value

    # --- letters -----------------------------------------------------------------

    @cached_property
    def complement_pairs(self) -> list[tuple[str, str]]:
        """The pairs of letters that pair, in the order of the file; none if unknown.

        Raises:
            InputError: ``letterComplement`` is not a list such as ``C-G,A-T``.
        """
        text = self.settings.get("letterComplement") or ""
        pairs = []
        for item in filter(None, (part.strip() for part in text.split(","))):
            first, dash, second = item.partition("-")
            if not (dash and len(first) == len(second) == 1):
                raise InputError(
                    f"expected pairs of letters such as 'C-G,A-T', found {text!r}",
                    key="modelSettings.letterComplement",
                )
            pairs.append((first, second))
        return pairs

    @cached_property
    def letter_order(self) -> str:
        """The letters in the order of the coefficients."""
        order = self.settings.get("letterOrder")
        if order:
            return str(order)
        paired = {letter for pair in self.complement_pairs for letter in pair}
        return "".join(sorted(paired)) or "ACGT"

    # --- modes -------------------------------------------------------------------

    @property
    def n_modes(self) -> int:
        """The number of binding modes."""
        return len(self._modes)

    @property
    def _modes(self) -> Sequence[Fit]:
        modes: Sequence[Fit] = self._value("modelSettings", "bindingModes")
        return modes

    def mode_name(self, mode: int) -> str:
        """The name of a mode; empty if it has none."""
        return str(self._modes[mode].get("componentName", ""))

    def size(self, mode: int) -> int:
        """The number of positions of the motif of a mode; 0 if it is non-specific."""
        return int(self._value("modelSettings", "bindingModes", mode, "size"))

    def flank_length(self, mode: int) -> int:
        """The number of letters of each flank that a mode scores."""
        return int(self._modes[mode].get("flankLength", 0))

    def pair_distance(self, mode: int) -> int:
        """The greatest distance of the letters of a pair that fits into the motif."""
        requested = int(self._modes[mode].get("dinucleotideDistance", 0))
        return max(0, min(requested, self.size(mode) - 1))

    def symmetry_string(self, mode: int) -> str:
        """What ties the positions of a motif; ``null`` for nothing."""
        constraints = self._fit.get("modelFittingConstraints") or {}
        modes = constraints.get("bindingModes") or []
        if mode >= len(modes):
            return "null"
        return str(modes[mode].get("symmetryString", "null"))

    def is_single_stranded(self, mode: int) -> bool:
        """Whether a mode scores the forward strand alone."""
        return bool(self._modes[mode].get("singleStrand", False))

    def has_position_bias(self, mode: int) -> bool:
        """Whether a mode has a bias of windows."""
        return bool(self._modes[mode].get("positionBias", False)) and (
            self.size(mode) > 0
        )

    def mode_values(self, mode: int) -> Fit:
        """The coefficients of a mode."""
        values: Fit = self._value("coefficients", "bindingModes", mode)
        return values

    def monomers(self, mode: int) -> FloatArray:
        """The values of single letters, of shape (positions, letters)."""
        shape = (self.size(mode), len(self.letter_order))
        values = self.mode_values(mode).get("mononucleotide", [])
        return _shaped(values, shape, f"bindingModes[{mode}].mononucleotide")

    def pairs(self, mode: int, distance: int) -> FloatArray:
        """The values of pairs at a distance, of shape (pairs, letters, letters)."""
        n = len(self.letter_order)
        shape = (self.size(mode) - distance, n, n)
        key = f"bindingModes[{mode}].dinucleotide"
        stored = self.mode_values(mode).get("dinucleotide", [])
        if len(stored) < distance:
            raise InputError(
                f"expected pairs up to distance {distance}, found {len(stored)}"
                " distances",
                key=f"coefficients.{key}",
            )
        return _shaped(stored[distance - 1], shape, f"{key}[{distance - 1}]")

    def position_bias(self, mode: int, table: int) -> Any:
        """The bias of windows in an experiment, as stored, by strand."""
        return self._value("coefficients", "bindingModes", mode, "positionBias", table)

    def mode_is_active(self, mode: int) -> bool:
        """Whether the fit had included the mode at this stage."""
        return bool(self._modes[mode].get("includeComponent", True))

    # --- interactions ------------------------------------------------------------

    @property
    def interactions(self) -> Sequence[Fit]:
        """The settings of the interactions."""
        found: Sequence[Fit] = self.settings.get("bindingModeInteractions", [])
        return found

    def position_matrix(self, interaction: int, table: int) -> Any:
        """The values of pairs of windows in an experiment, as stored."""
        key = "bindingModeInteractions"
        return self._value("coefficients", key, interaction, "positionMatrix", table)

    def partners(self, interaction: int) -> tuple[int, int]:
        """The two modes of an interaction."""
        key = "bindingModeInteractions"
        first, second = self._value("modelSettings", key, interaction, "bindingModes")
        return int(first), int(second)

    def interaction_is_active(self, interaction: int) -> bool:
        """Whether the fit had included the interaction and its modes."""
        settings = self.interactions[interaction]
        return bool(settings.get("includeComponent", True)) and all(
            map(self.mode_is_active, self.partners(interaction))
        )

    # --- tables and experiments --------------------------------------------------

    @property
    def tables(self) -> Sequence[Fit]:
        """The settings of the count tables."""
        found: Sequence[Fit] = self.settings.get("countTable", [])
        return found

    def enrichment(self, table: int) -> Fit:
        """The settings of the selection in an experiment."""
        settings: Fit = self._value("modelSettings", "enrichmentModel", table)
        return settings

    def model_type(self, table: int) -> str:
        """The name of the selection in an experiment."""
        return str(self._value("modelSettings", "enrichmentModel", table, "modelType"))

    def round_value(self, name: str, table: int, column: int) -> float:
        """A coefficient of the selection that a column has, such as ``rho``."""
        return float(
            self._value("coefficients", "enrichmentModel", table, name, column)
        )

    def log_activity(self, kind: str, index: int, table: int, column: int) -> float:
        """The log activity of a mode or an interaction in a column of a table.

        Args:
            kind: ``bindingModes`` or ``bindingModeInteractions``.
            index: The place of the mode or interaction.
            table: The place of the table.
            column: The column of the table.
        """
        return float(
            self._value("coefficients", kind, index, "activity", table, column)
        )

    def stored_activity(self, kind: str, index: int) -> Any:
        """The log activities of a mode or an interaction by table and column.

        Args:
            kind: See ``log_activity``.
            index: See ``log_activity``.
        """
        return self._value("coefficients", kind, index).get("activity")

    def log_depths(self, table: int) -> list[float]:
        """The log of the depth of every column of a table."""
        return [float(h) for h in self._value("coefficients", "countTable", table, "h")]

    def modeled_columns(self, table: int, n_columns: int) -> list[int]:
        """The columns that take part in the likelihood, of a table of so many.

        Raises:
            InputError: A column does not exist.
        """
        columns = self.tables[table].get("modeledColumns", [-1]) if self.tables else ()
        chosen = _expanded(columns or [-1], n_columns)
        if not all(0 <= column < n_columns for column in chosen):
            raise InputError(
                f"the columns {chosen} do not all exist: there are {n_columns}, counted"
                " from 0",
                key=f"modelSettings.countTable[{table}].modeledColumns",
            )
        return chosen

    def member_modes(self, table: int, column: int) -> list[int]:
        """The modes that are active in a column of a table."""
        return [
            mode
            for mode in self._members(table, column, "BindingModes", self.n_modes)
            if self.mode_is_active(mode)
        ]

    def member_interactions(self, table: int, column: int) -> list[int]:
        """The interactions that are active in a column of a table."""
        members = self._members(
            table, column, "BindingModeInteractions", len(self.interactions)
        )
        return [member for member in members if self.interaction_is_active(member)]

    def _members(self, table: int, column: int, kind: str, n: int) -> list[int]:
        enrichment = self.enrichment(table)
        members = _expanded(enrichment.get(kind[0].lower() + kind[1:], [-1]), n)
        by_column = enrichment.get(f"roundSpecific{kind}", [[]])
        if any(by_column):
            chosen = set(_expanded(by_column[column], n))
            members = [member for member in members if member in chosen]
        return members


def _expanded(indices: Sequence[int], n: int) -> list[int]:
    """Indices, in which -1 alone stands for all."""
    numbers = [int(index) for index in indices]
    return list(range(n)) if numbers == [-1] else numbers


def _written(path: Sequence[str | int]) -> str:
    """A place in a model, such as ``coefficients.bindingModes[1].activity``."""
    return "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path
    ).removeprefix(".")


def _shaped(values: Any, shape: tuple[int, ...], key: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.size != np.prod(shape):
        raise InputError(
            f"expected {' x '.join(map(str, shape))} numbers, found {array.size}",
            key=f"coefficients.{key}",
        )
    return array.reshape(shape)
