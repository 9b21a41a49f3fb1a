"""Translates the modes and interactions of ProBound."""

from __future__ import annotations

import math

from ...external.symmetry_strings import NO_SYMMETRY, parse_symmetry_string
from . import schema
from .checks import active_switches, letters_of
from .symmetry import missing_in_psam, psam_ids
from .translation import (
    Translation,
    Values,
    constraints_key,
    interaction_name,
    mode_name,
    settings_key,
)

# In which order training tries the variations here.
_ORDER = [
    "optimizeFlankLength",
    "optimizeMotifShiftHeuristic",
    "optimizeMotifShift",
    "optimizeSizeHeuristic",
]
_GROWTH = {"optimizeSize", "optimizeSizeHeuristic"}


def translate_psams(work: Translation) -> Values:
    """The motifs, by name."""
    return {
        mode_name(place): _psam(work, place, mode)
        for place, mode in enumerate(work.settings.binding_modes)
        if mode.size
    }


def translate_modes(work: Translation) -> Values:
    """The modes, by name."""
    modes: Values = {}
    for place, mode in enumerate(work.settings.binding_modes):
        _check_mode(work, place, mode)
        modes[mode_name(place)] = (
            _psam_mode(work, place, mode)
            if mode.size
            else {"type": "nonspecific", "ignore_length": True}
        )
    for place, interaction in enumerate(work.settings.binding_mode_interactions):
        _check_interaction(work, place, interaction)
        for partner in interaction.binding_modes:
            name = partner_name(work, partner)
            if name not in modes:
                # Position biases of modes do not act on their interactions.
                plain = _psam_mode(work, partner, work.settings.binding_modes[partner])
                modes[name] = {**plain, "train_posbias": False}
    return modes


def partner_name(work: Translation, mode: int) -> str:
    """The name of the mode that takes part in interactions of a mode."""
    has_bias = work.settings.binding_modes[mode].position_bias
    return mode_name(mode) + ("-unbiased" if has_bias else "")


def translate_interactions(work: Translation) -> Values:
    """The cooperativities, by name.

    If the energies by offset are not shared, each experiment has its own.
    """
    found: Values = {}
    for place, part in enumerate(work.settings.binding_mode_interactions):
        values = {
            "modes": [partner_name(work, mode) for mode in part.binding_modes],
            "max_overlap": part.max_overlap,
            "max_spacing": None if part.max_spacing == -1 else part.max_spacing,
        }
        for name in dict.fromkeys(names_of_interaction(work, place)):
            found[name] = dict(values)
    return found


def names_of_interaction(work: Translation, place: int) -> list[str]:
    """The name of an interaction in each experiment."""
    name = interaction_name(place)
    if not work.interaction_constraints(place).experiment_specific_interaction:
        return [name] * work.n_tables
    names = [f"{name}-{table}" for table in work.table_names]
    return names if work.n_tables > 1 else [name]


# --- modes -------------------------------------------------------------------------


def flank_lengths_of(work: Translation, table: int) -> int:
    """The letters of either flank that the modes of a table score at most."""
    return max(
        (
            mode.flank_length
            for place, mode in enumerate(work.settings.binding_modes)
            if mode.size and table in work.tables_of_mode(place)
        ),
        default=0,
    )


def most_flank_letters(work: Translation, place: int, table: int) -> int:
    """How many letters of either flank of a table training lets a mode score.

    A flank of as many letters as the motif has would only add windows without any
    letter of the variable region.
    """
    mode, limits = work.settings.binding_modes[place], work.mode_constraints(place)
    settings = work.settings.count_table[table]
    switches = active_switches(limits)
    grows = "optimizeFlankLength" in switches or bool(_GROWTH & set(switches))
    if not grows:
        return mode.flank_length
    most = min(len(settings.left_flank), len(settings.right_flank))
    if limits.max_flank_length >= 0:
        most = min(most, limits.max_flank_length)
    size = _largest_size(work, place)
    if size is not None:
        most = min(most, size - 1)
    return max(most, mode.flank_length)


def _largest_size(work: Translation, place: int) -> int | None:
    """The greatest size that a motif may reach; None for no limit."""
    size = work.settings.binding_modes[place].size
    limits = work.mode_constraints(place)
    if not _GROWTH & set(active_switches(limits)) or limits.max_size == 0:
        return size
    return None if limits.max_size < 0 else max(limits.max_size, size)


def _psam(work: Translation, place: int, mode: schema.BindingModeSettings) -> Values:
    limits = work.mode_constraints(place)
    symmetry = parse_symmetry_string(limits.symmetry_string)
    for missing in missing_in_psam(symmetry, mode.pair_distance):
        key = constraints_key("bindingModes", place, "symmetryString")
        work.lack(key, f"a motif here has no {missing}")
    values: Values = {"kernel_size": mode.size}
    if mode.pair_distance:
        values["pairwise_distance"] = mode.pair_distance
    if mode.single_strand:
        values["score_reverse"] = False
    ids = psam_ids(symmetry)
    if ids is not None:
        values["symmetry"] = ids
    return {**values, **_seed(work, place, mode), **_variations(work, place)}


def _seed(work: Translation, place: int, mode: schema.BindingModeSettings) -> Values:
    seed = work.mode_seed(place)
    text = seed.mononucleotide_iupac or seed.mononucleotide_string
    if text is None:
        return {}
    if seed.mononucleotide_iupac is not None:
        text = text.upper()
    else:
        text = text.replace(".", "-")
    n_letters = len(letters_of(work.settings))
    # One letter is preferred to the others by seedScale.
    scale = math.sqrt(3 * n_letters * mode.size) * math.sqrt(n_letters - 1) / n_letters
    if any(letter in "RYSWKM" for letter in text) or (
        n_letters != 4 and any(letter not in "ACGT-" for letter in text)
    ):
        work.note(
            ("modelSeeding", "bindingModes", place),
            "codes for several letters begin with a slightly different preference"
            " than in ProBound; training goes on from there",
        )
    return {"seed": [text], "seed_scale": seed.seed_scale * scale}


def _variations(work: Translation, place: int) -> Values:
    limits = work.mode_constraints(place)
    switches = active_switches(limits)
    key = constraints_key("bindingModes", place)
    if "optimizeSize" in switches:
        work.lack(
            (*key, "optimizeSize"),
            "motifs grow only where the information says so (optimizeSizeHeuristic)",
        )
    ordered = [name for name in _ORDER if name in switches]
    if limits.fitting_stages and [n for n in switches if n in _ORDER] != ordered:
        work.note(
            (*key, "fittingStages"), f"are tried in another order: {', '.join(ordered)}"
        )
    values: Values = {}
    can_widen = _can_widen(work, place)
    if "optimizeFlankLength" in switches and can_widen:
        values["increment_flank"] = True
        _note_shared_flanks(work, place)
    if "optimizeMotifShiftHeuristic" in switches:
        values["shift_footprint_heuristic"] = True
    if "optimizeMotifShift" in switches:
        values["shift_footprint"] = True
    if "optimizeSizeHeuristic" in switches and limits.max_size != 0:
        values |= _growth(work, place, can_widen)
    return values or _frame_search(work, place)


def _frame_search(work: Translation, place: int) -> Values:
    """Shifts of a motif that begins at random, unless some search is asked for.

    They change nothing about the model, but most random starts end in a motif that is
    off by some positions, which is another, worse optimum of the same objective.
    """
    seed = work.mode_seed(place)
    if (
        work.mode_constraints(place).symmetry_string != NO_SYMMETRY
        or seed.mononucleotide_iupac is not None
        or seed.mononucleotide_string is not None
    ):
        return {}
    added = ("shift_footprint_heuristic", "shift_footprint")
    work.note(
        constraints_key("bindingModes", place),
        "training also shifts the motif, to find a lower value of the same objective"
        f" ({', '.join(added)})",
        "info",
    )
    return dict.fromkeys(added, True)


def _growth(work: Translation, place: int, can_widen: bool) -> Values:
    limits = work.mode_constraints(place)
    values: Values = {
        "increment_footprint": True,
        "information_threshold": limits.information_threshold,
    }
    largest = _largest_size(work, place)
    if largest is not None:
        values["max_kernel_size"] = largest
    if can_widen:
        values["increment_flank_with_footprint"] = True
        _note_shared_flanks(work, place)
    return values


def _can_widen(work: Translation, place: int) -> bool:
    length = work.settings.binding_modes[place].flank_length
    tables = work.tables_of_mode(place)
    return bool(tables) and all(
        most_flank_letters(work, place, table) > length for table in tables
    )


def _note_shared_flanks(work: Translation, place: int) -> None:
    sharing = {
        mode
        for table in work.tables_of_mode(place)
        for mode, part in enumerate(work.settings.binding_modes)
        if part.size and table in work.tables_of_mode(mode)
    }
    if len(sharing) > 1:
        work.note(
            constraints_key("bindingModes", place),
            "when training scores more letters of the flanks, all modes of a table do;"
            " in ProBound only this one",
        )


def _psam_mode(
    work: Translation, place: int, mode: schema.BindingModeSettings
) -> Values:
    values: Values = {"type": "psam", "psam": mode_name(place)}
    tables = work.tables_of_mode(place)
    crops = {flank_lengths_of(work, table) - mode.flank_length for table in tables}
    if len(crops) > 1:
        work.lack(
            settings_key("bindingModes", place, "flankLength"),
            "the mode scores more letters of the flanks than all others in one table,"
            " but not in another one",
        )
    elif any(crops):
        values |= {"crop_left": max(crops), "crop_right": max(crops)}
    if mode.position_bias:
        width = work.mode_constraints(place).position_bias_bin_width
        values |= {"train_posbias": True, "bias_bin": width}
    return values


def _check_mode(
    work: Translation, place: int, mode: schema.BindingModeSettings
) -> None:
    """Lists the settings of a mode that cannot be expressed."""
    key = settings_key("bindingModes", place)
    limits = work.mode_constraints(place)
    limits_key = constraints_key("bindingModes", place)
    if not mode.fit_log_activity:
        work.lack((*key, "fitLogActivity"), "must be true; ProBound crashes otherwise")
    tables = work.tables_of_mode(place)
    if not tables:
        work.lack(key, "no table uses this mode")
    if not limits.experiment_specific_activity and len(tables) > 1:
        work.lack(
            (*limits_key, "experimentSpecificActivity"),
            "activities of several tables cannot be tied",
        )
    if not mode.size:
        return
    optimizer = work.file.config.optimizer_setting
    for name, value, matters in (
        ("pseudocount_mono", mode.pseudocount_mono, True),
        ("pseudocount_di", mode.pseudocount_di, mode.pair_distance > 0),
    ):
        if value is not None and matters and value != optimizer.pseudocount:
            work.lack(
                (*key, name), "all motifs have the pseudocount of optimizerSetting"
            )
    for number, modification in enumerate(mode.modifications):
        acting = [
            e
            for e in tables
            if modification.name in work.settings.enrichment_model[e].modifications
        ]
        if acting:
            work.lack(
                (*key, "modifications", number),
                f"energies cannot be shifted by {modification.name!r} in some tables",
            )
    if mode.position_bias:
        _check_position_bias(work, place, mode)


def _check_position_bias(
    work: Translation, place: int, mode: schema.BindingModeSettings
) -> None:
    limits = work.mode_constraints(place)
    key = constraints_key("bindingModes", place)
    tables = work.tables_of_mode(place)
    if not limits.experiment_specific_position_bias and len(tables) > 1:
        work.lack(
            (*key, "experimentSpecificPositionBias"),
            "position biases of several tables cannot be tied",
        )
    width = limits.position_bias_bin_width
    for table in tables:
        length = work.settings.count_table[table].variable_region_length
        n_windows = length + 2 * mode.flank_length - mode.size + 1
        if width > 1 and n_windows % width and not mode.single_strand:
            work.lack(
                (*key, "positionBiasBinWidth"),
                f"bins of {width} do not divide the {n_windows} windows of table"
                f" {table}; those of the reverse strand would begin at the other end",
            )
    if width > 1 and active_switches(limits):
        work.note(
            (*key, "positionBiasBinWidth"),
            "bins are those of the forward strand when training changes the windows",
        )


# --- interactions ------------------------------------------------------------------


def _check_interaction(
    work: Translation, place: int, part: schema.InteractionSettings
) -> None:
    """Lists the settings of an interaction that cannot be expressed."""
    key = settings_key("bindingModeInteractions", place)
    limits = work.interaction_constraints(place)
    modes = [work.settings.binding_modes[mode] for mode in part.binding_modes]
    if not part.fit_log_activity:
        work.lack((*key, "fitLogActivity"), "must be true; ProBound crashes otherwise")
    if part.position_bias:
        work.lack(
            (*key, "positionBias"),
            "a value for each pair of windows alone, without one for each distance,"
            " cannot be trained",
        )
    if modes[0].single_strand != modes[1].single_strand:
        work.lack(key, "both modes must score the same number of strands")
    if part.max_overlap >= min(mode.size for mode in modes):
        work.lack(
            (*key, "maxOverlap"),
            "must be less than the size of either motif: ProBound counts the overlap"
            " of a motif within another one in its own way",
        )
    if not limits.experiment_specific_activity and work.n_tables > 1:
        work.lack(
            constraints_key(
                "bindingModeInteractions", place, "experimentSpecificActivity"
            ),
            "activities of several tables cannot be tied",
        )
    seeding = work.file.config.model_seeding
    seeds = (seeding.binding_mode_interactions if seeding else None) or []
    if place < len(seeds) and (seeds[place].activity or seeds[place].position_matrix):
        work.note(
            ("modelSeeding", "bindingModeInteractions", place),
            "interactions begin with equal energies; these first values are not used",
        )
