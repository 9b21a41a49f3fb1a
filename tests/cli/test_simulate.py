"""Tests of ``pyprobound simulate``."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyprobound.alphabets import DNA
from pyprobound.cli import main
from pyprobound.config import validate
from pyprobound.config.build import build
from pyprobound.io.table_writer import TABLE_SUFFIXES
from pyprobound.io.tables import read_table
from pyprobound.workflow.models import empty_tables, save_model


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        words = ["simulate", *map(str, arguments)]
        if "--reads" not in words:
            words += ["--reads", "300"]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == code, result.output
        return result

    return call


def table_of(name):
    return read_table(name, DNA()).dataframe


@pytest.fixture
def model_path(tmp_path):
    """A model file with two rounds and flanks, of molecules of 9 to 12 letters."""
    path = tmp_path / "model.safetensors"
    save_model(path, build(CONFIG, empty_tables(CONFIG)))
    return path


def configuration(*names):
    """One experiment per name, with active modes."""
    contributions = [
        {"binding": mode, "log_activity": -3.0} for mode in ("everywhere", "site")
    ]
    bound = {"type": "BoundRound", "contributions": contributions}
    return validate(
        {
            "tables": {
                name: {
                    "path": f"{name}.tsv",
                    "left_flank": "TTTGA",
                    "left_flank_length": 2,
                    "right_flank": "CAAA",
                    "right_flank_length": 1,
                    "min_variable_length": 9,
                    "max_variable_length": 12,
                }
                for name in names
            },
            "psams": {"motif": {"kernel_size": 5, "seed": ["GACTC"]}},
            "modes": {
                "everywhere": {"type": "nonspecific"},
                "site": {"type": "psam", "psam": "motif"},
            },
            "experiments": {
                name: {
                    "table": name,
                    "rounds": [
                        {"type": "InitialRound", "name": "0"},
                        {**bound, "name": "1", "reference_round": "0"},
                        {**bound, "name": "2", "reference_round": "1"},
                    ],
                }
                for name in names
            },
        }
    )


CONFIG = configuration("reads")


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_the_table_can_be_fitted(run, suffix):
    result = run("-o", "counts" + suffix, "--sampling", "multinomial")
    table = table_of("counts" + suffix)
    assert table.sum().tolist() == [300, 300]
    assert table.index.str.len().unique().tolist() == [20]
    assert f"sequences  {len(table):,}" in result.output
    assert "reads      300, 300" in result.output
    assert [path.name for path in Path().iterdir()] == ["counts" + suffix]


def test_a_seed_gives_the_same_bytes(run):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        run("-o", f"{name}.tsv.gz", "--seed", seed)
    first, same, other = (Path(f"{name}.tsv.gz").read_bytes() for name in "abc")
    assert first == same != other
    lines = gzip.decompress(first).decode().splitlines()
    assert all(len(line.split("\t")) == 3 for line in lines)


def test_options_reach_the_simulation(run):
    run(
        *("-o", "counts.tsv", "--rounds", 2, "--length", 14, "--library-size", 40),
        *("--reads", "200,0,100", "--sampling", "multinomial"),
        *("--composition", "1,1,0,2", "--saturation", "--left-flank", "CATGACG", "-q"),
    )
    table = table_of("counts.tsv")
    assert table.sum().tolist() == [200, 0, 100]
    assert len(table) <= 40
    assert set("".join(table.index)) == set("ACT")
    assert table.index.str.len().unique().tolist() == [14]


def test_a_fitted_model_brings_its_rounds_lengths_and_flanks(run, model_path):
    run(model_path, "-o", "a.tsv", "--seed", 1)
    table = table_of("a.tsv")
    assert table.shape[1] == 3
    assert table.index.str.len().unique().tolist() == [12]
    # The folder of a fit will do, and the flanks are those that are scored.
    run(
        *(model_path.parent, "-o", "b.tsv", "--seed", 1),
        *("--left-flank", "GA", "--right-flank", "C", "--length", 12),
    )
    assert Path("a.tsv").read_bytes() == Path("b.tsv").read_bytes()
    run(model_path, "-o", "c.tsv", "--seed", 1, "--left-flank", "CT")
    assert Path("a.tsv").read_bytes() != Path("c.tsv").read_bytes()
    run(model_path, "-o", "d.tsv", "--rounds", 4, "--length", 9)
    assert table_of("d.tsv").shape[1] == 5


def test_an_experiment_is_chosen_by_name(run, tmp_path):
    path = tmp_path / "two.safetensors"
    config = configuration("first", "second")
    save_model(path, build(config, empty_tables(config)))
    result = run(path, "-o", "a.tsv", code=2)
    assert "--experiment: the model has several" in result.output
    assert "'first', 'second'" in result.output
    result = run(path, "-o", "a.tsv", "--experiment", "third", code=2)
    assert "no experiment 'third'" in result.output
    assert not Path("a.tsv").exists()
    run(path, "-o", "a.tsv", "--experiment", "second")
    assert len(table_of("a.tsv"))


def test_a_small_library_is_mentioned(run):
    result = run("-o", "a.tsv", "--library-size", 20, "--reads", 300)
    assert "Warning: The 300 reads of round 0 come from about 20" in result.output
    quiet = run("-o", "b.tsv", "--library-size", 20, "--reads", 300, "-q")
    assert quiet.output == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.txt"], "a.txt: expected a file name that ends in .tsv"),
        (["-o", "no/a.tsv"], "there is no folder no"),
        (["-o", "there.tsv"], "there.tsv: exists already; replace it with --force"),
        (["-o", "folder.tsv"], "folder.tsv: "),
        (["-o", "a.tsv", "--reads", "1,2,3"], "3 numbers, but there are 2 rounds"),
        (["-o", "a.tsv", "--reads", "1,x"], "expected whole numbers"),
        (["-o", "a.tsv", "--reads", "-5"], "must not be negative"),
        (["-o", "a.tsv", "--length", "4"], "4 letters are too short"),
        (["-o", "a.tsv", "--left-flank", "AXA"], "--left-flank: 'X'"),
        (["-o", "a.tsv", "--composition", "1,1"], "must have 4 frequencies"),
        (["-o", "a.tsv", "--composition", "1,?"], "expected numbers"),
        (["-o", "a.tsv", "--experiment", "x"], "--experiment needs a MODEL"),
        (["no.safetensors", "-o", "a.tsv"], "there is no such file"),
        (["there.tsv", "-o", "a.tsv"], "safetensors"),
        ([".", "-o", "a.tsv", "--saturation"], "is for the built-in motif"),
        (["-o", "a.tsv", "-q", "-v"], "exclude each other"),
        ([], "Missing option"),
    ],
)
def test_bad_input_ends_with_code_2_and_writes_nothing(run, arguments, message):
    Path("there.tsv").write_text("kept\n")
    Path("folder.tsv").mkdir()
    result = run(*arguments, code=2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert sorted(path.name for path in Path().iterdir()) == ["folder.tsv", "there.tsv"]
    assert Path("there.tsv").read_text() == "kept\n"


def test_an_existing_table_is_replaced_when_forced(run):
    Path("a.tsv").write_text("old\n")
    run("-o", "a.tsv", "--force")
    assert len(table_of("a.tsv")) > 400


def test_the_help_shows_its_examples_line_by_line(run):
    result = run("--help")
    assert "\n    pyprobound simulate -o counts.tsv.gz\n" in result.output
    assert "\\b" not in result.output
