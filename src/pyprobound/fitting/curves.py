r"""What relates predicted to measured log affinities: curves with few parameters.

Each is linear in all parameters but one at most, so its least squares are found
exactly for given values of that one, which is found by a search along a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..plotting.style import FloatArray

CurveKind = Literal["offset", "linear", "background", "signal", "saturation"]

CURVES: tuple[CurveKind, ...] = get_args(CurveKind)
LINEAR_SCALE: tuple[CurveKind, ...] = ("signal", "saturation")
"""The curves of intensities on a linear scale; the others are of log affinities."""
N_PARAMETERS: dict[CurveKind, int] = {
    "offset": 1,
    "linear": 2,
    "background": 2,
    "signal": 2,
    "saturation": 3,
}

# How far beyond the predictions the bend of a curve may lie, in RT, and the number of
# places where it is looked for at first.
_MARGIN = 8.0
_N_PLACES = 61

# Best parameters and predictions for one place of the bend.
_Solution = tuple[tuple[float, float], FloatArray]


@dataclass(frozen=True)
class Curve:
    r"""A fitted curve, with predicted log affinities :math:`z`.

    ============  ====================================================
    offset        :math:`x = z + c`
    linear        :math:`x = a z + c`
    background    :math:`x = \ln(e^{z + c} + e^b)`
    signal        :math:`y = b + a \, e^{z + c}`
    saturation    :math:`y = b + a \, e^{z + c} / (1 + e^{z + c})`
    ============  ====================================================

    Attributes:
        kind: Which one.
        offset: :math:`c`; for a signal minus the greatest :math:`z`, so that
            :math:`a` is the signal of the best sequence.
        scale: :math:`a`.
        background: :math:`b`; None if there is none.
    """

    kind: CurveKind
    offset: float = 0.0
    scale: float = 1.0
    background: float | None = None

    def __call__(self, log_z: FloatArray) -> FloatArray:
        """Predicts log affinities or intensities.

        Args:
            log_z: Predicted log affinities, of any shape.
        """
        base = 0.0 if self.background is None else self.background
        if self.kind == "background":
            return np.logaddexp(log_z + self.offset, base)
        if self.kind == "signal":
            return base + self.scale * np.exp(log_z + self.offset)
        if self.kind == "saturation":
            return base + self.scale * _sigmoid(log_z + self.offset)
        return self.scale * log_z + self.offset


def fit_curve(
    kind: CurveKind,
    log_z: FloatArray,
    observed: FloatArray,
    weights: FloatArray | None = None,
) -> Curve:
    """Fits a curve by least squares.

    Args:
        kind: Which one.
        log_z: Predicted log affinities, in RT, of shape (rows,).
        observed: Measured log affinities, or intensities for the curves of
            ``LINEAR_SCALE``.
        weights: The weights of the squares; all equal by default.

    Raises:
        ValueError: There are fewer rows than parameters, or the curve has a slope and
            all predictions are equal.
    """
    if len(log_z) < N_PARAMETERS[kind]:
        raise ValueError(
            f"the curve {kind!r} has {N_PARAMETERS[kind]} parameters, but there are"
            f" {len(log_z)} measurements"
        )
    if kind != "offset" and np.ptp(log_z) == 0:
        raise ValueError(
            "all sequences have the same predicted affinity, so that only an offset can"
            " be fitted"
        )
    weights = np.ones(len(log_z)) if weights is None else weights
    weights = weights / weights.mean()
    if kind == "offset":
        return Curve(kind, float(np.average(observed - log_z, weights=weights)))
    if kind == "linear":
        (offset, scale), _ = _line(log_z, observed, weights)
        return Curve(kind, offset, scale)
    if kind == "signal":
        shift = float(log_z.max())
        (base, scale), _ = _line(np.exp(log_z - shift), observed, weights)
        return Curve(kind, -shift, scale, base)
    if kind == "background":

        def floor(place: float) -> _Solution:
            shape = np.logaddexp(log_z, place)
            offset = float(np.average(observed - shape, weights=weights))
            return (offset, offset + place), shape + offset

        _, (offset, base) = _best(floor, log_z, observed, weights)
        return Curve(kind, offset, 1.0, base)

    def occupancy(place: float) -> _Solution:
        return _line(_sigmoid(log_z - place), observed, weights)

    middle, (base, scale) = _best(occupancy, log_z, observed, weights)
    return Curve(kind, -middle, scale, base)


def _sigmoid(values: FloatArray) -> FloatArray:
    result: FloatArray = 0.5 * (1 + np.tanh(0.5 * values))
    return result


def _line(x: FloatArray, y: FloatArray, weights: FloatArray) -> _Solution:
    """Intercept and slope."""
    center_x, center_y = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = float((weights * (x - center_x) ** 2).sum())
    product = float((weights * (x - center_x) * (y - center_y)).sum())
    slope = product / spread if spread > 0 else 0.0
    intercept = float(center_y - slope * center_x)
    return (intercept, slope), intercept + slope * x


def _best(
    solve: Callable[[float], _Solution],
    log_z: FloatArray,
    observed: FloatArray,
    weights: FloatArray,
) -> tuple[float, tuple[float, float]]:
    """The place of the bend with the least squares, and the parameters there."""
    from scipy.optimize import minimize_scalar

    def loss(place: float) -> float:
        return float((weights * (observed - solve(place)[1]) ** 2).sum())

    low, high = float(log_z.min()) - _MARGIN, float(log_z.max()) + _MARGIN
    places = np.linspace(low, high, _N_PLACES)
    best = int(np.argmin([loss(float(place)) for place in places]))
    bounds = places[max(best - 1, 0)], places[min(best + 1, _N_PLACES - 1)]
    found = minimize_scalar(
        loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    place = float(found.x)
    if loss(float(places[best])) < loss(place):
        place = float(places[best])
    return place, solve(place)[0]
