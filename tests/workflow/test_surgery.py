"""Tests of what changes models: selection, gauges and scoring models."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import checkpoint
from pyprobound.alphabets import DNA
from pyprobound.config import dump_config, validate
from pyprobound.config.build import build
from pyprobound.errors import InputError
from pyprobound.external import parse_probound_model, parse_probound_tables
from pyprobound.external.lines import ModelLine
from pyprobound.layers import PSAM
from pyprobound.stats.best import MotifScores, best_sequences
from pyprobound.workflow import load_model, save_model
from pyprobound.workflow.data import load_data
from pyprobound.workflow.open_model import double_precision, open_line, open_model
from pyprobound.workflow.opened import ModelMode, OpenedModel
from pyprobound.workflow.surgery import (
    as_editable,
    drop,
    fix_gauge,
    place_of,
    save_opened,
    select,
)
from pyprobound.workflow.surgery_consensus import consensus
from pyprobound.workflow.surgery_logo import write_logo
from pyprobound.workflow.surgery_report import (
    best_rows,
    choose_motifs,
    describe,
    kmer_rows,
    report,
)
from workflow.small_tables import small_values, write_table

LENGTH = 7
SIZES = (0, 3, 4)
PAIRS = (0, 2, 0)


def _document():
    """A fit of ProBound with an interaction, pairs and a position bias."""
    rng = np.random.default_rng(7)
    n_windows = [LENGTH - size + 1 for size in SIZES]

    def values(*shape):
        return rng.normal(size=shape).tolist()

    return {
        "modelSettings": {
            "letterOrder": "ACGT",
            "letterComplement": "C-G,A-T",
            "bindingModes": [
                {
                    "size": size,
                    "flankLength": 0,
                    "dinucleotideDistance": distance,
                    "positionBias": size == 4,
                    "singleStrand": False,
                    "fitLogActivity": True,
                    "modifications": [],
                    "componentName": f"Binding mode {place}",
                }
                for place, (size, distance) in enumerate(zip(SIZES, PAIRS, strict=True))
            ],
            "bindingModeInteractions": [
                {
                    "bindingModes": [1, 2],
                    "maxOverlap": 0,
                    "maxSpacing": -1,
                    "fitLogActivity": True,
                    "positionBias": True,
                    "componentName": "both",
                }
            ],
            "countTable": [
                {
                    "countTableFile": "counts.tsv.gz",
                    "nColumns": 2,
                    "variableRegionLength": LENGTH,
                    "leftFlank": "",
                    "rightFlank": "",
                    "modeledColumns": [0, 1],
                }
            ],
            "enrichmentModel": [
                {
                    "modelType": "SELEX",
                    "bindingModes": [0, 1, 2],
                    "bindingModeInteractions": [0],
                    "roundSpecificBindingModes": [[]],
                    "roundSpecificBindingModeInteractions": [[]],
                    "cumulativeEnrichment": True,
                    "bindingSaturation": False,
                    "concentration": 1,
                }
            ],
        },
        "coefficients": {
            "bindingModes": [
                {
                    "mononucleotide": values(4 * size),
                    "dinucleotide": [
                        values(16 * (size - d)) for d in range(1, distance + 1)
                    ],
                    "activity": values(1, 2),
                    "positionBias": values(1, 2, n_windows[place]) if size == 4 else [],
                    "modifications": [],
                }
                for place, (size, distance) in enumerate(zip(SIZES, PAIRS, strict=True))
            ],
            "bindingModeInteractions": [
                {
                    "activity": values(1, 2),
                    "positionMatrix": values(1, 2, 2, n_windows[1], n_windows[2]),
                }
            ],
            "countTable": [{"h": values(2)}],
            "enrichmentModel": [{}],
        },
        "modelFittingConstraints": {"bindingModes": [{"a": 0}, {"a": 1}, {"a": 2}]},
        "metadata": {
            "fitName": "component2-4-all",
            "logLikelihood": 12.0,
            "logLikelihoodPerRead": 1.2,
            "regularization": 0.1,
        },
    }


@pytest.fixture
def document():
    return _document()


def negloglik(document):
    """The loss of a document on some random sequences."""
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), LENGTH)) for _ in range(40)]
    frame = pd.DataFrame(rng.integers(1, 9, (40, 2)), index=sequences)
    with double_precision():
        tables = parse_probound_tables(document, [frame])
        loss = parse_probound_model(document, {}, tables)
    return loss(tables).negloglik.item()


@pytest.fixture
def fitted(tmp_path):
    """A model of this library with everything, its tables and its file."""
    path = write_table(tmp_path / "small.tsv", n_rows=40)
    values = small_values(path)
    values["psams"] = {
        "one": {"kernel_size": 3, "pairwise_distance": 1},
        "two": {"kernel_size": 4, "symmetry": [1, 2, -2, -1]},
    }
    values["modes"] = {
        "ns": {"type": "nonspecific"},
        "one": {"type": "psam", "psam": "one", "train_hill": True},
        "two": {"type": "psam", "psam": "two", "train_posbias": True},
    }
    values["cooperativities"] = {"pair": {"modes": ["one", "two"]}}
    values["training"] = {"order": [["ns"], ["one", "two"], ["pair"]]}
    rounds = values["experiments"]["small"]["rounds"]
    rounds[1]["contributions"] = [
        {"binding": name} for name in ("ns", "one", "two", "pair")
    ]
    data = load_data(validate(values))
    torch.manual_seed(1)
    with double_precision():
        model = build(data.config, data.train)
    with torch.no_grad():
        for parameter in model.loss.parameters():
            parameter.copy_(torch.randn_like(parameter))
    file = tmp_path / "fit.safetensors"
    save_model(file, model)
    return open_model(file), data.train_tables


def loss_of(opened, tables):
    return opened.loss(tables).negloglik.item()


# --- selection ----------------------------------------------------------------------


def test_a_mode_of_a_document_is_removed_wherever_it_is_named(document):
    before = copy.deepcopy(document)
    opened = open_line("fit.json", document)
    result = drop(opened, ["Binding mode 0"])
    assert opened.document == before
    settings = result.document["modelSettings"]
    assert [mode["size"] for mode in settings["bindingModes"]] == [3, 4]
    assert settings["bindingModeInteractions"][0]["bindingModes"] == [0, 1]
    assert settings["enrichmentModel"][0]["bindingModes"] == [0, 1]
    constraints = result.document["modelFittingConstraints"]["bindingModes"]
    assert constraints == [{"a": 1}, {"a": 2}]
    assert [mode.name for mode in result.modes] == ["Binding mode 1", "Binding mode 2"]
    assert "logLikelihood" not in result.document["metadata"]
    assert result.document["metadata"]["fitName"] == "component2-4-all"


def test_t9_interactions_go_with_their_modes(document):
    result = drop(open_line("fit.json", document), ["1"])
    assert result.interactions == ()
    enrichment = result.document["modelSettings"]["enrichmentModel"][0]
    assert enrichment["bindingModeInteractions"] == []
    assert result.document["coefficients"]["bindingModeInteractions"] == []
    assert enrichment["bindingModes"] == [0, 1]


def test_t9_an_interaction_can_be_removed_alone(document):
    result = drop(open_line("fit.json", document), interactions=["both"])
    assert len(result.modes) == 3
    assert result.interactions == ()


def test_selecting_keeps_the_interactions_of_the_modes_and_their_predictions(document):
    opened = open_line("fit.json", document)
    result = select(opened, ["binding mode 1", "2"])
    assert [pair.name for pair in result.interactions] == ["both"]
    # The same as a fit in which the other mode does not bind.
    silent = copy.deepcopy(document)
    silent["modelSettings"]["enrichmentModel"][0]["bindingModes"] = [1, 2]
    assert negloglik(result.document) == pytest.approx(negloglik(silent), abs=1e-12)


def test_selecting_an_interaction_keeps_its_partners(document):
    result = select(open_line("fit.json", document), interactions=["0"])
    assert [mode.name for mode in result.modes] == ["Binding mode 1", "Binding mode 2"]
    assert len(result.interactions) == 1


def test_members_of_columns_are_renumbered(document):
    enrichment = document["modelSettings"]["enrichmentModel"][0]
    enrichment["bindingModes"] = [-1]
    enrichment["roundSpecificBindingModes"] = [[0], [0, 2]]
    result = drop(open_line("fit.json", document), ["1"])
    found = result.document["modelSettings"]["enrichmentModel"][0]
    assert found["roundSpecificBindingModes"] == [[0], [0, 1]]
    assert found["bindingModes"] == [-1]


def test_columns_that_lose_all_members_do_not_gain_all_modes(document):
    enrichment = document["modelSettings"]["enrichmentModel"][0]
    enrichment["roundSpecificBindingModes"] = [[0], [0]]
    with pytest.raises(InputError, match="no mode of experiment 0 would be left"):
        drop(open_line("fit.json", document), ["0"])


@pytest.mark.parametrize(
    ("action", "modes", "message"),
    [
        (select, [], r"name a mode.*0 \('Binding mode 0'\)"),
        (select, ["nobody"], r"there is no mode 'nobody'; there are, counted from 0"),
        (select, ["7"], r"there is no mode '7'"),
        (drop, ["0", "1", "2"], "no mode would be left"),
    ],
)
def test_wrong_selections_are_refused(document, action, modes, message):
    with pytest.raises(InputError, match=message):
        action(open_line("fit.json", document), modes)


def test_a_name_of_several_modes_is_refused(document):
    for mode in document["modelSettings"]["bindingModes"]:
        mode["componentName"] = "same"
    with pytest.raises(InputError, match=r"3 modes are called 'same'.*0, 1, 2"):
        place_of(open_line("fit.json", document), "same")


def test_modes_of_a_fit_of_ours_are_selected_with_their_values(fitted, tmp_path):
    opened, tables = fitted
    result = select(opened, ["ns", "two"])
    assert list(result.config.modes) == ["ns", "two"]
    assert list(result.config.psams) == ["two"]
    assert not result.config.cooperativities
    assert result.config.training.order == [["ns"], ["two"]]
    # The same as the whole model when the other modes do not bind.
    whole = as_editable(opened).loss
    for module in whole.modules():
        if hasattr(module, "log_activity") and str(module.binding) not in {
            str(mode.bindings[0]) for mode in result.modes
        }:
            module.log_activity.data.fill_(-math.inf)
    expected = whole(tables).negloglik.item()
    assert loss_of(result, tables) == pytest.approx(expected, abs=1e-12)
    path = tmp_path / "selected.safetensors"
    save_opened(path, result)
    assert loss_of(open_model(path), tables) == pytest.approx(expected, abs=1e-12)
    assert list(load_model(path).psams) == ["two"]


def test_weights_beside_their_configuration_keep_their_flanks(fitted, tmp_path):
    opened, tables = fitted
    folder = tmp_path / "folder"
    folder.mkdir()
    checkpoint.save(opened.loss, folder / "model.pt", ((2, 1),))
    (folder / "config.yaml").write_text(dump_config(opened.config), encoding="utf-8")
    weights = open_model(folder / "model.pt")
    save_opened(tmp_path / "new.safetensors", fix_gauge(weights, "mean"))
    again = load_model(tmp_path / "new.safetensors")
    assert again.flank_lengths == ((2, 1),)
    # Where there is no file, they are as configured.
    nowhere = replace(opened, path=tmp_path / "gone.safetensors")
    result = fix_gauge(nowhere, "mean")
    assert loss_of(result, tables) == pytest.approx(loss_of(opened, tables))


def test_cooperativities_of_a_fit_of_ours_are_kept_or_dropped(fitted):
    opened, tables = fitted
    both = select(opened, interactions=["pair"])
    assert list(both.config.modes) == ["one", "two"]
    assert [pair.name for pair in both.interactions] == ["pair"]
    assert math.isfinite(loss_of(both, tables))
    without = drop(opened, interactions=["pair"])
    assert list(without.config.modes) == ["ns", "one", "two"]
    assert loss_of(without, tables) != pytest.approx(loss_of(opened, tables))


def test_a_round_of_ours_without_modes_is_refused(tmp_path):
    path = write_table(tmp_path / "small.tsv", n_rows=20)
    values = small_values(path)
    values["experiments"]["small"]["rounds"].append(
        {"type": "BoundUnsaturatedRound", "reference_round": "1", "binding": ["ns"]}
    )
    write_table(path, n_rows=20, n_rounds=3)
    data = load_data(validate(values))
    file = tmp_path / "fit.safetensors"
    save_model(file, build(data.config, data.train))
    with pytest.raises(InputError, match=r"rounds\[2\]: .*keep one of: 'ns'"):
        drop(open_model(file), ["ns"])


# --- gauges -------------------------------------------------------------------------


@pytest.mark.parametrize("gauge", ["mean", "mismatch"])
def test_a_gauge_of_a_document_leaves_its_likelihood(document, gauge):
    expected = negloglik(document)
    result = fix_gauge(open_line("fit.json", document), gauge)
    assert negloglik(result.document) == pytest.approx(expected, rel=1e-12)
    assert "regularization" not in result.document["metadata"]
    assert result.document["metadata"]["logLikelihood"] == 12.0
    motif = MotifScores.from_psam(result.modes[1].psam)
    best = best_sequences(motif)
    if gauge == "mismatch":
        assert best.energies[0] == pytest.approx(0, abs=1e-12)
        bias = np.exp(
            result.document["coefficients"]["bindingModes"][2]["positionBias"]
        )
        assert bias.mean() == pytest.approx(1)
    else:
        np.testing.assert_allclose(motif.letters.mean(axis=1), 0, atol=1e-12)
    # t11: an interaction makes up for both of its motifs, a mode only for its own.
    before, after = (d["coefficients"] for d in (document, result.document))
    shifts = [
        a["activity"][0][1] - b["activity"][0][1]
        for a, b in zip(
            [*after["bindingModes"], *after["bindingModeInteractions"]],
            [*before["bindingModes"], *before["bindingModeInteractions"]],
            strict=True,
        )
    ]
    bias = 0.0
    if gauge == "mismatch":
        stored = np.asarray(before["bindingModes"][2]["positionBias"])
        bias = np.log(np.exp(stored).mean())
    assert shifts[3] == pytest.approx(shifts[1] + shifts[2] - bias)
    assert shifts[0] == 0


def test_t12_the_bias_of_a_single_strand_is_normalised_over_that_strand(document):
    document["modelSettings"]["bindingModeInteractions"] = []
    document["coefficients"]["bindingModeInteractions"] = []
    enrichment = document["modelSettings"]["enrichmentModel"][0]
    enrichment["bindingModeInteractions"] = []
    document["modelSettings"]["bindingModes"][2]["singleStrand"] = True
    values = document["coefficients"]["bindingModes"][2]
    values["positionBias"][0][1] = [0.0] * (LENGTH - 3)
    expected = negloglik(document)
    result = fix_gauge(open_line("fit.json", document), "mismatch")
    found = result.document["coefficients"]["bindingModes"][2]["positionBias"][0]
    assert np.exp(found[0]).mean() == pytest.approx(1)
    assert found[1] == values["positionBias"][0][1]
    assert negloglik(result.document) == pytest.approx(expected, rel=1e-12)


def test_only_the_modes_that_are_named_are_changed(document):
    result = fix_gauge(open_line("fit.json", document), "mean", ["1"])
    before, after = (
        d["coefficients"]["bindingModes"] for d in (document, result.document)
    )
    assert after[2] == before[2]
    assert after[1]["mononucleotide"] != before[1]["mononucleotide"]


def test_activities_that_are_no_logarithms_are_refused(document):
    opened = open_line("fit.json", document)
    opened.document["modelSettings"]["bindingModes"][1]["fitLogActivity"] = False
    with pytest.raises(InputError, match=r"bindingModes\[1\].fitLogActivity"):
        fix_gauge(opened, "mean")


@pytest.mark.parametrize("gauge", ["mean", "mismatch"])
def test_a_gauge_of_a_fit_of_ours_leaves_its_likelihood(fitted, tmp_path, gauge):
    opened, tables = fitted
    expected = loss_of(opened, tables)
    result = fix_gauge(opened, gauge)
    assert loss_of(opened, tables) == expected
    assert loss_of(result, tables) == pytest.approx(expected, rel=1e-10)
    for mode in result.modes[1:]:
        scores = MotifScores.from_psam(mode.psam)
        if gauge == "mean":
            np.testing.assert_allclose(scores.letters.mean(axis=1), 0, atol=1e-12)
        else:
            assert best_sequences(scores).energies[0] == pytest.approx(0, abs=1e-12)
    path = tmp_path / "gauge.safetensors"
    save_opened(path, result)
    assert loss_of(open_model(path), tables) == pytest.approx(expected, rel=1e-10)


def test_a_gauge_that_shared_positions_cannot_have_is_refused(tmp_path):
    path = write_table(tmp_path / "small.tsv", n_rows=20)
    motif = {"kernel_size": 4, "pairwise_distance": 2, "symmetry": [1, 2, 1, 2]}
    data = load_data(validate(small_values(path, psams={"motif": motif})))
    torch.manual_seed(3)
    model = build(data.config, data.train)
    with torch.no_grad():
        for value in model.psams["motif"].betas.values():
            value.normal_()
    file = tmp_path / "fit.safetensors"
    save_model(file, model)
    with pytest.raises(InputError, match=r"share values \(symmetry \[1, 2, 1, 2\]"):
        fix_gauge(open_model(file), "mismatch")


def test_biases_make_up_for_the_gauge_of_several_motifs(tmp_path):
    path = write_table(tmp_path / "small.tsv", n_rows=30)
    motif = {"kernel_size": 3, "out_channels": 4}
    data = load_data(validate(small_values(path, psams={"motif": motif})))
    torch.manual_seed(3)
    with double_precision():
        model = build(data.config, data.train)
    with torch.no_grad():
        for name, parameter in model.loss.named_parameters():
            if "log_hill" not in name:
                parameter.normal_()
    file = tmp_path / "fit.safetensors"
    save_model(file, model)
    opened = open_model(file)
    result = fix_gauge(opened, "mismatch")
    expected = loss_of(opened, data.train_tables)
    assert loss_of(result, data.train_tables) == pytest.approx(expected, rel=1e-10)
    assert len(describe(result)["modes"][1]["consensus"]) == 2
    with pytest.raises(InputError, match="2 motifs in one PSAM"):
        consensus(result)


# --- scoring models -----------------------------------------------------------------


def test_a_consensus_holds_motifs_and_mean_activities(document):
    document["coefficients"]["bindingModes"][0]["activity"] = [[5.0, -1.0]]
    opened = open_line("fit.json", document)
    result = consensus(opened, nonspecific="sequence")
    assert result.kind == "probound-scoring"
    assert [mode.name for mode in result.modes] == [m.name for m in opened.modes]
    assert result.interactions == ()
    assert any("interactions are left out: 'both'" in each for each in result.remarks)
    # t13: the first column is the library before selection.
    gauged = fix_gauge(opened, "mismatch")
    column = np.array([mode.activities[0][1] for mode in gauged.modes])
    found = [mode.activities[0][0] for mode in result.modes]
    np.testing.assert_allclose(found, column - column.max(), atol=1e-12)
    for mode in result.modes[1:]:
        scores = MotifScores.from_psam(mode.psam)
        assert best_sequences(scores).energies[0] == pytest.approx(0, abs=1e-12)
    settings = result.document["modelSettings"]
    assert "countTable" not in settings
    assert "enrichmentModel" not in settings


def test_t13_a_consensus_of_a_consensus_is_the_same(document, tmp_path):
    first = consensus(open_line("fit.json", document))
    save_opened(tmp_path / "one.json", first)
    again = consensus(open_model(tmp_path / "one.json"))
    save_opened(tmp_path / "two.json", again)
    coefficients = [
        (tmp_path / f"{name}.json").read_text().partition('"coefficients"')
        for name in ("one", "two")
    ]
    assert coefficients[0][0] == coefficients[1][0]
    for one, two in zip(first.modes, again.modes, strict=True):
        assert one.activities[0][0] == pytest.approx(two.activities[0][0], abs=1e-12)
        for distance in range(one.psam.pairwise_distance + 1):
            torch.testing.assert_close(
                one.psam.get_filter(distance),
                two.psam.get_filter(distance),
                rtol=0,
                atol=1e-12,
            )


def test_nonspecific_binding_becomes_a_motif_of_zeros(document):
    opened = open_line("fit.json", document)
    plain, windows = (consensus(opened, nonspecific=r) for r in ("sequence", "window"))
    mode = windows.modes[0]
    assert mode.psam.kernel_size == 3
    assert not mode.psam.get_filter(0).any()
    assert "(all alike)" in report(describe(windows))
    # It binds a sequence of the experiment as it did before.
    n_windows = 2 * (LENGTH - 3 + 1)
    assert mode.activities[0][0] == pytest.approx(
        plain.modes[0].activities[0][0] - math.log(n_windows)
    )
    dropped = consensus(opened, nonspecific="drop")
    assert [each.name for each in dropped.modes] == ["Binding mode 1", "Binding mode 2"]


def test_modes_that_take_no_part_are_left_out(document):
    document["modelSettings"]["enrichmentModel"][0]["bindingModes"] = [0, 1]
    result = consensus(open_line("fit.json", document))
    assert len(result.modes) == 2
    assert any("takes part nowhere" in remark for remark in result.remarks)


def test_a_consensus_of_a_fit_of_ours(fitted, tmp_path):
    opened, _ = fitted
    with torch.no_grad():
        for name in ("ns", "two"):
            mode = next(each for each in opened.modes if each.name == name)
            mode.bindings[0].log_hill.zero_()
    with pytest.raises(InputError, match="'one' has a Hill coefficient"):
        consensus(opened)
    result = consensus(drop(opened, ["one"]))
    save_opened(tmp_path / "scoring.json", result)
    again = open_model(tmp_path / "scoring.json")
    mode = opened.modes[2]
    bias = mode.layer.get_log_posbias()[-1].exp().mean().log().item()
    best = best_sequences(MotifScores.from_psam(mode.psam)).energies[0]
    strength = mode.activities[0][1] + bias + best + mode.psam.bias.item()
    other = opened.modes[0].activities[0][1]
    n_windows = 2 * (10 - 4 + 1)
    # Our non-specific binding is proportional to the length.
    expected = other + math.log(10 / n_windows) - strength
    found = [each.activities[0][0] for each in again.modes]
    assert found[0] - found[1] == pytest.approx(expected)


def motif_of(psam):
    return OpenedModel(Path("motif.txt"), "motif", DNA(), (ModelMode("m", psam),))


def test_a_motif_becomes_a_scoring_model(tmp_path):
    torch.manual_seed(0)
    with double_precision():
        psam = PSAM(5, DNA())
    with torch.no_grad():
        psam.bias.fill_(0.5)
    opened = motif_of(psam)
    save_opened(tmp_path / "motif.json", opened)
    again = open_model(tmp_path / "motif.json")
    torch.testing.assert_close(again.modes[0].psam.get_filter(0), psam.get_filter(0))
    assert again.modes[0].activities == ((0.5,),)
    result = consensus(opened)
    best = best_sequences(MotifScores.from_psam(psam)).energies[0]
    assert result.modes[0].activities[0][0] == pytest.approx(0.5 + best)


def test_a_scoring_model_has_the_gaps_of_a_dilated_motif():
    torch.manual_seed(0)
    psam = PSAM(3, DNA(), dilation=2)
    result = consensus(motif_of(psam))
    values = result.modes[0].psam.get_filter(0)[0]
    assert values.shape == (4, 5)
    assert not values[:, 1::2].any()
    with pytest.raises(InputError, match="leaves positions out"):
        list(kmer_rows("m", psam, DNA(), None, 3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.safetensors", r"ends in \.json"),
        ("none/x.json", "there is no folder"),
        ("folder.json", "is a folder"),
    ],
)
def test_files_that_cannot_be_written_are_refused(document, tmp_path, name, message):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=message):
        save_opened(tmp_path / name, open_line("fit.json", document))
    assert [each.name for each in tmp_path.iterdir()] == ["folder.json"]


# --- reports ------------------------------------------------------------------------


def test_a_description_is_json_with_everything(fitted, document):
    opened, _ = fitted
    found = json.loads(json.dumps(describe(opened), allow_nan=False))
    assert len(found["sha256"]) == 64
    assert [mode["name"] for mode in found["modes"]] == ["ns", "one", "two"]
    assert found["modes"][0]["log_activities"][0][0] is None
    assert found["modes"][1]["pairwise_distance"] == 1
    assert found["interactions"][0]["modes"] == ["one", "two"]
    assert found["experiments"] == [{"place": 0, "name": "small", "columns": 2}]
    assert found["provenance"]["tables"][0].endswith("small.tsv")
    found = describe(open_line("nowhere.json", document))
    assert found["sha256"] is None
    text = report(found)
    assert "(non-specific)" in text
    assert "Binding mode 1:Binding mode 2" in text
    assert "counts.tsv.gz" in text


def test_a_motif_with_distant_pairs_is_described_without_consensus():
    psam = PSAM(22, DNA(), pairwise_distance=16)
    with torch.no_grad():
        for value in psam.betas.values():
            value.fill_(1.0)
    found = describe(motif_of(psam))
    assert found["modes"][0]["consensus"] == []
    assert "4^16" in found["remarks"][0]
    assert "?" in report(found)


def test_rows_of_best_sequences_and_kmers(document):
    opened = open_line("fit.json", document)
    assert [name for name, _ in choose_motifs(opened)] == [
        "Binding mode 1",
        "Binding mode 2",
    ]
    with pytest.raises(InputError, match="non-specific"):
        choose_motifs(opened, ["0"])
    with pytest.raises(InputError, match="no mode of the model has a motif"):
        choose_motifs(select(opened, ["0"]))
    name, psam = choose_motifs(opened, ["1"])[0]
    rows = list(best_rows(name, psam, opened.alphabet, 3))
    assert [row[1] for row in rows] == ["1", "2", "3"]
    assert rows[0][2] == describe(opened)["modes"][1]["consensus"][0]
    assert float(rows[0][3]) == 1
    difference = float(rows[1][4]) - float(rows[0][4])
    assert float(rows[1][3]) == pytest.approx(math.exp(difference), rel=1e-6)
    rows = list(kmer_rows(name, psam, opened.alphabet, 2, 100))
    assert len(rows) == 10  # 16 pairs of letters, 4 of which are palindromes


@pytest.mark.parametrize(
    ("name", "modes", "options", "message"),
    [
        ("x.gif", ["1"], {}, r"\.png, \.svg or \.pdf"),
        ("x", ["1"], {}, "file without ending"),
        ("x.png", [], {}, "choose one of 'Binding mode 1', 'Binding mode 2'"),
    ],
)
def test_logos_that_cannot_be_drawn(document, tmp_path, name, modes, options, message):
    opened = open_line("fit.json", document)
    with pytest.raises(InputError, match=message):
        write_logo(tmp_path / name, opened, modes, **options)
    assert not list(tmp_path.iterdir())


def test_a_logo_of_several_motifs_or_without_complement_is_refused(tmp_path):
    with pytest.raises(InputError, match="one user channel"):
        write_logo(tmp_path / "x.png", motif_of(PSAM(3, DNA(), out_channels=4)))
    from pyprobound.alphabets import Protein

    with pytest.raises(InputError, match="no reverse"):
        write_logo(tmp_path / "x.png", motif_of(PSAM(3, Protein())), reverse=True)


@pytest.mark.parametrize(
    "name",
    ["bcd/bcd", "exdhox/coop", "exdhox/di", "rbfox3/", "znf891/", "ctcf/two_modes"],
)
def test_recorded_fits_are_taken_apart(data_dir, tmp_path, name):
    file = next(data_dir.glob(f"{name}*models.json"))
    opened = open_model(file)
    report(describe(opened))
    for gauge in ("mean", "mismatch"):
        fix_gauge(opened, gauge)
    last = open_model(file, index=-1)
    result = consensus(last)
    save_opened(tmp_path / "scoring.json", result)
    again = open_model(tmp_path / "scoring.json")
    assert [mode.name for mode in again.modes] == [mode.name for mode in result.modes]
    assert ModelLine(again.document).n_modes == len(again.modes)
