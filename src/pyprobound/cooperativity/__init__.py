"""Two proteins that bind together, with an energy that depends on their spacing."""

from .binding import Cooperativity
from .layout import BiasMode, Mirror
from .spacing import Anchor, ScoreMode, Spacing

__all__ = ["Anchor", "BiasMode", "Cooperativity", "Mirror", "ScoreMode", "Spacing"]
