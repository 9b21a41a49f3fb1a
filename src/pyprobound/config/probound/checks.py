"""Checks whether the parts of a full configuration of ProBound agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...external.symmetry_strings import parse_symmetry_string
from ..base import Key
from . import schema
from .documents import Document

if TYPE_CHECKING:
    from .config import ProBoundFile

_SHIFTS = ("optimizeSize", "optimizeMotifShift", "optimizeMotifShiftHeuristic")
_VARIATIONS = (*_SHIFTS, "optimizeSizeHeuristic")


def check_config(file: ProBoundFile) -> None:
    """Checks a full configuration.

    Args:
        file: The configuration, whose settings are valid one by one.

    Raises:
        InputError: Its parts disagree; the message names the setting.
    """
    config, document = file.config, file.document
    for check in (
        _check_counts,
        _check_alphabet,
        _check_tables,
        _check_members,
        _check_flanks,
        _check_interactions,
        _check_symmetries,
        _check_seeds,
    ):
        check(config, document)


def modeled_columns(table: schema.CountTableSettings) -> list[int]:
    """The columns of a table that enter the likelihood.

    Args:
        table: The table.
    """
    return _all_or(table.modeled_columns, table.n_columns)


def member_modes(config: schema.ProBoundConfig, experiment: int) -> list[int]:
    """The modes that act in an experiment.

    Args:
        config: The configuration.
        experiment: The place of the enrichment model.
    """
    settings = config.model_settings
    return _all_or(
        settings.enrichment_model[experiment].binding_modes, len(settings.binding_modes)
    )


def member_interactions(config: schema.ProBoundConfig, experiment: int) -> list[int]:
    """The interactions that act in an experiment.

    Args:
        config: The configuration.
        experiment: The place of the enrichment model.
    """
    settings = config.model_settings
    members = settings.enrichment_model[experiment].binding_mode_interactions
    found = _all_or(members, len(settings.binding_mode_interactions))
    if members != [-1]:
        return found
    # All means all whose modes act here.
    modes = set(member_modes(config, experiment))
    interactions = settings.binding_mode_interactions
    return [
        each for each in found if modes.issuperset(interactions[each].binding_modes)
    ]


def active_in_column(
    members: Sequence[int], by_column: Sequence[Sequence[int]], column: int
) -> list[int]:
    """The members of an experiment that act in one column.

    Args:
        members: The members of the experiment.
        by_column: The lists of a setting ``roundSpecific...``.
        column: The column.
    """
    if not any(by_column):
        return list(members)
    chosen = by_column[column]
    return [each for each in members if each in chosen or list(chosen) == [-1]]


def _all_or(places: Sequence[int], n: int) -> list[int]:
    return list(range(n)) if list(places) == [-1] else list(places)


def complement_pairs(settings: schema.ModelSettings) -> dict[str, str]:
    """The complement of each letter, in the order of the file.

    Args:
        settings: The settings.

    Raises:
        ValueError: ``letterComplement`` is malformed.
    """
    partner: dict[str, str] = {}
    for item in settings.letter_complement.split(","):
        found = re.fullmatch(r"\s*([A-Za-z])-([A-Za-z])\s*", item)
        if not found:
            raise ValueError(
                f"expected pairs of letters such as 'C-G,A-T', found {item!r}"
            )
        first, second = found.groups()
        # The first mention of a letter wins.
        if first not in partner and second not in partner:
            partner.update({first: second, second: first})
    return partner


def letters_of(settings: schema.ModelSettings) -> str:
    """The letters in the order of the coefficients.

    Args:
        settings: The settings.
    """
    return settings.letter_order or "".join(sorted(complement_pairs(settings)))


def _check_counts(config: schema.ProBoundConfig, document: Document) -> None:
    settings, constraints = config.model_settings, config.model_fitting_constraints
    n_tables, n_models = len(settings.count_table), len(settings.enrichment_model)
    if n_tables != n_models:
        raise document.error(
            f"there are {n_models} enrichment models for {n_tables} tables; each table"
            " needs its own",
            ("modelSettings", "enrichmentModel"),
        )
    for name, alias in (
        ("enrichment_model", "enrichmentModel"),
        ("binding_modes", "bindingModes"),
        ("binding_mode_interactions", "bindingModeInteractions"),
        ("count_table", "countTable"),
    ):
        there, here = len(getattr(settings, name)), len(getattr(constraints, name))
        if here > there:
            raise document.error(
                f"has {here} elements, but modelSettings.{alias} has {there}",
                ("modelFittingConstraints", alias),
            )


def _check_alphabet(config: schema.ProBoundConfig, document: Document) -> None:
    settings = config.model_settings
    try:
        partner = complement_pairs(settings)
    except ValueError as error:
        key: Key = ("modelSettings", "letterComplement")
        raise document.error(str(error), key) from None
    order = settings.letter_order
    if order is not None and (
        len(set(order)) < len(order) or set(order) != set(partner)
    ):
        raise document.error(
            f"{order!r} has not the letters of letterComplement,"
            f" {''.join(sorted(partner))}, each once",
            ("modelSettings", "letterOrder"),
        )


def _check_tables(config: schema.ProBoundConfig, document: Document) -> None:
    for place, table in enumerate(config.model_settings.count_table):
        key: Key = ("modelSettings", "countTable", place)
        columns = modeled_columns(table)
        wrong = [each for each in columns if not 0 <= each < table.n_columns]
        if wrong or len(set(columns)) < len(columns):
            raise document.error(
                f"{columns} are not different columns of {table.n_columns}, counted"
                " from 0",
                (*key, "modeledColumns"),
            )
        if len(columns) < 2:
            raise document.error(
                f"has {len(columns)} columns; at least two must be compared",
                (*key, "modeledColumns"),
            )
        texts = table.transliterate
        if [len(each) for each in texts.old] != [len(each) for each in texts.new]:
            raise document.error(
                "'in' and 'out' need texts in pairs of equal lengths, found"
                f" {texts.old} and {texts.new}",
                (*key, "transliterate"),
            )


def _check_members(config: schema.ProBoundConfig, document: Document) -> None:
    settings = config.model_settings
    totals = {
        "bindingModes": len(settings.binding_modes),
        "bindingModeInteractions": len(settings.binding_mode_interactions),
    }
    for place, model in enumerate(settings.enrichment_model):
        key: Key = ("modelSettings", "enrichmentModel", place)
        n_columns = settings.count_table[place].n_columns
        for name, members, by_column in (
            ("bindingModes", model.binding_modes, model.round_specific_binding_modes),
            (
                "bindingModeInteractions",
                model.binding_mode_interactions,
                model.round_specific_binding_mode_interactions,
            ),
        ):
            chosen = _all_or(members, totals[name])
            _check_indices(document, (*key, name), chosen, range(totals[name]), name)
            if not any(by_column):
                continue
            where = (*key, f"roundSpecific{name[0].upper()}{name[1:]}")
            if len(by_column) != n_columns:
                raise document.error(
                    f"has {len(by_column)} lists; expected one for each of {n_columns}"
                    " columns",
                    where,
                )
            for column, each in enumerate(by_column):
                listed = [] if list(each) == [-1] else each
                _check_indices(document, (*where, column), listed, chosen, name)


def _check_indices(
    document: Document,
    key: Key,
    found: Sequence[int],
    known: Sequence[int],
    name: str,
) -> None:
    wrong = [each for each in found if each not in known]
    if wrong:
        listed = ", ".join(map(str, known)) or "none"
        raise document.error(
            f"{wrong[0]} is none of the {name} here ({listed}); -1 alone means all", key
        )


def _check_flanks(config: schema.ProBoundConfig, document: Document) -> None:
    settings = config.model_settings
    for place, table in enumerate(settings.count_table):
        shorter = min(len(table.left_flank), len(table.right_flank))
        for number in member_modes(config, place):
            mode = settings.binding_modes[number]
            key: Key = ("modelSettings", "bindingModes", number)
            if mode.flank_length > shorter:
                raise document.error(
                    f"{mode.flank_length} letters of the flanks cannot be scored: the"
                    f" shorter flank of table {place} has {shorter}",
                    (*key, "flankLength"),
                )
            visible = table.variable_region_length + 2 * mode.flank_length
            if mode.size > visible:
                raise document.error(
                    f"a motif of {mode.size} positions does not fit into the {visible}"
                    f" letters of table {place} that it sees",
                    (*key, "size"),
                )


def _check_interactions(config: schema.ProBoundConfig, document: Document) -> None:
    settings = config.model_settings
    for place, interaction in enumerate(settings.binding_mode_interactions):
        key: Key = ("modelSettings", "bindingModeInteractions", place, "bindingModes")
        _check_indices(
            document,
            key,
            interaction.binding_modes,
            range(len(settings.binding_modes)),
            "bindingModes",
        )
        for number in interaction.binding_modes:
            if settings.binding_modes[number].size == 0:
                raise document.error(
                    f"mode {number} is non-specific; an interaction needs two modes"
                    " with a motif",
                    key,
                )
    for place in range(len(settings.enrichment_model)):
        modes = set(member_modes(config, place))
        for number in member_interactions(config, place):
            members = settings.binding_mode_interactions[number].binding_modes
            if not modes.issuperset(members):
                raise document.error(
                    f"the interaction {number} needs the modes {members}, which are"
                    " not all listed in bindingModes",
                    (
                        "modelSettings",
                        "enrichmentModel",
                        place,
                        "bindingModeInteractions",
                    ),
                )


def _check_symmetries(config: schema.ProBoundConfig, document: Document) -> None:
    constraints = config.model_fitting_constraints.binding_modes
    for place, part in enumerate(constraints):
        key: Key = ("modelFittingConstraints", "bindingModes", place)
        where = (*key, "symmetryString")
        try:
            symmetry = parse_symmetry_string(part.symmetry_string)
        except ValueError as error:
            raise document.error(str(error), where) from None
        if symmetry is None:
            continue
        size = config.model_settings.binding_modes[place].size
        if len(symmetry.ids) != size:
            raise document.error(
                f"{part.symmetry_string!r} has {len(symmetry.ids)} positions, but the"
                f" mode has {size} (size)",
                where,
            )
        _check_pairing(config.model_settings, document, where)
        for name in _active_switches(part):
            if name in _VARIATIONS:
                raise document.error(
                    f"cannot be combined with {name}, which would break the symmetry",
                    where,
                )


def _check_pairing(
    settings: schema.ModelSettings, document: Document, key: Key
) -> None:
    partner = complement_pairs(settings)
    own = [letter for letter, other in partner.items() if letter == other]
    if 0 < len(own) < len(partner):
        raise document.error(
            f"needs letters that all pair or all do not, but {', '.join(own)} do not"
            " (letterComplement)",
            key,
        )


def _active_switches(part: schema.BindingModeConstraints) -> Iterator[str]:
    stages: list[schema.ProBoundModel] = [*part.fitting_stages] or [part]
    for stage in stages:
        values = stage.model_dump(by_alias=True)
        names = (name for name in values if name.startswith("optimize"))
        yield from (name for name in names if values[name])


def active_switches(part: schema.BindingModeConstraints) -> list[str]:
    """The variations that a mode tries, in the order of its stages.

    Args:
        part: The constraints of the mode.
    """
    return list(dict.fromkeys(_active_switches(part)))


def _check_seeds(config: schema.ProBoundConfig, document: Document) -> None:
    seeding = config.model_seeding
    settings = config.model_settings
    if seeding is None:
        return
    for alias, seeds, n in (
        ("bindingModes", seeding.binding_modes, len(settings.binding_modes)),
        ("enrichmentModel", seeding.enrichment_model, len(settings.enrichment_model)),
        ("countTable", seeding.count_table, len(settings.count_table)),
        (
            "bindingModeInteractions",
            seeding.binding_mode_interactions,
            len(settings.binding_mode_interactions),
        ),
    ):
        if seeds is not None and len(seeds) > n:
            raise document.error(
                f"has {len(seeds)} elements, but modelSettings.{alias} has {n}",
                ("modelSeeding", alias),
            )
    for place, seed in enumerate(seeding.binding_modes or []):
        _check_mode_seed(settings, document, place, seed)


_IUPAC = "ACGTRYSWKMBDHVN"


def _check_mode_seed(
    settings: schema.ModelSettings,
    document: Document,
    place: int,
    seed: schema.BindingModeSeed,
) -> None:
    size = settings.binding_modes[place].size
    letters = letters_of(settings)
    for name, text, known in (
        ("mononucleotideIUPAC", seed.mononucleotide_iupac, _IUPAC),
        ("mononucleotideString", seed.mononucleotide_string, letters + "."),
    ):
        if text is None:
            continue
        key: Key = ("modelSeeding", "bindingModes", place, name)
        iupac = known == _IUPAC
        wrong = [c for c in (text.upper() if iupac else text) if c not in known]
        if len(text) != size or wrong:
            raise document.error(
                f"{text!r} needs {size} of the characters {known}, one per position",
                key,
            )
        if iupac and not letters.startswith("ACGT"):
            raise document.error(
                f"needs letters that begin with ACGT, but they are {letters}", key
            )
