"""The arguments of a compiled kernel as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arguments import check_length_index, invalid_code
from .plan import MOST_ENTRIES
from .tables import Parameters, Tables
from .tiles import INVALID, TOO_LONG, Rows

Codes: TypeAlias = npt.NDArray[np.int8]
Indices: TypeAlias = npt.NDArray[np.intp]

_FEW_ROWS = 4096
_FEW_ENTRIES = 256
"""For few rows, filling large tables would take longer than using them saves."""
_SAMPLE = 256


@dataclass(frozen=True)
class Problem:
    """The arguments of a kernel as arrays."""

    codes: Codes  # (N, L)
    parameters: Parameters
    distances: tuple[int, ...]
    dilation: int
    windows: int
    kind: np.dtype[Any]

    def chosen(self, members: Indices | None) -> Codes:
        """Codes of some rows, of all if ``None``."""
        return self.codes if members is None else self.codes[members]

    def rows(self, members: Indices | None, tables: Tables) -> Rows:
        """Some rows for the compiled loops."""
        return Rows(
            codes=self.chosen(members).reshape(-1),
            length=self.codes.shape[1],
            letters=self.parameters.monomer.shape[1],
            extended=tables.extended,
            size=self.parameters.monomer.shape[2],
            dilation=self.dilation,
            windows=self.windows,
        )

    def tables(
        self,
        make: Callable[..., Tables],
        rows: int,
        extended: bool,
        kind: np.dtype[Any] | None = None,
    ) -> Tables:
        """Tables fit for a number of rows."""
        # Parameters that are infinite or not numbers give scores that are, too.
        with np.errstate(all="ignore"):
            return make(
                self.parameters,
                self.distances,
                self.windows,
                self.dilation,
                self.kind if kind is None else kind,
                extended,
                _FEW_ENTRIES if rows < _FEW_ROWS else MOST_ENTRIES,
            )

    def mostly_special(self) -> bool:
        """Whether most rows, to judge by a sample, hold a wildcard or a zero code."""
        sample = self.codes[:: max(1, len(self.codes) // _SAMPLE)]
        special = (sample > self.parameters.monomer.shape[1]).any(1)
        return bool(2 * special.sum() > len(special))

    def check(self, members: Indices | None, status: npt.NDArray[np.uint8]) -> None:
        """Raises the error that belongs to a row's status, if any."""
        if not status.any():
            return
        letters = self.parameters.monomer.shape[1]
        if (status == INVALID).any():
            raise invalid_code(letters)
        if (status == TOO_LONG).any():
            known = (self.chosen(members)[status == TOO_LONG] != letters).sum(1)
            check_length_index(int(known.max()), len(self.parameters.constants))
