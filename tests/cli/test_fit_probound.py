"""``pyprobound fit`` with configurations of ProBound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pyprobound.cli import main

BUILDER = [
    {
        "function": "addTable",
        "countTableFile": "small.tsv",
        "inputFileType": "tsv",
        "nColumns": 2,
        "variableRegionLength": 8,
    },
    {"function": "addSELEX"},
    {"function": "addNS"},
    {"function": "addBindingMode", "size": 4},
    {"function": "output", "outputPath": "results", "baseName": "small"},
    {"function": "optimizerSetting", "lambdaL2": 1e-4, "nThreads": 1},
]


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *_: None)


def write_table(path="small.tsv"):
    import random

    draw = random.Random(1)
    rows = {"".join(draw.choices("ACGT", k=8)) for _ in range(80)}
    lines = (f"{row}\t3\t{20 if 'GAT' in row else 2}\n" for row in sorted(rows))
    Path(path).write_text("".join(lines))


def run(*words):
    return CliRunner().invoke(main, ["fit", *map(str, words)])


def test_builder_files_are_fitted_like_their_translation():
    write_table()
    Path("config.json").write_text(json.dumps(BUILDER))
    done = run("config.json", "-v")
    assert done.exit_code == 0, done.output
    assert "Note: config.json" in done.stderr
    assert "training also shifts the motif" in done.stderr
    folder = Path("results/small")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert list(config["modes"]) == ["mode0", "mode1"]

    from pyprobound.config.probound import convert

    Path("fit.yaml").write_text(convert("config.json"))
    again = run("fit.yaml", "-q", "-o", "again")
    assert (again.exit_code, again.output) == (0, "")
    names = ("model.safetensors", "config.yaml")
    for name in names:
        assert (folder / name).read_bytes() == (Path("again") / name).read_bytes()


def test_full_configurations_of_any_name_and_options_of_a_run():
    from pyprobound.config.probound import expand

    write_table()
    Path("config").write_text(json.dumps(expand(BUILDER)))
    done = run("config", "--seed", "5", "-q", "-o", "out")
    assert (done.exit_code, done.output) == (0, "")
    assert yaml.safe_load(Path("out/config.yaml").read_text())["seed"] == 5
    done = run("config", "--size", "4")
    assert done.exit_code == 2
    assert "--size is for bare count tables" in done.stderr


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({"sise": 3}, ["--strict"], "[3].sise: the key is not known (did you mean"),
        ({"size": 9}, [], "does not fit into the 8 letters"),
        ({"fitLogActivity": False}, [], "1 setting of ProBound cannot be expressed"),
    ],
)
def test_wrong_configurations_end_with_2_and_write_nothing(change, words, message):
    write_table()
    entries = [*BUILDER[:3], BUILDER[3] | change, *BUILDER[4:]]
    Path("config.json").write_text(json.dumps(entries))
    done = run("config.json", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: config.json")
    assert message in done.stderr
    assert not Path("results").exists()


def test_wrong_tables_end_with_2():
    Path("config.json").write_text(json.dumps(BUILDER))
    done = run("config.json")
    assert done.exit_code == 2
    assert "small.tsv: there is no such file" in done.stderr
    write_table()
    text = Path("small.tsv").read_text()
    Path("small.tsv").write_text("".join(f"{r}\t1\n" for r in text.splitlines()))
    done = run("config.json")
    assert done.exit_code == 2
    assert "small.tsv, line 1: has 3 columns of counts, but nColumns" in done.stderr
    Path("config.json").write_text('[{"function": "addNS"')
    done = run("config.json")
    assert done.exit_code == 2
    assert "config.json, line 1: is truncated" in done.stderr


def test_a_table_beside_the_configuration_is_found_from_elsewhere(
    tmp_path, monkeypatch
):
    write_table()
    Path("config.json").write_text(json.dumps(BUILDER))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = run("../config.json", "-q", "-o", "out")
    assert (done.exit_code, done.output) == (0, "")
