"""Fixtures for the tests of the benchmarks."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Imports a module of the folder of benchmarks by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


@pytest.fixture
def run(load, capsys):
    """Runs a benchmark with options; returns the records that it prints."""
    before = torch.get_num_threads()

    def run_script(name, *options):
        load(name).main([*options, "--threads", "1"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield run_script
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def keep_modules():
    """Forgets the modules of benchmarks: their names are common words."""
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        path = getattr(sys.modules[name], "__file__", None) or ""
        if Path(path).parent == FOLDER:
            del sys.modules[name]
