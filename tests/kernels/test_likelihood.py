"""Sums of affinities and likelihoods of counts: compiled loops and their definition."""

import math

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import kernels
from pyprobound.kernels import elementary, likelihood, likelihood_ops

INFINITY = math.inf
NAN = math.nan
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}


# --- exponential and logarithm ---------------------------------------------------


@numba.njit
def exponentials(values):
    return np.array([elementary.exponential(x) for x in values])


@numba.njit
def logarithms(values):
    return np.array([elementary.logarithm(x) for x in values])


@pytest.mark.parametrize(
    ("kind", "least", "tolerance"),
    [(np.float32, -86.9, 1.2e-7), (np.float64, -707.9, 2.3e-16)],
)
def test_elementary_functions_are_exact_to_the_last_place(kind, least, tolerance):
    x = np.random.default_rng(0).uniform(least, 80, 20000).astype(kind)
    expected = np.exp(x.astype(np.longdouble))
    np.testing.assert_allclose(exponentials(x), expected, rtol=tolerance)
    y = np.exp(x)
    expected = np.log(y.astype(np.longdouble))
    np.testing.assert_allclose(logarithms(y), expected, rtol=2 * tolerance, atol=1e-30)
    near = (1 + np.random.default_rng(1).uniform(-0.1, 0.1, 2000)).astype(kind)
    expected = np.log(near.astype(np.longdouble))
    np.testing.assert_allclose(logarithms(near), expected, rtol=2 * tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_exponentials_of_special_values(kind):
    found = exponentials(np.array([-INFINITY, -1e6, 0.0, -0.0, NAN], kind))
    assert found[:4].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert math.isnan(found[4])
    assert logarithms(np.array([1.0], kind)).tolist() == [0.0]
    # Outside of compiled code they are Python's own functions.
    assert elementary.exponential(1.0) == math.exp(1.0)
    assert elementary.logarithm(2.0) == math.log(2.0)


# --- agreement with the definition -----------------------------------------------


def entries(generator, *shape, scale):
    """Random numbers, a few of them -inf."""
    values = generator.normal(0, scale, shape)
    values[generator.random(shape) < 0.05] = -INFINITY
    return values


def both_ways(function, inputs):
    """Values and gradients of compiled loops and of the definition."""
    found = []
    for name in ("numba", "reference"):
        own = [each.detach().clone().requires_grad_() for each in inputs]
        with kernels.use(name):
            value = function(*own)
        gradients = torch.autograd.grad(value, own, allow_unused=True)
        found.append((value.detach(), *gradients))
    return found


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([0, 1, 255, 256, 257, 700]),
    n_terms=st.integers(1, 4),
    n_sums=st.integers(1, 4),
    scale=st.sampled_from([0.1, 3.0, 60.0, 300.0]),
    kind=st.sampled_from([torch.float32, torch.float64]),
)
def test_log_sums_agree_with_their_definition(seed, rows, n_terms, n_sums, scale, kind):
    generator = np.random.default_rng(seed)
    terms = [
        torch.tensor(entries(generator, rows, scale=scale), dtype=kind)
        for _ in range(n_terms)
    ]
    shifts = torch.tensor(entries(generator, n_sums, n_terms, scale=scale), dtype=kind)
    weights = torch.tensor(generator.normal(size=(n_sums, rows)), dtype=kind)

    def function(shifts, *terms):
        sums = likelihood.log_sums(terms, shifts)
        finite = [each.masked_fill(each == -INFINITY, 0.0) for each in sums]
        return sum((w * each).sum() for w, each in zip(weights, finite, strict=True))

    for compiled, definition in zip(
        *both_ways(function, [shifts, *terms]), strict=True
    ):
        # A row has one tolerance for all, as its numbers are up to the scale.
        limit = TOLERANCE[kind] * max(1.0, scale)
        torch.testing.assert_close(
            compiled, definition, atol=limit, rtol=limit, equal_nan=True
        )


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([0, 1, 255, 256, 257, 700]),
    n_rounds=st.integers(1, 5),
    scale=st.sampled_from([0.1, 3.0, 40.0]),
    kind=st.sampled_from([torch.float32, torch.float64]),
    of_counts=st.sampled_from([torch.float32, torch.float64]),
)
def test_log_likelihoods_agree_with_their_definition(
    seed, rows, n_rounds, scale, kind, of_counts
):
    generator = np.random.default_rng(seed)
    logs = [
        torch.tensor(entries(generator, rows, scale=scale), dtype=kind)
        for _ in range(n_rounds)
    ]
    depths = torch.tensor(generator.normal(size=n_rounds), dtype=kind)
    counts = torch.tensor(generator.poisson(0.7, (rows, n_rounds)), dtype=of_counts)
    for number, each in enumerate(logs):  # no reads where none are possible
        counts[:, number].masked_fill_(each == -INFINITY, 0.0)

    def function(depths, *logs):
        return likelihood.log_likelihood(logs, depths, counts)

    compiled, definition = both_ways(function, [depths, *logs])
    assert compiled[0].dtype == definition[0].dtype == torch.float64
    limit = TOLERANCE[kind] * max(1.0, scale)
    for first, second in zip(compiled, definition, strict=True):
        torch.testing.assert_close(first, second, atol=limit, rtol=limit)


def test_the_sum_of_a_row_is_exact_whatever_the_other_sums_are():
    # The second sum is smaller than the first by more than any exponential can be.
    terms = [torch.zeros(3), torch.tensor([0.0, 100.0, -100.0])]
    shifts = torch.tensor([[0.0, 0.0], [-200.0, -1000.0], [-INFINITY, -500.0]])
    with kernels.use("numba"):
        sums = likelihood.log_sums(terms, shifts)
    assert sums[0].tolist() == pytest.approx([math.log(2), 100.0, 0.0])
    assert sums[1].tolist() == pytest.approx([-200.0, -200.0, -200.0])
    assert sums[2].tolist() == [-500.0, -400.0, -600.0]


def test_rows_that_nothing_binds_have_zero_gradients():
    first = torch.tensor([-INFINITY, -INFINITY, 0.0], requires_grad=True)
    second = torch.tensor([-INFINITY, 1.0, 0.0], requires_grad=True)
    shifts = torch.zeros(1, 2, requires_grad=True)
    for name in ("numba", "reference"):
        with kernels.use(name):
            (total,) = likelihood.log_sums([first, second], shifts)
        assert total.tolist() == pytest.approx([-INFINITY, 1.0, math.log(2)])
        inputs = (first, second, shifts)
        gradients = torch.autograd.grad(total, inputs, torch.ones(3))
        assert gradients[0].tolist() == [0.0, 0.0, 0.5]
        assert gradients[1].tolist() == [0.0, 1.0, 0.5]
        assert gradients[2].tolist() == [[0.5, 1.5]]


def test_numbers_that_are_none_stay_none():
    terms = [torch.tensor([NAN, 0.0]), torch.zeros(2)]
    counts = torch.ones(2, 2)
    with kernels.use("numba"):
        (total,) = likelihood.log_sums(terms, torch.zeros(1, 2))
        value = likelihood.log_likelihood(terms, torch.zeros(2), counts)
        counts[0] = 0
        without = likelihood.log_likelihood(terms, torch.zeros(2), counts)
    assert math.isnan(total[0])
    assert total[1].item() == pytest.approx(math.log(2))
    assert math.isnan(value)
    assert without.item() == pytest.approx(-2 * math.log(2))


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_impossible_rounds_matter_only_if_they_have_reads(name):
    first = torch.tensor([0.0, -INFINITY, -INFINITY], requires_grad=True)
    second = torch.tensor([0.0, 0.0, -INFINITY], requires_grad=True)
    depths = torch.zeros(2)
    counts = torch.tensor([[1.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    with kernels.use(name):
        value = likelihood.log_likelihood([first, second], depths, counts)
        gradients = torch.autograd.grad(value, (first, second))
        assert value.item() == pytest.approx(-2 * math.log(2))
        assert all(each.isfinite().all() for each in gradients)
        for row in (1, 2):
            bad = counts.clone()
            bad[row, 0] = 1.0
            value = likelihood.log_likelihood([first, second], depths, bad)
            assert value.item() == -INFINITY


# --- memory and order ------------------------------------------------------------


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_vectors_may_lie_anywhere(name):
    rows = 300
    table = torch.randn(rows, 4, dtype=torch.float64)
    constant = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    vectors = [table[:, 1], constant.expand(rows), table[:, 2].contiguous()]
    shifts = torch.randn(2, 3, dtype=torch.float64)
    counts = torch.poisson(torch.ones(5, rows, dtype=torch.float64))[:3].T
    with kernels.use(name):
        found = likelihood.log_sums(vectors, shifts.T.contiguous().T)
        value = likelihood.log_likelihood(vectors, torch.zeros(3).double(), counts)
        (by_constant,) = torch.autograd.grad(value, constant)
    stacked = torch.stack(vectors)
    expected = torch.logsumexp(stacked[:, None] + shifts.T[:, :, None], 0)
    torch.testing.assert_close(torch.stack(list(found)), expected)
    log_shares = stacked.log_softmax(0).T
    torch.testing.assert_close(value, (counts * log_shares).sum())
    excess = (counts - counts.sum(1, keepdim=True) * log_shares.exp())[:, 1].sum()
    torch.testing.assert_close(by_constant, excess.view(1))


def test_results_do_not_depend_on_threads():
    rows = 100_000
    generator = torch.Generator().manual_seed(0)
    terms = [torch.randn(rows, generator=generator).requires_grad_() for _ in range(2)]
    shifts = torch.zeros(3, 2, requires_grad=True)
    counts = torch.poisson(torch.ones(rows, 3), generator=generator)
    inputs = (*terms, shifts)

    def results():
        sums = likelihood.log_sums(terms, shifts)
        value = likelihood.log_likelihood(sums, torch.zeros(3), counts)
        return value, *torch.autograd.grad(value, inputs)

    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            found.append(results())
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


# --- dispatch and differentiation ------------------------------------------------


def test_both_are_differentiable_twice():
    generator = torch.Generator().manual_seed(1)

    def numbers(*shape):
        values = torch.randn(*shape, dtype=torch.float64, generator=generator)
        return values.requires_grad_()

    terms, shifts, depths = [numbers(4), numbers(4)], numbers(3, 2), numbers(3)
    counts = torch.poisson(torch.ones(4, 3, dtype=torch.float64), generator=generator)

    def function(shifts, depths, *terms):
        first, second, third = likelihood.log_sums(terms, shifts)
        # One depends on another, as rounds do on those before.
        logs = [first, first + second, third]
        return likelihood.log_likelihood(logs, depths, counts)

    with kernels.use("numba"):
        assert torch.autograd.gradcheck(function, (shifts, depths, *terms))
        assert torch.autograd.gradgradcheck(function, (shifts, depths, *terms))


def test_other_numbers_are_left_to_the_definition():
    with kernels.use("numba"):
        terms = [torch.zeros(3, dtype=torch.float64), torch.zeros(3)]
        (total,) = likelihood.log_sums(terms, torch.zeros(1, 2))
        assert total.dtype == torch.float64
        counts = torch.ones(3, 2, dtype=torch.int64)
        logs = [torch.zeros(3), torch.zeros(3)]
        value = likelihood.log_likelihood(logs, torch.zeros(2), counts)
        assert value.item() == pytest.approx(6 * math.log(0.5))


def test_few_rows_are_left_to_the_definition(monkeypatch):
    def refuse(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr(likelihood_ops, "log_sums", refuse)
    likelihood.log_sums([torch.zeros(10)], torch.zeros(1, 1))
    with pytest.raises(AssertionError, match="compiled"):
        likelihood.log_sums([torch.zeros(10_000)], torch.zeros(1, 1))


def test_the_operators_keep_the_rules_of_pytorch():
    terms = [torch.randn(5).requires_grad_(), torch.randn(5)]
    shifts = torch.randn(3, 2, requires_grad=True)
    torch.library.opcheck(torch.ops.pyprobound.log_sums.default, (terms, shifts))
    counts = torch.poisson(torch.ones(5, 2))
    depths = torch.zeros(2, requires_grad=True)
    torch.library.opcheck(
        torch.ops.pyprobound.log_likelihood.default, (terms, depths, counts)
    )


def test_traced_programs_give_the_same():
    terms = [torch.randn(50).requires_grad_(), torch.randn(50)]
    shifts = torch.randn(3, 2, requires_grad=True)
    depths = torch.zeros(3)
    counts = torch.poisson(torch.ones(50, 3))

    def function(first, second, shifts):
        sums = likelihood.log_sums([first, second], shifts)
        return likelihood.log_likelihood(sums, depths, counts)

    with kernels.use("numba"):
        expected = function(*terms, shifts)
        traced = torch.compile(function, backend="aot_eager", fullgraph=True)
        found = traced(*terms, shifts)
        wanted = (terms[0], shifts)
        torch.testing.assert_close(found, expected)
        for first, second in zip(
            torch.autograd.grad(found, wanted),
            torch.autograd.grad(expected, wanted),
            strict=True,
        ):
            torch.testing.assert_close(first, second)
