"""Reading the parts of a fit of ProBound: valid input, and what is refused."""

import copy
import io
import json

import pandas as pd
import pytest
import torch

from pyprobound import external
from pyprobound.alphabets import DNA, Protein
from pyprobound.errors import InputError
from pyprobound.layers import NonSpecific
from pyprobound.rounds import BoundUnsaturatedRound

CONFIG = {"optimizerSetting": {"lambdaL2": 1e-3, "pseudocount": 2, "expBound": 40}}


def make_fit(**settings):
    """One table, a non-specific mode and a motif, with whole numbers only."""
    return {
        "modelSettings": {
            "letterOrder": "ACGT",
            "countTable": [{"leftFlank": "GA", "rightFlank": "TC"}],
            "bindingModes": [
                {"size": 0},
                {"size": 2, "flankLength": 1, "componentName": "Binding mode 1"},
            ],
            "bindingModeInteractions": [],
            "enrichmentModel": [{"modelType": "SELEX"}],
            **settings,
        },
        "coefficients": {
            "countTable": [{"h": [0, 1]}],
            "enrichmentModel": [{"rho": [1, 1], "gamma": [0, -1], "delta": [-2, -2]}],
            "bindingModes": [
                {"activity": [[0, 1]], "mononucleotide": [], "dinucleotide": []},
                {
                    "activity": [[0, 2]],
                    "mononucleotide": [0, 1, 2, 3, 4, 5, 6, 7],
                    "dinucleotide": [],
                    "positionBias": [[[1, 2, 3], [4, 5, 6]]],
                },
            ],
        },
    }


def make_frame(columns=(0, 1)):
    counts = {column: [3, 1, 2] for column in columns}
    return pd.DataFrame(counts, index=["AC", "GT", "CC"])


def parse(fit, config=CONFIG, frame=None, **options):
    tables = external.parse_probound_tables(
        fit, [make_frame() if frame is None else frame]
    )
    return external.parse_probound_model(fit, config, tables, **options), tables


# --- files -----------------------------------------------------------------------


def write_lines(path, *models):
    path.write_text("\n".join(json.dumps(model) for model in models) + "\n\n")
    return path


def stage(name, loss):
    metadata = {"fitName": name}
    return make_fit() | {
        "metadata": metadata if loss is None else metadata | {"logLikelihood": loss}
    }


def test_the_final_fit_is_the_first_of_the_best(tmp_path):
    path = write_lines(
        tmp_path / "fit.json",
        stage("a", 5),
        stage("b", 2.5),
        stage("c", None),
        stage("d", 2.5),
    )
    assert external.get_fit_final(path)["metadata"]["fitName"] == "b"


def test_a_stage_can_be_chosen(tmp_path):
    path = write_lines(tmp_path / "fit.json", stage("a", 5), stage("b", 2))
    assert external.get_fit_final(path, stage="a")["metadata"]["fitName"] == "a"
    assert external.get_fit_final(path, stage=-1)["metadata"]["fitName"] == "b"
    with pytest.raises(InputError, match="'c'; the stages are: a, b"):
        external.get_fit_final(path, stage="c")
    with pytest.raises(InputError, match="no stage 2 of 2"):
        external.get_fit_final(path, stage=2)


@pytest.mark.parametrize("content", [[stage("a", 1)], stage("a", 1)])
def test_lists_and_pretty_printed_objects_are_read(tmp_path, content):
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(content, indent=2))
    assert external.read_probound_lines(path) == [stage("a", 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"modelSettings": {}}\n{oops\n', "line 2: this is not JSON"),
        ("", "holds no model"),
        ("[]", "holds no model"),
        ("[1]", "model 1: expected a JSON object"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        external.read_probound_lines(path)


@pytest.mark.parametrize("metadata", [None, [], "text"])
def test_models_without_metadata_are_read(tmp_path, metadata):
    odd = make_fit() | {"metadata": metadata}
    path = write_lines(tmp_path / "fit.json", odd, stage("b", 7))
    assert external.get_fit_final(path)["metadata"]["fitName"] == "b"
    assert external.get_fit_final(path, stage=0) == odd


def test_any_line_end_of_unicode_may_be_in_a_text(tmp_path):
    path = tmp_path / "fit.json"
    line = json.dumps(stage("a\u2028b\x85c", 1), ensure_ascii=False)
    path.write_text(f"\ufeff{line}\r\n{line}\n", encoding="utf-8", newline="")
    names = [m["metadata"]["fitName"] for m in external.read_probound_lines(path)]
    assert names == ["a\u2028b\x85c"] * 2


def test_compressed_files_are_named(tmp_path):
    path = tmp_path / "fit.json.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(InputError, match=r"not text; .* unpack it first") as caught:
        external.read_probound_lines(path)
    assert caught.value.path == path


# --- letters ---------------------------------------------------------------------


def alphabet_of(**settings):
    fit = make_fit()
    del fit["modelSettings"]["letterOrder"]
    fit["modelSettings"] |= settings
    return external.parse_probound_alphabet(fit)


def test_dna_is_recognised():
    assert alphabet_of() == DNA()
    assert alphabet_of(letterOrder="ACGT") == DNA()
    assert alphabet_of(letterOrder="ACGT", letterComplement="C-G,A-T") == DNA()
    assert alphabet_of(letterComplement="T-A,G-C,A-T") == DNA()


def test_pairs_enclose_each_other():
    alphabet = alphabet_of(letterOrder="ACGTmg", letterComplement="C-G,A-T,m-g")
    assert alphabet.alphabet == tuple("mACGTg")
    assert alphabet.complement


def test_d65_proteins_are_recognised_and_not_complementary():
    letters = "".join(Protein().alphabet)
    assert alphabet_of(letterOrder=letters) == Protein()
    own = ",".join(f"{letter}-{letter}" for letter in letters)
    assert alphabet_of(letterComplement=own) == Protein()


def test_d65_letters_without_pairs_are_not_complementary():
    alphabet = alphabet_of(letterOrder="XYZW")
    assert alphabet.alphabet == tuple("XYZW")
    assert not alphabet.complement


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("A-T,C-C", "C is its own complement"),
        ("AT,C-G", "expected pairs"),
        ("A-T", "the pairs name the letters AT, but letterOrder is ACG"),
    ],
)
def test_d65_unusable_pairs_are_refused(pairs, message):
    order = "ATC" if "C-C" in pairs else "ACG"
    with pytest.raises(InputError, match=message):
        alphabet_of(letterOrder=order, letterComplement=pairs)


def test_a_reverse_strand_needs_complements():
    fit = make_fit(letterOrder="XYZW")
    with pytest.raises(InputError, match=r"bindingModes\[1\].singleStrand"):
        external.parse_probound_psam(fit, 1)


# --- tables ----------------------------------------------------------------------


def test_flanks_are_those_of_the_most_demanding_mode():
    (table,) = external.parse_probound_tables(make_fit(), [make_frame()])
    assert (table.left_flank_length, table.right_flank_length) == (1, 1)
    fit = make_fit()
    fit["modelSettings"]["bindingModes"][1]["flankLength"] = 9
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    assert (table.left_flank_length, table.right_flank_length) == (2, 2)


@pytest.mark.parametrize("columns", [(0, 1, 2), (1, 2, 3), ("x", "y", "z")])
def test_d66_columns_are_chosen_by_position(columns):
    frame = make_frame(columns)
    frame.iloc[:, 2] += 10
    fit = make_fit()
    fit["modelSettings"]["countTable"][0]["modeledColumns"] = [0, 2]
    (table,) = external.parse_probound_tables(fit, [frame])
    assert table.target.tolist() == [[3, 13], [1, 11], [2, 12]]


@pytest.mark.parametrize("columns", [[-1], None])
def test_d66_all_columns_can_be_modelled(columns):
    fit = make_fit()
    if columns is not None:
        fit["modelSettings"]["countTable"][0]["modeledColumns"] = columns
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    assert table.target.shape == (3, 2)


@pytest.mark.parametrize(
    ("old", "new"), [("CC", "AA"), (["CC"], ["AA"]), (["C", "AAA"], ["A", "T"])]
)
def test_d66_texts_are_replaced_in_sequences_only(old, new):
    fit = make_fit()
    settings = fit["modelSettings"]["countTable"][0]
    settings |= {"transliterate": {"in": old, "out": new}, "rightFlank": "CC"}
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    assert table.seqs[2].tolist() == DNA().translate("AAAC").tolist()


def test_d66_unequal_replacements_are_refused():
    fit = make_fit()
    fit["modelSettings"]["countTable"][0]["transliterate"] = {"in": ["C"], "out": []}
    message = r"countTable\[0\].transliterate: .*1 texts to replace but 0"
    with pytest.raises(InputError, match=message):
        external.parse_probound_tables(fit, [make_frame()])


def test_d66_only_modelled_rounds_are_observed():
    fit = make_fit()
    fit["modelSettings"]["countTable"][0]["modeledColumns"] = [1, 2]
    fit["coefficients"]["countTable"] = [{"h": [0, 1, 2]}]
    for values in fit["coefficients"]["bindingModes"]:
        values["activity"] = [[0, 1, 1]]
    loss, tables = parse(fit, frame=make_frame((0, 1, 2)))
    (experiment,) = loss.transforms
    assert len(experiment.rounds) == 3
    assert len(experiment.observed_rounds) == 2
    assert torch.isfinite(sum(loss(tables)))


def test_missing_tables_and_columns_are_named():
    fit = make_fit()
    with pytest.raises(InputError, match="1 count tables, but 2 data frames"):
        external.parse_probound_tables(fit, [make_frame()] * 2)
    fit["modelSettings"]["countTable"][0]["modeledColumns"] = [0, 7]
    with pytest.raises(InputError, match=r"columns \[0, 7\] do not all exist"):
        external.parse_probound_tables(fit, [make_frame()])


# --- motifs and modes ------------------------------------------------------------


def test_values_are_copied_by_letter():
    fit = make_fit(letterOrder="TGCA", letterComplement="C-G,A-T")
    psam = external.parse_probound_psam(fit, 1)
    forward = psam.get_filter(0)[0]
    for place, letter in enumerate(psam.alphabet.alphabet):
        index = "TGCA".index(letter)
        assert forward[place].tolist() == [index, index + 4]


def test_pairs_are_copied_by_letter():
    fit = make_fit(letterOrder="TGCA", letterComplement="C-G,A-T")
    fit["modelSettings"]["bindingModes"][1]["dinucleotideDistance"] = 3
    fit["coefficients"]["bindingModes"][1]["dinucleotide"] = [list(range(16))]
    psam = external.parse_probound_psam(fit, 1)
    assert psam.pairwise_distance == 1
    letters = psam.alphabet.alphabet
    for a, first in enumerate(letters):
        for b, second in enumerate(letters):
            expected = 4 * "TGCA".index(first) + "TGCA".index(second)
            assert psam.get_filter(1)[0, a, b, 0] == expected


def test_the_order_of_letters_may_be_missing():
    fit = make_fit()
    del fit["modelSettings"]["letterOrder"]
    values = external.parse_probound_psam(fit, 1).get_filter(0)[0]
    assert values.T.flatten().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("mode", [2, -3])
def test_modes_that_are_not_there_are_named(mode):
    with pytest.raises(IndexError, match=f"no mode {mode}: the fit has 2"):
        external.parse_probound_psam(make_fit(), mode)


@pytest.mark.parametrize(
    "path",
    [
        ("coefficients",),
        ("modelSettings", "bindingModes"),
        ("modelSettings", "bindingModes", 1, "size"),
        ("modelSettings", "enrichmentModel", 0, "modelType"),
        ("coefficients", "countTable", 0, "h"),
        ("coefficients", "bindingModes", 1, "activity"),
        ("coefficients", "bindingModes", 1, "activity", 0, 1),
        ("coefficients", "bindingModes", 1, "positionBias", 0),
    ],
)
def test_missing_values_are_named_with_their_place(path):
    fit = make_fit()
    fit["modelSettings"]["bindingModes"][1]["positionBias"] = True
    parent = fit
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    with pytest.raises(InputError, match="does not have this value") as caught:
        parse(fit)
    written = path[0] + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:]
    )
    assert caught.value.key == written


def test_wrong_numbers_of_coefficients_are_refused():
    fit = make_fit()
    fit["coefficients"]["bindingModes"][1]["mononucleotide"].pop()
    with pytest.raises(InputError, match="expected 2 x 4 numbers, found 7"):
        external.parse_probound_psam(fit, 1)
    fit = make_fit()
    fit["modelSettings"]["bindingModes"][1]["dinucleotideDistance"] = 1
    with pytest.raises(InputError, match="up to distance 1, found 0"):
        external.parse_probound_psam(fit, 1)


def test_a_mode_without_motif_has_no_psam():
    with pytest.raises(InputError, match=r"bindingModes\[0\].size: .*non-specific"):
        external.parse_probound_psam(make_fit(), 0)


def test_d67_position_bias_is_copied_while_gradients_are_on():
    fit = make_fit()
    fit["modelSettings"]["bindingModes"][1]["positionBias"] = True
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    specs = [NonSpecific(DNA()), external.parse_probound_psam(fit, 1)]
    assert torch.is_grad_enabled()
    _, mode = external.parse_probound_modes(fit, specs, table, 0)
    assert mode.layers[0].log_posbias.tolist() == [[[1, 2, 3], [6, 5, 4]]]
    assert mode.layers[0].log_posbias.requires_grad


def test_modes_must_fit_the_file():
    fit = make_fit()
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    nonspecific, psam = NonSpecific(DNA()), external.parse_probound_psam(fit, 1)
    with pytest.raises(InputError, match="2 modes, but 1 layer specs"):
        external.parse_probound_modes(fit, [psam], table, 0)
    with pytest.raises(TypeError, match="layer spec 1 must be"):
        external.parse_probound_modes(fit, [nonspecific, table], table, 0)
    fit["modelSettings"]["bindingModes"][1]["positionBias"] = True
    fit["coefficients"]["bindingModes"][1]["positionBias"][0][0].append(0)
    with pytest.raises(InputError, match="each of 3 windows, found 4"):
        external.parse_probound_modes(fit, [nonspecific, psam], table, 0)


# --- interactions ----------------------------------------------------------------


def interacting_fit():
    fit = make_fit(bindingModeInteractions=[{"bindingModes": [1, 1], "maxOverlap": 1}])
    matrix = torch.arange(36.0).view(1, 2, 2, 3, 3).tolist()
    fit["coefficients"]["bindingModeInteractions"] = [
        {"activity": [[0, 1]], "positionMatrix": matrix}
    ]
    return fit


def test_reverse_strands_are_turned_around():
    loss, _ = parse(interacting_fit())
    pair = loss.transforms[0].rounds[1].aggregate.contributions[2].binding
    # Stored per diagonal; only the allowed ones matter, here all but the middle one.
    (corner,) = pair.log_posbias[0][0, 0, 0, 1].tolist()
    assert corner == 9 + 3 * 2 + 2  # last window of a, first of b, which is reversed
    (corner,) = pair.log_posbias[0][0, 0, 1, 1].tolist()
    assert corner == 27 + 3 * 0 + 2
    assert pair.spacing.log_spacing.abs().max() == 0


def test_small_matrices_are_refused():
    fit = interacting_fit()
    fit["coefficients"]["bindingModeInteractions"][0]["positionMatrix"] = [
        [[[[0]]] * 2] * 2
    ]
    with pytest.raises(InputError, match="at least 3 x 3"):
        parse(fit)


def test_non_specific_modes_do_not_interact():
    fit = interacting_fit()
    fit["modelSettings"]["bindingModeInteractions"][0]["bindingModes"] = [0, 1]
    message = r"Interactions\[0\].bindingModes: .* mode 0 is non-specific"
    with pytest.raises(InputError, match=message):
        parse(fit)


# --- aggregates and rounds -------------------------------------------------------


def test_d68_whole_numbers_are_read():
    loss, tables = parse(make_fit())
    sum(loss(tables)).backward()
    (experiment,) = loss.transforms
    assert experiment.rounds[1].log_depth.item() == 1.0
    contribution = experiment.rounds[1].aggregate.contributions[1]
    assert contribution.log_activity.item() == 2.0
    assert contribution.log_activity.grad is not None


def fit_with_an_unused_mode():
    fit = make_fit()
    fit["modelSettings"]["enrichmentModel"][0]["bindingModes"] = [1]
    return fit


def test_d68_activities_of_other_bindings_are_kept():
    loss, _ = parse(fit_with_an_unused_mode())
    aggregate = loss.transforms[0].rounds[1].aggregate
    assert len(aggregate.contributions) == 1
    assert [float(each) for each in aggregate.throwaway_activities] == [1.0]
    assert not aggregate.throwaway_activities[0].requires_grad


def test_d68_both_spellings_are_read_and_the_old_one_is_written():
    loss, tables = parse(fit_with_an_unused_mode())
    expected = loss(tables).regularization.item()
    stream = io.BytesIO()
    loss.save(stream, format="1.5")
    stream.seek(0)
    names = torch.load(stream, weights_only=True)["state_dict"]
    assert any("throaway_activities.0" in name for name in names)
    other = fit_with_an_unused_mode()
    other["coefficients"]["bindingModes"][0]["activity"] = [[7, 7]]
    copy_of_it, _ = parse(other)
    assert copy_of_it(tables).regularization.item() != expected
    stream.seek(0)
    copy_of_it.reload(stream, strict=True)
    assert copy_of_it(tables).regularization.item() == expected


def test_modes_that_are_not_yet_included_do_not_bind():
    fit = make_fit()
    fit["modelSettings"]["bindingModes"][1]["includeComponent"] = False
    loss, tables = parse(fit)
    for each in loss.transforms[0].rounds:
        assert len(each.aggregate.contributions) == 1
    # Their coefficients are regularised all the same: 0 to 7, activities and depths.
    squares = sum(i**2 for i in range(8)) + (0 + 1) + (0 + 4) + (0 + 1)
    assert loss(tables).regularization.item() == pytest.approx(1e-3 * squares)


def test_nothing_but_included_modes_is_smoothed():
    fit = make_fit()
    full = parse(fit)[0](parse(fit)[1]).regularization.item()
    fit["modelSettings"]["bindingModes"][1]["includeComponent"] = False
    loss, tables = parse(fit)
    assert loss(tables).regularization.item() < full


@pytest.mark.parametrize(
    ("name", "is_smoothed"),
    [
        ("component1-0-h", False),
        ("component0-1-f0", False),
        ("component1-1-f0", True),
        ("component1-2-variation7", True),
        ("component1-4-all", True),
        ("component0-4-all", True),
        ("component5-3-f0", True),
        ("anything", True),
    ],
)
def test_stages_smooth_what_they_fit(name, is_smoothed):
    fit = make_fit() | {"metadata": {"fitName": name}}
    loss, tables = parse(fit, regularization="stage")
    plain, _ = parse(fit, {"optimizerSetting": {"lambdaL2": 1e-3}})
    final, _ = parse(fit)
    values = [each(tables).regularization.item() for each in (loss, plain, final)]
    expected = values[2] if is_smoothed else values[1]
    assert values[0] == pytest.approx(expected, rel=1e-12)
    assert values[1] < values[2]


def test_pairs_are_smoothed_once_they_are_fitted():
    fit = make_fit() | {"metadata": {"fitName": "component1-1-f1"}}
    mode = fit["modelSettings"]["bindingModes"][1]
    mode |= {"dinucleotideDistance": 1, "freezingLevel": 1}
    fit["coefficients"]["bindingModes"][1]["dinucleotide"] = [list(range(16))]
    frozen, tables = parse(fit, regularization="stage")
    freed = copy.deepcopy(fit)
    freed["modelSettings"]["bindingModes"][1]["freezingLevel"] = 0
    free, _ = parse(freed, regularization="stage")
    final, _ = parse(freed)
    values = [each(tables).regularization.item() for each in (frozen, free, final)]
    assert values[0] < values[1]
    assert values[1] == pytest.approx(values[2], rel=1e-12)


def test_rounds_that_are_not_cumulative_refer_to_the_first_unless_told():
    fit = make_fit()
    fit["modelSettings"]["enrichmentModel"][0]["cumulativeEnrichment"] = False
    as_before, _ = parse(fit)
    first, second = as_before.transforms[0].observed_rounds
    assert first.reference_round is None
    assert second.reference_round is first
    exact, _ = parse(fit, noncumulative_reference="none")
    assert all(e.reference_round is None for e in exact.transforms[0].observed_rounds)
    with pytest.raises(ValueError, match="noncumulative_reference must be"):
        parse(fit, noncumulative_reference="all")


def test_unknown_selections_are_refused():
    fit = make_fit(enrichmentModel=[{"modelType": "InputFreeFraction"}])
    with pytest.raises(RuntimeError, match="'InputFreeFraction' of experiment 0"):
        parse(fit)


def test_something_must_bind():
    fit = make_fit(enrichmentModel=[{"modelType": "SELEX", "bindingModes": []}])
    with pytest.raises(InputError, match="no binding mode takes part in column 0"):
        parse(fit)


def test_modifications_are_refused_where_they_act():
    fit = make_fit()
    mode = fit["modelSettings"]["bindingModes"][1]
    mode["modifications"] = [{"name": "5mC", "mononucleotide": ["C"]}]
    loss, _ = parse(fit)
    assert len(loss.transforms) == 1
    fit["modelSettings"]["enrichmentModel"][0]["modifications"] = ["5mC"]
    with pytest.raises(InputError, match="modifications 5mC of mode 1"):
        parse(fit)


# --- models ----------------------------------------------------------------------


def test_d69_untrained_position_bias_is_not_regularised():
    loss, _ = parse(make_fit())
    kept = [
        name
        for name, _ in loss.named_parameters()
        if not any(text in name for text in loss.exclude_regularization)
    ]
    assert not [name for name in kept if "log_posbias" in name]
    assert [name for name in kept if "log_activity" in name]
    # The bound of each of these zeros would be 2 exp(-bound), which is large here.
    config = {"optimizerSetting": {"lambdaL2": 0, "expBound": 1}}
    loss, tables = parse(make_fit(), config)
    penalised = torch.tensor([0.0, 1, 0, 2, 0, 1, *range(8)])
    expected = ((penalised - 1).exp() + (-penalised - 1).exp()).sum()
    found = loss(tables).regularization.item()
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_d69_trained_position_bias_is_regularised():
    fit = make_fit()
    plain, tables = parse(fit)
    fit["modelSettings"]["bindingModes"][1]["positionBias"] = True
    loss, _ = parse(fit)
    more = loss(tables).regularization.item() - plain(tables).regularization.item()
    assert more == pytest.approx(1e-3 * (1 + 4 + 9 + 16 + 25 + 36), rel=1e-5)


def test_configurations_may_be_lists_of_functions():
    entries = [
        {"function": "addNS"},
        {"function": "optimizerSetting", "lambdaL2": 1e-3},
        {"function": "optimizerSetting", "pseudocount": 2},
    ]
    listed, tables = parse(make_fit(), entries)
    given, _ = parse(make_fit())
    values = [each(tables).regularization.item() for each in (listed, given)]
    assert values[0] == values[1]
    default, _ = parse(make_fit(), {})
    assert default.lambda_l2 == 1e-7


@pytest.mark.parametrize(
    ("where", "setting", "message"),
    [
        ("countTable", {"probeBias": False}, "probeBias: .*absolute counts"),
        ("countTable", {"errorModel": "Normal"}, "error model 'Normal'"),
        ("bindingModes", {"fitLogActivity": False}, "fitLogActivity"),
    ],
)
def test_likelihoods_without_counterpart_are_refused(where, setting, message):
    fit = make_fit()
    tables = external.parse_probound_tables(fit, [make_frame()])
    fit["modelSettings"][where][0] |= setting
    with pytest.raises(InputError, match=message):
        external.parse_probound_model(fit, CONFIG, tables)


def test_tables_must_fit_the_model():
    fit = make_fit()
    (table,) = external.parse_probound_tables(fit, [make_frame()])
    with pytest.raises(InputError, match="1 count tables, but 2 are given"):
        external.parse_probound_model(fit, CONFIG, [table, table])
    fit["modelSettings"]["countTable"][0]["modeledColumns"] = [0]
    with pytest.raises(InputError, match=r"models 1 columns of table 0, .* has 2"):
        external.parse_probound_model(fit, CONFIG, [table])
    with pytest.raises(ValueError, match="regularization must be"):
        external.parse_probound_model(fit, CONFIG, [table], regularization="all")


def test_models_can_be_copied_and_described():
    loss, tables = parse(make_fit(), regularization="stage")
    twin = copy.deepcopy(loss)
    assert twin(tables).regularization.item() == loss(tables).regularization.item()
    assert "Binding mode 1" in loss.get_setup_string()
    assert isinstance(loss.transforms[0].rounds[0], BoundUnsaturatedRound)
