"""What ProBound must know about a count table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..table import CountTable


@dataclass(frozen=True)
class TableSettings:
    """A count table, as a fit of ProBound describes it.

    Attributes:
        name: Its name.
        path: The file.
        n_columns: The number of columns of counts.
        variable_length: The length of the sequences; the greatest, if they differ.
        left_flank: The constant letters before the sequences.
        right_flank: Those behind them.
        left_flank_length: How many letters of the left flank the table includes.
        right_flank_length: How many letters of the right flank it includes.
        has_one_length: Whether all sequences have the same length.
        transliterate: The texts that are replaced in the sequences.
    """

    name: str
    path: str
    n_columns: int
    variable_length: int
    left_flank: str = ""
    right_flank: str = ""
    left_flank_length: int = 0
    right_flank_length: int = 0
    has_one_length: bool = True
    transliterate: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_table(cls, table: CountTable, path: str, name: str = "") -> TableSettings:
        """Describes a table.

        Args:
            table: The table.
            path: Its file.
            name: Its name.
        """
        return cls(
            name,
            path,
            table.target.shape[1],
            table.max_variable_length,
            table.left_flank,
            table.right_flank,
            table.left_flank_length,
            table.right_flank_length,
            table.min_variable_length == table.max_variable_length,
        )

    def settings(self, place: int, remarks: list[str]) -> dict[str, Any]:
        """Its entry in ``modelSettings``.

        Args:
            place: Its place among the tables.
            remarks: Receives what ProBound will not read.
        """
        kind = "tsv.gz" if self.path.endswith(".gz") else "tsv"
        key = f"table {self.name or place!r}"
        if not self.path.removesuffix(".gz").endswith((".tsv", ".txt")):
            remarks.append(
                f"{key}: ProBound reads tables of tab-separated text, not {self.path}"
            )
        if not self.has_one_length:
            remarks.append(
                f"{key}: ProBound reads sequences of one length; written is the"
                f" greatest, {self.variable_length}"
            )
        return {
            "componentName": self.name or f"Count table {place}",
            "countTableFile": self.path,
            "inputFileType": kind,
            "nColumns": self.n_columns,
            "modeledColumns": list(range(self.n_columns)),
            "variableRegionLength": self.variable_length,
            "leftFlank": self.left_flank,
            "rightFlank": self.right_flank,
            "transliterate": {
                "in": list(self.transliterate),
                "out": list(self.transliterate.values()),
            },
            "probeBias": True,
            "errorModel": "Poisson",
            "testFolds": [],
            "includeComponent": True,
        }
