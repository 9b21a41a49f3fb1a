"""Tests of benchmarks/run_all.py."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run_all.py"


@pytest.fixture(scope="module")
def runner():
    specification = importlib.util.spec_from_file_location("run_all", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run_all.py").write_text("raise SystemExit('never run')")
    (tmp_path / "_helper.py").write_text("raise SystemExit('never run')")
    (tmp_path / "fast.py").write_text(
        "import sys\n"
        "print('noise', file=sys.stderr)\n"
        """print('{"rows": 1000, "seconds": 0.123456789}')\n"""
        """print('{"rows": 5, "device": "cpu"}')\n"""
    )
    return tmp_path


def test_results_are_printed_as_an_aligned_table(runner, folder, capsys):
    assert runner.main([], folder) == 0
    title, *lines = capsys.readouterr().out.rstrip().splitlines()
    assert title.startswith("fast (")
    assert lines == [
        "rows   seconds  device",
        "----  --------  ------",
        "1000  0.123457",
        "   5            cpu",
    ]


def test_results_are_written_as_json_lines(runner, folder, tmp_path):
    target = tmp_path / "results.jsonl"
    assert runner.main(["fast", "--json", str(target)], folder) == 0
    assert [json.loads(line) for line in target.read_text().splitlines()] == [
        {"script": "fast", "rows": 1000, "seconds": 0.123456789},
        {"script": "fast", "rows": 5, "device": "cpu"},
    ]


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("raise SystemExit(3)", "broken: exit status 3"),
        ("print('done')", "broken: printed a line that is no JSON object: 'done'"),
        ("print(1)", "broken: printed a line that is no JSON object: '1'"),
        ("", "broken: printed no result"),
    ],
)
def test_failure_is_reported_and_the_others_still_run(
    runner, folder, capsys, program, complaint
):
    (folder / "broken.py").write_text(program)
    assert runner.main([], folder) == 1
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert "fast (" in captured.out


def test_unknown_name_is_a_usage_error(runner, folder, capsys):
    with pytest.raises(SystemExit) as raised:
        runner.main(["slow"], folder)
    assert raised.value.code == 2
    assert "no benchmark named slow; there are: fast" in capsys.readouterr().err


def test_folder_without_benchmarks_is_an_error(runner, tmp_path, capsys):
    with pytest.raises(SystemExit) as raised:
        runner.main([], tmp_path)
    assert raised.value.code == 2
    assert "there are no benchmarks" in capsys.readouterr().err
