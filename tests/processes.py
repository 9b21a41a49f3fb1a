"""Looks at processes, for tests of those that the library begins."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc"
)


def state(pid):
    """The state of a process and its parent; None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    letter, parent = text.rpartition(")")[2].split()[:2]
    return letter, int(parent)


def is_running(pid):
    """Whether a process exists and is more than an entry that waits to be read."""
    found = state(pid)
    return found is not None and found[0] != "Z"


def children(pid):
    """The processes that a process has begun and that still run."""
    numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [
        number
        for number in numbers
        if is_running(number) and (state(number) or ("", 0))[1] == pid
    ]


def wait_until(condition, seconds=120):
    """Waits until something is the case, and fails if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
