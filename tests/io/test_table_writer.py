"""Tests of writing count tables."""

from pathlib import Path

import pandas as pd
import pytest

from pyprobound.alphabets import DNA
from pyprobound.errors import InputError
from pyprobound.io.table_writer import TABLE_SUFFIXES, check_table_path, write_table
from pyprobound.io.tables import read_table

FRAME = pd.DataFrame({0: [3, 0], 1: [1, 12]}, index=["ACGT", "TTTAC"])


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_a_table_that_was_written_is_read_again(tmp_path, suffix):
    path = tmp_path / ("table" + suffix)
    write_table(path, FRAME)
    found = read_table(path, DNA()).dataframe
    assert found.to_numpy().tolist() == FRAME.to_numpy().tolist()
    assert found.index.tolist() == FRAME.index.tolist()


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_equal_tables_are_equal_files(tmp_path, suffix):
    paths = [tmp_path / (name + suffix) for name in ("first", "second")]
    for path in paths:
        write_table(path, FRAME)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_paths_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.tsv, \.csv"):
        check_table_path(tmp_path / "table.xlsx")
    with pytest.raises(InputError, match="there is no folder"):
        check_table_path(tmp_path / "none" / "table.tsv")
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_table_path(tmp_path / "a.tsv")


def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    path = tmp_path / "table.tsv"
    path.write_text("old\n")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match="No space left"):
        write_table(path, FRAME)
    assert [file.name for file in tmp_path.iterdir()] == ["table.tsv"]
    assert path.read_text() == "old\n"
