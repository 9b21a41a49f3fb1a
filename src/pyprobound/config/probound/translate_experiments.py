"""Translates the tables and enrichment models of ProBound."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from . import schema
from .checks import complement_pairs, letters_of
from .translate_modes import (
    flank_lengths_of,
    most_flank_letters,
    names_of_interaction,
)
from .translation import (
    Translation,
    Values,
    constraints_key,
    mode_name,
    settings_key,
)

_IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def translate_alphabet(work: Translation) -> str | Values:
    """The alphabet of all tables, in which the reversed letters are the complement."""
    settings = work.settings
    partner = complement_pairs(settings)
    own = [letter for letter, other in partner.items() if letter == other]
    motifs = [mode for mode in settings.binding_modes if mode.size]
    one_strand = all(mode.single_strand for mode in motifs)
    if len(own) > 1:
        if not one_strand:
            work.lack(
                settings_key("letterComplement"),
                f"{', '.join(own)} are their own complements, and both strands are"
                " scored (singleStrand)",
            )
        return {"alphabet": letters_of(settings), "complement": False}
    pairs = _pairs(partner)
    if {frozenset(pair) for pair in pairs} == {frozenset("AT"), frozenset("CG")} and (
        not own
    ):
        return "DNA"
    letters = "".join(own)
    for first, second in reversed(pairs):
        letters = first + letters + second
    values: Values = {"alphabet": letters, "complement": True}
    seeds = [work.mode_seed(place) for place in range(len(settings.binding_modes))]
    if any(seed.mononucleotide_iupac for seed in seeds):
        codes = {code: each for code, each in _IUPAC.items() if code not in letters}
        values["encoding"] = codes
    return values


def _pairs(partner: dict[str, str]) -> list[tuple[str, str]]:
    """The pairs of two letters, each once, beginning with the first in the alphabet."""
    return sorted({(min(a, b), max(a, b)) for a, b in partner.items() if a != b})


def translate_tables(work: Translation) -> Values:
    """The tables, by name."""
    alphabet = translate_alphabet(work)
    tables: Values = {}
    for place, table in enumerate(work.settings.count_table):
        _check_table(work, place, table)
        values: Values = {
            "path": str(table_path(work, place)),
            "header": False,
            "min_variable_length": table.variable_region_length,
            "max_variable_length": table.variable_region_length,
            "left_flank": table.left_flank,
            "right_flank": table.right_flank,
            "left_flank_length": flank_lengths_of(work, place),
            "right_flank_length": flank_lengths_of(work, place),
        }
        if alphabet != "DNA":
            values["alphabet"] = alphabet
        columns = work.observed_columns(place)
        if columns != list(range(table.n_columns)):
            values["columns"] = columns
        if table.transliterate.old:
            texts = table.transliterate
            values["transliterate"] = dict(zip(texts.old, texts.new, strict=True))
        tables[work.table_names[place]] = {**values, **_most_flanks(work, place)}
    return tables


def table_path(work: Translation, place: int) -> Path:
    """The file of a table: from the working folder, else beside the configuration."""
    name = work.settings.count_table[place].count_table_file
    if work.settings.count_table[place].input_file_type.lower().startswith("tsv"):
        name = name.partition(",")[0]
    path = Path(name)
    source = work.file.document.path
    if not path.exists() and source is not None and not path.is_absolute():
        beside = source.resolve().parent / name
        if beside.exists():
            return beside
    return path.absolute()


def _most_flanks(work: Translation, table: int) -> Values:
    """How far the flanks that are scored may grow."""
    members = [
        place
        for place, mode in enumerate(work.settings.binding_modes)
        if mode.size and table in work.tables_of_mode(place)
    ]
    most = [most_flank_letters(work, place, table) for place in members]
    growing = [
        limit
        for limit, place in zip(most, members, strict=True)
        if limit > work.settings.binding_modes[place].flank_length
    ]
    if not growing:
        return {}
    if len(set(growing)) > 1:
        work.note(
            constraints_key("bindingModes"),
            f"the flanks of table {table} may grow to {max(growing)} letters for all"
            " modes, although maxFlankLength or the sizes of the motifs differ",
        )
    return {
        "max_left_flank_length": max(growing),
        "max_right_flank_length": max(growing),
    }


def _check_table(
    work: Translation, place: int, table: schema.CountTableSettings
) -> None:
    """Lists the settings of a table that cannot be expressed."""
    key = settings_key("countTable", place)
    kind = table.input_file_type.lower()
    if not kind.startswith("tsv"):
        work.lack(
            (*key, "inputFileType"),
            f"{kind} files cannot be read; make a table of counts of them (.tsv)",
        )
    if table.test_folds:
        work.lack((*key, "testFolds"), "rows cannot be held out by their fold")
    if not table.probe_bias:
        work.lack((*key, "probeBias"), "absolute numbers of reads cannot be predicted")
    if table.error_model != "Poisson":
        work.lack(
            (*key, "errorModel"), f"{table.error_model} is not available; only Poisson"
        )
    texts = table.transliterate
    if len(set(texts.old)) < len(texts.old):
        work.lack((*key, "transliterate"), "a text is replaced twice")
    patterns = [text for text in texts.old if re.escape(text) != text]
    if patterns:
        work.lack(
            (*key, "transliterate"),
            f"{patterns[0]!r} is a pattern; texts are replaced literally here",
        )


# --- rounds ------------------------------------------------------------------------


def translate_experiments(work: Translation) -> Values:
    """The experiments, by name."""
    return {
        name: {"table": name, "rounds": _rounds(work, place)}
        for place, name in enumerate(work.table_names)
    }


def _rounds(work: Translation, place: int) -> list[Values]:
    model = work.settings.enrichment_model[place]
    key = settings_key("enrichmentModel", place)
    _check_model(work, place, model)
    observed = work.observed_columns(place)
    if len(observed) < 2:
        work.lack(
            settings_key("countTable", place),
            "fewer than two of the columns that are compared have any reads",
        )
        return []
    cumulative = model.is_cumulative
    last = max(observed)
    columns = range(last + 1) if cumulative else observed
    shared = _shared_round(work, place)
    rounds: list[Values] = []
    for column in columns:
        common: Values = {"name": str(column)}
        if column not in observed:
            common["observed"] = False
        if cumulative and column == 0:
            rounds.append({"type": "InitialRound", **common})
            continue
        binding = _binding(work, place, column)
        if not binding:
            work.lack(key, f"nothing binds in column {column}")
        values: Values = {
            **_kind(work, place, column),
            **common,
            "reference_round": str(column - 1) if cumulative else None,
        }
        if shared is not None and column > shared:
            values["from_round"] = str(shared)
        else:
            values["binding"] = binding or None
        if (shared is None or column <= shared) and model.concentration != 1:
            values["target_concentration"] = model.concentration
        if column not in observed or column == observed[0]:
            # Only ratios of depths matter.
            values["train_depth"] = False
        rounds.append(values)
    return rounds


def _binding(work: Translation, place: int, column: int) -> list[str]:
    modes = [mode_name(mode) for mode in work.active_modes(place, column)]
    pairs = [
        names_of_interaction(work, each)[place]
        for each in work.active_interactions(place, column)
    ]
    return [*modes, *pairs]


def _check_model(
    work: Translation, place: int, model: schema.EnrichmentModelSettings
) -> None:
    """Lists the settings of an enrichment model that cannot be expressed."""
    key = settings_key("enrichmentModel", place)
    if model.model_type not in ("SELEX", "RhoGamma", "ExponentialKinetics"):
        work.lack((*key, "modelType"), f"there are no rounds for {model.model_type}")
    if model.concentration == 0:
        work.lack((*key, "concentration"), "must be above 0, else nothing binds")
    limits = work.enrichment_constraints(place)
    if limits.try_saturation and model.model_type == "SELEX":
        work.lack(
            constraints_key("enrichmentModel", place, "trySaturation"),
            "saturation is not tested by itself; fit once with bindingSaturation and"
            " once without, and compare",
        )
    if model.model_type == "InputFreeFraction" and model.cumulative_enrichment is None:
        work.note(key, "free fractions of an input are taken as not cumulative")
    source = work.file.config.model_seeding
    depths = (source.count_table if source else None) or []
    if place < len(depths) and depths[place].h is not None:
        work.note(
            ("modelSeeding", "countTable", place, "h"),
            "depths are fitted from 0 on; these first values are not used",
        )


def _shared_round(work: Translation, place: int) -> int | None:
    """The column whose activities all others share; None if each has its own."""
    columns = work.selected_columns(place)
    if len(columns) < 2:
        return None
    tied: list[tuple[str, int]] = []
    free: list[tuple[str, int]] = []
    for key, members, limits in (
        ("bindingModes", work.active_modes, work.mode_constraints),
        (
            "bindingModeInteractions",
            work.active_interactions,
            work.interaction_constraints,
        ),
    ):
        used = sorted({each for c in columns for each in members(place, c)})
        for each in used:
            specific = limits(each).round_specific_activity
            (free if specific else tied).append((key, each))
    if not tied:
        return None
    alike = len({tuple(_binding(work, place, column)) for column in columns}) == 1
    if free or not alike:
        for key, each in tied:
            work.lack(
                constraints_key(key, each, "roundSpecificActivity"),
                "activities can be tied over columns only if those of everything that"
                f" binds in table {place} are, and the same binds in each column",
            )
        return None
    return columns[0]


def _kind(work: Translation, place: int, column: int) -> Values:
    """The type of a round, with its options."""
    model = work.settings.enrichment_model[place]
    if model.model_type == "RhoGamma":
        return _rho_gamma(work, place, column)
    if model.model_type == "ExponentialKinetics":
        return _kinetics(work, place, column)
    saturated = model.binding_saturation and model.model_type == "SELEX"
    return {"type": "BoundRound" if saturated else "BoundUnsaturatedRound"}


_FIXED_EXPONENTS: dict[tuple[float, float], str] = {
    (1, 0): "BoundUnsaturatedRound",
    (1, -1): "BoundRound",
    (0, -1): "UnboundRound",
}


def _rho_gamma(work: Translation, place: int, column: int) -> Values:
    limits, seed = work.enrichment_constraints(place), work.enrichment_seed(place)
    key = constraints_key("enrichmentModel", place)
    rho = _seeded(work, place, "rho", seed.rho, column)
    if rho is None:
        rho = float(column) if limits.round_specific_rho else 1.0
    gamma = _seeded(work, place, "gamma", seed.gamma, column) or 0.0
    if not limits.fit_rho and not limits.fit_gamma:
        kind = _FIXED_EXPONENTS.get((rho, gamma))
        if kind is None:
            work.lack(
                key,
                f"fixed exponents rho = {rho:g} and gamma = {gamma:g} (column {column})"
                " are not available; fit both (fitRho, fitGamma), or seed 1 and 0, 1"
                " and -1, or 0 and -1",
            )
            kind = "BoundRound"
        return {"type": kind}
    if not (limits.fit_rho and limits.fit_gamma):
        missing = "fitRho" if limits.fit_gamma else "fitGamma"
        work.lack((*key, missing), "rho and gamma are trained together")
    columns = work.selected_columns(place)
    for name, specific in (
        ("roundSpecificRho", limits.round_specific_rho),
        ("roundSpecificGamma", limits.round_specific_gamma),
    ):
        if not specific and len(columns) > 1 and column == columns[0]:
            work.lack((*key, name), "exponents of several columns cannot be tied")
    return {"type": "RhoGammaRound", "rho": rho, "gamma": gamma}


def _kinetics(work: Translation, place: int, column: int) -> Values:
    limits, seed = work.enrichment_constraints(place), work.enrichment_seed(place)
    fitted = limits.fit_delta
    key = constraints_key("enrichmentModel", place)
    n_columns = work.settings.count_table[place].n_columns
    if len(fitted) not in (1, n_columns):
        work.lack(
            (*key, "fitDelta"), f"expected 1 or {n_columns} values, one per column"
        )
        fitted = [False]
    trained = fitted[0] if len(fitted) == 1 else fitted[column]
    columns = work.selected_columns(place)
    is_tied = not limits.round_specific_delta and any(fitted) and len(columns) > 1
    if is_tied and column == columns[0]:
        work.lack(
            (*key, "roundSpecificDelta"), "delta of several columns cannot be tied"
        )
    delta = _seeded(work, place, "delta", seed.delta, column) or 0.0
    return {"type": "ExponentialRound", "delta": delta, "train_delta": bool(trained)}


def _seeded(
    work: Translation,
    place: int,
    name: str,
    values: Sequence[float] | None,
    column: int,
) -> float | None:
    if values is None:
        return None
    n_columns = work.settings.count_table[place].n_columns
    if len(values) != n_columns:
        key = ("modelSeeding", "enrichmentModel", place, name)
        raise work.file.error(
            f"has {len(values)} values; expected one for each of {n_columns} columns",
            key,
        )
    return float(values[column])
