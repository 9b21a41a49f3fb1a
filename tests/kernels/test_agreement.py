"""The compiled kernels against their definition."""

import pytest
import torch
from hypothesis import given, settings

from kernels.random_models import Arguments, gradients, models, random_codes

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


def assert_alike(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Compares relative to the greatest magnitude, ``-inf`` exactly."""
    assert found.shape == expected.shape
    finite = torch.isfinite(expected)
    assert torch.equal(torch.isfinite(found), finite)
    assert torch.equal(found[~finite], expected[~finite].to(found.dtype))
    if finite.any():
        error = (found[finite].double() - expected[finite].double()).abs().max()
        assert error <= tolerance * (1 + expected[finite].abs().max())


def assert_agreement(model: Arguments, dtype: torch.dtype) -> None:
    """Compares scores and gradients of rows and windows."""
    tolerance = TOLERANCE[dtype]
    low = model.to(dtype)
    # What single precision does to the parameters is not the kernels' error.
    exact = low.to(torch.float64)
    for of_rows in (True, False):
        found = low.rows("numba") if of_rows else low.windows("numba")
        expected = exact.rows("reference") if of_rows else exact.windows("reference")
        assert found.dtype == dtype
        assert_alike(found, expected, tolerance)
        for gradient, wanted in zip(
            gradients(found, low.leaves),
            gradients(expected, exact.leaves),
            strict=True,
        ):
            assert_alike(gradient, wanted, tolerance)


@settings(deadline=None, max_examples=60)
@given(model=models())
def test_numba_agrees_with_the_definition(model: Arguments) -> None:
    assert_agreement(model, torch.float64)


# Few channels, because every group of channels is compiled for each precision.
@settings(deadline=None, max_examples=40)
@given(model=models(most_channels=2))
def test_single_precision_agrees_with_the_definition(model: Arguments) -> None:
    assert_agreement(model, torch.float32)


def pinned(**changes: object) -> Arguments:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    codes = random_codes(400, 12, 4, "none", generator)
    arguments: dict[str, object] = {"codes": codes, "monomer": normal(2, 4, 5)}
    return Arguments(**(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("of_rows", [True, False])
def test_gradients_agree_with_differences(name: str, of_rows: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    codes = random_codes(3, 6, 2, "any", generator)
    model = Arguments(
        codes,
        normal(2, 2, 3),
        [(1, normal(2, 2, 2, 2)), (2, normal(2, 2, 2, 1))],
        normal(2, 1),
        normal(7, 1, 4),
        normal(),
    )
    leaves = model.leaves[:3] + model.leaves[4:]
    if of_rows:
        leaves = model.leaves

    def scores(*_: torch.Tensor) -> torch.Tensor:
        found = model.rows(name) if of_rows else model.windows(name)
        return found.masked_fill(torch.isinf(found), 0.0)

    assert torch.autograd.gradcheck(scores, leaves)
    assert torch.autograd.gradgradcheck(scores, leaves)


@pytest.mark.parametrize("size", [6, 20, 40])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_extreme_parameters_stay_finite_and_exact(
    size: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(2)
    signs = torch.randint(0, 2, (2, 4, size), generator=generator)
    codes = random_codes(100, size + 6, 4, "none", generator)
    codes[:10, 3] = 5
    low = Arguments(
        codes,
        (80.0 * signs - 40.0).to(torch.float64),
        bias=torch.tensor([40.0, -40.0]),
        log_hill=torch.tensor(0.5),
    ).to(dtype)
    exact = low.to(torch.float64)
    found, expected = low.rows("numba"), exact.rows("reference")
    assert torch.isfinite(found).all()
    assert_alike(found, expected, 1e-6)
    for gradient, wanted in zip(
        gradients(found, low.leaves), gradients(expected, exact.leaves), strict=True
    ):
        assert_alike(gradient, wanted, 1e-4 if dtype == torch.float32 else 1e-9)


def test_a_wide_range_of_scores_keeps_single_precision() -> None:
    """Scores far below the best possible one, within and beyond float32's range."""
    generator = torch.Generator().manual_seed(3)
    for depth in (1.0, 3.0, 6.0, 12.0):
        monomer = -depth * torch.rand(2, 4, 16, generator=generator)
        monomer[:, 0] = 0.0
        codes = random_codes(500, 20, 4, "none", generator).clamp(min=1)
        low = Arguments(codes, monomer).to(torch.float32)
        exact = low.to(torch.float64)
        found, expected = low.rows("numba"), exact.rows("reference")
        assert_alike(found, expected, 1e-6)
        assert_alike(
            gradients(found, low.leaves)[0],
            gradients(expected, exact.leaves)[0],
            1e-5,
        )


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_rows_without_windows_score_minus_infinity_without_gradient(name: str) -> None:
    model = pinned(log_hill=torch.tensor(0.1, dtype=torch.float64, requires_grad=True))
    model.codes[:, 4] = 4
    model.codes[:, 8] = 4
    scores = model.rows(name)
    assert (scores == -torch.inf).all()
    assert (model.windows(name) == -torch.inf).all()
    for gradient in torch.autograd.grad(scores.sum(), model.leaves):
        assert (gradient == 0).all()


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_infinite_parameters_exclude_windows_without_gradient(name: str) -> None:
    model = pinned(log_hill=torch.tensor(0.1, dtype=torch.float64, requires_grad=True))
    with torch.no_grad():
        model.monomer[:, 2, 1] = -torch.inf
    found = gradients(model.rows(name), model.leaves)
    assert all(torch.isfinite(gradient).all() for gradient in found)
    assert (found[0][:, 2, 1] == 0).all()
    assert (found[0][:, 1, 1] != 0).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parameters_that_are_no_numbers_give_scores_that_are_none(
    value: float, dtype: torch.dtype
) -> None:
    model = pinned().to(dtype)
    with torch.no_grad():
        model.monomer[0, 1, 2] = value
    scores = model.rows("numba")
    assert not torch.isfinite(scores).all()
    (gradient,) = torch.autograd.grad(scores.sum(), [model.monomer])
    assert not torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_special_codes_mean_what_they_should(name: str) -> None:
    monomer = torch.tensor([[[1.0, 10.0], [3.0, 50.0]]], dtype=torch.float64)
    pair = torch.tensor([[[[0.1], [0.2]], [[0.3], [0.6]]]], dtype=torch.float64)
    letter, missing, wildcard, zero = 1, 2, 3, 4
    expected = {
        (letter, letter): 53.0 + 0.6,
        (letter, missing): -torch.inf,
        (letter, wildcard): 33.0 + 0.45,
        (wildcard, letter): 52.0 + 0.4,
        (wildcard, wildcard): 32.0 + 0.3,
        (letter, zero): 3.0,
        (zero, wildcard): 30.0,
        (zero, zero): 0.0,
    }
    codes = torch.tensor(list(expected), dtype=torch.int8)
    model = Arguments(codes, monomer, [(1, pair)])
    wanted = torch.tensor(list(expected.values()), dtype=torch.float64)
    torch.testing.assert_close(model.windows(name)[:, 0, 0], wanted)
    torch.testing.assert_close(model.rows(name), wanted)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_position_bias_is_chosen_by_the_number_of_letters(name: str) -> None:
    posbias = torch.arange(4.0)[:, None, None].expand(4, 1, 2).contiguous()
    codes = torch.tensor([[0, 1, 1], [0, 1, 2], [2, 1, 1]])
    model = Arguments(codes, torch.zeros(1, 2, 2), posbias=posbias)
    windows = model.windows(name)[:, 0].tolist()
    missing = -torch.inf
    assert windows == [[3.0, 3.0], [2.0, missing], [missing, 2.0]]


def test_large_tables_and_many_chunks_agree() -> None:
    """Rows enough for several chunks, and pairs that need large tables."""
    generator = torch.Generator().manual_seed(4)
    codes = random_codes(20_000, 14, 4, "none", generator)
    codes[::7, 3] = 5
    codes[::11, 9:] = 4

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    pairs = [(d, normal(2, 4, 4, 9 - d)) for d in (1, 2, 5, 8)]
    model = Arguments(codes, normal(2, 4, 9), pairs).to(torch.float64)
    found, expected = model.rows("numba"), model.rows("reference")
    assert_alike(found, expected, 1e-9)
    for gradient, wanted in zip(
        gradients(found, model.leaves), gradients(expected, model.leaves), strict=True
    ):
        assert_alike(gradient, wanted, 1e-9)


def test_single_precision_does_not_degrade_with_rows() -> None:
    """Constant flanks bring the same word in every row."""
    generator = torch.Generator().manual_seed(5)
    codes = random_codes(60_000, 16, 4, "none", generator)
    codes[:, :6] = torch.tensor([0, 1, 2, 3, 0, 0])
    monomer = torch.randn(2, 4, 8, generator=generator)
    low = Arguments(codes, monomer).to(torch.float32)
    exact = low.to(torch.float64)
    found = torch.autograd.grad(low.rows("numba").mean(), low.monomer)[0]
    expected = torch.autograd.grad(exact.rows("numba").mean(), exact.monomer)[0]
    assert_alike(found, expected, 2e-6)
