"""The configuration of alphabets and count tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag

from .base import ConfigModel

AlphabetName = Literal["DNA", "RNA", "Protein", "Codon"]


class AlphabetConfig(ConfigModel):
    """An alphabet of your own; see ``pyprobound.alphabets.Alphabet``."""

    alphabet: list[str] | str = Field(
        min_length=1, description="The letters, in order; reversed, the complement."
    )
    complement: bool = Field(
        default=False, description="Whether reverse strands are scored."
    )
    monomer_length: PositiveInt = Field(
        default=1, description="Characters of each letter."
    )
    encoding: dict[str, list[str] | str] = Field(
        default={}, description="Degenerate codes, with the letters they stand for."
    )
    color_scheme: str | dict[str, str] | None = Field(
        default=None, description="Colours of the letters in logos."
    )


def _is_own(value: Any) -> str:
    return "name" if isinstance(value, str) else "own"


AnyAlphabet = Annotated[
    Annotated[AlphabetName, Tag("name")] | Annotated[AlphabetConfig, Tag("own")],
    Discriminator(_is_own),
]


class TableConfig(ConfigModel):
    """A count table; see ``pyprobound.CountTable`` for most options."""

    path: str = Field(
        description="A .tsv, .csv (either may be gzipped) or .parquet file; a relative"
        " path starts at the folder of the configuration."
    )
    alphabet: AnyAlphabet = Field(
        default="DNA", description="The letters of the sequences."
    )
    header: bool | None = Field(
        default=None,
        description="Whether the first line names columns; by default, look.",
    )
    columns: list[int | str] | None = Field(
        default=None,
        min_length=1,
        description="The count columns to use, by number from 0 or by name; all by"
        " default.",
    )
    transliterate: dict[str, str] = Field(
        default={}, description="Texts to replace in the sequences, in this order."
    )
    transliterate_flanks: bool = Field(
        default=False, description="Whether to replace them in the flanks too."
    )
    left_flank: str = Field(
        default="", description="Constant letters before the sequences."
    )
    right_flank: str = Field(
        default="", description="Constant letters behind the sequences."
    )
    left_flank_length: NonNegativeInt = Field(
        default=0, description="How many letters of the left flank are scored at first."
    )
    right_flank_length: NonNegativeInt = Field(
        default=0,
        description="How many letters of the right flank are scored at first.",
    )
    max_left_flank_length: NonNegativeInt | None = Field(
        default=None,
        description="How many may ever be; the length of the flank by default.",
    )
    max_right_flank_length: NonNegativeInt | None = Field(
        default=None,
        description="How many may ever be; the length of the flank by default.",
    )
    wildcard_pad: bool = Field(
        default=False,
        description="Whether short sequences are filled up with wildcards.",
    )
    min_variable_length: NonNegativeInt | None = Field(
        default=None, description="The least length to expect; as observed by default."
    )
    max_variable_length: NonNegativeInt | None = Field(
        default=None,
        description="The greatest length to expect; as observed by default.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="The SHA-256 of the file, to make sure that it is the same.",
    )
