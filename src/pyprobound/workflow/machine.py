"""What of the machine this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
# Groups of version 1 without a limit on memory state a number near 2 ** 63.
_NO_LIMIT = 1 << 60


def available_cores(root: Path = _ROOT) -> int:
    """The number of processor cores that this process may use at once.

    Counted are the cores that it may run on, unless the control groups it belongs to
    (those of a container, or of a batch system) are granted less time than that.

    Args:
        root: The folder below which ``proc`` and ``sys`` lie.
    """
    if hasattr(os, "process_cpu_count"):
        cores = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    shares = [float(cores or 1)]
    for folder in _control_groups("cpu", root):
        words = _read(folder / "cpu.max").split()
        if not words:
            quota = _read(folder / "cpu.cfs_quota_us")
            words = [quota, _read(folder / "cpu.cfs_period_us")]
        share = _ratio(*words[:2])
        if share is not None:
            shares.append(share)
    return max(1, int(min(shares)))


def usable_memory(root: Path = _ROOT) -> int | None:
    """The memory, in bytes, that this process and its children may fill at most.

    That is the memory of the machine, unless control groups grant less; not what is
    free at the moment, on which a fit should not depend.

    Args:
        root: The folder below which ``proc`` and ``sys`` lie.

    Returns:
        The number of bytes; None if it is not known.
    """
    limits = [
        int(line.split()[1]) * 1024
        for line in _read(root / "proc/meminfo").splitlines()
        if line.startswith("MemTotal:")
    ]
    for folder in _control_groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name).strip()
            if text.isdecimal() and int(text) < _NO_LIMIT:
                limits.append(int(text))
    return min(limits, default=None)


def _control_groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of the control groups of this process, innermost first."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, group = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = mount / names if names else mount
        folder = top / group.lstrip("/")
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _ratio(quota: str, period: str) -> float | None:
    """The granted number of cores; None if there is no limit."""
    try:
        share = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None
