"""The configuration of a fit: what it holds, and how it becomes a model.

The names here import neither torch nor the model; ``pyprobound.config.build`` and
``pyprobound.config.resolve`` do.
"""

from .base import ConfigModel
from .cooperativities import CooperativityConfig
from .documents import dump_config, load_config, validate
from .experiments import (
    BoundRoundConfig,
    BoundUnsaturatedRoundConfig,
    ContributionConfig,
    ExperimentConfig,
    ExponentialRoundConfig,
    InitialRoundConfig,
    RhoGammaRoundConfig,
    UnboundRoundConfig,
)
from .fit import FitConfig
from .modes import NonSpecificModeConfig, PSAMConfig, PSAMModeConfig, parse_symmetry
from .tables import AlphabetConfig, TableConfig
from .training import LossConfig, OptimizerConfig, TrainingConfig

__all__ = [
    "AlphabetConfig",
    "BoundRoundConfig",
    "BoundUnsaturatedRoundConfig",
    "ConfigModel",
    "ContributionConfig",
    "CooperativityConfig",
    "ExperimentConfig",
    "ExponentialRoundConfig",
    "FitConfig",
    "InitialRoundConfig",
    "LossConfig",
    "NonSpecificModeConfig",
    "OptimizerConfig",
    "PSAMConfig",
    "PSAMModeConfig",
    "RhoGammaRoundConfig",
    "TableConfig",
    "TrainingConfig",
    "UnboundRoundConfig",
    "dump_config",
    "load_config",
    "parse_symmetry",
    "validate",
]
