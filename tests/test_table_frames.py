"""Tests of reading, thinning and splitting data frames of counts."""

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.table import get_dataframe, sample_counts, sample_dataframe


def frame(sequences, counts):
    return pd.DataFrame(counts, index=sequences)


# ---------------------------------------------------------------------------
# Files


def write(path, text, opener=open):
    with opener(path, "wb") as handle:
        handle.write(text.encode())
    return path


@pytest.mark.parametrize(
    ("suffix", "opener"),
    [("", open), (".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)],
)
def test_one_file_is_returned_as_read(tmp_path, suffix, opener):
    text = "TTT\t1\t2\nACG\t3\t4\nNA\t5\t6\nTTT\t7\t8\n"
    path = write(tmp_path / f"counts[1].tsv{suffix}", text, opener)
    for argument in (path, str(path), [path], iter([path])):
        counts = get_dataframe(argument)
        assert list(counts.index) == ["TTT", "ACG", "NA", "TTT"]
        assert counts.columns.tolist() == [0, 1]
        assert counts.to_numpy().tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
        assert set(counts.dtypes) == {np.dtype(np.int64)}


@pytest.mark.parametrize(
    "text",
    ["ACG\t1\r\nT\t2\r\n", "ACG\t1\n\nT\t2\n\n", "\n\nACG\t1\nT\t2", "ACG\t1\nT\t2\n"],
)
def test_line_ends_and_empty_lines_do_not_matter(tmp_path, text):
    counts = get_dataframe(write(tmp_path / "counts.tsv", text))
    assert list(counts.index) == ["ACG", "T"]
    assert counts[0].tolist() == [1, 2]


def test_counts_may_be_fractions_and_sequences_empty(tmp_path):
    counts = get_dataframe(write(tmp_path / "counts.tsv", '\t1\n"A\t2.5\n'))
    assert list(counts.index) == ["", '"A']
    assert counts[0].tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty$"),
        ("\n\n", "the file is empty$"),
        ("ACG,1\n", "line 1: expected a sequence and its counts, .*'ACG,1'"),
        ("ACG\t1\n\nC\t1\t2\n", "line 3: found 2 counts, but the first line has 1"),
        ("ACG\t1\t2\nC\t1\n", "line 2: found 1 counts, but the first line has 2"),
        ("ACG\t1\t2\nC\t1\t\n", "line 2: count 1 is '', which is not a number$"),
        ("ACG\t1\nC\tx\n", "line 2: count 0 is 'x'"),
        ("ACG\t1\nC\t2 \n", "line 2: count 0 is '2 '"),
        ("seq\tround\nACG\t1\n", "line 1: count 0 is 'round'.* no header line"),
    ],
)
def test_malformed_lines_are_named(tmp_path, text, message):
    path = write(tmp_path / "counts.tsv", text)
    with pytest.raises(ValueError, match=f"counts.tsv[:,] {message}"):
        get_dataframe(path)


def test_what_nobody_foresaw_names_the_file_at_least(tmp_path, monkeypatch):
    path = write(tmp_path / "counts.tsv", "ACG\t1\nC\tx\n")
    monkeypatch.setattr(
        "pyprobound._tables.reading._find_malformed_line", lambda *_: None
    )
    with pytest.raises(
        ValueError, match=r"counts.tsv: the table cannot be read: .*parse"
    ):
        get_dataframe(path)


def test_files_that_are_not_there():
    with pytest.raises(FileNotFoundError):
        get_dataframe("not-there.tsv")
    with pytest.raises(ValueError, match="no path"):
        get_dataframe([])


def test_files_are_merged_by_sequence(tmp_path):
    paths = [
        write(tmp_path / "a.tsv", "T\t1\nA\t2\n"),
        write(tmp_path / "b.tsv", "G\t3\nT\t4\n"),
    ]
    counts = get_dataframe(paths)
    assert list(counts.index) == ["A", "G", "T"]
    assert counts.to_numpy().tolist() == [[2, 0], [0, 3], [1, 4]]
    assert set(counts.dtypes) == {np.dtype(np.int64)}


def test_d24_columns_of_several_files_are_numbered_through(tmp_path):
    paths = [
        write(tmp_path / "a.tsv", "T\t1\t2\nNA\t3\t4\nT\t1\t0\n"),
        write(tmp_path / "b.tsv", "NA\t5\t6\nC\t7\t8\n"),
        write(tmp_path / "c.tsv", "C\t9\n"),
    ]
    counts = get_dataframe(paths)
    assert counts.columns.tolist() == [0, 1, 2, 3, 4]
    assert counts.loc["T"].tolist() == [2, 2, 0, 0, 0]
    assert counts.loc["NA"].tolist() == [3, 4, 5, 6, 0]
    assert counts.loc["C"].tolist() == [0, 0, 7, 8, 9]
    assert len(counts) == 3


def test_files_are_thinned_before_they_are_merged(tmp_path):
    lines = "".join(f"A{'C' * i}\t{i}\t1\n" for i in range(1, 40))
    path = write(tmp_path / "a.tsv", lines)
    one = get_dataframe(path, total_count=100, random_state=4)
    pd.testing.assert_frame_equal(
        one, sample_counts(get_dataframe(path), 100, random_state=4)
    )
    two = get_dataframe([path, path], total_count=100, random_state=4)
    assert two[0].tolist() == two[2].tolist() == one[0].sort_index().tolist()


# ---------------------------------------------------------------------------
# Sampling


def test_counts_are_thinned_to_about_the_same_total():
    generator = np.random.default_rng(1)
    counts = frame([f"s{i}" for i in range(500)], generator.integers(0, 90, (500, 2)))
    counts[2] = 0
    sample = sample_counts(counts, n_counts=5000, random_state=3)
    assert (sample <= counts.loc[sample.index]).all(axis=None)
    assert (sample.sum(axis=1) > 0).all()
    assert abs(sample.sum() - [5000, 5000, 0]).max() < 5 * np.sqrt(5000)
    pd.testing.assert_frame_equal(sample, sample_counts(counts, 5000, random_state=3))
    assert not sample.equals(sample_counts(counts, 5000, random_state=4))


def test_thinning_to_more_than_there_is_only_drops_empty_rows():
    counts = frame(["A", "C", "G"], [[1, 2], [0, 0], [5, 0]])
    sample = sample_counts(counts, n_counts=100, random_state=1)
    pd.testing.assert_frame_equal(sample, counts.iloc[[0, 2]])


def test_d25_thinning_does_not_change_the_callers_frame():
    counts = frame(["A", "C"], [[50.0, 60.0], [70.0, 80.0]])
    before = counts.copy()
    sample = sample_counts(counts, n_counts=20, random_state=1)
    pd.testing.assert_frame_equal(counts, before)
    assert sample.to_numpy().sum() < before.to_numpy().sum()


@pytest.mark.parametrize("value", [1.5, -1])
def test_only_whole_counts_are_thinned(value):
    with pytest.raises(ValueError, match="column 0 holds counts that are not integers"):
        sample_counts(frame(["A"], [[value]]))


def enriched(n, seed=0):
    generator = np.random.default_rng(seed)
    index = [f"s{i:05}" for i in generator.permutation(n)]
    return frame(index, generator.integers(0, 50, (n, 3)))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 400), st.floats(0, 1), st.integers(1, 140))
def test_samples_and_rests_are_complete_and_even(n, frac, n_bin):
    counts = enriched(n)
    sample, rest = sample_dataframe(counts, frac, random_state=1, n_bin=n_bin)
    assert len(sample) == round(frac * n)
    assert sample.index.is_monotonic_increasing
    assert rest.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(
        pd.concat([sample, rest]).sort_index(), counts.sort_index()
    )
    # Along the order of enrichment the sample is never far from its share.
    ratio = (counts[2] + 1) / (counts[0] + 1)
    order = ratio.sort_values(kind="stable").index
    taken = order.isin(sample.index).cumsum()
    largest_bin = n - (n // max(1, min(n_bin, n or 1))) * (
        max(1, min(n_bin, n or 1)) - 1
    )
    assert (abs(taken - frac * np.arange(1, n + 1)) <= largest_bin + 1).all()


def test_d26_small_bins_give_their_share_and_the_frame_is_kept():
    counts = enriched(300)
    before = counts.copy()
    sample, rest = sample_dataframe(counts, frac=0.1, random_state=1)
    assert (len(sample), len(rest)) == (30, 270)
    pd.testing.assert_frame_equal(counts, before)
    assert list(sample.columns) == list(counts.columns)
    ratio = ((counts[2] + 1) / (counts[0] + 1)).rank(method="first")
    thirds = np.ceil(ratio[sample.index] / 100).value_counts()
    assert len(thirds) == 3


def test_duplicates_of_sampled_rows_are_not_in_the_rest():
    counts = frame(["A", "A", "C", "C"], [[1, 1], [1, 2], [1, 3], [1, 4]])
    sample, rest = sample_dataframe(counts, frac=0.25, random_state=0, n_bin=1)
    assert len(sample) == 1
    assert len(rest) == 2
    assert not set(sample.index) & set(rest.index)


def test_samples_are_reproducible():
    counts = enriched(300)
    first, _ = sample_dataframe(counts, random_state=3)
    again, _ = sample_dataframe(counts, random_state=3)
    other, _ = sample_dataframe(counts, random_state=4)
    assert list(first.index) == list(again.index) != list(other.index)


@pytest.mark.parametrize("options", [{"frac": 1.5}, {"frac": -0.1}, {"n_bin": 0}])
def test_impossible_samples_are_refused(options):
    with pytest.raises(ValueError, match=r"frac is|at least one bin"):
        sample_dataframe(enriched(5), **options)
