"""Training: the loop over epochs, the search over steps, and what they report."""

from .fisher import FisherScoring

__all__ = ["FisherScoring"]
