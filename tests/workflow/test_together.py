"""Starts that run at the same time, in processes of their own."""

from __future__ import annotations

import json
import logging
import os
import signal

import pytest

from processes import is_running, needs_proc
from pyprobound.config import validate
from pyprobound.errors import FitError
from pyprobound.optim.records import EpochDone
from pyprobound.workflow import run_fit, together, workers
from pyprobound.workflow.messages import Warned
from pyprobound.workflow.records import (
    StartBegun,
    StartContinued,
    StartDone,
    StartsShared,
)
from workflow.small_tables import small_values, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = write_table(tmp_path_factory.mktemp("data") / "small.tsv", n_rows=600)
    # A row that is said something about.
    path.write_text(path.read_text() + "ACGTACGTAC\t0\t0\n")
    return path


@pytest.fixture(autouse=True)
def no_logos(monkeypatch):
    """Logos take longer than these fits."""
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *arguments: None)


@pytest.fixture
def begun(monkeypatch):
    """The processes that were begun."""
    processes = []

    class Listed(workers.Workers):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            processes.extend(worker.process for worker in self._workers)

    monkeypatch.setattr(together, "Workers", Listed)
    return processes


def fit(table, folder, jobs, **options):
    changes = {"starts": 3, "validation_fraction": 0.2, "threads": jobs}
    changes["optimizer"] = {"epochs": 2}
    config = validate(small_values(table, **changes))
    return run_fit(config, folder, jobs=jobs, **options)


@pytest.fixture(scope="module")
def alone(table, tmp_path_factory):
    """The fit with one start after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyprobound.workflow.fit.write_logos", lambda *arguments: None)
        return fit(table, tmp_path_factory.mktemp("alone") / "out", 1)


def results(fitted):
    summary = fitted.summary
    starts = [
        {key: value for key, value in start.items() if key != "seconds"}
        for start in summary["starts"]
    ]
    return starts, summary["modes"], summary["validation_nll_per_read"]


def weights(fitted):
    model = fitted.model.loss
    return {name: value.tolist() for name, value in model.state_dict().items()}


def history(fitted):
    lines = fitted.folder.history.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return sorted(
        ({k: v for k, v in entry.items() if k != "seconds"} for entry in entries),
        key=lambda entry: entry["start"],
    )


def test_the_results_are_those_of_one_start_after_the_other(
    table, tmp_path, alone, begun, caplog
):
    records = []
    with caplog.at_level(logging.INFO, logger="pyprobound"):
        both = fit(table, tmp_path / "out", 2, on_record=records.append)
    assert results(both) == results(alone)
    assert weights(both) == weights(alone)
    assert {path.name for path in both.folder.path.iterdir()} == {
        path.name for path in alone.folder.path.iterdir()
    }
    assert len(begun) == 2
    assert all(process.returncode is not None for process in begun)

    # Who listens knows which start a record is about.
    assert records[0] == StartsShared(3, 2, 1)
    heard, current = {}, None
    for record in records:
        if isinstance(record, StartBegun | StartContinued):
            current = record.start
        elif isinstance(record, EpochDone):
            heard.setdefault(current, []).append(record.negloglik)
    assert sorted(heard) == [0, 1, 2]
    done = [record for record in records if isinstance(record, StartDone)]
    assert sorted(record.start for record in done) == [0, 1, 2]

    # The files are whole, and say what belongs to what.
    assert history(both) == history(alone)
    for start, values in heard.items():
        written = [e["negloglik"] for e in history(both) if e["start"] == start]
        assert written == values
    text = both.folder.log.read_text()
    assert "2 starts at the same time, each with 1 thread\n" in text
    for start in (1, 2, 3):
        assert f"start {start}: \tEpoch   0  " in text
        assert f"INFO start {start} of 3: loss" in text
        assert f"start {start}: Epoch   0" not in text
        assert f"start {start}: ### Group 1: PSAM-motif" in caplog.text


@needs_proc
def test_a_killed_process_is_reported_and_the_fit_goes_on(
    table, tmp_path, alone, begun
):
    def kill(record):
        if isinstance(record, EpochDone):
            begun[1].kill()

    # A process may still be loading when it is killed.
    what = r"(start \d: its process|a process for random starts)"
    with pytest.raises(FitError, match=what + " was ended by SIGKILL, .*--resume"):
        fit(table, tmp_path / "out", 2, on_record=kill)
    assert not any(is_running(process.pid) for process in begun)
    # The number of jobs may change in between.
    whole = fit(table, tmp_path / "out", 1, resume=True)
    assert results(whole) == results(alone)
    assert weights(whole) == weights(alone)


def test_errors_of_a_start_are_those_of_this_process(table, tmp_path, begun):
    state = tmp_path / "out" / "resume"
    state.mkdir(parents=True)
    (state / "start-1.resume").write_bytes(b"")
    expected = "start 2 failed: .*start-1.resume is not a file to resume from"
    with pytest.raises(FitError, match=expected) as caught:
        fit(table, tmp_path / "out", 2, resume=True)
    assert "in train\n" in str(caught.value.__cause__)
    assert len(begun) == 2
    with pytest.raises(FitError, match=expected):
        fit(table, tmp_path / "out", 1, resume=True)
    (state / "start-1.resume").unlink()
    assert fit(table, tmp_path / "out", 1, resume=True).summary["nll_per_read"] > 0


def test_a_process_that_cannot_begin(table, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_PROGRAM", "import sys; sys.exit('no such library')")
    with pytest.raises(
        FitError,
        match=r"a process for random starts ended unexpectedly \(no such library\)",
    ):
        fit(table, tmp_path / "out", 2)
    monkeypatch.setattr(workers.sys, "executable", str(tmp_path / "none"))
    with pytest.raises(FitError, match=r"cannot be started .*--jobs"):
        fit(table, tmp_path / "out", 2, resume=True)


def test_one_start_that_remains_runs_here(table, tmp_path, alone, begun):
    class Stopped(Exception):
        pass

    def stop(record):
        if isinstance(record, StartDone) and record.start == 1:
            raise Stopped

    with pytest.raises(Stopped):
        fit(table, tmp_path / "out", 1, on_record=stop)
    whole = fit(table, tmp_path / "out", 2, resume=True)
    assert not begun
    assert results(whole) == results(alone)


def test_tables_that_cannot_be_written(table, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(together, "write_tables", fail)
    with pytest.raises(
        FitError, match=r"start-tables.bin: .*\(No space left.*--jobs 1"
    ):
        fit(table, tmp_path / "out", 2)


def test_the_same_warning_is_given_once():
    follow = together._Follower(None, None)
    events = [(0, "careful"), (2, "careful"), (1, "hot")]
    with pytest.warns(RuntimeWarning) as caught:
        [follow(Warned(start, RuntimeWarning, text)) for start, text in events]
    texts = [str(warning.message) for warning in caught]
    assert texts == ["start 1: careful", "start 2: hot"]


def test_names_of_signals():
    assert workers._signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert workers._signal_name(1000) == "signal 1000"
