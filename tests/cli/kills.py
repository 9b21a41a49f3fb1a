"""Kills a fit again and again; run as a script by the tests.

Usage: kills.py SEED N_KILLS OUTDIR ARGUMENT...

The libraries are imported once. Each process is a fork that runs the command line with
the arguments, and is killed without warning at a random moment, between its begin and
the time that the longest part of the fit has taken so far. It prints, for each process,
whether it was killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pyprobound.cli.fit
import pyprobound.workflow  # noqa: F401 - once, for all processes
from pyprobound.cli import main


def start(arguments: list[str]) -> int:
    """Runs the command in a fork."""
    pid = os.fork()
    if pid == 0:
        try:
            main(arguments, standalone_mode=False)
        except BaseException:  # the parent looks at the output folder
            os._exit(1)
        os._exit(0)
    return pid


def run(seed: int, n_kills: int, folder: Path, arguments: list[str]) -> None:
    """Kills processes until enough were killed or the fit is done."""
    generator = random.Random(seed)
    began = time.monotonic()
    pid = start([*arguments, "-o", f"{folder}-whole"])
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the fit itself fails")
    duration = time.monotonic() - began
    for _ in range(n_kills):
        pid = start([*arguments, "-o", str(folder), "--resume"])
        time.sleep(generator.uniform(0, duration / 3))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print("killed" if os.WIFSIGNALED(status) else "done", flush=True)
    pid = start([*arguments, "-o", str(folder), "--resume"])
    sys.exit(os.waitpid(pid, 0)[1] != 0)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
