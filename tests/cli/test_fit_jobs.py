"""Starts at the same time, as a user types it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from processes import children, is_running, needs_proc, wait_until
from pyprobound.cli import main
from pyprobound.cli.starts_display import StartsDisplay
from pyprobound.optim import records
from pyprobound.workflow.records import StartBegun, StartContinued, StartDone
from workflow.small_tables import write_table

OPTIONS = ["--size", "5", "--threads", "2", "-q"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_logos(monkeypatch):
    """Logos take longer than these fits."""
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *arguments: None)


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "small.tsv")


def run(*arguments):
    return CliRunner().invoke(main, ["fit", *map(str, arguments)])


def start_process(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "pyprobound.cli", "fit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # As from a shell, so that a signal to the group hits all of them.
        process_group=0,
    )


def running_fit(folder, *arguments):
    """A fit in processes of its own that has begun to train."""
    process = start_process(*arguments, "-o", folder)
    history = Path(folder, "history.jsonl")
    wait_until(lambda: history.exists() or process.poll() is not None)
    assert process.poll() is None, process.stderr.read()
    workers = children(process.pid)
    assert len(workers) == 2
    return process, workers


def results(folder):
    summary = json.loads(Path(folder, "summary.json").read_text())
    return {
        key: summary[key]
        for key in ("nll_per_read", "regularization", "n_evaluations", "modes")
    }


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_bad_jobs(table, jobs):
    done = run(table, *OPTIONS, "--jobs", jobs, "-o", "out")
    assert done.exit_code == 2
    assert "Invalid value for '-j' / '--jobs'" in done.stderr
    assert not Path("out").exists()


def test_jobs_reach_the_fit(table, monkeypatch):
    given = []

    def fit(*arguments, **options):
        given.append(options["jobs"])
        raise KeyboardInterrupt

    monkeypatch.setattr("pyprobound.workflow.run_fit", fit)
    Path("config.yaml").write_text("")
    for options in ([], ["--jobs", "3"], ["-j", "2"]):
        run(table, *OPTIONS, *options, "-o", "out")
    assert given == [None, 3, 2]


@needs_proc
def test_ctrl_c_ends_all_processes(table):
    process, workers = running_fit("out", table, *OPTIONS, "--starts", 40, "-j", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(
        r"Interrupted\. What was done is in out; to go on, run: pyprobound fit .*"
        r"--starts 40 -j 2 -o out --resume\n",
        messages,
    )
    assert not any(map(is_running, workers))
    assert not Path("out/summary.json").exists()


@needs_proc
def test_killed_with_its_processes_and_resumed(table, no_logos):
    options = [table, *OPTIONS, "--starts", 4]
    process, workers = running_fit("out", *options, "--jobs", 2)
    process.kill()
    _, messages = process.communicate()
    assert messages == ""
    # Nobody is there to end them: they notice.
    wait_until(lambda: not any(map(is_running, workers)), seconds=30)
    assert not Path("out/summary.json").exists()
    # One start after the other, with the same threads for each.
    options[options.index("--threads") + 1] = "1"
    assert run(*options, "--jobs", 1, "-o", "out", "--resume").exit_code == 0
    assert run(*options, "--jobs", 1, "-o", "whole").exit_code == 0
    assert results("out") == results("whole")
    names = [
        sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
        for folder in ("out", "whole")
    ]
    assert names[0] == names[1]


def epoch(number, loss):
    return records.EpochDone(
        number, 0.1, loss, 0.0, None, 0.1, 9, True, loss, 10 * number
    )


def test_the_display_has_one_line_for_each_start():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with StartsDisplay(console) as display:
        display(StartBegun(0, 3, 1))
        display(records.GroupStarted(1, 2, "motif", 3))
        display(records.StepStarted(1, 0, 3, False, 0))
        display(epoch(4, 0.75))
        display(StartBegun(2, 3, 1))
        display(records.GroupStarted(0, 2, "ns", 1))
        display(records.StepStarted(0, 0, 1, True, 1))
        display(epoch(0, 0.5))
        before = stream.getvalue()
        display(StartContinued(0))
        display(epoch(5, 0.25))
        both = stream.getvalue()[len(before) :]
        display(StartDone(0, 3, 0.25, 0.25, 1.0))
        one = stream.getvalue()[len(before) + len(both) :]
    line = "start 1  binding 2/2  step 1/3  epoch 6  loss 0.250000  best 0.250000"
    other = "start 3  binding 1/2  step 1/1, move 2  epoch 1  loss 0.500000"
    assert line in both
    assert other in both
    assert "start 1" not in one
    assert other in one
