"""Which coefficients a stage of a fit of ProBound pulls towards uniform letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .files import Fit, metadata_of
from .lines import ModelLine

Families = Literal["none", "monomers", "all"]


def smoothed_families(fit: Fit) -> list[Families]:
    """Which values of each mode take part in the Dirichlet term of a stage.

    ProBound applies the pseudocount only to what it is fitting: to nothing while it
    fits the depths, to the new mode while it adds that mode, to its pairs only once
    they are freed, and to all modes at the end of each component.

    Args:
        fit: A line of a fit; without the name of a stage everything takes part.
    """
    line = ModelLine(fit)
    name = str(metadata_of(fit).get("fitName", ""))
    component, _, stage = name.partition("-")
    number = component.removeprefix("component")
    if stage == "0-h" or stage.endswith("-0-h"):
        return ["none"] * line.n_modes
    if not number.isdecimal() or stage.endswith("-all"):
        return ["all"] * line.n_modes
    components = list(_components(line))
    if int(number) >= len(components):  # saturation or kinetics, which free everything
        return ["all"] * line.n_modes
    families: list[Families] = ["none"] * line.n_modes
    kind, index = components[int(number)]
    if kind == "mode":
        families[index] = "all" if _pairs_are_free(line, index) else "monomers"
    return families


def _components(line: ModelLine) -> Iterator[tuple[Literal["mode", "pair"], int]]:
    """The modes and interactions in the order in which a fit adds them.

    An interaction follows the later one of its modes.
    """
    for mode in range(line.n_modes):
        yield "mode", mode
        for interaction in range(len(line.interactions)):
            if max(line.partners(interaction)) == mode:
                yield "pair", interaction


def _pairs_are_free(line: ModelLine, mode: int) -> bool:
    """Whether the pairs of a mode are fitted; they are freed before its bias."""
    frozen = int(line.settings["bindingModes"][mode].get("freezingLevel", 0))
    n_levels = int(line.pair_distance(mode) > 0) + int(line.has_position_bias(mode))
    return frozen < n_levels or n_levels == 0
