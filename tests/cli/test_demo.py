"""Tests of ``pyprobound demo``."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pyprobound.alphabets import DNA
from pyprobound.cli import main
from pyprobound.errors import InputError
from pyprobound.io.tables import read_table
from pyprobound.workflow import load_model
from pyprobound.workflow.demo import run_demo


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The folder of a small demonstration, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    arguments = ["demo", "-o", str(folder), "--reads", "4001"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return folder, result


def test_the_folder_holds_the_reads_and_the_fit(output):
    folder, _ = output
    names = {path.name for path in folder.iterdir()}
    assert {
        "reads.tsv.gz",
        "model.safetensors",
        "summary.json",
        "config.yaml",
        "logo-motif1.svg",
        "logo-motif1.png",
        "logo-motif1-reverse.svg",
    } <= names
    reads = read_table(folder / "reads.tsv.gz", DNA()).dataframe
    assert reads.sum().tolist() == [2001, 2000]
    assert len(load_model(folder / "model.safetensors").psams) == 1


def test_the_report_compares_true_and_recovered_energies(output):
    folder, result = output
    rows = [
        line.replace("|", " ").split()
        for line in result.stdout.splitlines()
        if "|" in line and "position" not in line
    ]
    values = np.array(rows, dtype=float)
    assert values.shape[1] == 9
    assert 7 <= len(values) <= 10
    true, recovered = values[:, 1:5], values[:, 5:]
    np.testing.assert_allclose(true.mean(axis=1), 0, atol=0.01)
    correlation = np.corrcoef(true.ravel(), recovered.ravel())[0, 1]
    assert correlation > 0.8
    assert float(_line(result, "Pearson r").split()[2]) == pytest.approx(
        correlation, abs=0.002
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert f"NLL per read  {summary['nll_per_read']:.6f}" in result.stdout
    assert "reads         4,001" in result.stdout
    assert f"results in    {folder}" in result.stdout
    assert "Simulating 4,001 reads" in result.stderr


def test_the_true_model_is_judged_at_its_best_depth(output):
    _, result = output
    line = _line(result, "NLL per read")
    fitted, true = (float(word.strip(",")) for word in line.split() if "." in word)
    # Both are well below the NLL of a model that predicts nothing.
    assert true < np.log(2) - 0.02
    assert abs(fitted - true) < 0.02


def test_an_earlier_demonstration_is_replaced_but_no_other_fit(output, tmp_path):
    folder, _ = output
    first = (folder / "reads.tsv.gz").read_bytes()
    assert CliRunner().invoke(main, _again(folder)).exit_code == 0
    assert (folder / "reads.tsv.gz").read_bytes() != first

    other = tmp_path / "fit"
    other.mkdir()
    (other / "summary.json").write_text("{}")
    result = CliRunner().invoke(main, _again(other))
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert [path.name for path in other.iterdir()] == ["summary.json"]


def _line(result, name):
    return next(line for line in result.stdout.splitlines() if line.startswith(name))


def _again(folder):
    return ["demo", "-o", str(folder), "--reads", "500", "--seed", "2", "-q"]


def test_impossible_demonstrations_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 2 reads"):
        run_demo(tmp_path, reads=1)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        run_demo(tmp_path / "file", reads=10)
    with pytest.raises(InputError, match="cannot be written"):
        run_demo(tmp_path / "file" / "below", reads=10)
    assert CliRunner().invoke(main, ["demo", "--reads", "1"]).exit_code == 2
    assert [path.name for path in Path(tmp_path).iterdir()] == ["file"]
