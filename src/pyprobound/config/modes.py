"""The configuration of motifs and binding modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from .base import ConfigModel, Name, problem


class PSAMConfig(ConfigModel):
    """A motif; see ``pyprobound.layers.PSAM``.

    Its alphabet is that of the tables it scores.
    """

    kernel_size: PositiveInt = Field(description="The number of positions.")
    out_channels: PositiveInt | None = Field(
        default=None, description="Motifs times strands; one motif by default."
    )
    pairwise_distance: NonNegativeInt = Field(
        default=0, description="The greatest distance of letters that interact."
    )
    dilation: PositiveInt = Field(default=1, description="The distance of neighbours.")
    symmetry: list[int] | None = Field(
        default=None,
        description="The id of each position: equal ids share values, negative ones"
        " are complemented. A list, a text such as '1,2,-2,-1', or letters (ABba).",
    )
    seed: list[str] | None = Field(
        default=None,
        description="For each motif the sequence that is preferred at first.",
    )
    seed_scale: float = Field(default=1.0, description="Multiplies the values of seed.")
    score_reverse: bool | None = Field(
        default=None,
        description="Whether both strands are scored; as the alphabet says.",
    )
    shift_footprint: bool = Field(
        default=False, description="Whether training shifts the motif left and right."
    )
    shift_footprint_heuristic: bool = Field(
        default=False, description="Whether training centres the motif."
    )
    increment_footprint: bool = Field(
        default=False, description="Whether training extends the motif."
    )
    increment_flank: bool = Field(
        default=False,
        description="Whether training extends the flanks that are scored.",
    )
    increment_flank_with_footprint: bool = Field(
        default=False, description="Whether the flanks grow with the motif."
    )
    information_threshold: float = Field(
        default=0.1,
        description="Bits that outermost positions hold for the motif to grow.",
    )
    max_kernel_size: PositiveInt | None = Field(
        default=None,
        description="The greatest number of positions; no limit by default.",
    )
    frozen_parameters: list[str] = Field(
        default=[], description="Names of values that are never trained."
    )
    normalize: bool = Field(
        default=False, description="Whether the mean of every position is subtracted."
    )
    train_bias: bool = Field(default=False, description="Whether to train a constant.")
    train_betas: bool = Field(default=True, description="Whether to train the values.")
    pair_symmetry: Literal["exact", "1.5"] = Field(
        default="exact",
        description="How symmetry ties pairs; 1.5 as PyProBound 1.5 did.",
    )

    @field_validator("symmetry", mode="before")
    @classmethod
    def _read_symmetry(cls, value: Any) -> Any:
        return parse_symmetry(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> PSAMConfig:
        size = self.kernel_size
        if self.symmetry is not None:
            check_symmetry(self.symmetry, size)
        if self.pairwise_distance >= size:
            raise problem(
                ["pairwise_distance"],
                f"{self.pairwise_distance} is too far for a motif of {size} positions;"
                f" expected 0 to {size - 1}",
            )
        if self.pairwise_distance and self.dilation > 1:
            raise problem(["dilation"], "must be 1 where pairs of letters are scored")
        for number, seed in enumerate(self.seed or []):
            if len(seed) != size:
                raise problem(
                    ["seed", number],
                    f"{seed!r} has {len(seed)} letters; expected {size}, the"
                    " kernel_size",
                )
        if self.max_kernel_size is not None and self.max_kernel_size < size:
            raise problem(
                ["max_kernel_size"], f"is below {size}, the kernel_size at first"
            )
        return self


def parse_symmetry(text: str) -> list[int]:
    """Reads the symmetry of a motif from a text.

    Args:
        text: Ids separated by commas or blanks, such as ``1,2,-2,-1``; or one letter
            per position, of which lower-case ones are complemented, such as ``ABba``.

    Raises:
        ValueError: The text is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isalpha():
        ids: dict[str, int] = {}
        return [
            ids.setdefault(letter.upper(), len(ids) + 1)
            * (1 if letter.isupper() else -1)
            for letter in stripped
        ]
    try:
        return [int(part) for part in stripped.replace(",", " ").split()]
    except ValueError:
        raise ValueError(
            f"{text!r} is no symmetry; expected one id per position, such as"
            " '1,2,-2,-1', or one letter per position, such as 'ABba'"
        ) from None


def check_symmetry(symmetry: Sequence[int], size: int) -> None:
    """Checks the symmetry of a motif against its size.

    Raises:
        PydanticCustomError: The numbers of positions differ, or an id is 0.
    """
    if len(symmetry) != size:
        raise problem(
            ["symmetry"],
            f"has {len(symmetry)} positions, but the motif has {size} (kernel_size);"
            " expected one id per position",
        )
    if 0 in symmetry:
        raise problem(["symmetry"], "holds the id 0; expected positive or negative ids")


class NonSpecificModeConfig(ConfigModel):
    """Binding that does not depend on the letters; see ``layers.NonSpecific``."""

    type: Literal["nonspecific"]
    ignore_length: bool = Field(
        default=False,
        description="Whether long sequences are bound as well as short ones.",
    )
    train_posbias: bool = Field(
        default=False, description="Whether to train a bias by length."
    )


class PSAMModeConfig(ConfigModel):
    """Binding by a motif anywhere in the sequence; see ``layers.Conv1d``."""

    type: Literal["psam"]
    psam: Name = Field(description="The name of the motif.")
    crop_left: NonNegativeInt = Field(
        default=0,
        description="Letters at the left end, of those that the table gives, that this"
        " mode does not score: where it sees less of the flanks than others.",
    )
    crop_right: NonNegativeInt = Field(
        default=0, description="The same at the right end."
    )
    train_posbias: bool = Field(
        default=False, description="Whether to train a position bias."
    )
    bias_mode: Literal["channel", "same", "reverse"] = Field(
        default="channel",
        description="How the position bias is shared between strands.",
    )
    bias_bin: PositiveInt = Field(
        default=1, description="Windows that share a position bias."
    )
    length_specific_bias: bool = Field(
        default=True,
        description="Whether each sequence length has a position bias of its own.",
    )
    out_channel_indexing: list[NonNegativeInt] | None = Field(
        default=None, min_length=1, description="The channels to score; all by default."
    )
    one_hot: bool = Field(
        default=False, description="Whether degenerate letters are scored."
    )
    unfold: bool = Field(
        default=False, description="Whether convolutions are written out."
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
        description="Where a bias_mode of reverse mirrors short rows; 1.5 as PyProBound"
        " 1.5 did.",
    )


ModeConfig = Annotated[
    NonSpecificModeConfig | PSAMModeConfig, Field(discriminator="type")
]
