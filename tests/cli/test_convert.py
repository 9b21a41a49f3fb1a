"""Tests of ``pyprobound convert``."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pyprobound.alphabets import DNA
from pyprobound.cli import convert as command
from pyprobound.cli import main
from pyprobound.config import validate
from pyprobound.config.build import build
from pyprobound.errors import InputError
from pyprobound.io.motifs import Motif, read_motifs, write_motifs
from pyprobound.layers import PSAM
from pyprobound.workflow.convert import FORMAT_NAMES, Options, convert
from pyprobound.workflow.convert_losses import motif_scores, random_letters
from pyprobound.workflow.models import empty_tables, load_model, save_model
from pyprobound.workflow.open_model import open_model


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def energies():
    """Random energies of six positions whose best letters have 0."""
    matrix = np.random.default_rng(3).normal(size=(6, 4))
    return Motif("site", matrix - matrix.max(1, keepdims=True), "energies")


@pytest.fixture
def scoring_model():
    """A scoring model of ProBound with non-specific binding, two motifs and pairs."""
    rng = np.random.default_rng(4)

    def settings(size, distance=0):
        return {
            "size": size,
            "flankLength": 0,
            "dinucleotideDistance": distance,
            "positionBias": False,
            "singleStrand": False,
            "fitLogActivity": True,
            "modifications": [],
        }

    def values(size, activity, pairs=()):
        return {
            "mononucleotide": rng.normal(size=4 * size).tolist(),
            "dinucleotide": [block.ravel().tolist() for block in pairs],
            "positionBias": [],
            "activity": [[activity]],
            "modifications": [],
        }

    pairs = [rng.normal(size=(3, 16))]
    return {
        "modelSettings": {
            "letterOrder": "ACGT",
            "letterComplement": "C-G,A-T",
            "bindingModeInteractions": [],
            "bindingModes": [settings(0), settings(4, 1), settings(5)],
        },
        "coefficients": {
            "bindingModeInteractions": [],
            "bindingModes": [values(0, -1.0), values(4, 0.5, pairs), values(5, 0.0)],
        },
    }


def matrices(path):
    return [motif.matrix for motif in read_motifs(path)[1]]


def losses(result):
    """The changes of scores that the command names, by what was lost."""
    found = {}
    for line in result.output.splitlines():
        match = re.fullmatch(
            r"lost +[^:]+: (.*?)(?: \(changes scores by (\S+) RT\))?", line
        )
        if match:
            found[match[1]] = None if match[2] is None else float(match[2])
    return found


# --- motifs -------------------------------------------------------------------------


def test_the_names_of_formats_are_those_of_the_workflow():
    assert command.FORMATS == FORMAT_NAMES


@pytest.mark.parametrize(
    "ending",
    [
        ".meme",
        ".jaspar",
        ".pfm",
        ".transfac",
        ".homer",
        ".pcm",
        ".ppm",
        ".pwm",
        ".cisbp",
        ".uniprobe",
        ".psam",
        ".meme.gz",
        ".json",
        ".safetensors",
    ],
)
def test_there_and_back(run, energies, ending):
    write_motifs("a.psem", [energies], "psem")
    result = run("a.psem", "-o", f"b{ending}")
    assert losses(result) == {}
    run(f"b{ending}", "-o", "c.psem")
    np.testing.assert_allclose(matrices("c.psem")[0], energies.matrix, atol=1e-12)


def test_counts_become_energies_with_the_pseudocount(run, tmp_path):
    (tmp_path / "a.jaspar").write_text(">MA1.1 X\nA [8 0]\nC [2 2]\nG [0 4]\nT [0 4]\n")
    result = run("a.jaspar", "-o", "a.psem")
    assert "counts became energies; background: uniform; pseudocount: 3.16228" in (
        result.output
    )
    result = run("a.jaspar", "-o", "b.psem", "--pseudocount", "1", "--background",
                 "0.4,0.1,0.1,0.4")  # fmt: skip
    background = np.array([0.4, 0.1, 0.1, 0.4])
    shares = (np.array([[8, 2, 0, 0], [0, 2, 4, 4]]) + background) / 11
    odds = np.log(shares / background)
    expected = odds - odds.max(axis=1, keepdims=True)
    np.testing.assert_allclose(matrices("b.psem")[0], expected, atol=1e-12)
    result = run("a.jaspar", "-o", "c.psem", "--pseudocount", "0", code=2)
    assert "--pseudocount: the motif 'MA1.1' has the probability 0" in result.output


def test_to_the_standard_output(run, energies):
    write_motifs("a.psem", [energies], "psem")
    result = run("a.psem", "-o", "-", "--to", "homer")
    assert result.stdout.startswith(">")
    assert "written    homer" in result.stderr
    result = run("a.psem", "-o", "-", "--to", "probound", "-q")
    assert "modelSettings" in json.loads(result.stdout)
    assert result.stderr == ""
    assert "give --to" in run("a.psem", "-o", "-", code=2).output
    result = run("a.psem", "-o", "-", "--to", "pyprobound", code=2)
    assert "is no text" in result.output


def test_motifs_by_name_and_place(run, energies):
    other = Motif("other", energies.matrix, "energies")
    write_motifs("a.psem", [energies, other], "psem")
    run("a.psem", "-o", "b.psem", "--mode", "other", "--mode", "0")
    assert [m.name for m in read_motifs("b.psem")[1]] == ["other", "site"]
    result = run("a.psem", "-o", "c.psem", "--mode", "nothing", code=2)
    assert "--mode: there is no 'nothing'; there are: site, other" in result.output
    result = run("a.psem", "-o", "c.safetensors", code=2)
    assert "there are 2 models or motifs" in result.output
    run("a.psem", "-o", "c.json")
    assert len(json.loads(Path("c.json").read_text())) == 2


def test_what_motifs_lose(run):
    rng = np.random.default_rng(5)
    motif = Motif(
        "x",
        rng.normal(size=(4, 4)),
        "energies",
        background=(0.4, 0.1, 0.1, 0.4),
        n_sites=9,
        pairs={1: rng.normal(size=(3, 4, 4))},
        both_strands=False,
    )
    write_motifs("a.psem", [motif], "psem")
    found = losses(run("a.psem", "-o", "a.homer"))
    pairs = "pairs of letters, as far as single letters cannot stand for them"
    assert list(found) == [
        pairs,
        "the absolute scale: the best letters get 0",
        "that one strand alone is bound, if it is read as both",
        "the background, which the file has no place for: give it when you read it",
        "the number of sites, 9",
    ]
    # The same by hand: what remains of the pairs without their means.
    letters = random_letters(4, 30, motif.background)
    q = np.array(motif.background)
    matrix = motif.matrix.copy()
    for i, block in enumerate(motif.pairs[1]):
        matrix[i] += block @ q
        matrix[i + 1] += q @ block - q @ block @ q
    single = Motif("y", matrix, "energies", both_strands=False)
    change = np.abs(motif_scores(motif, letters) - motif_scores(single, letters)).mean()
    assert found[pairs] == pytest.approx(change, rel=5e-3)
    scale = np.abs(matrix.max(axis=1).sum())
    assert found["the absolute scale: the best letters get 0"] == pytest.approx(
        scale, rel=5e-3
    )
    assert losses(run("a.psem", "-o", "b.psem")) == {}


def test_scores_of_motifs_by_hand():
    rng = np.random.default_rng(6)
    motif = Motif(
        "x", rng.normal(size=(3, 4)), "energies", pairs={1: rng.normal(size=(2, 4, 4))}
    )
    letters = rng.integers(4, size=(5, 6))
    for row, found in zip(letters, motif_scores(motif, letters), strict=True):
        total = 0.0
        for strand in (row, 3 - row[::-1]):
            for start in range(4):
                a, b, c = strand[start : start + 3]
                energy = motif.matrix[range(3), [a, b, c]].sum()
                energy += motif.pairs[1][0, a, b] + motif.pairs[1][1, b, c]
                total += np.exp(energy)
        assert found == pytest.approx(np.log(total), abs=1e-12)


# --- models -------------------------------------------------------------------------


def test_a_scoring_model(run, tmp_path, scoring_model):
    (tmp_path / "a.json").write_text(json.dumps(scoring_model))
    result = run("a.json", "-o", "a.psem")
    names = [m.name for m in read_motifs("a.psem")[1]]
    assert len(names) == 2
    found = losses(result)
    assert list(found) == [
        "non-specific binding",
        "activities, which weigh the modes against each other",
    ]
    # The same by hand.
    (first, second) = read_motifs("a.psem")[1]
    letters = random_letters(4, 30)
    scores = [motif_scores(first, letters), motif_scores(second, letters)]
    specific = np.logaddexp(scores[0] + 0.5, scores[1])
    everything = np.logaddexp(specific, -1.0)
    expected = np.abs(everything - specific).mean()
    assert found["non-specific binding"] == pytest.approx(expected, rel=5e-3)
    weights = np.abs(specific - np.logaddexp(*scores)).mean()
    assert list(found.values())[1] == pytest.approx(weights, rel=5e-3)
    result = run("a.json", "-o", "b.meme", "--mode", "2")
    assert any(what.startswith("other modes") for what in losses(result))
    assert run("a.json", "-o", "c.meme", "--mode", "0", code=2).output.count("no motif")


def test_a_scoring_model_as_ours_and_back(run, tmp_path, scoring_model):
    (tmp_path / "a.json").write_text(json.dumps(scoring_model))
    run("a.json", "-o", "a.safetensors")
    before, after = open_model("a.json"), open_model("a.safetensors")
    for one, two in zip(before.modes, after.modes, strict=True):
        assert (one.psam is None) == (two.psam is None)
        assert two.activities[0][-1] == pytest.approx(one.activities[0][-1], abs=1e-12)
        if one.psam is not None:
            for distance in range(one.psam.pairwise_distance + 1):
                torch.testing.assert_close(
                    one.psam.get_filter(distance),
                    two.psam.get_filter(distance),
                    rtol=0,
                    atol=1e-12,
                )
    run("a.json", "-o", "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == scoring_model
    run("a.json", "-o", "c.json", "--mode", "1")
    chosen = json.loads((tmp_path / "c.json").read_text())
    (mode,) = chosen["coefficients"]["bindingModes"]
    original = scoring_model["coefficients"]["bindingModes"][1]
    assert mode["mononucleotide"] == original["mononucleotide"]
    assert mode["activity"] == [[0.5]]


def fitted(path):
    """Writes a model with non-specific binding and a motif with position bias."""
    bound = {
        "type": "BoundRound",
        "reference_round": "0",
        "contributions": [
            {"binding": "everywhere", "log_activity": -2.0},
            {"binding": "site", "log_activity": 1.0},
        ],
    }
    config = validate(
        {
            "tables": {
                "t": {
                    "path": "t.tsv",
                    "min_variable_length": 12,
                    "max_variable_length": 12,
                }
            },
            "psams": {"site": {"kernel_size": 4}},
            "modes": {
                "everywhere": {"type": "nonspecific", "ignore_length": True},
                "site": {"type": "psam", "psam": "site", "train_posbias": True},
            },
            "experiments": {
                "t": {"table": "t", "rounds": [{"type": "InitialRound"}, bound]}
            },
        }
    )
    torch.manual_seed(0)
    model = build(config, empty_tables(config))
    with torch.no_grad():
        (layer,) = model.modes["t"]["site"].layers
        layer.log_posbias.normal_()
    save_model(path, model)
    return model


def test_a_fit_names_all_that_is_lost(run):
    model = fitted("m.safetensors")
    found = losses(run("m.safetensors", "-o", "m.psem"))
    assert list(found) == [
        "non-specific binding",
        "position bias and Hill coefficients",
        "activities, which weigh the modes against each other",
        "experiments with their rounds, depths, saturation and flanks",
    ]
    assert found["activities, which weigh the modes against each other"] == (
        pytest.approx(1.0, rel=1e-3)
    )
    assert found["position bias and Hill coefficients"] > 0.01
    expected = model.psams["site"].forward_filter(0)[0].detach().double().numpy().T
    np.testing.assert_array_equal(matrices("m.psem")[0], expected)
    run("m.safetensors", "-o", "again.safetensors")
    again = load_model("again.safetensors")
    assert again.config == model.config
    for name, value in model.loss.state_dict().items():
        assert torch.equal(again.loss.state_dict()[name], value)
    run("m.safetensors", "-o", "m.json")
    run("m.json", "-o", "m2.psem")
    np.testing.assert_allclose(matrices("m2.psem")[0], expected, atol=1e-12)


def test_interactions_are_measured(run, shared):
    source = shared / "data" / "exdhox" / "coop.models.json"
    found = losses(run(source, "-o", "a.meme", "--model", "best"))
    assert found["interactions of modes"] > 0.01


def test_motif_central_survives_every_way(run, shared):
    source = shared / "data" / "motifcentral" / "MotifCentral.v1.0.0.json"
    release = json.loads(source.read_text())
    run(source, "-o", "all.meme")
    run("all.meme", "-o", "all.json")
    again = json.loads(Path("all.json").read_text())
    assert len(again) == len(release) == 874
    for one, two in zip(release, again, strict=True):
        np.testing.assert_allclose(
            two["coefficients"]["bindingModes"][0]["mononucleotide"],
            one["coefficients"]["bindingModes"][0]["mononucleotide"],
            atol=1e-12,
            rtol=0,
        )
    run(source, "-o", "one.psem", "--model", release[0]["metadata"]["fit_id"])
    expected = np.array(release[0]["coefficients"]["bindingModes"][0]["mononucleotide"])
    np.testing.assert_array_equal(matrices("one.psem")[0].ravel(), expected)


@pytest.mark.filterwarnings("default")
def test_a_configuration_of_probound(run, shared, tmp_path):
    source = shared / "data" / "bcd" / "config.builder.json"
    run(source, "-o", "fit.yaml")
    assert "tables:" in (tmp_path / "fit.yaml").read_text()
    result = run(source, "-o", "a.meme", code=2)
    assert "describes a fit and not a model" in result.output
    result = run(tmp_path / "fit.yaml", "-o", "b.yaml", code=2)
    assert "is no configuration of ProBound" in result.output


# --- what cannot be done ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.meme", b"", "a.meme: the file is empty"),
        (
            "a.ppm",
            b">x\n.1 .2 .3 .9\n",
            "a.ppm, line 2: the probabilities of position 1",
        ),
        ("a.pcm", b">x\r\n1 2 3 4\n1 2 3 4\n", "a.pcm, line 2: line ends are mixed"),
        ("a", b"A" * 10_000_000, "a, line 1: the line is longer than"),
        ("a.gz", gzip.compress(b"\0" * 10_000_000, mtime=0), "binary data"),
        ("a.gz", gzip.compress(b">x\n1 2 3 4\n" * 99, mtime=0)[:30], "is truncated"),
        ("a.json", b'[{"modelSettings": {', "this is not JSON"),
        ("a.json", b'{"coefficients": {}}', "modelSettings"),
        ("a", b"hello\n", "in no known format of motifs"),
    ],
)
def test_bad_input_leaves_nothing(run, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    result = run(name, "-o", "out.psem", code=2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_options_that_do_not_fit(run, energies, tmp_path):
    write_motifs("a.psem", [energies], "psem")
    for arguments, message in (
        (["-o", "a.psem"], "exists already; replace it with --force"),
        (["-o", "b.txt"], "give --to"),
        (["-o", "no/b.meme"], "there is no folder no"),
        (["-o", "."], "is a folder"),
        (["-o", "b.meme", "--background", "1,2"], "expected 4 numbers"),
        (["-o", "b.meme", "--background", "1,1,1,1"], "sum to 1, not to 4"),
        (["-o", "b.meme", "--background", "a,1"], "numbers with commas"),
        (["-o", "b.meme", "--model", "1"], "--model"),
        (["-o", "b.psam", "--pseudocount", "1"], "energies stay as they are"),
        (["-o", "b.json", "--pseudocount", "1"], "energies stay as they are"),
        (["-o", "b.meme", "--from", "jaspar"], "expected a line such as '>name'"),
    ):
        assert message in run("a.psem", *arguments, code=2).output
    assert "no such file" in run("nothing.meme", "-o", "b.psem", code=2).output
    run("a.psem", "-o", "a.psem", "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["a.psem"]


def test_letters_without_a_name_are_no_model_file(run):
    motif = Motif("x", np.zeros((3, 3)), "energies", ("A", "B", "C"))
    write_motifs("a.psem", [motif], "psem")
    result = run("a.psem", "-o", "a.safetensors", code=2)
    assert "have no name that a model file could hold" in result.output


def test_the_library_has_the_same_function(tmp_path, energies):
    write_motifs(tmp_path / "a.psem", [energies], "psem")
    done = convert(tmp_path / "a.psem", tmp_path / "b.txt", Options(target="meme"))
    assert (done.source, done.target, done.names) == ("psem", "meme", ("site",))
    assert done.losses == ()
    with pytest.raises(InputError, match="give --to"):
        convert(tmp_path / "a.psem", tmp_path / "c.txt")


def test_one_strand_is_kept_by_models(run):
    psam = PSAM(3, DNA(), score_reverse=False)
    assert psam.n_strands == 1
    motif = Motif("x", np.zeros((3, 4)), "energies", both_strands=False)
    write_motifs("a.psem", [motif], "psem")
    run("a.psem", "-o", "a.safetensors")
    (mode,) = open_model("a.safetensors").modes
    assert mode.psam.score_reverse is False
    run("a.psem", "-o", "a.json")
    (mode,) = open_model("a.json").modes
    assert mode.psam.score_reverse is False
