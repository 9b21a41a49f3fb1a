"""The configuration of modes that bind together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from .base import ConfigModel, Name


class CooperativityConfig(ConfigModel):
    """Two modes that bind together; see ``Cooperativity`` and ``Spacing``.

    Rounds name it in ``binding`` like a mode. Experiments share its energies.
    """

    modes: list[Name] = Field(
        min_length=2,
        max_length=2,
        description="The names of the two modes, which may be the same.",
    )
    score_same: bool = Field(
        default=True, description="Whether both may bind in the same orientation."
    )
    score_reverse: bool = Field(
        default=True, description="Whether they may bind in opposite orientations."
    )
    score_mode: Literal["both", "positive", "negative"] = Field(
        default="both",
        description="positive: the second one only to the right of the first one;"
        " negative: only elsewhere.",
    )
    max_overlap: NonNegativeInt | None = Field(
        default=None,
        description="The most positions that both may cover; no limit by default.",
    )
    max_spacing: NonNegativeInt | None = Field(
        default=None,
        description="The most positions between them; no limit by default.",
    )
    normalize_spacing: bool = Field(
        default=False, description="Whether the mean of the energies is subtracted."
    )
    ignore_pad: bool = Field(
        default=True,
        description="Whether these limits apply to the motifs themselves, without"
        " what a mode crops.",
    )
    anchor: Literal["core", "1.5"] = Field(
        default="core",
        description="What keeps its energies when a motif grows: a distance of the"
        " motifs, or of the windows, as in PyProBound 1.5.",
    )
    train_posbias: bool = Field(
        default=False,
        description="Whether to train a position bias of pairs of windows.",
    )
    bias_mode: Literal["strand", "same", "reverse"] = Field(
        default="strand",
        description="How the position bias is shared between strands.",
    )
    bias_bin: PositiveInt = Field(
        default=1, description="Pairs of windows that share a position bias."
    )
    length_specific_bias: bool = Field(
        default=True,
        description="Whether each sequence length has a position bias of its own.",
    )
    normalize: bool = Field(
        default=False,
        description="Whether the mean of the position bias is subtracted.",
    )
    train_hill: bool = Field(
        default=False, description="Whether to train a Hill coefficient."
    )
    mirror: Literal["row", "1.5"] = Field(
        default="row",
        description="Where a bias_mode of reverse mirrors; 1.5 as PyProBound 1.5 did.",
    )
