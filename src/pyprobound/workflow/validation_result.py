"""What comes out of a comparison of a model with measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._version import __version__
from ..fitting import Fit, LogFit
from ..fitting.curves import LINEAR_SCALE, N_PARAMETERS, Curve, CurveKind, fit_curve
from ..fitting.measures import Measure
from ..io.measurements import Measurements
from ..plotting.statistics import correlation, rank_correlation
from ..plotting.style import FloatArray, new_figure
from .validation_model import ChosenModel, Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ValidationOptions:
    """How a model is compared with measurements.

    Attributes:
        measure: What was measured.
        curve: What relates predictions to measurements; by default an offset, and a
            signal for intensities.
        selection: Which part of the model is used.
        left_flank: Letters in front of every sequence of the table.
        right_flank: Letters behind every sequence.
        title: The title of the figure.
    """

    measure: Measure
    curve: CurveKind | None = None
    selection: Selection = field(default_factory=Selection)
    left_flank: str = ""
    right_flank: str = ""
    title: str = ""


@dataclass(frozen=True, eq=False)
class Validation:
    """A model next to measurements.

    Attributes:
        measurements: The measurements.
        options: How they were compared.
        chosen: What of the model was used.
        log_z: The predicted log affinities, without offset, of shape (rows,).
        curve: The fitted curve.
        observed: What was compared, in RT, or intensities on a linear scale.
        predicted: The same as predicted.
        fit: The model with the curve, for figures.
    """

    measurements: Measurements
    options: ValidationOptions
    chosen: ChosenModel
    log_z: FloatArray
    curve: Curve
    observed: FloatArray
    predicted: FloatArray
    fit: Fit | LogFit

    @property
    def is_linear(self) -> bool:
        """Whether intensities are compared on a linear scale."""
        return self.curve.kind in LINEAR_SCALE

    @property
    def predicted_values(self) -> FloatArray:
        """The predictions in the unit of the table."""
        if self.is_linear:
            return self.predicted
        return self.options.measure.values_of(self.predicted)

    def statistics(self) -> dict[str, float | int | None]:
        r"""How well the predictions agree with the measurements.

        The first three describe what was compared: log affinities in RT, or
        intensities on a linear scale. They are not weighted by errors.

        - ``r_squared``: :math:`1 - \sum (o - p)^2 / \sum (o - \bar o)^2`, of the
          fitted curve; negative if the mean of the measurements predicts better.
        - ``pearson`` and ``spearman``: the correlations of :math:`o` and :math:`p`.
        - ``rmse_rt``: the root mean square of :math:`o - p` in RT; of intensities,
          that of their logs, or None if one is not positive.
        - ``rmse``: the same in the unit of the table: of the values themselves.
        - ``chi_squared_per_degree``: the mean square of :math:`(o - p)` over its
          error, for each degree of freedom, if there are errors.
        - ``line_scale``, ``line_offset``: the line through the measurements against
          :math:`\log Z`. For a good model on the scale of energies, its slope is 1.

        Values that do not exist, such as correlations with a constant, are None.
        """
        residuals = self.observed - self.predicted
        spread = float(((self.observed - self.observed.mean()) ** 2).sum())
        squares = float((residuals**2).sum())
        line = _line(self.log_z, self.observed)
        values = self.measurements.values
        with np.errstate(over="ignore"):
            rmse = _root_mean_square(values - self.predicted_values)
        found: dict[str, float | None] = {
            "r_squared": 1 - squares / spread if spread > 0 else None,
            "pearson": correlation(self.observed, self.predicted),
            "spearman": rank_correlation(self.observed, self.predicted),
            "rmse_rt": self._rmse_rt(),
            "rmse": rmse,
            "chi_squared_per_degree": self._chi_squared(residuals),
            "line_scale": line[0],
            "line_offset": line[1],
        }
        return {"n_sequences": len(values)} | {
            name: _plain(value) for name, value in found.items()
        }

    def _rmse_rt(self) -> float | None:
        if not self.is_linear:
            return _root_mean_square(self.observed - self.predicted)
        if min(self.observed.min(), self.predicted.min()) <= 0:
            return None
        return _root_mean_square(np.log(self.observed) - np.log(self.predicted))

    def _chi_squared(self, residuals: FloatArray) -> float | None:
        errors = errors_of(self.measurements, self.options.measure, self.is_linear)
        freedom = len(residuals) - N_PARAMETERS[self.curve.kind]
        if errors is None or freedom < 1:
            return None
        return float(((residuals / errors) ** 2).sum()) / freedom

    def table(self) -> pd.DataFrame:
        """One row for each sequence, see the page of ``pyprobound validate``."""
        columns: dict[str, Any] = {
            "line": self.measurements.lines,
            "sequence": self.measurements.sequences,
            "measured": self.measurements.values,
        }
        if self.measurements.errors is not None:
            columns["error"] = self.measurements.errors
        columns["predicted"] = self.predicted_values
        columns["log_affinity"] = self.log_z
        suffix = "" if self.is_linear else "_rt"
        columns["observed" + suffix] = self.observed
        columns["fitted" + suffix] = self.predicted
        columns["residual" + suffix] = self.observed - self.predicted
        return pd.DataFrame(columns)

    def summary(self) -> dict[str, Any]:
        """What ``validation.json`` holds."""
        measure, opened = self.options.measure, self.chosen.opened
        experiment, column = self.chosen.experiment, self.chosen.column
        return {
            "statistics": self.statistics(),
            "curve": {
                "kind": self.curve.kind,
                "offset": self.curve.offset,
                "scale": self.curve.scale,
                "background": self.curve.background,
            },
            "scale": "linear" if self.is_linear else "RT",
            "measurements": {
                "path": str(self.measurements.path),
                "sha256": self.measurements.sha256,
                "kind": measure.kind,
                "unit": measure.unit,
                "temperature": measure.temperature if measure.rt != 1 else None,
                "rt": measure.rt if measure.kind == "ddg" else None,
                "flip_sign": measure.flip_sign,
                "columns": vars(self.measurements.columns),
                "skipped": dict(self.measurements.skipped),
                "left_flank": self.options.left_flank,
                "right_flank": self.options.right_flank,
            },
            "model": {
                "path": str(opened.path),
                "kind": opened.kind,
                "modes": [mode.name for mode in self.chosen.modes],
                "log_activities": list(self.chosen.activities),
                "interactions": [pair.name for pair in self.chosen.pairs],
                "experiment": experiment,
                "column": column,
                "remarks": list(self.chosen.remarks),
            },
            "version": __version__,
        }

    def plot(self) -> Figure:
        """Draws the measurements against the predictions."""
        figure = new_figure(5.4, 5.2)
        ax = figure.subplots()
        label = self.options.measure.label
        is_log = isinstance(self.fit, LogFit)
        self.fit.plot(
            f"Predicted {label}", f"Measured {label}", xlog=is_log, ylog=is_log, ax=ax
        )
        ends = ax.get_xlim()
        ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
        statistics = self.statistics()
        texts = [("$R^2$", statistics["r_squared"], "")]
        if self.is_linear:
            texts.append(("RMSE", statistics["rmse"], ""))
        else:
            texts.append(("RMSE", statistics["rmse_rt"], " RT"))
        ax.text(
            0.97,
            0.03,
            "\n".join(
                f"{name} = {value:.3g}{unit}"
                for name, value, unit in texts
                if value is not None
            ),
            transform=ax.transAxes,
            horizontalalignment="right",
            verticalalignment="bottom",
        )
        return figure


def errors_of(
    measurements: Measurements, measure: Measure, is_linear: bool
) -> FloatArray | None:
    """The errors of what is compared, if there are any.

    Args:
        measurements: The measurements.
        measure: What was measured.
        is_linear: Whether intensities are compared on a linear scale.
    """
    if measurements.errors is None or is_linear:
        return measurements.errors
    return measure.errors_of(measurements.values, measurements.errors)


def _line(x: FloatArray, y: FloatArray) -> tuple[float | None, float | None]:
    """Slope and intercept of the line of least squares."""
    try:
        line = fit_curve("linear", x, y)
    except ValueError:
        return None, None
    return line.scale, line.offset


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))


def _plain(value: float | None) -> float | None:
    """A number as JSON knows it: None for what is not finite."""
    return value if value is not None and math.isfinite(value) else None
