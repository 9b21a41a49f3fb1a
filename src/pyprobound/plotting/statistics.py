"""Correlations, as the legends of figures give them."""

from __future__ import annotations

import numpy as np

from .style import FloatArray


def correlation(first: FloatArray, second: FloatArray) -> float:
    """The correlation of Pearson; not a number if all values of one are equal."""
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else float("nan")


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """The correlation of Spearman; not a number if all values of one are equal."""
    from scipy.stats import rankdata

    return correlation(rankdata(first), rankdata(second))


def decimals(value: float) -> str:
    """A correlation with three decimals."""
    return "undefined" if np.isnan(value) else f"{value:.3f}"
