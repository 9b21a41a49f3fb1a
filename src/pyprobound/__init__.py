"""Learns biophysical binding models from count tables, and uses them.

Importing the package is cheap: names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import alphabets, containers, layers, rounds, utils
    from .aggregate import Aggregate, Contribution
    from .base import (
        Binding,
        BindingOptim,
        Call,
        Component,
        Spec,
        Step,
        Transform,
    )
    from .cooperativity import Cooperativity, Spacing
    from .experiment import Experiment
    from .loss import BaseLoss, Loss, MultiExperimentLoss, MultiRoundMSLELoss
    from .mode import Mode
    from .optimizer import Optimizer
    from .table import (
        Batch,
        CountBatch,
        CountTable,
        EvenSampler,
        MultitaskLoader,
        Table,
        collate_batch_fn,
        get_dataframe,
        sample_counts,
        sample_dataframe,
        score,
    )
    from .workflow import FittedModel, load_model, save_model

_MODULES = ("alphabets", "containers", "datasets", "layers", "rounds", "utils")
_NAMES = {
    "aggregate": ("Aggregate", "Contribution"),
    "base": (
        "Binding",
        "BindingOptim",
        "Call",
        "Component",
        "Spec",
        "Step",
        "Transform",
    ),
    "cooperativity": ("Cooperativity", "Spacing"),
    "experiment": ("Experiment",),
    "loss": ("BaseLoss", "Loss", "MultiExperimentLoss", "MultiRoundMSLELoss"),
    "mode": ("Mode",),
    "optimizer": ("Optimizer",),
    "table": (
        "Batch",
        "CountBatch",
        "CountTable",
        "EvenSampler",
        "MultitaskLoader",
        "Table",
        "collate_batch_fn",
        "get_dataframe",
        "sample_counts",
        "sample_dataframe",
        "score",
    ),
    "workflow": ("FittedModel", "load_model", "save_model"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Aggregate",
    "BaseLoss",
    "Batch",
    "Binding",
    "BindingOptim",
    "Call",
    "Component",
    "Contribution",
    "Cooperativity",
    "CountBatch",
    "CountTable",
    "EvenSampler",
    "Experiment",
    "FittedModel",
    "Loss",
    "Mode",
    "MultiExperimentLoss",
    "MultiRoundMSLELoss",
    "MultitaskLoader",
    "Optimizer",
    "Spacing",
    "Spec",
    "Step",
    "Table",
    "Transform",
    "__version__",
    "alphabets",
    "collate_batch_fn",
    "containers",
    "get_dataframe",
    "layers",
    "load_model",
    "rounds",
    "sample_counts",
    "sample_dataframe",
    "save_model",
    "score",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
