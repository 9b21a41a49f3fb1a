"""Agreement with the recorded numbers of the reference interface."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch

import pyprobound
from pyprobound.layers import PSAM
from pyprobound.table import CountTable

SHARED = Path(
    os.environ.get("PYPROBOUND_SHARED")
    or Path(__file__).resolve().parents[1].parent / "shared"
)
SET = SHARED / "golden" / "set-a"
# The arrays of these cases were recorded without a copy, from a table that shrinks its
# rows in place (defect D19), so that later shrinking overwrote them.
OVERWRITTEN = (
    "table.fixed-walk",
    "table.initial-flanks",
    "table.protein",
    "table.variable-limits",
    "table.variable-walk",
    "table.wildcard-letters",
    "table.wildcard-pad",
)


def _load_checker():
    path = SHARED / "golden" / "check.py"
    spec = importlib.util.spec_from_file_location("golden_check", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CHECKER = _load_checker() if SET.is_dir() else None
NAMES = list(CHECKER.iter_cases(SET)) if CHECKER else []


@pytest.fixture
def _pair_layout_of_version_1_5():
    """The checker changes a default of PSAM; other tests must not see it."""
    original = PSAM.__init__
    yield
    PSAM.__init__ = original
    CHECKER._LOADED_EXTRA.pop("pair layout", None)


class _OverwritingTable(CountTable):
    """Gives out 64-bit codes, and overwrites those given out before as D19 does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seqs = self.seqs.long().clone()

    def set_flank_length(self, left=0, right=0):
        given_out = self.__dict__.get("seqs")
        before = (self.left_flank_length, self.right_flank_length)
        super().set_flank_length(left, right)
        if given_out is None or given_out.dtype != torch.int64:
            return
        self.seqs = self.seqs.long().clone()
        if right < before[1] and left <= before[0]:
            for row, length in zip(given_out, self.variable_lengths, strict=True):
                end = before[0] + int(length)
                row[end + right : end + before[1]] = self.alphabet.neginf_pad


@pytest.mark.skipif(not NAMES, reason=f"the golden numbers are not at {SET}")
@pytest.mark.usefixtures("_pair_layout_of_version_1_5")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_golden(name, monkeypatch):
    if name in OVERWRITTEN:
        monkeypatch.setattr(pyprobound, "CountTable", _OverwritingTable)
    CHECKER.run_case(name, SET)
