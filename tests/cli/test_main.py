"""The command line as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest
from click.testing import CliRunner

from pyprobound import __version__
from pyprobound.cli import main
from pyprobound.cli.support import messages


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from pyprobound.cli import main; main(['--help'], "
        "standalone_mode=False); heavy = {'torch', 'numba', 'matplotlib', 'pandas', "
        "'polars', 'pydantic'}; sys.exit(repr(heavy & set(sys.modules)) "
        "if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for command in ("demo", "fit", "schema", "simulate"):
        assert f"  {command} " in done.stdout


def test_help_of_fit_imports_nothing_heavy():
    code = (
        "import sys; from pyprobound.cli import main; main(['fit', '--help'], "
        "standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pyprobound fit counts.tsv.gz --size 12 -o out" in done.stdout


def test_version():
    done = CliRunner().invoke(main, ["--version"])
    assert done.output == f"pyprobound, version {__version__}\n"


def test_unknown_command():
    done = CliRunner().invoke(main, ["fitt"])
    assert done.exit_code == 2
    assert "No such command 'fitt'" in done.output


def test_schema_describes_every_key():
    done = CliRunner().invoke(main, ["schema"])
    assert done.exit_code == 0
    schema = json.loads(done.output)
    assert {"tables", "psams", "modes", "experiments", "loss"} <= set(
        schema["properties"]
    )
    parts = schema["$defs"]
    assert "kernel_size" in parts["PSAMConfig"]["properties"]
    for name, part in parts.items():
        assert part.get("additionalProperties", False) is False, name
        assert part.get("description"), name


def test_schema_stops_quietly_when_its_reader_leaves():
    command = f"{sys.executable} -m pyprobound.cli schema | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.filterwarnings("always")
def test_warnings_of_python_are_messages(capsys):
    with messages(0):
        warnings.warn("careful", stacklevel=1)
    assert capsys.readouterr().err == "Warning: careful\n"
    with messages(-1):
        warnings.warn("careful", stacklevel=1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["fit", "schema"])
def test_every_command_explains_itself_with_an_example(command):
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert f"pyprobound {command}" in done.output
