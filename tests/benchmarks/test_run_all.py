"""Tests of benchmarks/run_all.py."""

import json

import pytest


@pytest.fixture
def runner(load):
    return load("run_all")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run_all.py").write_text("raise SystemExit('never run')")
    (tmp_path / "_helper.py").write_text("raise SystemExit('never run')")
    (tmp_path / "fast.py").write_text(
        "import sys\n"
        "print('noise', file=sys.stderr)\n"
        """print('{"rows": 1000, "seconds": 0.123456789}')\n"""
        """print('{"rows": 5, "device": "cpu", "all": [1, 2]}')\n"""
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
    target = tmp_path / "new" / "results.jsonl"
    assert runner.main(["fast", "--json", str(target)], folder) == 0
    machine, *results = map(json.loads, target.read_text().splitlines())
    assert machine["script"] == "machine"
    assert {"processor", "cores", "threads", "python", "torch", "numba"} <= set(machine)
    common = {"script": "fast", "command": "python benchmarks/fast.py"}
    assert results == [
        {**common, "rows": 1000, "seconds": 0.123456789},
        {**common, "rows": 5, "device": "cpu", "all": [1, 2]},
    ]


def test_a_quick_run_is_passed_on_to_the_scripts(runner, folder, tmp_path, capsys):
    (folder / "fast.py").write_text(
        "import json, sys\nprint(json.dumps({'given': ' '.join(sys.argv[1:])}))"
    )
    target = tmp_path / "results.jsonl"
    assert runner.main(["--quick", "--json", str(target)], folder) == 0
    assert "--quick" in capsys.readouterr().out
    *_, result = map(json.loads, target.read_text().splitlines())
    assert result["command"] == "python benchmarks/fast.py --quick"
    assert result["given"] == "--quick"


def test_a_page_is_written_unless_a_benchmark_failed(runner, folder, tmp_path):
    page = tmp_path / "page.md"
    assert runner.main(["--page", str(page)], folder) == 0
    assert page.read_text().startswith("# Performance")
    page.unlink()
    (folder / "broken.py").write_text("raise SystemExit(3)")
    assert runner.main(["--page", str(page)], folder) == 1
    assert not page.exists()


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


def test_a_trial_of_a_benchmark_gives_a_page_that_says_so(runner, tmp_path):
    page = tmp_path / "page.md"
    assert runner.main(["load", "--quick", "--page", str(page)]) == 0
    text = page.read_text()
    assert "of a trial" in text
    assert "| random | 1,000 |" in text
