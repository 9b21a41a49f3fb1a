"""Jacobians and sums over pairs of windows on GPUs, and compiling for GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from kernels.gpu_tools import (
    DEVICE,
    TOLERANCE,
    VARIABLE,
    assert_alike,
    examples,
    interpreter,
    normal_numbers,
    small_blocks,
)
from kernels.random_models import random_codes
from pyprobound.kernels import (
    features_reference,
    gpu_features,
    gpu_pairs,
    pairs_reference,
)

__all__ = ["interpreter", "small_blocks"]

# --- Jacobians --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("letters", "size", "distances", "dilation", "kept"),
    [(3, 2, [1], 1, True), (2, 3, [2, 1], 1, False), (4, 2, [], 2, True)],
)
def test_jacobians_agree_with_the_definition(
    small_blocks: None,
    dtype: torch.dtype,
    letters: int,
    size: int,
    distances: list[int],
    dilation: int,
    kept: bool,
) -> None:
    generator = torch.Generator().manual_seed(4)
    codes = random_codes(5, 11, letters, "any", generator)
    codes[:3] %= letters
    codes = codes.to(DEVICE)
    windows = 11 - dilation * (size - 1)
    weights = normal_numbers(generator, 5, 2, windows).detach().to(dtype)
    # Windows that touch a missing position have no part, whatever their weight.
    weights[4, :, 0] = torch.nan
    codes[4, 0] = letters
    shapes = features_reference.feature_shapes(2, letters, size, distances)
    n_columns = sum(int(np.prod(shape)) for shape in shapes)
    columns = None
    if not kept:
        columns = torch.randint(-1, 6, (n_columns,), generator=generator).to(DEVICE)
        n_columns = 7  # one of which has no feature
    arguments = (columns, n_columns, letters, size, distances, dilation)
    found = gpu_features.window_jacobian(codes, weights, *arguments)
    wanted = features_reference.window_jacobian(codes, weights.double(), *arguments)
    assert found.dtype == dtype
    assert_alike(found, wanted, TOLERANCE[dtype])
    empty = gpu_features.window_jacobian(codes[:0], weights[:0], *arguments)
    assert empty.shape == (0, n_columns)


# --- pairs of windows -------------------------------------------------------------


@examples(6)
@given(
    groups=st.sampled_from([None, 1, 3]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    with_hill=st.booleans(),
    scale=st.sampled_from([0.3, 3.0, 30.0]),
    counts=st.sampled_from([(1, 1, 1), (2, 4, 9), (1, 10, 3), (2, 3, 20)]),
    rows=st.sampled_from([0, 1, 11]),
    seed=st.integers(0, 2**31),
)
def test_sums_over_pairs_of_windows_agree_with_the_definition(
    small_blocks: None,
    groups: int | None,
    dtype: torch.dtype,
    with_hill: bool,
    scale: float,
    counts: tuple[int, int, int],
    rows: int,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    strands, n_first, n_second = counts

    def some(*shape: int) -> Tensor:
        values = scale * normal_numbers(generator, *shape).detach()
        absent = torch.rand(shape, generator=generator).to(DEVICE) < 0.2
        return values.masked_fill(absent, -torch.inf).to(dtype)

    tensors = [
        some(rows, strands, n_first),
        some(rows, strands, n_second),
        some(groups or 1, strands, strands, n_first, n_second),
    ]
    members = None
    if groups is not None:
        members = torch.randint(0, groups, (rows,), generator=generator).to(DEVICE)
    hill = normal_numbers(generator).detach().to(dtype) / 2 if with_hill else None
    found = gpu_pairs.pair_scores(*tensors, members, hill)

    leaves = [tensor.double().requires_grad_() for tensor in tensors]
    exact_hill = None if hill is None else hill.double().requires_grad_()
    expected = pairs_reference.pair_scores(*leaves, members, exact_hill)
    assert found.dtype == dtype
    assert_alike(found, expected.detach(), TOLERANCE[dtype])

    upstream = normal_numbers(generator, rows).detach().to(dtype)
    by = gpu_pairs.pair_gradient(upstream, *tensors, members, hill, True)
    if exact_hill is not None:
        leaves.append(exact_hill)
    finite = torch.where(torch.isfinite(expected), expected, 0.0)
    wanted = torch.autograd.grad((finite * upstream).sum(), leaves)
    for gradient, other in zip(by, wanted, strict=True):
        assert gradient.dtype == dtype
        assert_alike(gradient, other, TOLERANCE[dtype])
    without = gpu_pairs.pair_gradient(upstream, *tensors, members, hill, False)
    assert torch.equal(without[0], by[0])
    assert (without[2] == 0).all()


# --- compiling --------------------------------------------------------------------

COMPILE = """
import sys
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from pyprobound.kernels import gpu, gpu_features, gpu_pairs


class Driver:
    def get_current_target(self):
        return GPUTarget("cuda", int(sys.argv[1]), 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device=None):
        return 0


def compile_only(kernel, programs, device, *arguments, **constants):
    found = kernel.warmup(*arguments, grid=(programs,), **constants)
    assert len(found.asm["cubin"]) > 0
    names.add(kernel.__name__)


driver.set_active(Driver())
names = set()
gpu.supports = lambda *arguments: True
for module in (gpu, gpu_features, gpu_pairs):
    module.start = compile_only
codes = torch.zeros(40, 20, dtype=torch.int8)
monomer, filters = torch.zeros(2, 4, 6), torch.zeros(2, 4, 4, 5)
bias, posbias, hill = torch.zeros(2), torch.zeros(21, 1, 15), torch.zeros(())
arguments = (codes, monomer, filters.reshape(-1), [1], bias, posbias, 1)
found = gpu.row_scores_kernel(*arguments, hill)
gpu.row_gradient_kernel(*found, *arguments, hill)
found = gpu.window_scores_kernel(*arguments)
gpu.window_gradient_kernel(*found, *arguments)
scores = found[0]
gpu_features.window_jacobian(codes, scores, None, 208, 4, 6, [1], 1)
groups = torch.zeros(40, dtype=torch.int64)
energies = torch.zeros(3, 2, 2, 15, 15)
gpu_pairs.pair_gradient(torch.zeros(40), scores, scores, energies, groups, hill, True)
assert len(names) == 6, names
"""


def test_kernels_compile_to_machine_code_of_gpus(tmp_path: Path) -> None:
    """The interpreter accepts what the compiler does not; this needs no GPU."""
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop(VARIABLE, None)
    subprocess.run(
        [sys.executable, "-c", COMPILE, "80"],
        check=True,
        env=environment,
        timeout=300,
    )


def test_triton_is_not_loaded_without_need() -> None:
    environment = {key: os.environ[key] for key in os.environ if key != VARIABLE}
    program = (
        "import sys, torch; from pyprobound import kernels;"
        "kernels.row_scores(torch.zeros(3, 6, dtype=torch.int8), torch.zeros(2, 4, 3));"
        "sys.exit('triton' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
