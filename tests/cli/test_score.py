"""Tests of ``pyprobound score``."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pyprobound.cli import main, score

MODE = {
    "size": 2,
    "flankLength": 0,
    "dinucleotideDistance": 0,
    "positionBias": False,
    "singleStrand": False,
    "fitLogActivity": True,
    "modifications": [],
    "componentName": "site",
}
MODEL = {
    "modelSettings": {
        "letterOrder": "ACGT",
        "letterComplement": "C-G,A-T",
        "bindingModeInteractions": [],
        "bindingModes": [MODE],
    },
    "coefficients": {
        "bindingModeInteractions": [],
        "bindingModes": [
            {
                "mononucleotide": [0, -1, -2, -3, 0, -0.5, -1, -1.5],
                "dinucleotide": [],
                "positionBias": [],
                "activity": [[0]],
                "modifications": [],
            }
        ],
    },
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder with a model and some sequences."""
    monkeypatch.chdir(tmp_path)
    Path("model.json").write_text(json.dumps(MODEL))
    Path("in.fa").write_text(">a first\nGGTA\n>b\nAC\nGTN\n")

    def call(*arguments, code=0, stdin=None):
        result = CliRunner().invoke(main, ["score", *map(str, arguments)], input=stdin)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return call


def rows_of(text):
    return [line.split("\t") for line in text.splitlines()]


def test_scores_go_to_the_standard_output(run):
    rows = rows_of(run("model.json", "in.fa").stdout)
    assert rows[0] == ["name", "log_affinity"]
    assert [row[0] for row in rows[1:]] == ["a", "b"]
    # log(1.00921941), which ProBoundTools prints
    assert float(rows[1][1]) == pytest.approx(0.00917717, abs=1e-7)


def test_all_columns(run):
    result = run(
        "model.json", "in.fa", "--per-mode", "max,sum", "--profile", "--with-sequence"
    )
    header, first, second = rows_of(result.stdout)
    assert header == [
        "name",
        "sequence",
        "log_affinity",
        "site:max",
        "site:sum",
        "site:forward",
        "site:reverse",
    ]
    assert first[1] == "GGTA"
    assert [float(x) for x in first[5].split(",")] == [-3.0, -3.5, -3.0]
    assert [float(x) for x in first[6].split(",")] == [-1.5, -0.5, -3.0]
    assert second[1] == "ACGTN"


def test_wildcards_change_scores(run):
    affinity, energy = (
        float(rows_of(run("model.json", "in.fa", "--wildcard", kind).stdout)[2][1])
        for kind in ("mean-affinity", "mean-energy")
    )
    assert affinity > energy


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz", ".csv", ".parquet"])
def test_files(run, suffix):
    out = Path("out" + suffix)
    result = run("model.json", "in.fa", "-o", out, "--profile")
    assert result.stdout == ""
    assert "2 sequences scored in out" in result.stderr
    if suffix == ".parquet":
        frame = pl.read_parquet(out)
        assert frame["site:reverse"].to_list()[0] == [-1.5, -0.5, -3.0]
    else:
        frame = pl.read_csv(out, separator="," if suffix == ".csv" else "\t")
    assert frame["name"].to_list() == ["a", "b"]
    assert frame["log_affinity"][0] == pytest.approx(0.00917717, abs=1e-7)


def test_standard_input_and_silence(run):
    plain = run("model.json", "in.fa").stdout
    result = run("model.json", "-", "-q", stdin=Path("in.fa").read_text())
    assert (result.stdout, result.stderr) == (plain, "")
    zipped = gzip.compress(Path("in.fa").read_bytes())
    assert run("model.json", "-", stdin=zipped).stdout == plain


def test_columns_of_tables(run):
    Path("in.tsv").write_text("id\tprobe\nx\tGGTA\ny\tACGT\n")
    by_name = run("model.json", "in.tsv", "--column", "probe").stdout
    by_number = run("model.json", "in.tsv", "--column", 2).stdout
    assert by_name == by_number
    assert [row[0] for row in rows_of(by_name)] == ["sequence", "GGTA", "ACGT"]


def test_sequences_that_are_left_out_are_mentioned(run):
    Path("in.txt").write_text("ACGT\nAXT\nGGTA\n")
    result = run("model.json", "in.txt", "--invalid", "skip")
    assert len(result.stdout.splitlines()) == 3
    assert "1 sequences were left out" in result.stderr
    assert "line 2" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ACGT\nAXT\n", "bad.txt, line 2: letter 'X' at position 2"),
        (">a\n>b\nAC\n", "bad.txt, line 1: the sequence has no letters"),
        ("", "bad.txt: there is nothing in it"),
        ("A" * 10_000_000, "bad.txt, line 1: the line is longer than"),
    ],
)
def test_bad_input_leaves_nothing_behind(run, content, message):
    Path("bad.txt").write_text(content)
    before = sorted(Path().iterdir())
    for out in ("out.tsv", "out.parquet"):
        result = run("model.json", "bad.txt", "-o", out, code=2)
        assert message in result.stderr
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.json"], "give either SEQUENCES or --predict"),
        (["model.json", "in.fa", "--predict", "x.tsv"], "give either SEQUENCES"),
        (["model.json", "in.fa", "--shares"], "--shares needs --predict"),
        (["model.json", "--predict", "x.tsv", "--profile"], "--profile is for SEQ"),
        (["model.json", "in.fa", "--per-mode", "median"], "sum, max, mean"),
        (["model.json", "absent.fa"], "absent.fa: there is no such file"),
        (["absent.json", "in.fa"], "absent.json: there is no such file"),
        (["model.json", "in.fa", "-o", "out.xyz"], "a file name that ends in"),
        (["model.json", "in.fa", "-o", "no/out.tsv"], "there is no folder no"),
        (["model.json", "in.fa", "--round", "2"], "--round: there is no round 2"),
        (["model.json", "in.fa", "--left-flank", "AX"], "--left-flank: letter 'X'"),
        (["model.json", "in.fa", "--column", "x"], "--column: there is no column"),
        (["model.json", "--predict", "in.fa"], "--predict: the model does not"),
    ],
)
def test_wrong_usage(run, arguments, message):
    assert message in run(*arguments, code=2).stderr


def test_files_of_several_models(run, shared):
    path = shared / "data" / "motifcentral" / "MotifCentral.v1.0.0.json"
    error = run(path, "in.fa", code=2).stderr
    assert "--model-name NAME or --model-index N" in error
    Path("in.txt").write_text("ACGTACGTACGTACGTACGTACGT\n")
    first = run(path, "in.txt", "--model-index", 0, "--threads", 1).stdout
    second = run(path, "in.txt", "--model-index", 1).stdout
    assert first != second


def test_counts_are_predicted(run, shared):
    folder = shared / "data" / "bcd"
    rows = gzip.decompress((folder / "bcd.tsv.gz").read_bytes()).splitlines()[:20]
    Path("counts.tsv").write_bytes(b"\n".join(rows) + b"\n")
    out = run(folder / "bcd.models.json", "--predict", "counts.tsv").stdout
    table = rows_of(out)
    assert len(table) == 21
    for row, line in zip(table[1:], rows, strict=True):
        counts = [int(field) for field in line.split(b"\t")[1:]]
        assert sum(map(float, row[1:])) == pytest.approx(sum(counts), rel=1e-6)
    result = run(
        folder / "bcd.models.json", "--predict", "counts.tsv", "-o", "p.tsv", "--shares"
    )
    assert "20 sequences of experiment 1 predicted in p.tsv" in result.stderr


def test_a_bar_is_shown_on_a_terminal_alone(monkeypatch):
    with score._progress(0, "bytes") as show:
        assert show is None

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with score._progress(-1, "bytes") as show:
        assert show is None
    with score._progress(0, "bytes") as show:
        show(5, 10, 1234)
    assert "1,234 sequences" in terminal.getvalue()


def test_the_help_has_examples():
    text = CliRunner().invoke(main, ["score", "--help"]).output
    assert "pyprobound score out peaks.fa.gz -o scores.tsv" in text
