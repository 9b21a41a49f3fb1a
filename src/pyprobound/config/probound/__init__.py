"""Configurations of the original ProBound: reads, checks and translates them."""

from .config import (
    ProBoundConfigWarning,
    ProBoundFile,
    expand,
    is_probound,
    load_probound,
    parse_probound,
)
from .translate import Translated, convert, translate, translate_file

__all__ = [
    "ProBoundConfigWarning",
    "ProBoundFile",
    "Translated",
    "convert",
    "expand",
    "is_probound",
    "load_probound",
    "parse_probound",
    "translate",
    "translate_file",
]
