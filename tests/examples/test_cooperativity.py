"""The example of two factors that bind together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "cooperativity.py"


def run(*options):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.mark.slow
def test_the_spacing_is_recovered():
    process = run()
    assert process.returncode == 0, process.stdout + process.stderr
    assert "The spacing is recovered." in process.stdout
    assert "B begins +7 letters from A" in process.stdout


def test_few_reads_do_not_recover_it():
    process = run("--reads", "300")
    assert process.returncode == 1, process.stdout + process.stderr
    assert "NOT recovered" in process.stdout
