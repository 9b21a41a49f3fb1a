"""Writing tables of results part by part."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pyprobound.errors import InputError
from pyprobound.io import result_writer
from pyprobound.io.result_writer import open_results

FIRST = {
    "name": ["a", "b"],
    "x": np.array([1.5, -np.inf]),
    "rows": [np.array([1.0, 2.0]), np.empty(0)],
}
SECOND = {"name": ["c"], "x": np.array([1e-12]), "rows": [np.array([3.0])]}


def write(path, **options):
    with open_results(path, **options) as writer:
        writer.write(FIRST)
        writer.write(SECOND)


def test_text(tmp_path):
    expected = (
        "name\tx\trows\n"
        "a\t1.50000000\t1.00000000,2.00000000\n"
        "b\t-inf\t\n"
        "c\t0.00000000\t3.00000000\n"
    )
    for name in ("out.tsv", "out.tsv.gz"):
        write(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        assert content.decode() == expected
    write(tmp_path / "out.tsv", scientific=True)
    assert "1.00000000e-12" in (tmp_path / "out.tsv").read_text()


def test_commas_are_quoted(tmp_path):
    path = tmp_path / "out.csv"
    with open_results(path) as writer:
        writer.write({"a,b": ['x"y', "z"], "rows": [np.ones(2), np.ones(1)]})
    assert path.read_text() == (
        '"a,b",rows\n"x""y",1.00000000;1.00000000\nz,1.00000000\n'
    )


def test_parquet_of_several_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(result_writer, "_PART_BYTES", 1)
    write(tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["name"].to_list() == ["a", "b", "c"]
    assert frame["x"].to_list() == [1.5, -np.inf, 1e-12]
    assert frame["rows"].to_list() == [[1, 2], [], [3]]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "out.tsv"
    path.write_text("before")
    with pytest.raises(TypeError), open_results(path) as writer:
        writer.write({**FIRST, "x": ["text"]} | {"name": 1})
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    usual = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    write(tmp_path / "out.tsv")
    assert stat.S_IMODE((tmp_path / "out.tsv").stat().st_mode) == usual


def test_devices_are_written_to(capfdbinary):
    write(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_files_that_cannot_be_written(tmp_path):
    for path, message in (
        (tmp_path / "out.xyz", "a file name that ends in"),
        (tmp_path, "a file name that ends in"),
        (tmp_path / "no" / "out.tsv", "there is no folder"),
    ):
        with pytest.raises(InputError, match=message), open_results(path):
            pass


def test_a_full_disk_is_explained(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(InputError, match="No space left"):
        write(full)


def test_the_standard_output(capfd):
    write(None)
    assert capfd.readouterr().out.startswith("name\tx\trows\na\t1.5")
