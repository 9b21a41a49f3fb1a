"""The example of a wrapped module."""

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "wrapped_module.py"


def test_the_network_learns_the_best_composition(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, "--reads", "5000"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "best G+C: 65%, true: 65%" in done.stdout
    error = re.search(r"error: ([\d.]+) RT", done.stdout)
    assert error is not None
    assert float(error[1]) < 0.4
    assert not list(tmp_path.iterdir())
