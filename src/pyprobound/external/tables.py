"""The letters and the count tables of a fit of ProBound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ..alphabets import DNA, RNA, Alphabet, Protein
from ..errors import InputError
from ..table import CountTable
from .files import Fit
from .lines import ModelLine


def parse_probound_alphabet(fit_final: Fit) -> Alphabet:
    """Creates the alphabet of a fit.

    With ``letterComplement`` the letters are arranged such that the reversed list is
    the complement, so their order may differ from that of the coefficients, which are
    copied by letter. Without it only ACGT is complementary.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.

    Raises:
        InputError: The pairs of letters are malformed or incomplete, or only some
            letters are their own complement.
    """
    line = ModelLine(fit_final)
    order = line.letter_order
    pairs = _true_pairs(line.complement_pairs, order)
    is_dna = {frozenset(pair) for pair in pairs} == {frozenset("AT"), frozenset("CG")}
    if order == "ACGT" and (is_dna or not line.complement_pairs):
        return DNA()
    if pairs:
        letters = ""
        for first, second in pairs:
            letters = first + letters + second
        return Alphabet(letters, complement=True)
    if sorted(order) == sorted(Protein().alphabet):
        return Protein()
    if order == "ACGU":
        return RNA()
    return Alphabet(order, complement=False)


def _true_pairs(pairs: Sequence[tuple[str, str]], order: str) -> list[tuple[str, str]]:
    """The pairs of two different letters; none if every letter is its own complement.

    Raises:
        InputError: The pairs do not cover the letters, or are mixed.
    """
    key = "modelSettings.letterComplement"
    partner: dict[str, str] = {}
    chosen = []
    for first, second in pairs:
        if first not in partner and second not in partner:
            partner.update({first: second, second: first})
            if first != second:
                chosen.append((first, second))
    if not partner:
        return []
    if set(partner) != set(order):
        raise InputError(
            f"the pairs name the letters {''.join(sorted(partner))}, but letterOrder"
            f" is {order}",
            key=key,
        )
    own = [letter for letter, other in partner.items() if letter == other]
    if own and chosen:
        raise InputError(
            f"{', '.join(own)} is its own complement while other letters pair with"
            " each other; an alphabet here pairs all of its letters or none",
            key=key,
        )
    return chosen


def parse_probound_tables(
    fit_final: Fit, dataframes: Iterable[pd.DataFrame]
) -> list[CountTable]:
    """Creates the count tables of a fit, with its flanks and columns.

    Each table includes as many letters of the flanks as the mode that needs most of
    them. ProBound replaces texts in the sequences by regular expressions; here they
    are taken literally.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        dataframes: For each table the sequences, as index, and all columns of counts,
            in the order of the file; only those that the fit models are used.

    Raises:
        InputError: The number of data frames is not that of the tables, or the fit
            models a column that a frame does not have.
    """
    line = ModelLine(fit_final)
    frames = list(dataframes)
    if len(frames) != len(line.tables):
        raise InputError(
            f"the fit has {len(line.tables)} count tables, but {len(frames)} data"
            " frames are given",
            key="modelSettings.countTable",
        )
    alphabet = parse_probound_alphabet(fit_final)
    flank_length = max(map(line.flank_length, range(line.n_modes)), default=0)
    tables = []
    for place, (settings, frame) in enumerate(zip(line.tables, frames, strict=True)):
        columns = line.modeled_columns(place, frame.shape[1])
        left, right = settings.get("leftFlank", ""), settings.get("rightFlank", "")
        tables.append(
            CountTable(
                frame.iloc[:, columns],
                alphabet,
                transliterate=_replacements(settings, place),
                left_flank=left,
                right_flank=right,
                left_flank_length=min(flank_length, len(left)),
                right_flank_length=min(flank_length, len(right)),
            )
        )
    return tables


def _replacements(settings: Fit, table: int) -> dict[str, str]:
    """The texts to replace in the sequences of a table."""
    transliterate: Any = settings.get("transliterate") or {}
    old, new = (_texts(transliterate.get(key, [])) for key in ("in", "out"))
    if len(old) != len(new):
        raise InputError(
            f"transliterate has {len(old)} texts to replace but {len(new)}"
            " replacements",
            key=f"modelSettings.countTable[{table}].transliterate",
        )
    return dict(zip(old, new, strict=True))


def _texts(value: str | Sequence[str]) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return list(value)
