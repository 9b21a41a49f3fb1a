"""What training minimises: a negative log-likelihood and a regularisation."""

from .base import BaseLoss, Loss
from .likelihood import MultiExperimentLoss, MultiRoundMSLELoss

__all__ = ["BaseLoss", "Loss", "MultiExperimentLoss", "MultiRoundMSLELoss"]
