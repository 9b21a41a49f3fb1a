"""The history file, the progress display, the log and the text output."""

import io
import json
import logging
import math
import sys

import pytest
from rich.console import Console

from optim.small_fits import SmallFit
from pyprobound.optim import records
from pyprobound.optim.display import ProgressDisplay
from pyprobound.optim.history import JsonLinesHistory
from pyprobound.optim.reporting import Reporter, TextOutput


def test_a_history_holds_every_record_of_a_fit(tmp_path):
    fit = SmallFit("AC")
    seen = []
    history = JsonLinesHistory(tmp_path / "history.jsonl")

    def consume(record):
        seen.append(record)
        history(record)

    fit.activate().optimizer(tmp_path, on_record=consume).train_simultaneous()
    lines = history.path.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["record"] for entry in entries] == [type(r).__name__ for r in seen]
    epoch = next(entry for entry in entries if entry["record"] == "EpochDone")
    assert set(epoch) == {"record", *records.EpochDone.__dataclass_fields__}
    shown = next(entry for entry in entries if entry["record"] == "ParametersShown")
    assert {"name", "trainable", "values"} <= set(shown["parameters"][0])


def test_numbers_that_are_not_finite_are_written_as_text(tmp_path):
    history = JsonLinesHistory(tmp_path / "history.jsonl")
    history(records.Resumed(0, 0, 0, math.inf, 0))
    values = records.ParameterValues("a", True, [-math.inf, 0.5])
    history(records.ParametersShown((values,)))
    first, second = map(json.loads, history.path.read_text().splitlines())
    assert float(first["best_loss"]) == math.inf
    assert second["parameters"][0]["values"] == ["-inf", 0.5]


def test_a_reporter_writes_logs_and_passes_on(caplog):
    written, seen = [], []
    reporter = Reporter(written.append, seen.append)
    with caplog.at_level(logging.DEBUG, logger="pyprobound.optim"):
        reporter(records.GroupStarted(0, 1, "PSAM-x", 2))
        reporter(records.Record())
    assert written == ["\n### Group 0: PSAM-x"]
    assert [type(record).__name__ for record in seen] == ["GroupStarted", "Record"]
    assert [entry.getMessage() for entry in caplog.records] == ["### Group 0: PSAM-x"]


def test_text_is_appended_to_a_file(tmp_path):
    output = TextOutput(tmp_path / "log.txt")
    output.write("a\n")
    output.write("b\n")
    assert (tmp_path / "log.txt").read_text() == "a\nb\n"
    output.write("c\n", "wt")
    assert (tmp_path / "log.txt").read_text() == "c\n"


def test_d54_the_stream_of_the_caller_stays_open():
    stream = io.StringIO()
    output = TextOutput(stream)
    output.write("a")
    output.write("b")
    assert stream.getvalue() == "ab"


def test_d54_the_standard_output_is_that_of_the_time_of_writing(monkeypatch):
    output = TextOutput()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    output.write("a")
    output.write("b")
    assert stream.getvalue() == "ab"
    assert not stream.closed


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_shows_steps_losses_and_decisions(terminal):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=200)
    with ProgressDisplay(console) as display:
        display(records.Resumed(0, 1, 0, 0.75, 12))
        display(records.GroupStarted(0, 2, "PSAM-x", 3))
        display(records.StepStarted(0, 1, 3, True, 2))
        display(records.EpochDone(0, 0.1, 0.25, 0.5, None, 1.0, 10, True, 0.75, 20))
        display(records.TrainingDone("patience", 0.75, True, 30))
        display(records.GreedyDecided("rejected", "too little", 0.8, 0.75, 30))
        display(records.CallMade("PSAM-x.freeze()"))
        display(records.FitDone(0.75, 30, 1.5))
    text = stream.getvalue()
    for part in (
        "Resumed after 12 evaluations",
        "Binding 1/2: PSAM-x",
        "step 2/3, move 3: loss 0.750000",
        "rejected, too little",
        "Done: loss 0.750000, 30 evaluations, 1.5 s",
    ):
        assert part in text
    assert ("epoch 1  loss 0.750000  best 0.750000" in text) is terminal
    assert "freeze" not in text


def test_the_display_uses_the_standard_error(capsys):
    with ProgressDisplay() as display:
        display(records.GroupStarted(0, 1, "PSAM-x", 3))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "PSAM-x" in captured.err
