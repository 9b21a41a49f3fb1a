"""Tests of the benchmark that fits the CTCF experiment."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fit_ctcf.py"


def test_it_says_why_it_is_skipped_and_stays_offline(tmp_path):
    environment = os.environ | {
        "PYPROBOUND_DATA_DIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        # A download would fail at once.
        "https_proxy": "http://localhost:1",
    }
    process = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    record = json.loads(process.stdout)
    assert record["benchmark"] == "fit_ctcf"
    assert "PYPROBOUND_DATA_DIR" in record["skipped"]
    assert "--download" in record["skipped"]
    assert "seconds" not in record
