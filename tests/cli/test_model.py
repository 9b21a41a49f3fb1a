"""Tests of ``pyprobound model``."""

import json

import pytest
from click.testing import CliRunner

from pyprobound.cli import main
from pyprobound.workflow.open_model import open_model

COMMANDS = ("best", "consensus", "drop", "gauge", "kmers", "logo", "select", "show")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["model", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def scoring_model(tmp_path):
    """A scoring model of two motifs, ACG and a flat one with a pair."""
    monomers = [0, -1, -2, -3, -2, 0, -1.5, -2.5, -3, -2, 0, -1]
    pair = [0.0] * 16
    pair[6] = 2.0  # C, then G
    document = {
        "modelSettings": {
            "letterOrder": "ACGT",
            "letterComplement": "C-G,A-T",
            "bindingModes": [
                {"size": 3, "componentName": "first"},
                {"size": 2, "componentName": "second", "dinucleotideDistance": 1},
            ],
        },
        "coefficients": {
            "bindingModes": [
                {"mononucleotide": monomers, "activity": [[1.5]]},
                {"mononucleotide": [0] * 8, "dinucleotide": [pair]},
            ]
        },
        "metadata": {"fit_id": 7},
    }
    path = tmp_path / "scoring.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_every_command_has_help_with_examples():
    assert all(f"  {name} " in run("--help").output for name in COMMANDS)
    for name in COMMANDS:
        text = run(name, "--help").output
        assert "Example" in text
        assert f"pyprobound model {name}" in text


def test_show_prints_a_table_or_json(scoring_model):
    lines = run("show", scoring_model).stdout.splitlines()
    assert any(line.split() == ["fit_id", "7"] for line in lines)
    row = next(line for line in lines if line.startswith("0")).split()
    assert row[1:6] == ["first", "3", "0", "2", "0,0"]
    assert row[7:] == ["ACG", "1.500"]
    found = json.loads(run("show", "--json", scoring_model).stdout)
    assert found["modes"][1]["consensus"] == ["CG"]
    assert found["modes"][1]["pairwise_distance"] == 1
    assert found["kind"] == "probound-scoring"


def test_select_and_drop_write_new_models(scoring_model, tmp_path):
    run("select", scoring_model, "-m", "first", "-o", tmp_path / "a.json")
    run("drop", scoring_model, "-m", "0", "-o", tmp_path / "b.json")
    names = [
        [m.name for m in open_model(tmp_path / n).modes] for n in ("a.json", "b.json")
    ]
    assert names == [["first"], ["second"]]


def test_gauge_writes_the_same_affinities(scoring_model, tmp_path):
    out = tmp_path / "gauge.json"
    run("gauge", scoring_model, "mean", "-m", "second", "-o", out)
    modes = open_model(out).modes
    assert modes[1].activities[0][0] == pytest.approx(2 / 16)
    assert modes[0].activities == ((1.5,),)


def test_consensus_says_what_it_leaves_out(scoring_model, tmp_path):
    result = run("consensus", scoring_model, "-o", tmp_path / "c.json")
    assert result.stderr == ""
    assert open_model(tmp_path / "c.json").modes[1].activities[0][0] == pytest.approx(2)


def test_best_and_kmers_are_tab_separated(scoring_model, tmp_path):
    header, *rows = run(
        "best", scoring_model, "-m", "first", "-n", "2"
    ).stdout.splitlines()
    assert header.split("\t") == [
        "mode",
        "rank",
        "sequence",
        "affinity",
        "log_affinity",
    ]
    assert rows[0].split("\t") == ["first", "1", "ACG", "1", "0"]
    assert rows[1].split("\t")[2:4] == ["ACT", "0.36787944"]
    out = tmp_path / "kmers.tsv"
    assert run("kmers", scoring_model, "-k", "2", "-o", out).stdout == ""
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    assert len([row for row in rows if row[0] == "second"]) == 10
    assert next(row for row in rows if row[0] == "second")[2] == "CG"


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_logo_draws_a_file(scoring_model, tmp_path, suffix, start):
    files = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for file in files:
        run("logo", scoring_model, "-m", "second", "-o", file, "--reverse")
    assert files[0].read_bytes().startswith(start)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_model_of_a_file_with_several(scoring_model, tmp_path):
    document = json.loads(scoring_model.read_text())
    other = {**document, "metadata": {"fit_id": 8}}
    path = tmp_path / "several.json"
    path.write_text(json.dumps([document, other]))
    for option in (("--model-name", "8"), ("--model-index", "1")):
        found = json.loads(run("show", "--json", path, *option).stdout)
        assert found["provenance"]["fit_id"] == 8
    assert "choose one" in run("show", path, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "missing.json"), "there is no such file"),
        (("select", "{}", "-m", "no", "-o", "x.json"), "there is no mode 'no'"),
        (("select", "{}", "-o", "x.json"), "name a mode or an interaction"),
        (("gauge", "{}", "mean", "-o", "x.pt"), "ends in .json"),
        (("logo", "{}", "-o", "x.png"), "choose one of 'first', 'second'"),
        (("logo", "{}", "-m", "0", "-o", "x.bmp"), "ends in .png, .svg or .pdf"),
        (("kmers", "{}", "-k", "40"), "too many to compare all"),
        (("best", "{}", "-o", "none/x.tsv"), "there is no folder"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    scoring_model, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    result = run(*(each.format(scoring_model) for each in arguments), code=2)
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scoring.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"modelSettings": {', "ACGT\n", "\x00"])
def test_files_that_are_no_models_are_refused(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_text(content)
    result = run("show", path, code=2)
    assert str(path) in result.stderr
