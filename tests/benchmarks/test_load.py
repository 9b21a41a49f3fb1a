"""Tests of the benchmark of tables."""

import json


def test_it_prints_a_line_for_each_table(load, capsys, data_dir):
    load("load").main(["--rows", "1000"])
    ctcf, random = map(json.loads, capsys.readouterr().out.splitlines())
    assert ctcf["rows"] == 120_096
    assert random["rows"] == 1000
    # It takes a twentieth of a second; letter by letter it would take several.
    assert 0 < ctcf["seconds"] < 1
    assert ctcf["peak_extra_bytes"] >= 0


def test_quick_runs_need_no_data(load, capsys):
    load("load").main(["--quick"])
    (line,) = capsys.readouterr().out.splitlines()
    assert '"table": "random"' in line
