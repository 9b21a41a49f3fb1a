"""Tables that several processes look at."""

from __future__ import annotations

import pandas as pd
import torch

from pyprobound import CountTable
from pyprobound.alphabets import DNA
from pyprobound.workflow.shared_tables import map_tables, write_tables


def make(rows, **options):
    frame = pd.DataFrame(
        {0: range(1, len(rows) + 1), 1: [7] * len(rows)}, index=pd.Index(rows)
    )
    return CountTable(frame, DNA(), **options)


def test_tables_come_back_as_they_were(tmp_path):
    plain = make(["ACGT", "GG", "TTTAC"])
    flanked = make(
        ["ACGT", "GGTT"],
        left_flank="AAC",
        right_flank="GGT",
        left_flank_length=2,
        max_right_flank_length=5,
    )
    path = tmp_path / "tables.bin"
    description = write_tables(path, {"a": plain, "b": flanked}, {"a": plain}, None)
    train, validation, nothing = map_tables(path, description)
    assert nothing is None
    assert list(train) == ["a", "b"]
    for old, new in ((plain, train["a"]), (flanked, train["b"])):
        assert repr(new) == repr(old)
        assert new.alphabet == old.alphabet
        for name in ("seqs", "target", "counts_per_round", "variable_lengths"):
            one, two = getattr(old, name), getattr(new, name)
            assert one.dtype == two.dtype
            assert torch.equal(one, two)
        for lengths in ((0, 0), (1, 3)):
            if old is flanked:
                old.set_flank_length(*lengths)
                new.set_flank_length(*lengths)
            assert torch.equal(old.seqs, new.seqs)
    # No table, and no tensor, is there twice.
    assert validation["a"] is train["a"]
    assert train["a"].seqs.data_ptr() == train["a"]._unflanked.data_ptr()


def test_values_are_shared_but_not_changes(tmp_path):
    path = tmp_path / "tables.bin"
    description = write_tables(path, {"a": make(["ACGT", "GGTT"])})
    before = path.read_bytes()
    (one,), (two,) = (map_tables(path, description) for _ in range(2))
    one["a"].target[0, 0] = 99
    assert two["a"].target[0, 0] == 1
    assert path.read_bytes() == before
    assert len(description) < 4096


def test_tables_without_rows(tmp_path):
    path = tmp_path / "tables.bin"
    description = write_tables(path, {"a": make([], max_variable_length=4)})
    (group,) = map_tables(path, description)
    assert len(group["a"]) == 0
    assert group["a"].input_shape == 4
