"""Models of every kind are opened by one function."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import external
from pyprobound.alphabets import DNA
from pyprobound.config import validate
from pyprobound.errors import InputError
from pyprobound.external.export import (
    ScoringMode,
    export_scoring_model,
    write_probound_lines,
)
from pyprobound.layers import PSAM, Conv0d, Conv1d
from pyprobound.workflow import export_model, open_model, run_fit
from pyprobound.workflow.open_model import select_line
from workflow.small_tables import small_values, write_table

SEQUENCES = ["ACGTACGTAC", "TTGACTTGGG", "GTCATTTTTT"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    values = small_values(write_table(folder / "a.tsv"))
    values["tables"]["small"] |= {
        "left_flank": "ACGT",
        "right_flank": "TTTT",
        "left_flank_length": 2,
        "right_flank_length": 2,
    }
    values["psams"]["motif"] |= {"symmetry": "ABba", "pairwise_distance": 1}
    values["modes"]["motif"] |= {"train_posbias": True}
    run_fit(validate(values), folder / "out")
    return folder / "out"


@pytest.fixture
def scoring_file(tmp_path):
    psam = PSAM(3, DNA(), seed=["TGA"])
    path = tmp_path / "scoring.json"
    write_probound_lines(
        path, export_scoring_model([ScoringMode(psam, -2.0, "tga")]).document
    )
    return path


# --- fits of the library ------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "model.safetensors", "model.pt"])
def test_a_fit_of_the_library(fitted, tmp_path, name):
    if name == "model.pt":
        # 1.5 cannot hold the exact ties of pairs; this is the layout of the library.
        shutil.copy(fitted / "config.yaml", tmp_path)
        model = open_model.open_model(fitted)
        model.loss.save(tmp_path / name, ((2, 2),))
        path = tmp_path / name
    else:
        path = fitted / name
    model = open_model.open_model(path)
    assert model.kind == "pyprobound"
    assert model.alphabet == DNA()
    assert model.config is not None
    assert model.loss is not None
    assert len(model.experiments) == 1
    unspecific, specific = model.modes
    assert [unspecific.name, specific.name] == ["ns", "motif"]
    assert unspecific.psam is None
    assert not unspecific.ignores_length
    assert isinstance(unspecific.layer, Conv0d)
    assert isinstance(specific.layer, Conv1d)
    assert specific.layer.layer_spec is specific.psam
    assert specific.is_specific
    assert specific.flank_lengths == (2, 2)
    assert specific.activities[0][0] == -math.inf
    assert math.isfinite(specific.activities[0][1])
    assert specific.psam.bias.dtype == torch.float64
    assert not any(value.requires_grad for value in model.loss.parameters())
    assert "modes=['ns', 'motif']" in repr(model)


def test_each_fit_writes_a_model_that_probound_reads(fitted):
    ours = open_model.open_model(fitted)
    theirs = open_model.open_model(fitted / "model.json")
    assert theirs.kind == "probound-fit"
    assert theirs.remarks == ()
    assert [mode.name for mode in theirs.modes] == ["ns", "motif"]
    assert theirs.modes[1].psam.ids == (1, 2, -2, -1)
    frame = pd.DataFrame({0: [1] * 3, 1: [1] * 3}, index=SEQUENCES)
    seqs = ours.model.make_table("small", frame).seqs
    with torch.no_grad():
        expected = ours.loss.transforms[0](seqs)
        found = theirs.loss.transforms[0](seqs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    summary = json.loads((fitted / "summary.json").read_text())
    metadata = theirs.provenance
    reads = sum(summary["tables"][0]["reads"])
    assert metadata["logLikelihood"] == pytest.approx(summary["nll_per_read"] * reads)
    assert metadata["regularization"] == summary["regularization"]
    assert metadata["fitName"] == "component1-4-all"
    assert metadata["logLikelihoodPerRead"] - metadata[
        "regularization"
    ] == pytest.approx(sum(metadata["unpenalizedLogLikelihoodPerRead"]))
    own = theirs.document["pyprobound"]
    assert own["config"] == json.loads(ours.config.model_dump_json())
    assert own["flank_lengths"] == [[2, 2]]


def test_several_tables_have_the_sum_of_their_likelihoods(tmp_path):
    values = small_values(write_table(tmp_path / "a.tsv"))
    values["tables"]["other"] = {
        "path": str(write_table(tmp_path / "b.tsv", n_rows=80))
    }
    values["experiments"]["other"] = values["experiments"]["small"] | {"table": "other"}
    result = run_fit(validate(values), tmp_path / "out")
    metadata = open_model.open_model(result.folder.probound).provenance
    per_read = metadata["unpenalizedLogLikelihoodPerRead"]
    assert len(per_read) == 2
    assert sum(per_read) == pytest.approx(result.summary["nll_per_read"], rel=1e-5)
    reads = [sum(table["reads"]) for table in result.summary["tables"]]
    total = sum(2 * p * n for p, n in zip(per_read, reads, strict=True))
    assert metadata["logLikelihood"] == pytest.approx(total)


def test_a_fit_that_probound_cannot_hold_is_finished_without_it(tmp_path):
    values = small_values(write_table(tmp_path / "a.tsv"))
    values["modes"]["motif"]["train_hill"] = True
    result = run_fit(validate(values), tmp_path / "out")
    assert not result.folder.probound.exists()
    assert "model.json is not written: mode 'motif'" in result.folder.log.read_text()


def test_models_are_exported_as_fits_or_for_scoring(fitted):
    model = open_model.open_model(fitted)
    fit = export_model.probound_document(model).document
    assert "countTable" in fit["modelSettings"]
    scoring = export_model.probound_document(model, scoring=True)
    modes = scoring.document["coefficients"]["bindingModes"]
    expected = [mode.activities[0][1] for mode in model.modes]
    np.testing.assert_allclose([m["activity"][0][0] for m in modes], expected)
    assert "enrichmentModel" not in scoring.document["modelSettings"]


# --- ProBound -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "stage", "n_modes"),
    [
        ("bcd/bcd.models.json", "component1-4-all", 2),
        ("ctcf/two_modes.models.json", "component2-4-all", 3),
        ("exdhox/coop.models.json", "component2-4-all", 3),
        ("rbfox3/models.json", "component1-4-all", 2),
        ("znf891/models.json", "component3-4-all", 4),
    ],
)
def test_a_fit_of_probound_opens_at_its_last_full_stage(data_dir, file, stage, n_modes):
    model = open_model.open_model(data_dir / file)
    assert model.kind == "probound-fit"
    assert model.provenance["fitName"] == stage
    assert len(model.modes) == n_modes
    assert model.loss is not None
    assert model.remarks == ()
    for mode in model.modes[1:]:
        assert mode.layer.layer_spec is mode.psam
        assert len(mode.bindings) == len(model.experiments)
        assert all(math.isfinite(value) for row in mode.activities for value in row)
    again = export_model.probound_document(model)
    assert again.document == model.document
    assert again.losses == ()


def test_lines_are_chosen_by_place_by_name_and_by_loss(data_dir):
    path = data_dir / "znf891/models.json"
    lines = external.read_probound_lines(path)
    assert select_line(path, index=3) == lines[3]
    assert select_line(path, index=-1) == lines[-1]
    assert select_line(path, name="component1-2-variation1") == lines[7]
    losses = [line["metadata"]["logLikelihood"] for line in lines]
    assert select_line(path, name="best") == lines[int(np.argmin(losses))]
    with pytest.raises(InputError, match="no model 'x'; there are: component0-0-h"):
        select_line(path, name="x")
    with pytest.raises(InputError, match="no model 20: the file holds 20"):
        open_model.open_model(path, index=20)
    with pytest.raises(InputError, match="not both"):
        open_model.open_model(path, index=1, name="best")


def test_interactions_belong_to_their_modes(data_dir):
    path = data_dir / "exdhox/coop.models.json"
    model = open_model.open_model(path, index=-1)
    (pair,) = model.interactions
    assert pair.modes == (1, 2)
    assert pair.bindings[0].mode_a.layers[0].layer_spec is model.modes[1].psam
    assert math.isfinite(pair.activities[0][1])
    early = open_model.open_model(path, index=0)
    assert early.modes[1].layer is None
    assert early.modes[1].activities == ((-math.inf, -math.inf),)
    scoring = export_model.probound_document(model, scoring=True)
    assert scoring.losses == ("interaction 'Binding mode interaction 0' is left out",)


def test_motif_central_models_are_chosen_by_number_or_gene(data_dir):
    path = data_dir / "motifcentral/MotifCentral.v1.0.0.json"
    model = open_model.open_model(path, name="10676")
    assert model.kind == "probound-scoring"
    assert model.loss is None
    assert model.modes[0].activities == ((0.0,),)
    assert model.provenance["factors"][0]["gene_symbol"] == "MAX"
    assert open_model.open_model(path, name="max").provenance["fit_id"] == 10676
    with pytest.raises(InputError, match="874 models; choose one"):
        open_model.open_model(path)
    with pytest.raises(InputError, match="no model 'Nothing'"):
        open_model.open_model(path, name="Nothing")
    with pytest.raises(InputError, match=r"models are called 'rxra'.*by its fit_id"):
        open_model.open_model(path, name="rxra")


def test_a_scoring_model(scoring_file):
    model = open_model.open_model(scoring_file)
    assert model.kind == "probound-scoring"
    assert model.modes[0].activities == ((-2.0,),)
    assert model.modes[0].psam.alphabet == DNA()
    document = json.loads(scoring_file.read_text())
    del document["coefficients"]["bindingModes"][0]["activity"]
    scoring_file.write_text(json.dumps(document, indent=2))
    assert open_model.open_model(scoring_file).modes[0].activities == ((0.0,),)


def test_a_fit_without_counterpart_opens_without_its_loss(data_dir, tmp_path):
    document = select_line(data_dir / "bcd/bcd.models.json")
    document["modelSettings"]["enrichmentModel"][0]["modelType"] = "Other"
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document))
    model = open_model.open_model(path)
    assert model.loss is None
    assert "'Other'" in model.remarks[0]
    assert math.isfinite(model.modes[1].activities[0][1])
    assert model.modes[1].psam is not None


# --- motifs -------------------------------------------------------------------------


def test_readers_of_motifs_can_be_added(tmp_path, monkeypatch):
    monkeypatch.setattr(open_model, "_MOTIF_READERS", [])
    motifs = [("one", PSAM(3, DNA())), ("two", PSAM(4, DNA()))]

    def read(path):
        return motifs if path.suffix == ".own" else None

    open_model.register_motif_reader(read)
    path = tmp_path / "a.own"
    path.write_text("%motifs")
    model = open_model.open_model(path, name="TWO")
    assert model.kind == "motif"
    assert model.modes[0].psam is motifs[1][1]
    assert model.modes[0].activities == ()
    assert open_model.open_model(path, index=0).modes[0].name == "one"
    with pytest.raises(InputError, match=r"holds 2 motifs; choose one.*one, two"):
        open_model.open_model(path)
    with pytest.raises(InputError, match="no motif is called 'three'"):
        open_model.open_model(path, name="three")
    del motifs[1]
    assert open_model.open_model(path).modes[0].name == "one"


# --- errors -------------------------------------------------------------------------


def scoring_text(settings, values):
    modes = [{"mononucleotide": values}]
    return json.dumps(
        {"modelSettings": settings, "coefficients": {"bindingModes": modes}}
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ('{"modelSettings": {', "line 1: this is not JSON"),
        ('{\n  "modelSettings": {\n    "a":', "line 3: this is not JSON"),
        ('{"modelSettings": {}}\n{"modelSettings"', "line 2: this is not JSON"),
        ("[]", "no model"),
        ("[1]", "expected a JSON object with the key 'modelSettings'"),
        ('{"modelSettings": {}}', "modelSettings.bindingModes"),
        (
            '{"modelSettings": {"bindingModes": [{"size": "x"}]}, "coefficients": {}}',
            "incomplete or malformed",
        ),
        (
            scoring_text({"bindingModes": [{"size": 2}]}, [1, 2]),
            "expected 2 x 4 numbers, found 2",
        ),
        (
            scoring_text(
                {
                    "letterOrder": "ACGT",
                    "letterComplement": "A-T",
                    "bindingModes": [{"size": 1}],
                },
                [0, 0, 0, 0],
            ),
            "letterComplement",
        ),
    ],
)
def test_damaged_files_are_described(tmp_path, text, problem):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        open_model.open_model(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_a_truncated_fit_says_its_line(data_dir, tmp_path):
    text = (data_dir / "exdhox/mono.models.json").read_text()
    path = tmp_path / "cut.json"
    path.write_text(text[: len(text) * 2 // 3])
    with pytest.raises(InputError, match=r"line \d: this is not JSON"):
        open_model.open_model(path)


def test_files_and_folders_that_hold_no_model(tmp_path, fitted):
    with pytest.raises(InputError, match="no such file"):
        open_model.open_model(tmp_path / "nothing")
    with pytest.raises(InputError, match="the folder holds no model"):
        open_model.open_model(tmp_path)
    other = tmp_path / "other.bin"
    other.write_bytes(b"\x00\x01\x02 nothing known")
    with pytest.raises(InputError):
        open_model.open_model(other)
    weights = tmp_path / "weights.pt"
    torch.save({"state_dict": {}}, weights)
    with pytest.raises(InputError, match="without a description"):
        open_model.open_model(weights)
    shutil.copy(fitted / "config.yaml", tmp_path)
    weights.write_bytes(b"PK" + bytes(100))
    with pytest.raises(InputError, match="no readable checkpoint"):
        open_model.open_model(weights)
    torch.save({"state_dict": {}, "metadata": {"flank_lengths": ()}}, weights)
    with pytest.raises(InputError, match="malformed"):
        open_model.open_model(weights)
    with pytest.raises(InputError, match="holds one model"):
        open_model.open_model(fitted, index=2)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((Path(fitted) / "model.safetensors").read_bytes()[:200])
    with pytest.raises(InputError, match="safetensors"):
        open_model.open_model(damaged)
