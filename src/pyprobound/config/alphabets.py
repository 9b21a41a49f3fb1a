"""Makes the alphabets that a configuration describes."""

from __future__ import annotations

from .. import alphabets
from ..errors import InputError
from .tables import AlphabetConfig, TableConfig


def make_alphabet(config: str | AlphabetConfig, table: str) -> alphabets.Alphabet:
    """Makes the alphabet of a table.

    Args:
        config: The name of an alphabet of the library, or a description.
        table: The name of the table, for messages.

    Raises:
        InputError: The description contradicts itself.
    """
    if isinstance(config, str):
        named: alphabets.Alphabet = getattr(alphabets, config)()
        return named
    try:
        return alphabets.Alphabet(
            config.alphabet,
            complement=config.complement,
            monomer_length=config.monomer_length,
            encoding=config.encoding,
            color_scheme=config.color_scheme,
        )
    except ValueError as error:
        raise InputError(str(error), key=f"tables.{table}.alphabet") from None


def flanks(config: TableConfig, alphabet: alphabets.Alphabet) -> tuple[str, str]:
    """The two flanks of a table, as they are scored.

    Lower case is folded, and patterns replaced, as in the sequences of the table.

    Args:
        config: The table.
        alphabet: Its alphabet.
    """
    pair = (config.left_flank, config.right_flank)
    folds = all(code == code.upper() for code in alphabet.encoding)
    if folds:
        pair = (pair[0].upper(), pair[1].upper())
    if config.transliterate_flanks:
        for pattern, replacement in config.transliterate.items():
            if folds:
                pattern, replacement = pattern.upper(), replacement.upper()
            pair = (
                pair[0].replace(pattern, replacement),
                pair[1].replace(pattern, replacement),
            )
    return pair


def check_flanks(
    config: TableConfig, alphabet: alphabets.Alphabet, name: str
) -> tuple[int, int]:
    """Checks the flanks of a table.

    Args:
        config: The table.
        alphabet: Its alphabet.
        name: Its name, for messages.

    Returns:
        The number of letters of each flank.

    Raises:
        InputError: A letter is not in the alphabet, or more letters are to be scored
            than there are.
    """
    lengths = []
    for side, text in zip(("left", "right"), flanks(config, alphabet), strict=True):
        key = f"tables.{name}.{side}_flank"
        try:
            lengths.append(len(alphabet.translate(text)))
        except ValueError as error:
            raise InputError(str(error), key=key) from None
        most = getattr(config, f"max_{side}_flank_length")
        most = lengths[-1] if most is None else most
        scored = getattr(config, f"{side}_flank_length")
        if scored > most:
            raise InputError(
                f"{scored} letters of the flank cannot be scored: {side}_flank has"
                f" {lengths[-1]}, and at most {most} may be",
                key=f"{key}_length",
            )
    return lengths[0], lengths[1]
