"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

SHARED_VARIABLE = "PYPROBOUND_SHARED"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the shared specification, golden cases and data."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get(SHARED_VARIABLE, beside))
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder}; set {SHARED_VARIABLE} to it")
    return folder


@pytest.fixture
def data_dir(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of measured data, which PYPROBOUND_DATA_DIR names in the test."""
    folder = shared / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared folder has no data: {folder} is missing")
    monkeypatch.setenv("PYPROBOUND_DATA_DIR", str(folder))
    return folder
