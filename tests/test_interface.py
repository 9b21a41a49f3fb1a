"""Agreement with the names and signatures of the reference interface."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyprobound

SHARED = Path(
    os.environ.get("PYPROBOUND_SHARED")
    or Path(__file__).resolve().parents[1].parent / "shared"
)
CHECKER = SHARED / "tools" / "check_api.py"


def _load_checker():
    spec = importlib.util.spec_from_file_location("check_api", CHECKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not CHECKER.exists(), reason=f"there is no {CHECKER}")
def test_names_and_signatures():
    checker = _load_checker()
    problems = []
    checked = 0
    for line in checker.SURFACE.read_text().splitlines():
        if not line.startswith("pyprobound") or line.endswith("[instance attribute]"):
            continue
        checked += 1
        try:
            problem = checker.check(line)
        except (ImportError, AttributeError) as error:
            problem = f"missing: {error}"
        if problem:
            problems.append(f"{line}: {problem}")
    assert not problems
    assert checked > 800


def test_importing_the_package_is_cheap():
    code = "import sys, pyprobound; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_names_can_be_imported():
    for name in pyprobound.__all__:
        assert getattr(pyprobound, name) is not None
    assert set(pyprobound.__all__) <= set(dir(pyprobound))
    with pytest.raises(AttributeError, match="no attribute 'Psam'"):
        _ = pyprobound.Psam
