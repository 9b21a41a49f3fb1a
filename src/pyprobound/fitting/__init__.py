"""Comparison of a model with independent measurements, such as binding affinities."""

from .base import BaseFit, Weighting
from .fits import Fit, LogFit, OffsetColumns

__all__ = ["BaseFit", "Fit", "LogFit", "OffsetColumns", "Weighting"]
