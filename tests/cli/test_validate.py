"""Tests of ``pyprobound validate``."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from pyprobound.cli import main
from pyprobound.cli import validate as module
from pyprobound.fitting import curves, measures
from pyprobound.workflow.validation import FILE_NAMES

# A motif of the letters TGAC, with the energies of each position.
ENERGIES = (
    (-2.0, -1.5, -1.0, 0.0),
    (-1.0, -2.5, 0.0, -0.5),
    (0.0, -1.0, -1.5, -3.0),
    (-0.5, 0.0, -2.0, -1.0),
)
SEQUENCES = (
    *("TTGACA", "AATGACCA", "TAGACA", "TTGTCA", "CCCCCCCCCCC", "ATGAG"),
    *("TGACGTCA", "GGGATTAC", "TGCATGC", "AAAATTTTGACTTT"),
)


def probound_model():
    """A scoring model of ProBound with one single-stranded mode."""
    return {
        "modelSettings": {
            "letterOrder": "ACGT",
            "letterComplement": "C-G,A-T",
            "bindingModes": [
                {
                    "size": len(ENERGIES),
                    "flankLength": 0,
                    "dinucleotideDistance": 0,
                    "singleStrand": True,
                    "positionBias": False,
                }
            ],
            "bindingModeInteractions": [],
        },
        "coefficients": {
            "bindingModes": [
                {
                    "mononucleotide": [v for row in ENERGIES for v in row],
                    "dinucleotide": [],
                    "activity": [[0.0]],
                }
            ],
            "bindingModeInteractions": [],
        },
    }


def log_affinity(sequence):
    size = len(ENERGIES)
    windows = [sequence[i : i + size] for i in range(len(sequence) - size + 1)]
    return math.log(
        sum(
            math.exp(
                sum(
                    row["ACGT".index(x)]
                    for row, x in zip(ENERGIES, window, strict=True)
                )
            )
            for window in windows
        )
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder with a model and an exact table."""
    monkeypatch.chdir(tmp_path)
    Path("model.json").write_text(json.dumps(probound_model()))
    rows = [f"{s}\t{2 - 0.6 * log_affinity(s):.12g}\t0.1" for s in SEQUENCES]
    Path("ddg.tsv").write_text("\n".join(["seq\tddg\tsd", *rows, "ACGTA\tNA\t1\n"]))

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, ["validate", *map(str, arguments)])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return call


EXACT = ("model.json", "ddg.tsv", "-o", "out", "--kind", "ddg", "--value-column", "ddg")


def test_an_exact_model_agrees(run):
    result = run(*EXACT, "--unit", "RT", "--curve", "linear", "--error-column", "sd")
    for text in (
        "sequences    10 (skipped: 1 without value)",
        "R squared    1.0000",
        "Pearson r    1.0000",
        "Spearman r   1.0000",
        "RMSE         0.0000 RT",
        "curve        linear: offset -2, scale 0.6",
        "slope        0.6000 of the line",
        "results in   out",
    ):
        assert text in result.output
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(FILE_NAMES)
    assert Path("out/validation.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv("out/validation.tsv", sep="\t")
    assert table["sequence"].tolist() == list(SEQUENCES)
    assert table["line"].tolist() == list(range(2, 12))
    expected = [log_affinity(sequence) for sequence in SEQUENCES]
    assert table["log_affinity"].tolist() == pytest.approx(expected)
    assert table["measured"].tolist() == pytest.approx(table["predicted"].tolist())
    assert table["observed_rt"].tolist() == pytest.approx((-table["measured"]).tolist())
    assert table["residual_rt"].tolist() == pytest.approx([0] * 10, abs=1e-9)
    summary = json.loads(Path("out/validation.json").read_text())
    assert summary["statistics"]["r_squared"] == pytest.approx(1)
    assert summary["curve"]["scale"] == pytest.approx(0.6)
    assert summary["measurements"]["columns"]["error"] == "sd"
    assert summary["measurements"]["skipped"] == {"value": 1}
    assert len(summary["model"]["modes"]) == 1
    assert summary["model"]["kind"] == "probound-scoring"


def test_units_and_temperature_reach_the_comparison(run):
    for place, (more, scale) in enumerate(
        [
            (("--unit", "kJ/mol"), 0.6 / 2.478957),
            (("--unit", "kJ/mol", "--temperature", "0"), 0.6 / 2.271096),
            (("--unit", "RT", "--flip-sign"), -0.6),
        ]
    ):
        run(*EXACT, "--curve", "linear", "-o", f"out{place}", *more)
        summary = json.loads(Path(f"out{place}/validation.json").read_text())
        assert summary["curve"]["scale"] == pytest.approx(scale, rel=1e-5)


def test_intensities_flanks_and_silence(run):
    rows = [
        f"{s[2:]},{5 + 100 * math.exp(log_affinity(s))!r}"
        for s in SEQUENCES
        if s[:2] == "TG"
    ]
    rows += [f"{s},{5 + 100 * math.exp(log_affinity('TG' + s))!r}" for s in SEQUENCES]
    Path("pbm.csv").write_text("\n".join(rows))
    arguments = ("model.json", "pbm.csv", "--kind", "intensity", "--left-flank", "TG")
    result = run(*arguments, "-o", "a")
    assert "R squared    1.0000" in result.output
    assert "background 5" in result.output
    assert "slope" not in result.output
    assert run(*arguments, "-o", "b", "-q").output == ""
    same = [Path(folder, "validation.tsv").read_bytes() for folder in "ab"]
    assert same[0] == same[1]


def test_earlier_results_are_replaced_when_forced(run):
    run(*EXACT, "--unit", "RT")
    before = Path("out/validation.json").read_bytes()
    result = run(*EXACT, "--unit", "RT", "--curve", "linear", code=2)
    assert "holds validation.tsv already; replace it with --force" in result.output
    assert Path("out/validation.json").read_bytes() == before
    run(*EXACT, "--unit", "RT", "--curve", "linear", "--force")
    assert Path("out/validation.json").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*EXACT,), "--kind: values of the kind ddg need a unit: one of RT, kcal/mol"),
        ((*EXACT, "--unit", "log2"), "need a unit"),
        ((*EXACT, "--unit", "RT", "--temperature", "3"), "is for energies in kcal/mol"),
        ((*EXACT, "--unit", "RT", "--mode", "x"), "--mode: the model has no mode 'x'"),
        ((*EXACT, "--unit", "RT", "--index", "3"), "there is no model 3"),
        ((*EXACT, "--unit", "RT", "--transliterate", "U"), "expected FROM=TO"),
        ((*EXACT, "--unit", "RT", "--error-column", "s"), "did you mean 'sd'?"),
        ((*EXACT, "--unit", "RT", "-q", "-v"), "exclude each other"),
        ((*EXACT, "--unit", "RT", "-o", "ddg.tsv"), "is not a folder"),
        (("model.json", "no.tsv", "-o", "out", "--kind", "kd"), "no such file"),
        (("no.json", "ddg.tsv", "-o", "out", "--kind", "kd"), "no such file"),
        (
            ("model.json", "bad.tsv", "-o", "out", "--kind", "kd"),
            "bad.tsv, line 2: the",
        ),
        (("model.json", "rna.tsv", "-o", "out", "--kind", "kd"), "line 1: letter 'U'"),
        (("ddg.tsv", "ddg.tsv", "-o", "out", "--kind", "kd"), "ddg.tsv: is no model"),
    ],
)
def test_bad_input_ends_with_code_2_and_writes_nothing(run, arguments, message):
    Path("bad.tsv").write_text("TGACC\t1\nTGACA\t-1\n")
    Path("rna.tsv").write_text("UGACC\t1\n")
    before = sorted(path.name for path in Path().iterdir())
    result = run(*arguments, code=2)
    assert message in " ".join(result.output.split())
    assert sorted(path.name for path in Path().iterdir()) == before


def test_the_options_name_what_the_library_knows():
    assert module._KINDS == measures.KINDS
    assert module._UNITS == measures.UNITS
    assert module._CURVES == curves.CURVES


def test_the_help_shows_its_examples_line_by_line(run):
    result = run("--help")
    assert (
        "\n    pyprobound validate out affinities.tsv -o check --kind" in result.output
    )
    assert "\\b" not in result.output
