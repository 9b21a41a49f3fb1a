"""Tests of the README: its commands parse, its examples run."""

import re
import shlex
from pathlib import Path

import click
import matplotlib.image
import pandas as pd
import pytest

from pyprobound.cli import main
from pyprobound.config import load_config
from pyprobound.config.defaults import DefaultOptions, default_config
from pyprobound.io.table_writer import write_table
from pyprobound.stats.simulation import builtin_model, simulate
from pyprobound.workflow import run_fit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """The command lines of pyprobound, in the text and in blocks."""
    found = re.findall(r"^ {4}pyprobound (.+)$", README, flags=re.MULTILINE)
    return found + re.findall(r"`pyprobound ([^`]+)`", README)


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line):
    name, *arguments = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    if arguments == ["--help"]:
        return
    context = command.make_context(name, arguments)
    assert not context.args


def test_all_kinds_of_commands_are_found():
    assert {line.split()[0] for line in commands()} == {"fit", "schema", "simulate"}


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^    make (\w+)", README, flags=re.MULTILINE))
    assert targets == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.fixture
def counts(tmp_path, monkeypatch):
    """A folder with the table that the examples read."""
    monkeypatch.chdir(tmp_path)
    table = simulate(builtin_model(), reads_per_round=300, seed=1)
    write_table("counts.tsv.gz", table)
    return table


def test_the_configuration_is_valid(counts, tmp_path):
    (text,) = blocks("yaml")
    (tmp_path / "fit.yaml").write_text(text, encoding="utf-8")
    config = load_config("fit.yaml")
    assert (config.seed, config.starts) == (1, 3)
    assert Path(config.tables["reads"].path).is_file()


def test_the_python_examples_run(counts, capsys):
    first, second = blocks("python")
    names = {}
    exec(compile(first, "README.md", "exec"), names)
    assert "NonSpecific-NS" in capsys.readouterr().out
    assert Path("motif.pt").is_file()
    assert matplotlib.image.imread("motif.png").std() > 0.1

    path = Path("counts.tsv.gz")
    run_fit(default_config(path, (0, 1), DefaultOptions(size=10)), "out")
    assert {
        name
        for name in re.findall(r"`([\w.-]+\.(?:svg|json|pt|yaml|log))`", README)
        if name != "fit.yaml"
    } <= {file.name for file in Path("out").iterdir()}
    exec(compile(second, "README.md", "exec"), names)
    assert names["energies"].shape == (4, 10)
    scores = pd.Series(names["log_affinity"].tolist())
    assert scores[0] > scores[1]
