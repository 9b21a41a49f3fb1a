"""How many starts run at the same time."""

from __future__ import annotations

import os

import pytest

from pyprobound.config import validate
from pyprobound.errors import InputError
from pyprobound.workflow import jobs, run_fit
from pyprobound.workflow.data import load_data
from pyprobound.workflow.jobs import Jobs, choose_jobs
from pyprobound.workflow.machine import available_cores, usable_memory
from workflow.small_tables import small_values, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "small.tsv", n_rows=50)


@pytest.fixture
def large(monkeypatch):
    """A machine for which every fit is worth a process."""
    monkeypatch.setattr(jobs, "_START_SECONDS", 1e4)
    monkeypatch.setattr(jobs, "available_cores", lambda: 64)
    monkeypatch.setattr(jobs, "usable_memory", lambda: 1 << 50)


def chosen(table, wanted=None, **changes):
    return choose_jobs(load_data(validate(small_values(table, **changes))), wanted)


def test_small_fits_run_one_start_after_the_other(table):
    assert chosen(table, starts=3, threads=8) == Jobs(1, 8)


@pytest.mark.parametrize(
    ("starts", "threads", "expected"),
    [
        (1, 8, Jobs(1, 8)),
        (8, 1, Jobs(1, 1)),
        (16, 8, Jobs(8, 1)),
        (16, 16, Jobs(16, 1)),
        (4, 8, Jobs(4, 2)),
        # Three starts one after the other use both threads all the time.
        (3, 2, Jobs(1, 2)),
        (4, 2, Jobs(2, 1)),
        (9, 8, Jobs(3, 2)),
    ],
)
def test_large_fits_use_all_threads(table, large, starts, threads, expected):
    assert chosen(table, starts=starts, threads=threads) == expected


def test_the_cores_limit_the_jobs(table, large, monkeypatch):
    monkeypatch.setattr(jobs, "available_cores", lambda: 2)
    assert chosen(table, starts=16, threads=8) == Jobs(2, 4)


def test_the_memory_limits_the_jobs(table, large, monkeypatch):
    monkeypatch.setattr(jobs, "usable_memory", lambda: 2 << 30)
    assert chosen(table, starts=16, threads=8) == Jobs(2, 4)
    monkeypatch.setattr(jobs, "usable_memory", lambda: 1 << 20)
    assert chosen(table, starts=16, threads=8) == Jobs(1, 8)
    monkeypatch.setattr(jobs, "usable_memory", lambda: None)
    assert chosen(table, starts=16, threads=8) == Jobs(8, 1)


def test_other_devices_are_not_shared(table, large):
    assert chosen(table, starts=16, threads=8, device="meta") == Jobs(1, 8)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(1, Jobs(1, 8)), (2, Jobs(2, 4)), (3, Jobs(3, 2)), (99, Jobs(12, 1))],
)
def test_a_given_number_is_kept(table, wanted, expected):
    assert chosen(table, wanted, starts=12, threads=8) == expected


def test_less_than_one_job_is_refused(table, tmp_path):
    with pytest.raises(InputError, match="jobs: expected at least 1, not 0"):
        run_fit(validate(small_values(table)), tmp_path / "out", jobs=0)
    assert not (tmp_path / "out").exists()


def test_cores_of_this_process():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    memory = usable_memory()
    assert memory is None or memory > 1 << 20


def machine(root, group, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    (root / "proc/meminfo").write_text("MemTotal:  1000 kB\nMemFree: 10 kB\n")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("group", "files", "cores", "memory"),
    [
        ("0::/\n", {}, 12, 1024000),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/b/memory.max": "max"}, 12, 1024000),
        ("0::/a/b\n", {"a/cpu.max": "250000 100000\n", "memory.max": "5000\n"}, 2, 5000),
        ("0::/gone\n", {"cpu.max": "50000 100000\n"}, 1, 1024000),
        (
            "5:memory:/a\n3:cpu,cpuacct:/a\n1:name=systemd:/\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "400000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "memory/a/memory.limit_in_bytes": "7000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            4,
            7000,
        ),
        (
            "3:cpu,cpuacct:/\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            12,
            1024000,
        ),
    ],
)  # fmt: skip
def test_limits_of_control_groups(tmp_path, monkeypatch, group, files, cores, memory):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 12, raising=False)
    root = machine(tmp_path, group, files)
    assert available_cores(root) == cores
    assert usable_memory(root) == memory


def test_systems_that_say_less(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert available_cores(tmp_path) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(tmp_path) == 1
    assert usable_memory(tmp_path) is None
