"""What an opened model holds, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..alphabets import Alphabet
from ..config import FitConfig
from ..config.build import Model
from ..cooperativity import Cooperativity
from ..experiment import Experiment
from ..layers import PSAM, Conv0d, Conv1d
from ..loss import MultiExperimentLoss
from ..mode import Mode

ModelKind = Literal["pyprobound", "probound-fit", "probound-scoring", "motif"]

Activities = tuple[tuple[float, ...], ...]
"""Log activities: for each experiment, one for each column."""


@dataclass(frozen=True, eq=False)
class ModelMode:
    """One way of binding of an opened model.

    Attributes:
        name: Its name in the file; never empty.
        psam: The motif, in float64; None for non-specific binding.
        flank_lengths: The letters of the left and of the right flank that it scores.
        activities: Log activities by experiment and column, without the concentration;
            minus infinity where it does not take part. A scoring model has one
            experiment with one column, a motif file none.
        layer: What scores the windows, where the mode belongs to a loss: the layer of
            the first experiment it takes part in.
        bindings: The mode in each experiment; None where it does not take part. Empty
            without a loss.
        ignores_length: Whether non-specific binding is the same for all lengths.
    """

    name: str
    psam: PSAM | None
    flank_lengths: tuple[int, int] = (0, 0)
    activities: Activities = ()
    layer: Conv1d | Conv0d | None = None
    bindings: tuple[Mode | None, ...] = ()
    ignores_length: bool = True

    @property
    def is_specific(self) -> bool:
        """Whether there is a motif."""
        return self.psam is not None


@dataclass(frozen=True, eq=False)
class ModelInteraction:
    """Two modes of an opened model that bind together.

    Attributes:
        name: Its name in the file; never empty.
        modes: The places of the two modes.
        activities: See ``ModelMode``.
        bindings: The cooperativity in each experiment; None where it does not take
            part. Empty without a loss.
    """

    name: str
    modes: tuple[int, int]
    activities: Activities = ()
    bindings: tuple[Cooperativity | None, ...] = ()


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model that was read from a file.

    Attributes:
        path: The file.
        kind: Where it comes from: a fit of this library, one line of a fit of
            ProBound, a scoring model (as those of MotifCentral), or a motif.
        alphabet: The letters.
        modes: The modes, in the order of the file.
        interactions: The interactions of modes.
        experiments: The experiments; empty for scoring models and motifs.
        loss: The whole model, in float64, frozen; None for scoring models and motifs,
            and for fits that use something that has no counterpart here.
        config: The configuration of a fit of this library.
        provenance: What the file says about its origin.
        remarks: What could not be read, in sentences for the user.
        document: The JSON object that the model was read from, if it was one; it
            holds all that ProBound wrote. Not to be changed.
        model: A fit of this library, with its objects by name.
    """

    path: Path
    kind: ModelKind
    alphabet: Alphabet
    modes: tuple[ModelMode, ...]
    interactions: tuple[ModelInteraction, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    loss: MultiExperimentLoss | None = None
    config: FitConfig | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None
    model: Model | None = None

    def __repr__(self) -> str:
        names = ", ".join(repr(mode.name) for mode in self.modes)
        return f"OpenedModel({str(self.path)!r}, kind={self.kind!r}, modes=[{names}])"
