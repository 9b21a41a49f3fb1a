"""Scores of rows and windows on GPUs against their definition."""

import dataclasses

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from kernels.gpu_tools import (
    DEVICE,
    GPU,
    TOLERANCE,
    VARIABLE,
    assert_alike,
    examples,
    interpreter,
    normal_numbers,
    small_blocks,
)
from kernels.random_models import Arguments, gradients, random_codes
from pyprobound.kernels import gpu, gpu_launch, reference

__all__ = ["interpreter", "small_blocks"]


def on_device(model: Arguments, dtype: torch.dtype) -> Arguments:
    """A copy with fresh leaves on the device."""

    def leaf(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        return tensor.detach().to(DEVICE, dtype).requires_grad_()

    return dataclasses.replace(
        model,
        codes=model.codes.to(DEVICE),
        monomer=leaf(model.monomer),
        pairs=[(distance, leaf(filters)) for distance, filters in model.pairs],
        bias=leaf(model.bias),
        posbias=leaf(model.posbias),
        log_hill=leaf(model.log_hill),
    )


def assert_agreement(model: Arguments, dtype: torch.dtype) -> None:
    """Compares scores and gradients of rows and windows."""
    tolerance = TOLERANCE[dtype]
    low = on_device(model, dtype)
    # What single precision does to the parameters is not the kernels' error.
    exact = low.to(torch.float64)
    for of_rows in (True, False):
        found = low.rows("triton") if of_rows else low.windows("triton")
        expected = exact.rows("reference") if of_rows else exact.windows("reference")
        assert found.dtype == dtype
        assert_alike(found, expected, tolerance)
        for gradient, wanted in zip(
            gradients(found, low.leaves),
            gradients(expected, exact.leaves),
            strict=True,
        ):
            assert_alike(gradient, wanted, tolerance)


@st.composite
def models(draw: st.DrawFn) -> Arguments:
    """Small problems of all kinds."""
    letters = draw(st.sampled_from([2, 4, 4, 20]))
    channels = draw(st.sampled_from([1, 2, 3, 5]))
    size = draw(st.integers(1, 4))
    dilation = draw(st.sampled_from([1, 1, 2]))
    windows = draw(st.sampled_from([1, 4, 9]))
    length = windows + dilation * (size - 1)
    distances: list[int] = []
    if dilation == 1 and size > 1 and letters < 20:
        distances = draw(st.lists(st.integers(1, size - 1), unique=True, max_size=2))
    scale = draw(st.sampled_from([0.3, 1.0, 4.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def normal(*shape: int) -> Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    bias = draw(st.sampled_from([None, (channels,), (channels, 1)]))
    lengths = draw(st.sampled_from([1, length + 1]))
    wide = draw(st.sampled_from([1, channels]))
    kinds = [torch.int8, torch.uint8, torch.int16, torch.int64]
    return Arguments(
        codes=random_codes(
            draw(st.sampled_from([0, 1, 3, 9])),
            length,
            letters,
            draw(st.sampled_from(["none", "any", "short"])),
            generator,
        ).to(draw(st.sampled_from(kinds))),
        monomer=normal(channels, letters, size),
        pairs=[
            (distance, normal(channels, letters, letters, size - distance))
            for distance in distances
        ],
        bias=None if bias is None else normal(*bias),
        posbias=normal(lengths, wide, windows) if draw(st.booleans()) else None,
        log_hill=normal() if draw(st.booleans()) and scale < 4 else None,
        dilation=dilation,
    )


@examples(15)
@given(model=models(), dtype=st.sampled_from([torch.float64, torch.float32]))
def test_scores_and_gradients_agree_with_the_definition(
    model: Arguments, dtype: torch.dtype
) -> None:
    assert_agreement(model, dtype)


@examples(15)
@given(model=models(), dtype=st.sampled_from([torch.float64, torch.float32]))
def test_several_tiles_of_every_kind_agree_with_the_definition(
    small_blocks: None, model: Arguments, dtype: torch.dtype
) -> None:
    assert_agreement(model, dtype)


@pytest.mark.parametrize("of_rows", [True, False])
def test_gradients_agree_with_differences(of_rows: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    model = Arguments(
        torch.tensor([[0, 1, 3, 0], [1, 0, 2, 1]], device=DEVICE),
        normal_numbers(generator, 1, 2, 2),
        [(1, normal_numbers(generator, 1, 2, 2, 1))],
        normal_numbers(generator, 1, 1),
        normal_numbers(generator, 5, 1, 3),
        normal_numbers(generator),
    )
    leaves = [model.monomer, model.bias, model.pairs[0][1]]
    if of_rows:
        leaves.append(model.log_hill)

    def scores(*_: Tensor) -> Tensor:
        found = model.rows("triton") if of_rows else model.windows("triton")
        return found.masked_fill(torch.isinf(found), 0.0)

    assert torch.autograd.gradcheck(scores, leaves)
    assert torch.autograd.gradgradcheck(scores, leaves)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_extreme_parameters_stay_finite_and_exact(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    signs = torch.randint(0, 2, (2, 4, 20), generator=generator)
    codes = random_codes(12, 26, 4, "none", generator)
    codes[:2, 3] = 5
    model = Arguments(
        codes,
        80.0 * signs - 40.0,
        bias=torch.tensor([40.0, -40.0]),
        log_hill=torch.tensor(0.5),
    )
    low = on_device(model, dtype)
    exact = low.to(torch.float64)
    found, expected = low.rows("triton"), exact.rows("reference")
    assert torch.isfinite(found).all()
    assert_alike(found, expected, 1e-6)
    for gradient, wanted in zip(
        gradients(found, low.leaves), gradients(expected, exact.leaves), strict=True
    ):
        assert_alike(gradient, wanted, 1e-4 if dtype == torch.float32 else 1e-9)


def pinned(**changes: object) -> Arguments:
    generator = torch.Generator().manual_seed(1)
    arguments: dict[str, object] = {
        "codes": random_codes(6, 7, 4, "none", generator).to(DEVICE),
        "monomer": normal_numbers(generator, 2, 4, 3),
    }
    return Arguments(**(arguments | changes))  # type: ignore[arg-type]


def test_rows_without_windows_score_minus_infinity_without_gradient() -> None:
    hill = torch.tensor(0.1, dtype=torch.float64, device=DEVICE, requires_grad=True)
    model = pinned(log_hill=hill)
    model.codes[:, 2] = 4
    model.codes[:, 5] = 4
    scores = model.rows("triton")
    assert (scores == -torch.inf).all()
    assert (model.windows("triton") == -torch.inf).all()
    for gradient in torch.autograd.grad(scores.sum(), model.leaves):
        assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_infinite_parameters_exclude_windows_without_gradient(
    dtype: torch.dtype,
) -> None:
    hill = torch.tensor(0.1, dtype=torch.float64, device=DEVICE, requires_grad=True)
    model = pinned(log_hill=hill)
    with torch.no_grad():
        model.monomer[:, 2, 1] = -torch.inf
    low = on_device(model, dtype)
    found = gradients(low.rows("triton"), low.leaves)
    assert all(torch.isfinite(gradient).all() for gradient in found)
    assert (found[0][:, 2, 1] == 0).all()
    assert (found[0][:, 1, 1] != 0).all()
    expected = on_device(model, torch.float64).rows("reference")
    assert_alike(low.rows("triton"), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_parameters_that_are_no_numbers_give_scores_that_are_none(value: float) -> None:
    model = on_device(pinned(), torch.float32)
    with torch.no_grad():
        model.monomer[0, 1, 2] = value
    scores = model.rows("triton")
    assert not torch.isfinite(scores).all()
    (gradient,) = torch.autograd.grad(scores.sum(), [model.monomer])
    assert not torch.isfinite(gradient).all()


def test_special_codes_mean_what_they_should() -> None:
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
    model = on_device(Arguments(codes, monomer, [(1, pair)]), torch.float64)
    wanted = torch.tensor(list(expected.values()), dtype=torch.float64, device=DEVICE)
    torch.testing.assert_close(model.windows("triton")[:, 0, 0], wanted)
    torch.testing.assert_close(model.rows("triton"), wanted)


def test_strided_arguments_are_understood() -> None:
    generator = torch.Generator().manual_seed(3)
    codes = random_codes(14, 9, 4, "any", generator).t()[:, ::2].to(DEVICE)
    monomer = normal_numbers(generator, 3, 2, 4).detach().transpose(1, 2)
    posbias = normal_numbers(generator, 7, 3, 1).detach().permute(2, 1, 0)
    model = Arguments(codes, monomer, posbias=posbias[..., :6])
    for kernel in (Arguments.rows, Arguments.windows):
        assert_alike(kernel(model, "triton"), kernel(model, "reference"), 1e-9)


def test_results_are_the_same_each_time(small_blocks: None) -> None:
    model = on_device(pinned(), torch.float32)

    def evaluate() -> list[Tensor]:
        scores = model.rows("triton")
        weights = torch.linspace(-1, 1, len(scores), device=DEVICE)
        return [scores, *torch.autograd.grad((scores * weights).sum(), model.leaves)]

    first = evaluate()
    for _ in range(3):
        assert all(map(torch.equal, first, evaluate()))


@pytest.mark.parametrize("code", [7, -1])
def test_unknown_codes_are_refused(code: int) -> None:
    model = pinned()
    model.rows("triton")
    model.codes[2, 3] = code  # the change is noticed
    for kernel in (Arguments.rows, Arguments.windows):
        with pytest.raises(ValueError, match="codes must be 0 to 6"):
            kernel(model, "triton")


def test_rows_longer_than_the_position_bias_are_refused() -> None:
    model = pinned(posbias=torch.zeros(5, 1, 5, dtype=torch.float64, device=DEVICE))
    with pytest.raises(IndexError, match="max_input_length"):
        model.rows("triton")
    model.codes[:, 4:] = 4
    assert_alike(model.rows("triton"), model.rows("reference"), 1e-9)


@pytest.mark.parametrize(
    ("codes", "monomer", "expected"),
    [
        (torch.zeros(3, 6, dtype=torch.int8), torch.zeros(2, 4, 3), True),
        (torch.zeros(3, 6), torch.zeros(2, 4, 3), False),
        (torch.zeros(3, 6, dtype=torch.int8), torch.zeros(2, 4, 3).bfloat16(), False),
        (torch.zeros(3, 6, dtype=torch.int8), torch.zeros(2, 200, 3), False),
        (torch.zeros(3, 6, dtype=torch.int8), torch.zeros(0, 4, 3), False),
        (torch.zeros(3, 4, 6, dtype=torch.int8), torch.zeros(2, 4, 3), False),
    ],
)
def test_what_is_supported(codes: Tensor, monomer: Tensor, expected: bool) -> None:
    assert gpu.supports(codes.to(DEVICE), monomer.to(DEVICE), []) == expected


def test_operators_refuse_what_they_do_not_support() -> None:
    codes = torch.zeros(3, 6, dtype=torch.int8, device=DEVICE)
    monomer = torch.zeros(2, 4, 3, device=DEVICE).bfloat16()
    with pytest.raises(TypeError, match="bfloat16 filters"):
        gpu.window_scores_kernel(codes, monomer, None, [], None, None, 1)


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_nothing_is_supported_on_the_cpu_without_the_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE)
    model = pinned()
    assert not gpu.supports(model.codes, model.monomer, [])
    expected = reference.row_scores(model.codes, model.monomer)
    assert torch.equal(model.rows("triton"), expected)


@pytest.mark.parametrize(
    ("windows", "expected"), [(1, 1), (3, 4), (9, 16), (15, 16), (17, 8), (31, 32)]
)
def test_windows_are_cut_into_blocks_with_few_idle_lanes(
    windows: int, expected: int
) -> None:
    assert gpu_launch.window_block(windows) == expected


def test_buffers_are_bounded_and_independent_of_the_number_of_rows() -> None:
    assert gpu_launch.programs_for(10, 100) == 10
    assert gpu_launch.programs_for(10**7, 100) == 1024
    assert gpu_launch.programs_for(10**7, 1 << 18) == 32
    assert gpu_launch.programs_for(0, 100) == 1


@pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")
def test_many_rows_on_a_gpu() -> None:
    """Enough rows for all programs to have several tiles, and operators in use."""
    generator = torch.Generator().manual_seed(5)
    codes = random_codes(200_000, 30, 4, "none", generator)
    codes[::7, 3] = 5
    codes[::11, 25:] = 4
    monomer = torch.randn(2, 4, 16, generator=generator)
    filters = torch.randn(2, 4, 4, 15, generator=generator)
    posbias = torch.randn(31, 1, 15, generator=generator)
    model = Arguments(codes, monomer, [(1, filters)], posbias=posbias)
    low = on_device(model, torch.float32)
    exact = low.to(torch.float64)
    found = low.rows("auto")
    expected = exact.rows("reference")
    assert "row_scores" in type(found.grad_fn).__name__
    assert_alike(found, expected, 1e-5)
    for gradient, wanted in zip(
        torch.autograd.grad(found.mean(), low.leaves),
        torch.autograd.grad(expected.mean(), exact.leaves),
        strict=True,
    ):
        assert_alike(gradient, wanted, 1e-5)
