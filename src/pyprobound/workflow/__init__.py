"""What the commands of the command line do, for use from Python."""

from .fit import FitResult, run_fit
from .folder import OutputFolder
from .models import FittedModel, load_model, save_model
from .motifs import MotifEnergies, consensus

__all__ = [
    "FitResult",
    "FittedModel",
    "MotifEnergies",
    "OutputFolder",
    "consensus",
    "load_model",
    "run_fit",
    "save_model",
]
