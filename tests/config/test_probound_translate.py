"""Translating configurations of ProBound."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml

from probound_configs import MODE, NS, OUTPUT, TABLE, full
from pyprobound.config import FitConfig
from pyprobound.config.build import build
from pyprobound.config.probound import (
    ProBoundConfigWarning,
    convert,
    parse_probound,
    translate,
    translate_file,
)
from pyprobound.config.probound.schema import ProBoundConfig, ProBoundModel
from pyprobound.errors import InputError

PAIR = [{"bindingModes": [1, 1]}]
MODEL = "modelSettings__enrichmentModel__0__"
TABLE_0 = "modelSettings__countTable__0__"
MODE_1 = "modelSettings__bindingModes__1__"
LIMITS = "modelFittingConstraints__bindingModes__1__"
SELECTION = "modelFittingConstraints__enrichmentModel__0__"
FLANKS = {f"{TABLE_0}leftFlank": "ACGTA", f"{TABLE_0}rightFlank": "CCTGAA"}
THREE = {f"{TABLE_0}nColumns": 3}
OPTIMIZER = "optimizerSetting__"


def translated(**changes) -> FitConfig:
    return translate(parse_probound(full(**changes))).config


def missing(**changes) -> str:
    with pytest.raises(InputError, match="cannot be expressed") as caught:
        translated(**changes)
    return str(caught.value)


def table_of(config):
    return next(iter(config.tables.values()))


def rounds_of(config):
    return next(iter(config.experiments.values())).rounds


def types_of(config):
    return [part.type for part in rounds_of(config)]


def test_a_small_fit():
    config = translated()
    assert list(config.tables) == ["a"]
    table = table_of(config)
    assert table.path == str(Path("a.tsv").absolute())
    assert table.header is False
    assert (table.min_variable_length, table.max_variable_length) == (20, 20)
    assert table.alphabet == "DNA"
    assert table.columns is None
    assert types_of(config) == ["InitialRound", "BoundUnsaturatedRound"]
    assert config.modes["mode0"].ignore_length is True
    assert config.psams["mode1"].kernel_size == 4
    assert config.training.order == [["mode0"], ["mode1"]]
    loss = config.loss
    assert (loss.lambda_l2, loss.pseudocount, loss.exponential_bound) == (1e-7, 0, 40)
    assert loss.weights == [1]
    assert loss.dilute_regularization
    assert config.optimizer.greedy_threshold == 0
    assert config.threads is None


# --- tables ----------------------------------------------------------------------


def test_flanks_are_those_that_a_mode_sees():
    config = translated(**FLANKS, **{f"{MODE_1}flankLength": 3})
    table = table_of(config)
    assert (table.left_flank, table.right_flank) == ("ACGTA", "CCTGAA")
    assert (table.left_flank_length, table.right_flank_length) == (3, 3)
    assert config.modes["mode1"].crop_left == 0


def test_modes_that_see_less_of_the_flanks_crop_the_rest():
    modes = [{"size": 0}, {"size": 4, "flankLength": 1}, {"size": 5, "flankLength": 4}]
    config = translated(
        **FLANKS,
        modelSettings__bindingModes=modes,
        modelFittingConstraints={},
    )
    assert table_of(config).left_flank_length == 4
    assert (config.modes["mode1"].crop_left, config.modes["mode1"].crop_right) == (3, 3)
    assert config.modes["mode2"].crop_left == 0


def two_tables(**changes):
    values = full(**FLANKS)
    for name in ("countTable", "enrichmentModel"):
        values["modelSettings"][name].append(dict(values["modelSettings"][name][0]))
    values["modelFittingConstraints"] = {}
    for path, value in changes.items():
        values["modelSettings"][path] = value
    return values


def test_flanks_that_differ_between_tables_are_listed():
    modes = [{"size": 4, "flankLength": 1}, {"size": 5, "flankLength": 4}]
    values = two_tables(bindingModes=modes)
    values["modelSettings"]["enrichmentModel"][1]["bindingModes"] = [0]
    with pytest.raises(InputError, match="flankLength: the mode scores more letters"):
        translate(parse_probound(values))


def test_tables_of_one_name_are_told_apart():
    config = translate(parse_probound(two_tables())).config
    assert list(config.tables) == ["a", "a_1"]
    assert config.loss.weights == [1, 1]


def test_modeled_columns_are_compared_and_the_others_still_select():
    config = translated(**THREE, **{f"{TABLE_0}modeledColumns": [0, 2]})
    assert table_of(config).columns == [0, 2]
    assert [part.observed for part in rounds_of(config)] == [True, False, True]
    assert [part.reference_round for part in rounds_of(config)] == [None, "0", "1"]
    config = translated(
        **THREE,
        **{f"{TABLE_0}modeledColumns": [0, 1], f"{MODEL}cumulativeEnrichment": False},
    )
    assert [part.name for part in rounds_of(config)] == ["0", "1"]


def test_transliteration_is_literal():
    changes = {f"{TABLE_0}transliterate": {"in": ["AT", "G"], "out": ["GG", "A"]}}
    assert table_of(translated(**changes)).transliterate == {"AT": "GG", "G": "A"}
    changes = {f"{TABLE_0}transliterate": {"in": ["A."], "out": ["GG"]}}
    assert "'A.' is a pattern" in missing(**changes)
    changes = {f"{TABLE_0}transliterate": {"in": ["A", "A"], "out": ["G", "C"]}}
    assert "replaced twice" in missing(**changes)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inputFileType", "fastq", "make a table of counts"),
        ("inputFileType", "dat", "make a table of counts"),
        ("testFolds", [1], "held out"),
        ("probeBias", False, "absolute numbers"),
        ("errorModel", "Normal", "Normal is not available"),
        ("errorModel", "LogNormal", "LogNormal is not available"),
    ],
)
def test_settings_of_tables_that_are_missing(key, value, message):
    text = missing(**{TABLE_0 + key: value})
    assert f"modelSettings.countTable[0].{key}: " in text
    assert message in text


def test_all_settings_that_are_missing_are_listed_at_once():
    text = missing(
        **{
            f"{TABLE_0}probeBias": False,
            f"{MODE_1}fitLogActivity": False,
            f"{MODEL}modelType": "Exponential",
            f"{OPTIMIZER}minimizerType": "sgd",
        }
    )
    assert text.startswith("4 settings of ProBound")
    assert text.count("\n") == 4


# --- alphabets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("complement", "order", "letters"),
    [
        ("A-T,C-G", "TGCA", "DNA"),
        ("C-G,A-T,m-g", "ACGTmg", "ACgmGT"),
        ("A-U,C-G", "ACGU", "ACGU"),
        ("A-T,C-G,N-N", "ACGNT", "ACNGT"),
    ],
)
def test_letters_are_ordered_such_that_the_reverse_is_the_complement(
    complement, order, letters
):
    config = translated(
        modelSettings__letterComplement=complement, modelSettings__letterOrder=order
    )
    alphabet = table_of(config).alphabet
    if letters == "DNA":
        assert alphabet == "DNA"
        return
    assert alphabet.alphabet == letters
    assert alphabet.complement
    pairs = dict(zip(letters, reversed(letters), strict=True))
    assert all(pairs[part[0]] == part[2] for part in complement.split(","))


def test_letters_that_are_their_own_complements_have_one_strand():
    changes = {"modelSettings__letterComplement": "A-A,B-B,C-C"}
    assert "A, B, C are their own complements" in missing(**changes)
    config = translated(**changes, **{f"{MODE_1}singleStrand": True})
    assert table_of(config).alphabet.alphabet == "ABC"
    assert not table_of(config).alphabet.complement
    assert config.psams["mode1"].score_reverse is False


# --- modes -----------------------------------------------------------------------


def test_options_of_motifs():
    config = translated(
        **{
            f"{MODE_1}dinucleotideDistance": 9,
            f"{MODE_1}singleStrand": True,
            f"{MODE_1}positionBias": True,
            f"{LIMITS}positionBiasBinWidth": 2,
        }
    )
    psam, mode = config.psams["mode1"], config.modes["mode1"]
    assert psam.pairwise_distance == 3
    assert psam.score_reverse is False
    assert mode.train_posbias
    assert mode.bias_mode == "channel"
    assert mode.bias_bin == 2


def test_bins_must_divide_the_windows_of_two_strands():
    bias = {f"{MODE_1}positionBias": True, f"{LIMITS}positionBiasBinWidth": 3}
    assert "bins of 3 do not divide the 17 windows" in missing(**bias)
    bias[f"{MODE_1}size"] = 3
    assert translated(**bias).modes["mode1"].bias_bin == 3


@pytest.mark.parametrize(
    ("text", "ids"),
    [("1:4:1", [1, 2, -2, -1]), ("AbBa", [1, -2, 2, -1]), ("null", None)],
)
def test_symmetry(text, ids):
    psam = translated(**{f"{LIMITS}symmetryString": text}).psams["mode1"]
    assert psam.symmetry == ids
    # A shift would break it.
    assert psam.shift_footprint is (ids is None)


@pytest.mark.parametrize("text", ["A..a", "A11a", "AB|AB"])
def test_symmetry_that_is_missing(text):
    changes = {f"{LIMITS}symmetryString": text, f"{MODE_1}dinucleotideDistance": 1}
    assert "symmetryString: a motif here has no" in missing(**changes)


def test_pseudocounts_of_single_modes():
    changes = {f"{MODE_1}pseudocount_mono": 3}
    assert "pseudocount_mono: all motifs" in missing(**changes)
    config = translated(**changes, **{f"{OPTIMIZER}pseudocount": 3})
    assert config.loss.pseudocount == 3
    # Without pairs it does not matter.
    translated(**{f"{MODE_1}pseudocount_di": 3})
    changes = {f"{MODE_1}pseudocount_di": 3, f"{MODE_1}dinucleotideDistance": 1}
    assert "pseudocount_di" in missing(**changes)


def test_modifications_count_only_where_they_act():
    changes = {f"{MODE_1}modifications": [{"name": "5mCpG", "mononucleotide": ["C"]}]}
    translated(**changes)
    changes[f"{MODEL}modifications"] = ["5mCpG"]
    assert "cannot be shifted by '5mCpG'" in missing(**changes)


def test_p8_activities_must_be_logarithms():
    assert "fitLogActivity" in missing(**{f"{MODE_1}fitLogActivity": False})
    pair = [{"bindingModes": [1, 1], "fitLogActivity": False}]
    assert "fitLogActivity" in missing(modelSettings__bindingModeInteractions=pair)


@pytest.mark.parametrize("name", ["mononucleotideIUPAC", "mononucleotideString"])
def test_seeds_prefer_a_letter_by_their_scale(name):
    seed = {name: "ACGA", "seedScale": 2}
    config = translated(modelSeeding={"bindingModes": [{}, seed]})
    psam = config.psams["mode1"]
    assert psam.seed == ["ACGA"]
    assert not psam.shift_footprint

    from pyprobound.alphabets import DNA
    from pyprobound.layers import PSAM

    made = PSAM(4, DNA(), seed=psam.seed, seed_scale=psam.seed_scale)
    values = made.get_filter(0)[0].detach()
    assert values[:, 0].max() - values[:, 0].min() == pytest.approx(2, rel=1e-5)


def test_seeds_with_codes_and_other_alphabets():
    seed = {"mononucleotideIUPAC": "rnCA"}
    file = parse_probound(
        full(
            modelSeeding={"bindingModes": [{}, seed]},
            modelSettings__letterComplement="C-G,A-T,m-g",
            modelSettings__letterOrder="ACGTmg",
        )
    )
    found = translate(file)
    assert found.config.psams["mode1"].seed == ["RNCA"]
    assert table_of(found.config).alphabet.encoding["N"] == "ACGT"
    assert any("slightly different preference" in r.message for r in found.remarks)
    seed = {"mononucleotideString": "A.CA"}
    config = translated(modelSeeding={"bindingModes": [{}, seed]})
    assert config.psams["mode1"].seed == ["A-CA"]


def test_variations_become_greedy_steps():
    psam = translated(
        **FLANKS,
        **{
            f"{LIMITS}optimizeFlankLength": True,
            f"{LIMITS}optimizeMotifShift": True,
            f"{LIMITS}optimizeMotifShiftHeuristic": True,
            f"{LIMITS}optimizeSizeHeuristic": True,
            f"{LIMITS}maxSize": 8,
            f"{LIMITS}informationThreshold": 0.2,
        },
    ).psams["mode1"]
    assert psam.increment_flank
    assert psam.shift_footprint
    assert psam.shift_footprint_heuristic
    assert psam.increment_footprint
    assert psam.increment_flank_with_footprint
    assert psam.max_kernel_size == 8
    assert psam.information_threshold == 0.2


def test_only_motifs_without_a_search_of_their_own_are_shifted():
    psam = translated().psams["mode1"]
    assert psam.shift_footprint
    assert psam.shift_footprint_heuristic
    psam = translated(**{f"{LIMITS}optimizeMotifShiftHeuristic": True}).psams["mode1"]
    assert not psam.shift_footprint
    assert psam.shift_footprint_heuristic


def test_fitting_stages_replace_the_switches():
    stages = [{"optimizeSizeHeuristic": True}, {"optimizeFlankLength": True}]
    file = parse_probound(
        full(
            **FLANKS,
            **{f"{LIMITS}fittingStages": stages, f"{LIMITS}optimizeSize": True},
        )
    )
    found = translate(file)
    psam = found.config.psams["mode1"]
    assert psam.increment_flank
    assert psam.increment_footprint
    assert psam.max_kernel_size is None
    assert any("another order" in remark.message for remark in found.remarks)


def test_growth_on_one_side_at_a_time_is_missing():
    assert "optimizeSize: " in missing(**{f"{LIMITS}optimizeSize": True})


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({}, 3),  # one less than the size
        ({"maxFlankLength": 2}, 2),
        ({"maxFlankLength": 0}, None),
        ({"optimizeSizeHeuristic": True}, 5),
        ({"optimizeSizeHeuristic": True, "maxSize": 5}, 4),
        ({"optimizeSizeHeuristic": True, "maxSize": 0}, 3),
    ],
)
def test_limits_of_flanks(limits, most):
    changes = {LIMITS + key: value for key, value in limits.items()}
    config = translated(**FLANKS, **{f"{LIMITS}optimizeFlankLength": True}, **changes)
    assert table_of(config).max_left_flank_length == most
    assert table_of(config).max_right_flank_length == most
    assert config.psams["mode1"].increment_flank is (most is not None)


# --- ties ------------------------------------------------------------------------


def test_activities_of_all_columns_are_tied():
    tie = {f"{LIMITS}roundSpecificActivity": False}
    both = {"modelFittingConstraints__bindingModes__0__roundSpecificActivity": False}
    config = translated(**THREE, **tie, **both, **{f"{MODEL}concentration": 3})
    rounds = rounds_of(config)
    assert rounds[1].binding == ["mode0", "mode1"]
    assert rounds[1].target_concentration == 3
    assert rounds[2].from_round == "1"
    assert "everything that binds" in missing(**THREE, **tie)
    # With a single round of selection there is nothing to tie.
    assert rounds_of(translated(**tie))[1].binding == ["mode0", "mode1"]


@pytest.mark.parametrize(
    ("constraints", "name", "extra"),
    [
        ({"bindingModes": [{}, {"experimentSpecificActivity": False}]},
         "experimentSpecificActivity", {}),
        ({"bindingModes": [{}, {"experimentSpecificPositionBias": False}]},
         "experimentSpecificPositionBias",
         {"bindingModes": [{"size": 0}, {"size": 4, "positionBias": True}]}),
        ({"bindingModeInteractions": [{"experimentSpecificActivity": False}]},
         "experimentSpecificActivity", {"bindingModeInteractions": PAIR}),
    ],
)  # fmt: skip
def test_ties_over_tables_are_missing(constraints, name, extra):
    values = two_tables(**extra)
    values["modelFittingConstraints"] = constraints
    with pytest.raises(InputError, match=f"{name}: .*cannot be tied"):
        translate(parse_probound(values))


# --- selections ------------------------------------------------------------------


def test_saturation_and_concentration():
    changes = {f"{MODEL}bindingSaturation": True, f"{MODEL}concentration": 20}
    config = translated(**changes)
    assert types_of(config) == ["InitialRound", "BoundRound"]
    assert rounds_of(config)[1].target_concentration == 20
    assert "concentration" in missing(**{f"{MODEL}concentration": 0})
    assert "trySaturation" in missing(**{f"{SELECTION}trySaturation": True})


def test_rounds_that_are_not_cumulative_refer_to_nothing():
    config = translated(**THREE, **{f"{MODEL}cumulativeEnrichment": False})
    assert types_of(config) == ["BoundUnsaturatedRound"] * 3
    assert [part.reference_round for part in rounds_of(config)] == [None] * 3
    assert [part.train_depth for part in rounds_of(config)] == [False, True, True]


def test_members_of_experiments_and_rounds():
    config = translated(
        **THREE, **{f"{MODEL}roundSpecificBindingModes": [[0], [0], [0, 1]]}
    )
    assert [part.binding for part in rounds_of(config)[1:]] == [
        ["mode0"],
        ["mode0", "mode1"],
    ]
    empty = {f"{MODEL}roundSpecificBindingModes": [[0], [], [1]]}
    assert "nothing binds in column 1" in missing(**THREE, **empty)


def test_a_mode_that_no_table_uses_is_listed():
    assert "no table uses this mode" in missing(**{f"{MODEL}bindingModes": [0]})


def rho_gamma(**changes):
    return translated(**{f"{MODEL}modelType": "RhoGamma", **changes})


def test_exponents_of_bound_fractions():
    both = {f"{SELECTION}fitRho": True, f"{SELECTION}fitGamma": True}
    rounds = rounds_of(rho_gamma(**THREE, **both))
    assert [part.type for part in rounds[1:]] == ["RhoGammaRound"] * 2
    assert [(part.rho, part.gamma) for part in rounds[1:]] == [(1, 0), (2, 0)]
    seeds = {"modelSeeding": {"enrichmentModel": [{"rho": [0, 3], "gamma": [0, -2]}]}}
    (part,) = rounds_of(rho_gamma(**both, **seeds))[1:]
    assert (part.rho, part.gamma) == (3, -2)
    kind = {f"{MODEL}modelType": "RhoGamma"}
    tied = {f"{SELECTION}roundSpecificRho": False}
    assert "roundSpecificRho" in missing(**kind, **THREE, **both, **tied)
    (part,) = rounds_of(rho_gamma(**both, **tied))[1:]
    assert part.rho == 1
    tied = {f"{SELECTION}roundSpecificGamma": False}
    assert "roundSpecificGamma" in missing(**kind, **THREE, **both, **tied)
    assert "fitGamma: rho and gamma are trained together" in missing(
        **kind, **{f"{SELECTION}fitRho": True}
    )


@pytest.mark.parametrize(
    ("rho", "gamma", "expected"),
    [(1, 0, "BoundUnsaturatedRound"), (1, -1, "BoundRound"), (0, -1, "UnboundRound")],
)
def test_fixed_exponents(rho, gamma, expected):
    seeds = [{"rho": [0, rho], "gamma": [0, gamma]}]
    config = rho_gamma(modelSeeding={"enrichmentModel": seeds})
    assert types_of(config) == ["InitialRound", expected]
    kind = {f"{MODEL}modelType": "RhoGamma"}
    assert "rho = 2 and gamma = 0 (column 2)" in missing(**kind, **THREE)
    with pytest.raises(InputError, match="rho: has 1 values; expected one for each"):
        rho_gamma(modelSeeding={"enrichmentModel": [{"rho": [1]}]})


def test_kinetics():
    kind = {f"{MODEL}modelType": "ExponentialKinetics"}
    rounds = rounds_of(translated(**kind, **THREE))
    assert [part.type for part in rounds[1:]] == ["ExponentialRound"] * 2
    assert [(part.delta, part.train_delta) for part in rounds[1:]] == [(0, False)] * 2
    seeds = {"modelSeeding": {"enrichmentModel": [{"delta": [0, 1, 2]}]}}
    fit = {f"{SELECTION}fitDelta": [False, False, True]}
    rounds = rounds_of(translated(**kind, **THREE, **fit, **seeds))
    assert [(part.delta, part.train_delta) for part in rounds[1:]] == [
        (1, False),
        (2, True),
    ]
    fit = {f"{SELECTION}fitDelta": [True], f"{SELECTION}roundSpecificDelta": False}
    assert "roundSpecificDelta" in missing(**kind, **THREE, **fit)
    assert rounds_of(translated(**kind, **fit))[1].train_delta
    fit = {f"{SELECTION}fitDelta": [True, True]}
    assert "fitDelta: expected 1 or 3" in missing(**kind, **THREE, **fit)


@pytest.mark.parametrize("kind", ["Exponential", "InputFreeFraction", "SELEX_NRLB"])
def test_selections_that_are_missing(kind):
    assert f"there are no rounds for {kind}" in missing(**{f"{MODEL}modelType": kind})


def test_first_depths_are_not_used():
    found = translate(
        parse_probound(full(modelSeeding={"countTable": [{"h": [0, 1]}]}))
    )
    assert any(remark.key.endswith("[0].h") for remark in found.remarks)


# --- interactions ----------------------------------------------------------------


def test_interactions():
    pair = [{"bindingModes": [1, 1], "maxOverlap": 2, "maxSpacing": 3}]
    config = translated(modelSettings__bindingModeInteractions=pair)
    part = config.cooperativities["interaction0"]
    assert part.modes == ["mode1", "mode1"]
    assert (part.max_overlap, part.max_spacing) == (2, 3)
    assert part.ignore_pad
    assert rounds_of(config)[1].binding == ["mode0", "mode1", "interaction0"]
    assert config.training.order == [["mode0"], ["mode1"], ["interaction0"]]
    config = translated(modelSettings__bindingModeInteractions=PAIR)
    part = config.cooperativities["interaction0"]
    assert (part.max_overlap, part.max_spacing) == (0, None)


def test_position_biases_do_not_act_on_interactions():
    config = translated(
        modelSettings__bindingModeInteractions=PAIR, **{f"{MODE_1}positionBias": True}
    )
    part = config.cooperativities["interaction0"]
    assert part.modes == ["mode1-unbiased"] * 2
    assert config.modes["mode1"].train_posbias
    assert not config.modes["mode1-unbiased"].train_posbias
    assert config.modes["mode1-unbiased"].psam == "mode1"
    assert config.training.order == [["mode0"], ["mode1"], ["interaction0"]]


def test_energies_by_offset_are_shared_unless_experiments_have_their_own():
    values = two_tables(bindingModeInteractions=PAIR)
    config = translate(parse_probound(values)).config
    assert list(config.cooperativities) == ["interaction0"]
    own = [{"experimentSpecificInteraction": True}]
    values["modelFittingConstraints"]["bindingModeInteractions"] = own
    config = translate(parse_probound(values)).config
    assert list(config.cooperativities) == ["interaction0-a", "interaction0-a_1"]
    rounds = [part.rounds[1].binding[-1] for part in config.experiments.values()]
    assert rounds == ["interaction0-a", "interaction0-a_1"]
    assert config.training.order[-1] == ["interaction0-a", "interaction0-a_1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positionBias": True}, "positionBias: a value for each pair"),
        ({"maxOverlap": 4}, "maxOverlap: must be less"),
    ],
)
def test_settings_of_interactions_that_are_missing(change, message):
    pair = [{"bindingModes": [1, 1], **change}]
    assert message in missing(modelSettings__bindingModeInteractions=pair)


def test_partners_score_the_same_strands():
    modes = [{"size": 4}, {"size": 4, "singleStrand": True}]
    text = missing(
        modelSettings__bindingModes=modes,
        modelFittingConstraints={},
        modelSettings__bindingModeInteractions=[{"bindingModes": [0, 1]}],
    )
    assert "same number of strands" in text


def test_first_values_of_interactions_are_not_used():
    values = full(
        modelSettings__bindingModeInteractions=PAIR,
        modelSeeding={"bindingModeInteractions": [{"activity": [[0, 1]]}]},
    )
    remarks = translate(parse_probound(values)).remarks
    assert any("begin with equal energies" in remark.message for remark in remarks)


# --- optimizer -------------------------------------------------------------------


def test_optimizer_settings():
    config = translated(
        **{
            f"{OPTIMIZER}lambdaL2": 1e-3,
            f"{OPTIMIZER}pseudocount": 20,
            f"{OPTIMIZER}expBound": 30,
            f"{OPTIMIZER}likelihoodThreshold": 2e-4,
            f"{OPTIMIZER}nThreads": 2,
            f"{OPTIMIZER}nRetries": 5,
            f"{OPTIMIZER}output__verbose": False,
        }
    )
    assert (config.loss.lambda_l2, config.loss.pseudocount) == (1e-3, 20)
    assert config.loss.exponential_bound == 30
    assert config.optimizer.greedy_threshold == 2e-4
    assert config.threads == 2
    assert "expBound" in missing(**{f"{OPTIMIZER}expBound": 0})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("minimizerType", "patternSearch"),
        ("lbfgsSettings", {"memory": 10}),
        ("patternSearchSettings", {"theta": 0.1}),
    ],
)
def test_other_minimisers_of_the_same_objective(key, value):
    found = translate(parse_probound(full(**{OPTIMIZER + key: value})))
    assert any("same objective" in r.message and key in r.key for r in found.remarks)
    assert found.config.optimizer.optimizer == "FisherScoring"


def test_a_minimiser_that_does_nothing_is_refused():
    assert "without fitting" in missing(**{f"{OPTIMIZER}minimizerType": "sgd"})


# --- files -----------------------------------------------------------------------

ENTRIES = [TABLE, {"function": "addSELEX"}, OUTPUT, NS, MODE]


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "folder" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(ENTRIES, indent=1))
    return path


def test_tables_are_found_from_the_current_folder_or_beside_the_file(config_file):
    beside = config_file.parent / "a.tsv"
    beside.write_text("A" * 20 + "\t1\t4\n")
    path = table_of(translate_file(config_file).config).path
    assert path == str(beside)
    Path("a.tsv").write_text("A" * 20 + "\t1\t2\n")
    path = table_of(translate_file(config_file).config).path
    assert path == str(Path("a.tsv").absolute())


def test_columns_without_reads_are_not_compared(config_file):
    entries = [TABLE | {"nColumns": 3}, *ENTRIES[1:]]
    config_file.write_text(json.dumps(entries))
    row = "ACGT" * 5
    Path("a.tsv").write_text(f"{row}\t0\t1\t0\n\n{row[::-1]}\t0\t0\t2\n")
    found = translate_file(config_file)
    assert table_of(found.config).columns == [1, 2]
    rounds = rounds_of(found.config)
    assert [part.observed for part in rounds] == [False, True, True]
    assert [part.train_depth for part in rounds] == [False, False, True]
    assert any("without reads are not compared: 0" in r.message for r in found.remarks)
    Path("a.tsv").write_text(f"{row}\t0\t1\t0\n")
    with pytest.raises(InputError, match="fewer than two of the columns"):
        translate_file(config_file)


def test_a_table_with_other_columns_is_refused(config_file):
    Path("a.tsv").write_text("\n" + "A" * 20 + "\t1\t0\t3\n")
    with pytest.raises(InputError, match=r"line 2: has 3 columns.*is 2"):
        translate_file(config_file)


def test_converted_text_is_the_same_configuration(config_file):
    entries = [{**ENTRIES[0], "nColumn": 2}, *ENTRIES[1:]]
    config_file.write_text(json.dumps(entries, indent=1))
    with pytest.warns(ProBoundConfigWarning, match=r"line \d+: .*mean 'nColumns'"):
        text = convert(config_file)
    assert text.startswith("# Translated from a configuration of ProBound: config.json")
    assert "shifts the motif" in text
    config = FitConfig.model_validate(yaml.safe_load(text))
    assert config == translate_file(config_file).config


def test_unknown_keys_are_errors_if_asked_for(config_file):
    config_file.write_text(json.dumps([*ENTRIES[:4], {**MODE, "flanklength": 2}]))
    with pytest.raises(InputError, match="did you mean 'flankLength'"):
        convert(config_file, strict=True)


# --- the same model --------------------------------------------------------------


@pytest.mark.parametrize(
    ("config_name", "models_name", "stage"),
    [
        ("exdhox/mono.builder.json", "exdhox/mono.models.json", -1),
        ("exdhox/mono.builder.json", "exdhox/mono.models.json", 1),
        ("exdhox/di.builder.json", "exdhox/di.models.json", -1),
        ("exdhox/coop.builder.json", "exdhox/coop.models.json", -1),
        ("exdhox/coop.builder.json", "exdhox/coop.models.json", -4),
        ("rbfox3/builder.json", "rbfox3/models.json", -1),
    ],
)
def test_recorded_coefficients_have_the_recorded_likelihood(
    data_dir, config_name, models_name, stage
):
    from pyprobound.external import get_fit_final
    from pyprobound.workflow.data import load_data

    line = get_fit_final(data_dir / models_name, stage=stage)
    data = load_data(translate_file(data_dir / config_name).config)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        model = build(data.config, data.train)
        _write_coefficients(model, line)
    finally:
        torch.set_default_dtype(before)
    model.loss.eval()
    with torch.inference_mode():
        values = [
            model.loss._mean(experiment, table, torch.device("cpu")).item()
            for experiment, table in zip(
                model.loss.transforms, data.train_tables, strict=True
            )
        ]
    reads = [float(table.target.sum()) for table in data.train_tables]
    total = sum(n * value for n, value in zip(reads, values, strict=True))
    assert total == pytest.approx(line["metadata"]["logLikelihood"], rel=1e-7)


@torch.no_grad()
def _write_coefficients(model, line):
    from pyprobound.external import parse_probound_psam

    values = line["coefficients"]
    for name, psam in model.psams.items():
        source = parse_probound_psam(line, int(name.removeprefix("mode")))
        for key, tensor in source.betas.items():
            psam.betas[key].copy_(tensor)
    for place, group in enumerate(model.cooperativities.values()):
        for number, pair in enumerate(group.values()):
            stored = values["bindingModeInteractions"][number]["positionMatrix"][place]
            _write_spacing(pair, torch.tensor(stored, dtype=torch.float64))
    for place, experiment in enumerate(model.experiments.values()):
        depths = values["countTable"][place]["h"]
        for column, part in list(enumerate(experiment.rounds))[1:]:
            part.log_depth.copy_(torch.tensor(depths[column] - depths[0]))
            for contribution in part.aggregate.contributions:
                kind, number, included = _origin(contribution.binding, line)
                activity = values[kind][number]["activity"][place][column]
                contribution.log_activity.copy_(
                    torch.tensor(activity if included else -math.inf)
                )


def _origin(binding, line):
    name = getattr(binding, "name", "") or binding.spacing.name
    interaction = name.startswith("interaction")
    kind = "bindingModeInteractions" if interaction else "bindingModes"
    number = int(name.removeprefix("interaction" if interaction else "mode"))
    return kind, number, line["modelSettings"][kind][number]["includeComponent"]


def _write_spacing(pair, matrix):
    """The energies of offsets, from windows counted along each strand."""
    n_a, n_b = matrix.shape[2:]
    middle = pair.spacing.max_num_windows - 1
    for offset in range(1 - n_a, n_b):
        first = max(0, -offset)
        if first + offset < n_b:
            same = matrix[0, 0, first, first + offset]
            pair.spacing.log_spacing[0, middle + offset] = same
            opposite = matrix[0, 1, first, n_b - 1 - (first + offset)]
            pair.spacing.log_spacing[1, middle + (n_b - n_a) - offset] = opposite


# --- documentation ---------------------------------------------------------------


def _settings(model: type[ProBoundModel] = ProBoundConfig):
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in _models(field.annotation):
            yield from _settings(part)


def _models(annotation):
    import typing

    if isinstance(annotation, type) and issubclass(annotation, ProBoundModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def test_every_setting_is_in_the_documentation():
    page = Path(__file__).parents[2] / "docs" / "probound-settings.md"
    text = page.read_text(encoding="utf-8")
    assert [name for name in _settings() if f"`{name}`" not in text] == []


def test_every_test_that_the_documentation_names_exists():
    import re

    tests = Path(__file__).parents[1]
    page = tests.parent / "docs" / "probound-settings.md"
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
    sources = (
        "config/test_probound_config.py",
        "config/test_probound_translate.py",
        "config/test_cooperativities.py",
        "cli/test_fit_probound.py",
    )
    code = "".join((tests / name).read_text(encoding="utf-8") for name in sources)
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in code] == []
