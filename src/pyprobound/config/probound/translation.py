"""What one translation collects: values, remarks, and what cannot be expressed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..base import Key
from ..fit import describe_key
from . import schema
from .checks import active_in_column, member_interactions, member_modes, modeled_columns
from .config import ProBoundFile
from .remarks import Kind, Remark


@dataclass
class Translation:
    """A translation in the making.

    Attributes:
        file: The configuration that is translated.
        empty_columns: For each table the columns that have no reads, if known.
        remarks: What the user should know.
        missing: What cannot be expressed, by setting.
    """

    file: ProBoundFile
    empty_columns: dict[int, list[int]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    missing: list[tuple[Key, str]] = field(default_factory=list)

    @property
    def settings(self) -> schema.ModelSettings:
        """What is modelled."""
        return self.file.config.model_settings

    @property
    def n_tables(self) -> int:
        """The number of tables."""
        return len(self.settings.count_table)

    def note(self, key: Key, message: str, kind: Kind = "note") -> None:
        """Adds a remark about a setting."""
        self.remarks.append(Remark.at(self.file.document, key, message, kind))

    def lack(self, key: Key, message: str) -> None:
        """Adds a setting that cannot be expressed."""
        self.missing.append((key, message))

    def raise_missing(self) -> None:
        """Raises an error that lists everything that cannot be expressed.

        Raises:
            InputError: There is such a thing.
        """
        if not self.missing:
            return
        document = self.file.document
        lines = []
        for key, message in self.missing:
            line = document.line_of(key)
            place = "" if line is None else f" (line {line})"
            lines.append(f"  {describe_key(key)}{place}: {message}")
        n = len(lines)
        raise InputError(
            f"{n} setting{'s' if n > 1 else ''} of ProBound cannot be expressed"
            " here, so that another model would be fitted:\n" + "\n".join(lines),
            path=document.path,
        )

    # --- constraints, with defaults where the lists are too short ------------------

    def mode_constraints(self, mode: int) -> schema.BindingModeConstraints:
        """How a mode is fitted."""
        parts = self.file.config.model_fitting_constraints.binding_modes
        return parts[mode] if mode < len(parts) else schema.BindingModeConstraints()

    def interaction_constraints(self, place: int) -> schema.InteractionConstraints:
        """How an interaction is fitted."""
        parts = self.file.config.model_fitting_constraints.binding_mode_interactions
        return parts[place] if place < len(parts) else schema.InteractionConstraints()

    def enrichment_constraints(self, place: int) -> schema.EnrichmentModelConstraints:
        """What is trained in the selection of a table."""
        parts = self.file.config.model_fitting_constraints.enrichment_model
        if place < len(parts):
            return parts[place]
        return schema.EnrichmentModelConstraints()

    def enrichment_seed(self, place: int) -> schema.EnrichmentModelSeed:
        """The first values of a selection."""
        seeding = self.file.config.model_seeding
        parts = seeding.enrichment_model if seeding else None
        if parts and place < len(parts):
            return parts[place]
        return schema.EnrichmentModelSeed()

    def mode_seed(self, place: int) -> schema.BindingModeSeed:
        """The first values of a mode."""
        seeding = self.file.config.model_seeding
        parts = seeding.binding_modes if seeding else None
        if parts and place < len(parts):
            return parts[place]
        return schema.BindingModeSeed()

    # --- members -------------------------------------------------------------------

    def tables_of_mode(self, mode: int) -> list[int]:
        """The tables that a mode scores."""
        config = self.file.config
        return [e for e in range(self.n_tables) if mode in member_modes(config, e)]

    def active_modes(self, experiment: int, column: int) -> list[int]:
        """The modes that act in a column of a table."""
        members = member_modes(self.file.config, experiment)
        model = self.settings.enrichment_model[experiment]
        return active_in_column(members, model.round_specific_binding_modes, column)

    def active_interactions(self, experiment: int, column: int) -> list[int]:
        """The interactions that act in a column of a table."""
        members = member_interactions(self.file.config, experiment)
        model = self.settings.enrichment_model[experiment]
        by_column = model.round_specific_binding_mode_interactions
        return active_in_column(members, by_column, column)

    def observed_columns(self, experiment: int) -> list[int]:
        """The columns that are compared: modelled ones that have reads."""
        table = self.settings.count_table[experiment]
        empty = self.empty_columns.get(experiment, [])
        return [each for each in sorted(modeled_columns(table)) if each not in empty]

    def selected_columns(self, experiment: int) -> list[int]:
        """The columns whose own enrichment matters for those that are compared."""
        columns = self.observed_columns(experiment)
        if not self.settings.enrichment_model[experiment].is_cumulative:
            return columns
        return list(range(1, max(columns, default=0) + 1))

    # --- names ---------------------------------------------------------------------

    @cached_property
    def table_names(self) -> list[str]:
        """A name for each table, after its file."""
        names: list[str] = []
        for place, table in enumerate(self.settings.count_table):
            stem = Path(table.count_table_file.partition(",")[0]).name
            stem = re.sub(r"(\.tsv|\.txt|\.csv)?(\.gz)?$", "", stem)
            name = re.sub(r"[\s/\\]+", "_", stem).strip("_") or f"table{place}"
            names.append(name if name not in names else f"{name}_{place}")
        return names


def mode_name(place: int) -> str:
    """The name of a mode: ProBound knows it by its place."""
    return f"mode{place}"


def interaction_name(place: int) -> str:
    """The name of an interaction."""
    return f"interaction{place}"


def settings_key(*key: str | int) -> Key:
    """The path of a setting of the model."""
    return ("modelSettings", *key)


def constraints_key(*key: str | int) -> Key:
    """The path of a setting of the fit."""
    return ("modelFittingConstraints", *key)


Values = dict[str, Any]
