"""The output folder, and fits that are resumed."""

from __future__ import annotations

import json

import pytest

from pyprobound.config import validate
from pyprobound.errors import InputError
from pyprobound.optim.records import EpochDone, StepStarted
from pyprobound.workflow import OutputFolder, run_fit
from pyprobound.workflow.history import History
from pyprobound.workflow.records import StartDone
from workflow.small_tables import small_values, write_table


@pytest.fixture(scope="module", autouse=True)
def quick_logos():
    """Draws no logos, which take longer than these fits, but leaves their files."""

    def write(psams, folder, log):
        for name in psams:
            folder.logo(name, False, "svg").write_text("logo")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyprobound.workflow.fit.write_logos", write)
        yield


class Killed(BaseException):
    """Ends a fit like a signal that cannot be caught."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "small.tsv")


def config_of(table, **changes):
    return validate(small_values(table, **changes))


@pytest.fixture(scope="module")
def complete(table, tmp_path_factory):
    """A fit of two starts that nothing interrupted."""
    folder = tmp_path_factory.mktemp("complete") / "out"
    return run_fit(config_of(table, starts=2), folder)


def kill_after(number, kind=EpochDone):
    """A consumer that ends the process after some records of a kind."""
    seen = 0

    def consume(record):
        nonlocal seen
        seen += isinstance(record, kind)
        if seen > number:
            raise Killed

    return consume


@pytest.mark.parametrize("number", [0, 1, 3, 4, 7, 11])
def test_interrupted_fit_ends_the_same(table, tmp_path, complete, number):
    config = config_of(table, starts=2)
    with pytest.raises(Killed):
        run_fit(config, tmp_path / "out", on_record=kill_after(number))
    assert not (tmp_path / "out" / "summary.json").exists()
    result = run_fit(config, tmp_path / "out", resume=True)
    for key in ("nll_per_read", "regularization", "n_evaluations", "modes"):
        assert result.summary[key] == complete.summary[key], key
    assert not (tmp_path / "out" / "resume").exists()
    # Every epoch is in the history once, in order.
    histories = [
        [
            json.loads(line)
            for line in (folder / "history.jsonl").read_text().splitlines()
        ]
        for folder in (tmp_path / "out", complete.folder.path)
    ]
    for entries in histories:
        for entry in entries:
            del entry["seconds"]
    assert histories[0] == histories[1]


def test_interrupted_many_times(table, tmp_path, complete):
    config = config_of(table, starts=2)
    interruptions = 0
    while True:
        try:
            result = run_fit(
                config,
                tmp_path / "out",
                resume=True,
                on_record=kill_after(1, StepStarted),
            )
        except Killed:
            interruptions += 1
            assert interruptions < 50
        else:
            break
    assert interruptions > 2
    assert result.summary["modes"] == complete.summary["modes"]


def test_finished_starts_are_not_repeated(table, tmp_path):
    config = config_of(table, starts=2)
    with pytest.raises(Killed):
        run_fit(config, tmp_path / "out", on_record=kill_after(0, StartDone))
    records = []
    run_fit(config, tmp_path / "out", resume=True, on_record=records.append)
    first = next(record for record in records if isinstance(record, EpochDone))
    done = [record for record in records if isinstance(record, StartDone)]
    assert [record.start for record in done] == [0, 1]
    assert records.index(done[0]) < records.index(first) < records.index(done[1])


def test_time_is_counted_over_interruptions(table, tmp_path, monkeypatch):
    config = config_of(table)
    with pytest.raises(Killed):
        run_fit(config, tmp_path / "out", on_record=kill_after(6))
    lines = (tmp_path / "out" / "history.jsonl").read_text().splitlines()
    entries = [json.loads(line) | {"seconds": 1000.0} for line in lines]
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (tmp_path / "out" / "history.jsonl").write_text(text)
    summary = run_fit(config, tmp_path / "out", resume=True).summary
    assert summary["wall_seconds"] > 1000


def test_resume_begins_what_is_not_there(table, tmp_path, complete):
    result = run_fit(config_of(table, starts=2), tmp_path / "new" / "out", resume=True)
    assert result.summary["modes"] == complete.summary["modes"]
    assert not result.was_finished


def test_resume_of_a_finished_fit_changes_nothing(table, complete):
    before = {path: path.stat().st_mtime_ns for path in complete.folder.path.iterdir()}
    result = run_fit(config_of(table, starts=2), complete.folder.path, resume=True)
    assert result.was_finished
    assert result.summary == complete.summary
    after = {path: path.stat().st_mtime_ns for path in complete.folder.path.iterdir()}
    assert after == before


def test_resume_needs_the_same_configuration(table, complete):
    with pytest.raises(InputError, match=r"cannot be resumed.*starts was 2 and is 3"):
        run_fit(config_of(table, starts=3), complete.folder.path, resume=True)
    config = config_of(table, starts=2, psams={"motif": {"kernel_size": 5}})
    with pytest.raises(InputError, match=r"psams\.motif\.kernel_size was 4 and is 5"):
        run_fit(config, complete.folder.path, resume=True)


def test_resume_does_not_ask_for_the_same_threads_or_place(table, tmp_path, complete):
    moved = tmp_path / "moved.tsv"
    moved.write_bytes(table.read_bytes())
    values = small_values(moved, starts=2, threads=2)
    assert run_fit(validate(values), complete.folder.path, resume=True).was_finished


def test_another_fit_is_not_overwritten(table, tmp_path, complete):
    with pytest.raises(InputError, match="holds a finished fit already"):
        run_fit(config_of(table), complete.folder.path)
    with pytest.raises(Killed):
        run_fit(config_of(table), tmp_path / "out", on_record=kill_after(2))
    with pytest.raises(InputError, match="holds an unfinished fit already"):
        run_fit(config_of(table), tmp_path / "out")
    with pytest.raises(InputError, match="exclude each other"):
        run_fit(config_of(table), tmp_path / "out", resume=True, force=True)


def test_force_replaces_a_fit_and_nothing_else(table, tmp_path):
    folder = tmp_path / "out"
    psams = {"old": {"kernel_size": 4}}
    modes = {"old": {"type": "psam", "psam": "old"}}
    run_fit(config_of(table, psams=psams, modes=modes), folder)
    (folder / "notes.txt").write_text("mine")
    assert (folder / "logo-old.svg").exists()
    run_fit(config_of(table), folder, force=True)
    names = {path.name for path in folder.iterdir()}
    assert "logo-old.svg" not in names
    assert {"notes.txt", "logo-motif.svg", "summary.json"} <= names
    assert (folder / "notes.txt").read_text() == "mine"


def test_force_over_an_unfinished_fit_starts_anew(table, tmp_path):
    with pytest.raises(Killed):
        run_fit(config_of(table, seed=9), tmp_path / "out", on_record=kill_after(5))
    result = run_fit(config_of(table), tmp_path / "out", force=True)
    assert result.config.seed == 0


def test_folders_with_other_things_are_used(table, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run_fit(config_of(table), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_folders_that_cannot_be_made(table, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="is a file; give a folder"):
        run_fit(config_of(table), file)
    with pytest.raises(InputError, match="cannot be written to"):
        run_fit(config_of(table), file / "below")
    assert file.read_text() == "mine"


def test_temporary_files_of_a_killed_process_are_removed(table, tmp_path):
    config = config_of(table)
    with pytest.raises(Killed):
        run_fit(config, tmp_path / "out", on_record=kill_after(5))
    leftovers = [
        tmp_path / "out" / ".config.yaml.abc",
        tmp_path / "out" / ".logo-motif.svg.abc",
        tmp_path / "out" / "resume" / ".start-0.resume.abc",
    ]
    for path in leftovers:
        path.write_text("half")
    run_fit(config, tmp_path / "out", resume=True)
    names = [path.name for path in (tmp_path / "out").rglob("*")]
    assert not [name for name in names if name.startswith(".")]
    assert "resume" not in names


def test_a_configuration_that_was_not_written_yet(table, tmp_path):
    folder = OutputFolder(tmp_path / "out")
    folder.state.mkdir(parents=True)
    assert folder.holds_fit()
    run_fit(config_of(table), folder.path, resume=True)
    assert folder.is_finished()


def test_half_a_line_of_history_is_dropped(tmp_path):
    path = tmp_path / "history.jsonl"
    entries = [
        {"start": 0, "evaluations": 5, "seconds": 1.0},
        {"start": 1, "evaluations": 7, "seconds": 2.0},
    ]
    path.write_text("".join(json.dumps(e) + "\n" for e in entries) + '{"start": 1, "ev')
    history = History(path)
    history.begin(1)
    epoch = EpochDone(0, 0.5, 1.0, 0.0, None, 0.1, 9, True, 1.0, 12)
    history(epoch)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [entry["start"] for entry in found] == [0, 1]
    assert found[1]["evaluations"] == 12
    assert history.seconds_before == 0
