"""Selection rounds: how often a sequence is kept, relative to the round before."""

from .base import BaseRound, InitialRound, Round, repeat_round
from .selection import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    RhoGammaRound,
    UnboundRound,
)

__all__ = [
    "BaseRound",
    "BoundRound",
    "BoundUnsaturatedRound",
    "ExponentialRound",
    "InitialRound",
    "RhoGammaRound",
    "Round",
    "UnboundRound",
    "repeat_round",
]
