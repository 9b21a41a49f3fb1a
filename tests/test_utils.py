"""Tests of the numerical helpers."""

import collections
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import utils


@settings(deadline=None, max_examples=50)
@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_divisions_round_down_and_up(dividend, divisor):
    below, above = utils.floor_div(dividend, divisor), utils.ceil_div(dividend, divisor)
    assert below == math.floor(dividend / divisor)
    assert above == math.ceil(dividend / divisor)
    assert utils.floor_div(torch.tensor(dividend), divisor).item() == below
    assert utils.ceil_div(dividend, torch.tensor([divisor])).tolist() == [above]


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-7, 600))
def test_log1mexp_is_precise_in_value_and_slope(value):
    x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    result = utils.log1mexp(x)
    (slope,) = torch.autograd.grad(result, x)
    wanted = (
        math.log(-math.expm1(-value)) if value < 1 else math.log1p(-math.exp(-value))
    )
    assert result.item() == pytest.approx(wanted, rel=1e-12, abs=1e-300)
    assert slope.item() == pytest.approx(
        math.exp(-value) / -math.expm1(-value), rel=1e-9
    )
    assert utils.log1mexp(-x).item() == result.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log1mexp_replaces_values_near_zero(dtype):
    x = torch.tensor([0.0, 1e-9, -1e-9], dtype=dtype, requires_grad=True)
    result = utils.log1mexp(x)
    torch.testing.assert_close(result, torch.full((3,), math.log(1e-8), dtype=dtype))
    (slope,) = torch.autograd.grad(result.sum(), x)
    assert slope.isfinite().all()
    assert utils.log1mexp(x, eps=0.5)[0].item() == pytest.approx(
        math.log(-math.expm1(-0.5))
    )


def test_betaln_is_the_logarithm_of_the_beta_function():
    result = utils.betaln(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 4.0]))
    torch.testing.assert_close(result, -torch.tensor([1.0, 12.0, 60.0]).log())


@pytest.mark.parametrize("shape", [(11,), (11, 3), (11, 3, 2), (0, 2)])
@pytest.mark.parametrize("kernel", [2, 5, 12])
def test_pooling_averages_groups_of_rows(shape, kernel):
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    pooled = utils.avg_pool1d(rows, kernel)
    assert pooled.shape == (shape[0] // kernel, *shape[1:])
    for i, group in enumerate(pooled):
        torch.testing.assert_close(group, rows[i * kernel : (i + 1) * kernel].mean(0))


def test_pooling_of_single_rows_and_of_integers():
    rows = torch.arange(5)
    assert utils.avg_pool1d(rows) is rows
    assert utils.avg_pool1d(rows, 0) is rows
    assert utils.avg_pool1d(rows, 2).tolist() == [0.5, 2.5]
    with pytest.raises(ValueError, match="without axes"):
        utils.avg_pool1d(torch.tensor(1.0), 1)


def test_only_mps_limits_the_rows():
    assert utils.get_split_size(10**9, 12345, "cpu") == 12345
    assert utils.get_split_size(10**9, 12345, torch.device("cuda:1")) == 12345
    assert utils.get_split_size(100, 7, "mps") == 7
    assert utils.get_split_size(2**20, 10**6, "mps") == 128
    assert utils.get_split_size(40, 10**6, "mps") == 65535
    assert utils.get_split_size(2**30, 10**6, "mps") == 1


def test_ordinals():
    ordinals = {
        "th": (0, 4, 11, 12, 13, 24, 111, 112, 1013),
        "st": (1, 21, 101, 1001),
        "nd": (2, 22, 102),
        "rd": (3, 33, 1003),
    }
    for ending, numbers in ordinals.items():
        assert [utils.get_ordinal(i) for i in numbers] == [
            f"{i}{ending}" for i in numbers
        ]


@pytest.mark.parametrize("available", [False, True])
def test_clearing_the_cache_empties_what_is_there(monkeypatch, available):
    emptied = []
    for backend in (torch.cuda, torch.mps):
        monkeypatch.setattr(
            backend, "empty_cache", lambda name=backend.__name__: emptied.append(name)
        )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: available)
    utils.clear_cache()
    assert emptied == (["torch.cuda", "torch.mps"] if available else [])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("ACGT", max_size=9), max_size=6), st.integers(1, 4))
def test_kmers_are_counted_and_numbered_by_appearance(sequences, k):
    matrix, vocabulary = utils.count_kmers(sequences, k)
    seen: dict[str, int] = {}
    for i, sequence in enumerate(sequences):
        words = [sequence[j : j + k] for j in range(len(sequence) - k + 1)]
        for word in words:
            seen.setdefault(word, len(seen))
        column = matrix[:, [i]].toarray()[:, 0]
        counts = collections.Counter(words)
        assert {w: column[vocabulary[w]] for w in counts} == counts
        assert column.sum() == len(words)
    assert vocabulary == seen
    assert matrix.shape == (len(seen), len(sequences))
    assert matrix.format == "csc"


def test_a_vocabulary_is_extended_in_place():
    known = {"GT": 0, "AA": 1}
    matrix, vocabulary = utils.count_kmers(iter(["ACGT", "CG"]), 2, vocabulary=known)
    assert vocabulary is known
    assert known == {"GT": 0, "AA": 1, "AC": 2, "CG": 3}
    assert matrix.toarray().tolist() == [[1, 0], [0, 0], [1, 0], [1, 1]]


def test_new_kmers_do_not_take_rows_in_use():
    matrix, known = utils.count_kmers(["AC"], 1, vocabulary={"C": 5})
    assert known == {"C": 5, "A": 6}
    assert matrix.shape == (7, 1)


def test_d63_rows_of_codes_are_counted_by_value():
    rows = torch.tensor([[0, 1, 0, 1], [0, 1, 4, 4]], dtype=torch.int8)
    for sequences in (rows, rows.numpy(), list(rows), rows.tolist()):
        matrix, vocabulary = utils.count_kmers(sequences, 2)
        assert vocabulary == {(0, 1): 0, (1, 0): 1, (1, 4): 2, (4, 4): 3}
        assert matrix.toarray().tolist() == [[2, 1], [1, 0], [0, 1], [0, 1]]


def test_d63_kmers_that_touch_padding_can_be_left_out():
    rows = torch.tensor([[0, 1, 0, 1], [0, 1, 4, 4]])
    matrix, vocabulary = utils.count_kmers(rows, 2, excluded={4})
    assert vocabulary == {(0, 1): 0, (1, 0): 1}
    assert matrix.toarray().tolist() == [[2, 1], [1, 0]]


def test_kmers_have_letters():
    with pytest.raises(ValueError, match="kmer_length is 0"):
        utils.count_kmers(["ACG"], 0)
