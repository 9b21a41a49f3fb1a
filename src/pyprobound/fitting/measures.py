r"""Kinds of measurements, and what they say about the affinity.

Everything is compared on one scale, the natural log of the affinity, :math:`x = \ln
K_a`, which is an energy in units of RT up to its sign and a constant:

=============  ==================================================
kind           :math:`x` for the value :math:`y`
=============  ==================================================
affinity       :math:`\ln y`
kd             :math:`-\ln y`
ddg            :math:`-y` / RT, with y and RT in the same unit
log-affinity   :math:`y`, or times :math:`\ln 2` or :math:`\ln 10`
intensity      :math:`\ln y`, or :math:`y` itself on a linear scale
=============  ==================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..plotting.style import FloatArray

Kind = Literal["affinity", "kd", "ddg", "log-affinity", "intensity"]
Unit = Literal["RT", "kcal/mol", "kJ/mol", "ln", "log2", "log10"]

KINDS: tuple[Kind, ...] = get_args(Kind)
UNITS: tuple[Unit, ...] = get_args(Unit)
UNITS_OF: dict[Kind, tuple[Unit, ...]] = {
    "ddg": ("RT", "kcal/mol", "kJ/mol"),
    "log-affinity": ("ln", "log2", "log10"),
}
"""The units of the kinds that have any."""

GAS_CONSTANT: dict[Unit, float] = {
    "kcal/mol": 8.31446261815324 / 4184,
    "kJ/mol": 8.31446261815324 / 1000,
}
"""R per kelvin, in kcal/mol (thermochemical calories) and kJ/mol."""
ABSOLUTE_ZERO = -273.15
DEFAULT_TEMPERATURE = 25.0
"""In degrees Celsius."""

_BASES = {"ln": 1.0, "log2": math.log(2), "log10": math.log(10)}
_SYMBOLS = {"affinity": "affinity", "kd": "Kd", "intensity": "intensity"}


@dataclass(frozen=True)
class Measure:
    r"""What was measured.

    Attributes:
        kind: The kind of measurement. Constants need no unit: an offset is fitted.
        unit: The unit of energies, or the base of logs.
        temperature: That of energies in kcal/mol or kJ/mol, in degrees Celsius.
        flip_sign: Whether energies or logs have the opposite sign, as
            :math:`-\Delta\Delta G` or the log of a Kd have.

    Raises:
        ValueError: The kind needs a unit that is missing, has none, or the temperature
            is below absolute zero.
    """

    kind: Kind
    unit: Unit | None = None
    temperature: float = DEFAULT_TEMPERATURE
    flip_sign: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind must be one of {', '.join(KINDS)}")
        units = UNITS_OF.get(self.kind, ())
        if units and self.unit not in units:
            raise ValueError(
                f"values of the kind {self.kind} need a unit: one of {', '.join(units)}"
            )
        if not units and self.unit is not None:
            raise ValueError(
                f"values of the kind {self.kind} take no unit: it is part of the offset"
            )
        if self.flip_sign and not units:
            raise ValueError(f"values of the kind {self.kind} have no sign to flip")
        if not ABSOLUTE_ZERO < self.temperature < 1000:
            raise ValueError(
                f"a temperature of {self.temperature:g} degrees Celsius is impossible"
            )

    @property
    def is_log(self) -> bool:
        """Whether values are logs or energies, rather than positive numbers."""
        return self.kind in UNITS_OF

    @property
    def factor(self) -> float:
        """Log affinity, in RT, per unit of an energy or a log; signed."""
        sign = -1.0 if self.flip_sign else 1.0
        if self.kind == "log-affinity":
            return sign * _BASES[str(self.unit)]
        if self.kind == "ddg":
            return -sign / self.rt
        return -1.0 if self.kind == "kd" else 1.0

    @property
    def rt(self) -> float:
        """RT in the unit of energies."""
        if self.unit is None or self.unit not in GAS_CONSTANT:
            return 1.0
        return GAS_CONSTANT[self.unit] * (self.temperature - ABSOLUTE_ZERO)

    def log_affinity(self, values: FloatArray) -> FloatArray:
        """The log affinity of measured values, in RT.

        Args:
            values: Of any shape; not a number where there is no log.
        """
        if self.is_log:
            return self.factor * values
        with np.errstate(invalid="ignore", divide="ignore"):
            logs: FloatArray = np.log(np.where(values > 0, values, np.nan))
        return self.factor * logs

    def errors_of(self, values: FloatArray, errors: FloatArray) -> FloatArray:
        """The errors of log affinities, in RT, to first order.

        Args:
            values: The values.
            errors: Their errors.
        """
        if self.is_log:
            return abs(self.factor) * errors
        return errors / values

    def values_of(self, log_affinity: FloatArray) -> FloatArray:
        """What would be measured for log affinities, the inverse of ``log_affinity``.

        Args:
            log_affinity: In RT.
        """
        values = log_affinity / self.factor
        return values if self.is_log else np.exp(values)

    @property
    def label(self) -> str:
        """What the values are, for the axis of a figure."""
        if self.kind == "ddg":
            sign = "-" if self.flip_sign else ""
            return rf"${sign}\Delta\Delta G$ ({self.unit})"
        if self.kind == "log-affinity":
            base = {"ln": r"\ln", "log2": r"\log_2", "log10": r"\log_{10}"}
            what = r"K_D" if self.flip_sign else r"K_A"
            return rf"${base[str(self.unit)]}\, {what}$"
        return _SYMBOLS[self.kind]
