"""The best of neighbouring windows."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, Conv1d, Lengths, MaxPool1d, MaxPool1dSpec


def make_pool(size, length, minimum=None, ceil_mode=True, channels=2):
    spec = MaxPool1dSpec(channels, size, ceil_mode=ceil_mode, name="best")
    return MaxPool1d(spec, length, minimum or length, length)


@given(
    length=st.integers(1, 12),
    missing=st.integers(0, 5),
    size=st.integers(1, 5),
    ceil_mode=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=50)
def test_each_block_gives_its_best_window(length, missing, size, ceil_mode, seed):
    if not ceil_mode and length < size:
        return
    values = torch.randn(3, 2, length, generator=torch.Generator().manual_seed(seed))
    values[0, :, max(1, length - missing) :] = -torch.inf
    result = make_pool(size, length, ceil_mode=ceil_mode)(values)
    blocks = math.ceil(length / size) if ceil_mode else length // size
    expected = [values[..., i * size : (i + 1) * size].amax(-1) for i in range(blocks)]
    torch.testing.assert_close(result, torch.stack(expected, dim=-1), rtol=0, atol=0)


@given(
    length=st.integers(1, 20),
    finite=st.integers(1, 20),
    start=st.integers(0, 19),
    size=st.integers(1, 6),
)
@settings(deadline=None, max_examples=100)
def test_out_len_bounds_the_finite_blocks(length, finite, start, size):
    finite = min(finite, length)
    start = min(start, length - finite)
    values = torch.full((1, 1, length), -torch.inf)
    values[..., start : start + finite] = 0.0
    pool = make_pool(size, length, channels=1)
    result = pool(values)
    assert pool.out_len(length) == result.shape[-1]
    assert (
        pool.out_len(finite, "min")
        <= pool.lengths(result).item()
        <= pool.out_len(finite, "max")
    )


@pytest.mark.parametrize("ceil_mode", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_in_len_inverts_out_len(size, ceil_mode):
    spec = MaxPool1dSpec(2, size, ceil_mode=ceil_mode)
    for blocks in range(1, 6):
        least, greatest = spec.in_len(blocks, "min"), spec.in_len(blocks, "max")
        fitting = [n for n in range(40) if spec.out_len(n) == blocks]
        assert (min(fitting), max(fitting)) == (least, greatest)


def test_lengths_may_be_tensors():
    lengths = torch.arange(1, 12)
    for ceil_mode in (True, False):
        spec = MaxPool1dSpec(2, 3, ceil_mode=ceil_mode)
        for mode in ("shape", "min", "max"):
            expected = [spec.out_len(int(n), mode) for n in lengths]
            assert spec.out_len(lengths, mode).tolist() == expected
        for mode in ("min", "max"):
            expected = [spec.in_len(int(n), mode) for n in lengths]
            assert spec.in_len(lengths, mode).tolist() == expected


def test_the_gradient_goes_to_the_best_window():
    values = torch.tensor([[[1.0, 3.0, 2.0, -torch.inf]]], requires_grad=True)
    make_pool(2, 4, channels=1)(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[[0, 1, 1, 0]]]


def test_a_pool_follows_a_layer():
    conv = Conv1d(PSAM(kernel_size=3, alphabet=DNA()), 11, 8, 11)
    pool = MaxPool1d.from_spec(MaxPool1dSpec(2, 2, name="best"), conv)
    assert pool.input_lengths == Lengths(9, 6, 9)
    assert pool.output_lengths == Lengths(5, 3, 5)
    assert (pool.in_channels, pool.out_channels) == (2, 2)
    assert str(pool) == "MaxPool1d-best"


def test_codes_are_refused():
    pool = make_pool(2, 5, channels=4)
    with pytest.raises(ValueError, match=r"needs values of shape .* \(3, 5\)"):
        pool(torch.zeros(3, 5, dtype=torch.int8))
    with pytest.raises(ValueError, match="has no alphabet"):
        pool.lengths(torch.zeros(3, 5, dtype=torch.int8))


def test_an_input_without_a_block_is_refused():
    make_pool(4, 3).check_length_consistency()
    with pytest.raises(ValueError, match="fewer than its kernel_size of 4"):
        make_pool(4, 3, ceil_mode=False).check_length_consistency()


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="kernel_size must be positive, not 0"):
        MaxPool1dSpec(2, 0)
    with pytest.raises(ValueError, match="in_channels must be positive, not -1"):
        MaxPool1dSpec(-1, 2)


def test_specs_of_one_type_are_equal():
    assert MaxPool1dSpec(2, 3) == MaxPool1dSpec(2, 4)
    assert hash(MaxPool1dSpec(2, 3)) == hash(MaxPool1dSpec(4, 3))
