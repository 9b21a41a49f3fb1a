"""The configuration of a bare table."""

from __future__ import annotations

import pytest

from pyprobound.config.defaults import DefaultOptions, default_config
from pyprobound.errors import InputError


def test_one_mode_of_each_kind_and_a_chain_of_rounds(tmp_path):
    config = default_config(tmp_path / "my table.tsv.gz", ["in", "r1", "r2"])
    assert list(config.tables) == list(config.experiments) == ["my_table"]
    assert config.tables["my_table"].path == str(tmp_path / "my table.tsv.gz")
    assert list(config.modes) == ["nonspecific", "motif1"]
    experiment = config.experiments["my_table"]
    assert experiment.round_names == ["in", "r1", "r2"]
    assert [part.reference_round for part in experiment.rounds] == [None, "in", "r1"]
    assert [part.train_depth for part in experiment.rounds] == [False, True, True]
    # No binding is shared: every round has activities of its own.
    assert all(part.from_round is None for part in experiment.rounds[1:])
    assert config.psams["motif1"].kernel_size == 10
    assert config.modes["nonspecific"].ignore_length is False
    assert (config.seed, config.starts) == (0, 1)


@pytest.mark.parametrize(
    "columns", [[0, 1], ["0", "1"], ["a/b", "c"], ["", "c"], ["x ", "x"]]
)
def test_names_that_rounds_cannot_have_are_replaced(tmp_path, columns):
    config = default_config(tmp_path / "a.csv", columns)
    assert config.experiments["a"].round_names == ["0", "1"]


def test_size_follows_the_symmetry(tmp_path):
    def size(**options):
        config = default_config(tmp_path / "a.csv", [0, 1], DefaultOptions(**options))
        return config.psams["motif1"].kernel_size

    assert size(symmetry="ABba") == 4
    assert size(symmetry=[1, 2, -2]) == 3
    assert size(size=7) == 7
    with pytest.raises(InputError, match=r"motif1\.symmetry: has 4 positions"):
        size(size=7, symmetry="ABba")
    with pytest.raises(InputError, match=r"motif1\.symmetry: 'A\?' is no symmetry"):
        size(symmetry="A?")


def test_motifs_are_centred_unless_that_would_break_a_symmetry(tmp_path):
    def centred(**options):
        config = default_config(tmp_path / "a.csv", [0, 1], DefaultOptions(**options))
        return config.psams["motif1"].shift_footprint_heuristic

    assert centred()
    assert not centred(symmetry="ABba")


def test_input_library_without_reads(tmp_path):
    config = default_config(tmp_path / "a.csv", [0, 1, 2], empty_input=True)
    rounds = config.experiments["a"].rounds
    assert [part.observed for part in rounds] == [False, True, True]
    assert [part.train_depth for part in rounds] == [False, False, True]
    assert config.tables["a"].columns == [1, 2]
