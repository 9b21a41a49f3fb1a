"""The command ``fit``, as a user types it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pyprobound.cli import main
from workflow.small_tables import small_values, write_table

FIT = [sys.executable, "-m", "pyprobound.cli"]
SMALL = ["--size", "4", "--threads", "1"]


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


def shell(*arguments, **options):
    """Runs the command in a process of its own."""
    return subprocess.run(
        [*FIT, "fit", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
        **options,
    )


def files(folder="."):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}


def test_a_bare_table_in_a_process_of_its_own(table):
    done = shell(table, *SMALL, "--starts", "2", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "NLL per read    0." in done.stdout
    assert "results in      out" in done.stdout
    assert "Start 2 of 2: loss 0." in done.stderr
    assert "Warning" not in done.stderr
    summary = json.loads(Path("out/summary.json").read_text())
    assert [mode["name"] for mode in summary["modes"]] == ["nonspecific", "motif1"]
    assert Path("out/logo-motif1-reverse.svg").read_text().startswith("<?xml")
    assert Path("out/logo-motif1.png").read_bytes().startswith(b"\x89PNG")
    config = yaml.safe_load(Path("out/config.yaml").read_text())
    rounds = config["experiments"]["small"]["rounds"]
    assert [part["type"] for part in rounds] == [
        "InitialRound",
        "BoundUnsaturatedRound",
    ]

    again = shell("out/config.yaml", "-q", "-o", "again")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert Path("again/model.safetensors").read_bytes() == (
        Path("out/model.safetensors").read_bytes()
    )
    assert Path("again/config.yaml").read_text() == Path("out/config.yaml").read_text()


def test_options_reach_the_configuration(no_logos):
    table = write_table(Path("three.tsv"), n_rows=60, n_rounds=3)
    done = run(
        table,
        *("--size", "4", "--modes", "2", "--flank-length", "2"),
        *("--left-flank", "acg", "--right-flank", "TT", "--pairwise-distance", "1"),
        *("--symmetry", "ABba", "--posbias", "--saturation", "--lambda-l2", "1e-3"),
        *("--pseudocount", "2", "--seed", "7", "--validation-fraction", "0.1"),
        *("--device", "cpu", "--threads", "1", "--starts", "1", "-q", "-o", "out"),
    )
    assert done.exit_code == 0, done.output
    config = yaml.safe_load(Path("out/config.yaml").read_text())
    experiment = config["experiments"]["three"]
    assert [part["type"] for part in experiment["rounds"]] == [
        "InitialRound",
        "BoundRound",
        "BoundRound",
    ]
    assert [part.get("reference_round") for part in experiment["rounds"]] == [
        None,
        "0",
        "1",
    ]
    assert list(config["psams"]) == ["motif1", "motif2"]
    psam = config["psams"]["motif2"]
    assert (psam["kernel_size"], psam["symmetry"]) == (4, [1, 2, -2, -1])
    assert psam["pairwise_distance"] == 1
    assert config["modes"]["motif1"]["train_posbias"] is True
    table_part = config["tables"]["three"]
    assert (table_part["left_flank"], table_part["left_flank_length"]) == ("acg", 2)
    assert (table_part["right_flank"], table_part["right_flank_length"]) == ("TT", 2)
    assert (config["loss"]["lambda_l2"], config["loss"]["pseudocount"]) == (1e-3, 2)
    assert (config["seed"], config["validation_fraction"]) == (7, 0.1)
    assert (config["device"], config["threads"]) == ("cpu", 1)


@pytest.mark.parametrize("name", ["small.tsv.gz", "small.csv", "small.parquet"])
def test_formats_of_tables(table, no_logos, name):
    text = table.read_text()
    path = Path(name)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    elif name.endswith(".csv"):
        path.write_text("sequence,in,out\n" + text.replace("\t", ","))
    else:
        import polars as pl

        pl.read_csv(table, separator="\t", has_header=False).write_parquet(path)
    reference = run(table, *SMALL, "-q", "-o", "a")
    done = run(path, *SMALL, "-q", "-o", "b")
    assert (reference.exit_code, done.exit_code) == (0, 0), done.output
    a, b = (json.loads(Path(f"{x}/summary.json").read_text()) for x in "ab")
    assert a["nll_per_read"] == b["nll_per_read"]
    if name.endswith(".csv"):
        assert list(b["modes"][1]["log_activity"]["small"]) == ["out"]


def test_default_sizes_and_folders(table, no_logos):
    assert run(table, "--symmetry", "1,2,-2,-1", "-q").exit_code == 0
    config = yaml.safe_load(Path("small_fit/config.yaml").read_text())
    assert config["psams"]["motif1"]["kernel_size"] == 4
    assert run("small_fit/config.yaml", "-q").exit_code == 0
    assert Path("small_fit_fit/summary.json").exists()
    assert run(table, "--modes", "0", "-q", "-o", "ns").exit_code == 0
    assert json.loads(Path("ns/summary.json").read_text())["n_parameters"] == 2


def test_an_input_library_without_reads(no_logos):
    rows = [line.split("\t") for line in write_table(Path("a.tsv"), 60, 8, 3)
            .read_text().splitlines()]  # fmt: skip
    text = "".join(f"{s}\t0\t{b}\t{c}\n" for s, _, b, c in rows)
    Path("a.tsv").write_text(text)
    done = run("a.tsv", *SMALL, "-o", "out")
    assert done.exit_code == 0, done.output
    assert "the first count column has no reads" in done.stderr
    config = yaml.safe_load(Path("out/config.yaml").read_text())
    rounds = config["experiments"]["a"]["rounds"]
    assert [part["observed"] for part in rounds] == [False, True, True]
    assert config["tables"]["a"]["columns"] == [1, 2]
    again = run("out/config.yaml", "-q", "-o", "again")
    assert again.exit_code == 0, again.output
    assert Path("again/model.safetensors").read_bytes() == (
        Path("out/model.safetensors").read_bytes()
    )


GOOD = "ACGTACGTAC\t1\t2\nGGGTACGTAC\t2\t0\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", GOOD + "ACXTACGTAC\t1\t2\n", "a.tsv, line 3: letter 'X' at position 3"),
        ("a.tsv", GOOD + "ACGTACGTAC\t-1\t2\n", "a.tsv, line 3: count column 1: the count is negative"),
        ("a.tsv", GOOD + "ACGTACGTAC\t1.5\t2\n", "a.tsv, line 3: count column 1: the count 1.5 is not a whole"),
        ("a.tsv", GOOD + "ACGTACGTAC\t1\t\n", "a.tsv, line 3: count column 2: the count is missing"),
        ("a.tsv", GOOD + "ACGTACGTAC\tone\t2\n", "a.tsv, line 3: count column 1: 'one' is not a count"),
        ("a.tsv", GOOD + "ACGTACGTAC\t1\t2\t3\n", "a.tsv, line 3: found 4 columns, but line 1 has 3"),
        ("a.tsv", GOOD + "ACGTACGTAC\t1\n", "a.tsv, line 3: found 2 columns, but line 1 has 3"),
        ("a.tsv", "ACGTACGTAC\t1\n", "a.tsv: has one count column; expected at least two"),
        ("a.tsv", GOOD + "AC\t1\t2\n", "a.tsv, line 3: the shortest sequence has 2 letters, but the motif 'motif1' covers 4"),
        ("a.tsv", "", "a.tsv: the file is empty"),
        ("a.tsv.gz", b"", "a.tsv.gz: the file is empty"),
        ("a.tsv.gz", gzip.compress(GOOD.encode() * 99, mtime=0)[:-10], "a.tsv.gz: the gzip file is truncated"),
        ("a.tsv.gz", GOOD, "a.tsv.gz: is no gzip file"),
        ("a.xls", GOOD, "a.xls: the name of a count table must end with one of .tsv"),
    ],
)  # fmt: skip
def test_bad_tables(name, content, expected):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = files()
    done = run(name, *SMALL, "-o", "out")
    assert done.exit_code == 2
    assert f"Error: {expected}" in done.stderr
    assert "Traceback" not in done.output
    assert files() == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--size", "6", "--symmetry", "ABba"], "--symmetry: has 4 positions, but the motif has 6"),
        (["--symmetry", "A.a"], "--symmetry: 'A.a' is no symmetry; expected one id per position"),
        (["--left-flank", "ACX"], "--left-flank: "),
        (["--right-flank", "AUG"], "--right-flank: "),
        (["--left-flank", "AC", "--right-flank", "ACGT", "--flank-length", "3"], "--flank-length: 3 letters of the flank"),
        (["--size", "11"], "small.tsv, line 1: the shortest sequence has 10 letters"),
        (["--size", "4", "--pairwise-distance", "4"], "--pairwise-distance: 4 is too far"),
        (["--device", "toaster"], "--device: the device 'toaster' cannot be used"),
        (["--validation-fraction", "0.0001"], "--validation-fraction: 0.0001 of the 300 rows"),
        (["--resume", "--force"], "exclude each other"),
        (["--size", "0"], "'--size': 0 is not in the range x>=1"),
        (["--validation-fraction", "1"], "1.0 is not in the range 0<=x<1"),
        (["--sise", "3"], "No such option"),
        (["-q", "-v"], "-q and -v exclude each other"),
    ],
)  # fmt: skip
def test_bad_options(table, options, expected):
    before = files()
    done = run(table, *options, "-o", "out")
    assert done.exit_code == 2
    assert expected in done.stderr
    assert files() == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("kernel_size", "kernel_sise"), "fit.yaml, line 5: psams.motif.kernel_sise: the key is not known (did you mean 'kernel_size'?)"),
        (("kernel_size: 4", "kernel_size: 4, symmetry: [1, 2]"), "fit.yaml, line 5: psams.motif.symmetry: has 2 positions"),
        (("small.tsv", "small.tsv\n    left_flank: ACX"), "fit.yaml, line 4: tables.small.left_flank: "),
        (("small.tsv", "small.tsv\n    sha256: " + 64 * "a"), "small.tsv: is not the file that the configuration was written for"),
        (("small.tsv", "none.tsv"), "none.tsv: there is no such file"),
        (("kernel_size: 4", "kernel_size: 4, seed: [ACGX]"), "fit.yaml, line 5: psams.motif: "),
        (("psams:", "optimizer: {optimizer: Best}\npsams:"), "fit.yaml, line 4: optimizer.optimizer: torch.optim has no class 'Best'"),
    ],
)  # fmt: skip
def test_bad_configurations(table, change, expected):
    text = (
        "tables:\n  small:\n    path: small.tsv\n"
        "psams:\n  motif: {kernel_size: 4}\n"
        "modes:\n  motif: {type: psam, psam: motif}\n"
        "experiments:\n  small:\n    table: small\n    rounds:\n"
        "      - type: InitialRound\n"
        "      - {type: BoundRound, reference_round: 0}\n"
    )
    assert change[0] in text
    Path("fit.yaml").write_text(text.replace(change[0], change[1], 1))
    before = files()
    done = run("fit.yaml", "-o", "out")
    assert done.exit_code == 2
    assert expected in done.stderr
    assert files() == before


def test_errors_in_a_process_of_their_own(table):
    table.write_text(table.read_text() + "ACXTACGTAC\t1\t2\n")
    done = shell(table, *SMALL, "-o", "out")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {table}, line 301: letter 'X' at position 3")
    assert done.stdout == ""
    assert not Path("out").exists()


def test_duplicates_are_summed_with_a_warning(table, no_logos):
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[3], lines[3].lower()]) + "\n")
    done = run(table, *SMALL, "-o", "out")
    assert done.exit_code == 0
    assert (
        f"Warning: {table}: 2 rows repeat the sequence of an earlier row" in done.stderr
    )


def test_another_fit_is_refused(table, no_logos):
    assert run(table, *SMALL, "-q", "-o", "out").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    done = run(table, *SMALL, "--seed", "1", "-o", "out")
    assert done.exit_code == 2
    assert "Error: out: holds a finished fit already" in done.stderr
    done = run(table, *SMALL, "--seed", "1", "-o", "out", "--resume")
    assert done.exit_code == 2
    assert "seed was 0 and is 1" in done.stderr
    done = run(table, *SMALL, "-o", "out", "--resume")
    assert done.exit_code == 0
    assert "finished already" in done.stderr
    after = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    assert after == before
    assert run(table, *SMALL, "--seed", "1", "-o", "out", "--force").exit_code == 0
    assert json.loads(Path("out/summary.json").read_text())["seed"] == 1


def test_options_of_the_model_belong_into_the_configuration(table, no_logos):
    Path("fit.yaml").write_text(yaml.safe_dump(small_values(table)))
    done = run("fit.yaml", "--size", "5", "-o", "out")
    assert done.exit_code == 2
    assert "--size is for bare count tables; set it in the YAML file" in done.stderr
    assert run("fit.yaml", "--seed", "5", "-q", "-o", "out").exit_code == 0
    assert json.loads(Path("out/summary.json").read_text())["seed"] == 5


def test_standard_input_is_refused():
    done = run("-", "-o", "out")
    assert done.exit_code == 2
    assert "the standard input cannot be fitted" in done.stderr


def test_unexpected_errors_tell_how_to_see_more(table, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("pyprobound.workflow.run_fit", fail)
    done = run(table, *SMALL)
    assert done.exit_code == 1
    assert "unexpected ZeroDivisionError: surprise; run again with -vv" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(table, *SMALL, "-vv")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    monkeypatch.setattr("pyprobound.workflow.run_fit", lambda *a, **k: [][0])
    assert run(table, *SMALL).exit_code == 1


def test_failing_fits_and_lack_of_memory(table, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("the loss exploded")

    monkeypatch.setattr("pyprobound.workflow.one_start.train", fail)
    done = run(table, *SMALL, "-o", "out")
    assert done.exit_code == 1
    assert "Error: start 1 failed: the loss exploded" in done.stderr

    def starve(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("pyprobound.workflow.run_fit", starve)
    done = run(table, *SMALL, "-o", "other")
    assert done.exit_code == 1
    assert "not enough memory" in done.stderr


def test_verbosity(table, no_logos):
    table = write_table(table, n_rows=60)
    loud = run(table, *SMALL, "-v", "-o", "a")
    assert loud.exit_code == 0
    assert "start 1 of 1, seed" in loud.stderr
    assert "Calculating output" not in loud.stderr
    assert "Epoch" not in loud.stderr
    louder = run(table, *SMALL, "-vv", "-o", "b")
    assert "Epoch" in louder.stderr
    assert "Calculating output" in run(table, *SMALL, "-vvv", "-o", "c").stderr


def test_progress_on_a_terminal(table, no_logos, monkeypatch):
    import pyprobound.cli.progress as command

    class Terminal:
        @staticmethod
        def isatty():
            return True

        def __getattr__(self, name):
            return getattr(sys.__stderr__, name)

    shown = []

    class Display:
        name = "one"

        def __init__(self):
            self.console = self

        def __enter__(self):
            return self

        def __exit__(self, *arguments):
            shown.append(f"{self.name} closed")

        def __call__(self, record):
            shown.append(type(record).__name__)

        def print(self, text, **options):
            shown.append(text)

    class Several(Display):
        name = "several"

    monkeypatch.setattr("pyprobound.optim.display.ProgressDisplay", Display)
    monkeypatch.setattr("pyprobound.cli.starts_display.StartsDisplay", Several)
    monkeypatch.setattr(command.sys, "stderr", Terminal())
    from pyprobound.workflow.records import StartBegun, StartDone, StartsShared

    with command.progress(0) as on_record:
        on_record(StartBegun(0, 2, 5))
        on_record("record")
    assert shown == ["Start 1 of 2", "StartBegun", "str", "one closed"]
    shown.clear()
    with command.progress(0) as on_record:
        on_record(StartDone(0, 9, 0.5, 0.5, 2.0))
        on_record(StartsShared(8, 4, 2))
        on_record("record")
    assert shown == [
        "Start 1 of 9: loss 0.500000 after 2.0 s",
        "StartDone",
        "one closed",
        "4 starts at the same time, each with 2 threads",
        "StartsShared",
        "str",
        "several closed",
    ]


def start_process(*arguments):
    return subprocess.Popen(
        [*FIT, "fit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(path, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)


SLOW = ["--size", "6", "--threads", "1", "--starts", "20", "-q", "-o", "out"]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_interrupts_leave_a_folder_to_resume(table, number, code, word):
    process = start_process(table, *SLOW)
    wait_for(Path("out/history.jsonl"), process)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == code
    assert messages.startswith(
        f"{word} What was done is in out; to go on, run: pyprobo"
    )
    assert messages.rstrip().endswith("--resume")
    assert "Traceback" not in messages
    assert not Path("out/summary.json").exists()
    assert Path("out/config.yaml").exists()


def test_interrupt_before_anything_was_written(table):
    # A pipe that nobody writes to would block, so an early moment is hit by chance;
    # the message must fit whatever there is.
    from pyprobound.cli.fit import _advice

    assert _advice(Path("out")) == "Nothing was written."
    Path("out").mkdir()
    Path("out/config.yaml").write_text("")
    assert "--resume" in _advice(Path("out"))


def results(folder):
    summary = json.loads(Path(folder, "summary.json").read_text())
    return {
        key: summary[key]
        for key in ("nll_per_read", "regularization", "n_evaluations", "modes")
    }


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_at_ten_random_moments_and_resumed(table, jobs):
    """The result of a fit does not depend on how often it was killed."""
    script = Path(__file__).with_name("kills.py")
    arguments = ["fit", table, "--size", "6", "--starts", "5", "-q"]
    arguments += ["--threads", jobs, "--jobs", jobs]
    done = subprocess.run(
        [sys.executable, script, "0", "10", "out", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("killed") >= 5, done.stdout
    assert results("out") == results("out-whole")
    assert files("out") == files("out-whole")


def test_killed_and_resumed(table):
    options = [table, *SMALL, "--starts", "2", "-q"]
    process = start_process(*options, "-o", "out")
    wait_for(Path("out/history.jsonl"), process)
    process.kill()
    process.communicate()
    assert not Path("out/summary.json").exists()
    assert run(*options, "-o", "out", "--resume").exit_code == 0
    assert run(*options, "-o", "whole").exit_code == 0
    assert results("out") == results("whole")
    assert files("out") == files("whole")


@pytest.mark.slow
def test_ctcf(shared, no_logos):
    """The acceptance of the project: the known optimum of a real experiment."""
    table = shared / "data" / "ctcf" / "ctcf_r3.tsv.gz"
    done = run(table, "--size", "16", "--seed", "0", "--starts", "3", "-o", "x")
    assert done.exit_code == 0, done.output
    summary = json.loads(Path("x/summary.json").read_text())
    assert summary["nll_per_read"] <= 0.65380
    consensus = summary["modes"][1]["consensus"]
    reverse = consensus.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    core = "CTAGGGGGC"
    differences = min(
        sum(a != b for a, b in zip(text[place:], core, strict=False))
        for text in (consensus, reverse)
        for place in range(len(text) - len(core) + 1)
    )
    assert differences <= 2
    # Every start finds the optimum, whatever the frame in which it began.
    assert all(start["nll_per_read"] <= 0.65380 for start in summary["starts"])
