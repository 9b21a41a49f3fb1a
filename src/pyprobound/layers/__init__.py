"""Layers: from sequences to the scores of their windows."""

from .conv0d import Conv0d, NonSpecific
from .conv1d import Conv1d
from .layer import EmptyLayerSpec, Layer, LayerSpec, ModeKey
from .lengths import LengthChange, LengthManager, Lengths
from .maxpool import MaxPool1d, MaxPool1dSpec
from .module import ModuleLayer, ModuleSpec
from .pad import Pad, PadSpec, get_padding_layers
from .psam import PSAM
from .roll import Roll, RollSpec

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
    "MaxPool1d",
    "MaxPool1dSpec",
    "ModeKey",
    "ModuleLayer",
    "ModuleSpec",
    "NonSpecific",
    "Pad",
    "PadSpec",
    "Roll",
    "RollSpec",
    "get_padding_layers",
]
