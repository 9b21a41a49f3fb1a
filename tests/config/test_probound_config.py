"""Reading configurations of ProBound."""

from __future__ import annotations

import json

import pytest

from probound_configs import MODE, NS, OUTPUT, TABLE, build, full
from pyprobound.config.probound import (
    ProBoundConfigWarning,
    expand,
    is_probound,
    load_probound,
    parse_probound,
)
from pyprobound.config.probound.symmetry import missing_in_psam, psam_ids
from pyprobound.errors import InputError
from pyprobound.external.symmetry_strings import parse_symmetry_string

# --- builder files -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        ("bcd/config.builder.json", "bcd/config.full.json"),
        ("exdhox/mono.builder.json", "exdhox/mono.full.json"),
        ("exdhox/di.builder.json", "exdhox/di.full.json"),
        ("exdhox/coop.builder.json", "exdhox/coop.full.json"),
        ("rbfox3/builder.json", "rbfox3/full.json"),
    ],
)
def test_builder_files_expand_as_in_the_original_program(data_dir, builder, expected):
    found = load_probound(data_dir / builder)
    values = json.loads((data_dir / expected).read_text())
    if builder.startswith("bcd"):
        # Written by an older version, which did not know these settings.
        for table in values["modelSettings"]["countTable"]:
            table |= {"testFolds": [], "probeBias": True, "errorModel": "Poisson"}
        for model in values["modelSettings"]["enrichmentModel"]:
            model["roundSpecificBindingModes"] = [[]]
            model["roundSpecificBindingModeInteractions"] = [[]]
    assert found.expanded == values
    assert found.is_builder
    assert found.remarks == ()
    # A full configuration is its own expansion.
    again = load_probound(data_dir / expected)
    assert again.expanded == values
    assert not again.is_builder
    assert expand(values) == values


def test_every_key_of_a_real_builder_file_arrives(data_dir):
    found = load_probound(data_dir / "znf891/builder.json")
    assert found.remarks == ()
    settings = found.expanded["modelSettings"]
    assert settings["letterOrder"] == "ACGTmg"
    assert settings["letterComplement"] == "C-G,A-T,m-g"
    assert settings["enrichmentModel"][0]["cumulativeEnrichment"] is True
    assert [mode["size"] for mode in settings["bindingModes"]] == [0, 12, 12, 12]
    constraints = found.expanded["modelFittingConstraints"]["bindingModes"]
    assert [part["maxSize"] for part in constraints] == [-1, 18, 18, 18]
    assert constraints[1]["fittingStages"] == [
        {"optimizeFlankLength": True},
        {"optimizeMotifShiftHeuristic": True},
        {"optimizeSizeHeuristic": True},
    ]


def test_pass_through_of_known_and_unknown_keys():
    found = parse_probound([{**TABLE, "leftFlank": "AC", "colour": 1}, OUTPUT, NS])
    table = found.expanded["modelSettings"]["countTable"][0]
    assert table["leftFlank"] == "AC"
    assert table["colour"] == 1
    assert "function" not in table


def test_add_ns_discards_its_keys_and_says_so():
    found = parse_probound([TABLE, OUTPUT, {**NS, "flankLength": 3}, NS])
    assert found.expanded["modelSettings"]["bindingModes"][0]["flankLength"] == 0
    unknown = [remark for remark in found.remarks if remark.kind == "unknown"]
    assert [remark.key for remark in unknown] == ["[2].flankLength"]


def test_only_two_modes_of_an_interaction_are_kept_and_rounds_thrown_away():
    pair = {"function": "addInteraction", "bindingModes": [1, 1, 0]}
    found = build(pair, {"function": "addSELEX", "rounds": [1, 2]})
    settings = found.expanded["modelSettings"]
    assert settings["bindingModeInteractions"][0]["bindingModes"] == [1, 1]
    assert "rounds" not in settings["enrichmentModel"][0]
    assert "rounds: has no effect" in "".join(map(str, found.remarks))


def test_p2_constraints_may_come_before_what_they_constrain():
    constrain = {
        "function": "enrichmentModelConstraints",
        "index": 0,
        "trySaturation": True,
    }
    symmetry = {"function": "symmetry", "index": 1}
    selex = {"function": "addSELEX"}
    found = parse_probound([constrain, symmetry, TABLE, OUTPUT, NS, MODE, selex])
    constraints = found.expanded["modelFittingConstraints"]
    assert [part["trySaturation"] for part in constraints["enrichmentModel"]] == [True]
    assert [part["symmetryString"] for part in constraints["bindingModes"]] == [
        "null",
        "1:4:1",
    ]


@pytest.mark.parametrize(
    ("function", "target", "n"),
    [
        ({"function": "enrichmentModelConstraints", "trySaturation": True},
         ("modelFittingConstraints", "enrichmentModel", "trySaturation"), 1),
        ({"function": "bindingModeConstraints", "informationThreshold": True},
         None, 0),
        ({"function": "bindingModeConstraints", "optimizeFlankLength": True},
         ("modelFittingConstraints", "bindingModes", "optimizeFlankLength"), 2),
        ({"function": "interactionConstraints", "experimentSpecificInteraction": True},
         ("modelFittingConstraints", "bindingModeInteractions",
          "experimentSpecificInteraction"), 1),
        ({"function": "bindingModeSeed", "seedScale": True}, None, 0),
        ({"function": "enrichmentModelSeed", "rho": [0, 1]},
         ("modelSeeding", "enrichmentModel", "rho"), 1),
    ],
)  # fmt: skip
def test_p3_index_of_minus_one_means_all(function, target, n):
    pair = {"function": "addInteraction", "bindingModes": [1, 1]}
    values = {**function, "index": -1}
    if target is None:
        with pytest.raises(InputError, match="input should be a valid number"):
            build(pair, values)
        return
    part, name, key = target
    elements = build(pair, values).expanded[part][name]
    assert [element[key] for element in elements] == [function[key]] * n


def test_p3_seeds_without_index_are_for_all_modes():
    modes = [MODE, {"function": "bindingModeSeed", "seedScale": 2}]
    seeds = parse_probound([TABLE, OUTPUT, *modes, MODE]).expanded["modelSeeding"]
    assert [seed["seedScale"] for seed in seeds["bindingModes"]] == [2, 2]


def test_p4_functions_of_the_older_program_keep_symmetries():
    symmetry = {"function": "symmetry", "index": 1, "symmetryString": "ABba"}
    older = {"function": "NRLBConstraints", "index": 0, "startK": 3}
    found = build(symmetry, older)
    parts = found.expanded["modelFittingConstraints"]["bindingModes"]
    assert parts[1]["symmetryString"] == "ABba"
    assert "startK have no effect" in str(found.remarks[-1])
    found = build(older | {"symmetryString": "AbBa"})
    parts = found.expanded["modelFittingConstraints"]["bindingModes"]
    assert [part["symmetryString"] for part in parts] == ["null", "AbBa"]


def test_p5_tables_without_selection_are_selex():
    other = {**TABLE, "countTableFile": "b.tsv"}
    found = parse_probound([TABLE, other, NS])
    settings = found.expanded["modelSettings"]
    assert [model["modelType"] for model in settings["enrichmentModel"]] == [
        "SELEX",
        "SELEX",
    ]
    assert found.expanded["optimizerSetting"]["output"]["baseName"] == "fit"
    text = "\n".join(map(str, found.remarks))
    assert "2 of 2 tables have no function addSELEX" in text
    assert "no function output with outputPath and baseName" in text


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([], "no function addTable"),
        ([TABLE], "no function addNS or addBindingMode"),
        ([{"function": "addTabel"}], "'addTabel' is no function .did you mean 'addTable'"),
        ([{"function": 3}], "3 is no function"),
        (["addNS"], "expected an object"),
        ([{"name": "addNS"}], "expected an object"),
        ([{"function": "outputDB"}], "private database"),
        ([{"function": "addTable", "countTableFile": "a", "nColums": 2,
           "variableRegionLength": 3}],
         "needs the key 'nColumns' .is it misspelt as 'nColums'"),
        ([{"function": "symmetry"}], "needs the key 'index'"),
        ([TABLE, MODE, {"function": "symmetry", "index": 1}], "no element 1 of bindingModes"),
        ([TABLE, MODE, {"function": "symmetry", "index": "x"}], "whole number"),
        ([TABLE, MODE, {"function": "symmetry", "index": True}], "whole number"),
        ([TABLE, {**MODE, "size": "4"}], r"bindingModes\[0\]\.size: .*integer.*'4'"),
        ([TABLE, {**MODE, "size": None}], r"\[1\]\.size: null is no value"),
    ],
)  # fmt: skip
def test_builder_errors_name_the_function(functions, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_probound(functions)
    assert caught.value.exit_code == 2


# --- full configurations -----------------------------------------------------------


def test_p1_unknown_keys_are_named_with_the_nearest_known_one():
    values = full(modelSettings__bindingModes__1__flankLenght=3)
    with pytest.warns(ProBoundConfigWarning, match="did you mean 'flankLength'"):
        expand(values)
    with pytest.raises(InputError, match=r"bindingModes\[1\]\.flankLenght: the key"):
        parse_probound(values, strict=True)
    strict = [TABLE, OUTPUT, {**MODE, "postionBias": True}]
    with pytest.raises(InputError, match=r"\[2\]\.postionBias.*'positionBias'"):
        parse_probound(strict, strict=True)
    # One key is told once.
    unknown = [r for r in parse_probound(strict).remarks if r.kind == "unknown"]
    assert len(unknown) == 1


def test_models_of_a_fit_are_configurations_too(data_dir):
    with (data_dir / "exdhox/mono.models.json").open() as lines:
        values = json.loads(next(lines))
    assert parse_probound(values).remarks == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("modelFittingConstraints__addBindingModesSequentially", False),
        ("modelFittingConstraints__flankLengths", [0, 1]),
        ("modelFittingConstraints__nShifts", 1),
        ("modelFittingConstraints__singleModeLengthSweep", True),
        ("modelFittingConstraints__bindingModes__1__minSize", 3),
        ("modelSettings__enrichmentModel__0__round", 2),
        ("modelSettings__enrichmentModel__0__r0KUsed", 2),
        ("modelSettings__enrichmentModel__0__r0KsTested", [2]),
        ("modelSeeding__bindingModes", [{"mononucleotideFile": "x"}]),
        ("optimizerSetting__sgdSettings", {"batchSize": 3}),
        ("optimizerSetting__slbfgsSettings", {}),
        ("optimizerSetting__fixedLibrarySize", True),
        ("optimizerSetting__output__storeHessian", True),
        ("optimizerSetting__output__printPSAM", True),
    ],
)
def test_settings_without_effect_are_named(path, value):
    remarks = parse_probound(full(**{path: value})).remarks
    assert len(remarks) == 1
    assert remarks[0].kind == "dead"
    name = path.rpartition("__")[2]
    if path.startswith("modelSeeding"):
        name = "mononucleotideFile"
    assert name in remarks[0].key
    assert "has no effect" in remarks[0].message


def test_saturation_is_a_setting_of_selex_alone():
    values = full(
        modelSettings__enrichmentModel__0__modelType="RhoGamma",
        modelSettings__enrichmentModel__0__bindingSaturation=True,
    )
    (remark,) = parse_probound(values).remarks
    assert "no effect with the modelType RhoGamma" in remark.message


def test_p7_free_fractions_are_not_cumulative_unless_asked():
    key = "modelSettings__enrichmentModel__0__"
    values = full(**{f"{key}modelType": "InputFreeFraction"})
    model = parse_probound(values).config.model_settings.enrichment_model[0]
    assert not model.is_cumulative
    model = parse_probound(full()).config.model_settings.enrichment_model[0]
    assert model.is_cumulative


INTERACTION = [{"bindingModes": [1, 1]}]


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"modelSettings__countTable": []}, "countTable", "at least 1 item"),
        ({"modelSettings__enrichmentModel": [{"modelType": "SELEX"}] * 2},
         "enrichmentModel", "2 enrichment models for 1 tables"),
        ({"modelSettings__enrichmentModel__0__modelType": "SELECTS"}, "modelType",
         "SELEX"),
        ({"modelFittingConstraints__bindingModes": [{}] * 3}, "bindingModes",
         "has 3 elements"),
        ({"modelSettings__letterComplement": "CG"}, "letterComplement", "pairs of"),
        ({"modelSettings__letterOrder": "ACG"}, "letterOrder", "ACGT, each once"),
        ({"modelSettings__letterOrder": "ACGTT"}, "letterOrder", "each once"),
        ({"modelSettings__countTable__0__modeledColumns": [0, 2]}, "modeledColumns",
         "not different columns of 2"),
        ({"modelSettings__countTable__0__modeledColumns": [0]}, "modeledColumns",
         "at least two"),
        ({"modelSettings__countTable__0__inputFileType": "xls"}, "inputFileType",
         "expected tsv"),
        ({"modelSettings__countTable__0__transliterate": {"in": ["A"], "out": []}},
         "transliterate", "pairs of equal lengths"),
        ({"modelSettings__enrichmentModel__0__bindingModes": [0, 2]}, "bindingModes",
         "2 is none of"),
        ({"modelSettings__enrichmentModel__0__roundSpecificBindingModes": [[0]]},
         "roundSpecificBindingModes", "one for each of 2"),
        ({"modelSettings__enrichmentModel__0__bindingModes": [0],
          "modelSettings__enrichmentModel__0__roundSpecificBindingModes": [[0], [1]]},
         r"roundSpecificBindingModes\[1\]", "1 is none of"),
        ({"modelSettings__bindingModes__1__flankLength": 3}, "flankLength",
         "shorter flank of table 0 has 0"),
        ({"modelSettings__bindingModes__1__size": 21}, "size", "does not fit"),
        ({"modelSettings__bindingModeInteractions": [{"bindingModes": [0, 1]}]},
         "bindingModes", "non-specific"),
        ({"modelSettings__bindingModeInteractions": [{"bindingModes": [1, 2]}]},
         "bindingModes", "2 is none of"),
        ({"modelSettings__bindingModeInteractions": [{"bindingModes": [1]}]},
         "bindingModes", "at least 2"),
        ({"modelSettings__bindingModeInteractions": INTERACTION,
          "modelSettings__enrichmentModel__0__bindingModes": [0],
          "modelSettings__enrichmentModel__0__bindingModeInteractions": [0]},
         "bindingModeInteractions", "not all listed"),
        ({"modelFittingConstraints__bindingModes__1__symmetryString": "ABa"},
         "symmetryString", "has 3 positions, but the mode has 4"),
        ({"modelFittingConstraints__bindingModes__1__symmetryString": "1:4"},
         "symmetryString", "is no block"),
        ({"modelFittingConstraints__bindingModes__1__symmetryString": "ABba",
          "modelFittingConstraints__bindingModes__1__optimizeSize": True},
         "symmetryString", "optimizeSize"),
        ({"modelFittingConstraints__bindingModes__1__symmetryString": "ABba",
          "modelSettings__letterComplement": "C-G,A-T,N-N"}, "symmetryString",
         "N do not"),
        ({"modelSeeding": {"countTable": [{}, {}]}}, "countTable", "has 2 elements"),
        ({"modelSeeding": {"bindingModes": [{}, {"mononucleotideIUPAC": "ACG"}]}},
         "mononucleotideIUPAC", "needs 4 of"),
        ({"modelSeeding": {"bindingModes": [{}, {"mononucleotideIUPAC": "ACGX"}]}},
         "mononucleotideIUPAC", "needs 4 of"),
        ({"modelSeeding": {"bindingModes": [{}, {"mononucleotideString": "acgt"}]}},
         "mononucleotideString", "needs 4 of"),
        ({"modelSettings__letterOrder": "TGCA",
          "modelSeeding": {"bindingModes": [{}, {"mononucleotideIUPAC": "ACGT"}]}},
         "mononucleotideIUPAC", "begin with ACGT"),
    ],
)  # fmt: skip
def test_parts_that_disagree_are_refused(changes, key, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_probound(full(**changes))
    assert caught.value.key is not None
    assert key.replace("\\", "") in caught.value.key


@pytest.mark.parametrize("switch", ["optimizeSizeHeuristic", "optimizeMotifShift"])
def test_p15_growth_of_a_symmetric_motif_is_refused_before_the_fit(switch):
    path = "modelFittingConstraints__bindingModes__1__"
    changes = {
        f"{path}symmetryString": "ABba",
        f"{path}fittingStages": [{"optimizeFlankLength": True}, {switch: True}],
    }
    with pytest.raises(InputError, match=f"cannot be combined with {switch}"):
        parse_probound(full(**changes))
    # Flanks may grow.
    changes[f"{path}fittingStages"] = [{"optimizeFlankLength": True}]
    parse_probound(full(**changes))


def test_an_interaction_acts_only_where_both_modes_do():
    from pyprobound.config.probound.checks import active_in_column, member_interactions

    values = full(modelSettings__bindingModeInteractions=INTERACTION)
    assert member_interactions(parse_probound(values).config, 0) == [0]
    values["modelSettings"]["enrichmentModel"][0]["bindingModes"] = [0]
    assert member_interactions(parse_probound(values).config, 0) == []
    assert active_in_column([0, 1], [[]], 1) == [0, 1]
    assert active_in_column([0, 1], [[0], [-1]], 0) == [0]
    assert active_in_column([0, 1], [[0], [-1]], 1) == [0, 1]


# --- files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "is empty"),
        (' [\n {"function":\n', 3, "truncated.*column 1"),
        ('[{"function": "addNS"', 1, "truncated: the file ends at column 22"),
        ('[\n{"function" "addNS"}]', 2, r"no valid JSON: .*column 13"),
        ('{"a": 1}\n{"a": 2}\n', 2, "fitted models"),
        ('{"a": 1,\n "a": 2}', 2, "a: the key is given twice"),
        ('{"modelSettings":\n {"letterOrder": null}}', 2, "letterOrder: null is no"),
        ('{"a": NaN}', None, "NaN is no number"),
        ("3", 1, "expected a list of functions"),
        ("[" * 200 + "]" * 200, None, "too many values"),
        ("[" * 100_000, None, "truncated|nested"),
        ('[\n {"function": "addNS"},\n {"function":\n "addNX"}\n]', 3, "addNS"),
        ('{\n "modelSettings": {\n  "countTable": 3\n }\n}', 2, "missing|list"),
    ],
)
def test_broken_files_are_refused_with_their_place(tmp_path, text, line, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_probound(path)
    assert caught.value.path == path
    assert caught.value.line == line


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_probound(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_probound(tmp_path)
    path = tmp_path / "a.json"
    path.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(InputError, match="compressed"):
        load_probound(path)
    path.write_bytes(b"[\xff]")
    with pytest.raises(InputError, match="UTF-8"):
        load_probound(path)
    path.write_bytes(b" " * ((1 << 24) + 1))
    with pytest.raises(InputError, match="too large"):
        load_probound(path)


def test_errors_of_builder_files_name_their_own_lines(tmp_path):
    path = tmp_path / "config.json"
    entries = [TABLE, OUTPUT, {**MODE, "modifications": [{"name": 3}]}]
    path.write_text(json.dumps(entries, indent=1))
    lines = path.read_text().split("\n")
    with pytest.raises(InputError, match=r"modifications\[0\]\.name") as caught:
        load_probound(path)
    assert '"name": 3' in lines[caught.value.line - 1]


def test_a_configuration_is_known_by_its_name_or_its_first_character(tmp_path):
    yaml = tmp_path / "fit.yaml"
    yaml.write_text("tables: {}\n")
    other = tmp_path / "config"
    other.write_text("\n [\n]")
    assert is_probound(tmp_path / "none.json")
    assert is_probound(other)
    assert not is_probound(yaml)
    assert not is_probound(tmp_path / "none")


# --- symmetry ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "distance", "missing"),
    [
        ("null", 3, []),
        ("ABba", 3, []),
        ("AB|AB", 0, []),
        ("AB|AB", 1, ["barriers for pairs of letters (behind 2)"]),
        ("A..|..B", 2, ["positions that read nothing (2, 3, 4, 5)"]),
        ("A1a", 1, ["positions that are their own complement (2)"]),
        (
            "A1a|.|B",
            2,
            [
                "positions that read nothing (4)",
                "positions that are their own complement (2)",
                "barriers for pairs of letters (behind 3, 4)",
            ],
        ),
    ],
)
def test_what_the_ids_of_a_motif_cannot_express(text, distance, missing):
    assert missing_in_psam(parse_symmetry_string(text), distance) == missing


def test_ids_of_a_motif():
    assert psam_ids(None) is None
    assert psam_ids(parse_symmetry_string("ABC")) is None
    assert psam_ids(parse_symmetry_string("1:4:1")) == [1, 2, -2, -1]
