"""Layers: from sequences to the scores of their windows."""

from .conv0d import Conv0d, NonSpecific
from .conv1d import Conv1d
from .layer import EmptyLayerSpec, Layer, LayerSpec, ModeKey
from .lengths import LengthChange, LengthManager, Lengths
from .psam import PSAM

__all__ = [
    "PSAM",
    "Conv0d",
    "Conv1d",
    "EmptyLayerSpec",
    "Layer",
    "LayerSpec",
    "LengthChange",
    "LengthManager",
    "Lengths",
    "ModeKey",
    "NonSpecific",
]
