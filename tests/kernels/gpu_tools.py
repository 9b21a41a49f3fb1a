"""How the tests of the kernels for GPUs load and run them.

Where there is a GPU the kernels run on it. Elsewhere Triton's interpreter runs them on
the CPU, slowly, so the problems are small.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
VARIABLE = "TRITON_INTERPRET"
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs triton, which there is for Linux only", allow_module_level=True)

# Triton decides when it is loaded, and when a kernel starts, whether to interpret.
with pytest.MonkeyPatch.context() as patch:
    if not GPU:
        patch.setenv(VARIABLE, "1")
    importlib.import_module("pyprobound.kernels.gpu")  # and with it all kernels
    from pyprobound.kernels import gpu_features, gpu_launch, gpu_pairs

    if not GPU and not gpu_launch.interpreted():
        pytest.fail(
            f"triton was loaded before its interpreter was asked for; set {VARIABLE}=1"
        )


def examples(number: int) -> settings:
    """Few examples in the interpreter, more on a GPU."""
    return settings(
        deadline=None,
        max_examples=10 * number if GPU else number,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
        ],
    )


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs kernels in the interpreter, which warns where a GPU does not."""
    if not GPU:
        monkeypatch.setenv(VARIABLE, "1")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        yield


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles and few programs, so that small problems have several of each."""
    monkeypatch.setattr(gpu_launch, "_LANES", 16)
    monkeypatch.setattr(gpu_launch, "_MOST_WINDOWS", 8)
    monkeypatch.setattr(gpu_launch, "_MOST_CHANNELS", 2)
    monkeypatch.setattr(gpu_launch, "_MOST_PROGRAMS", 2)
    monkeypatch.setattr(gpu_launch, "_LEAST_PROGRAMS", 2)
    monkeypatch.setattr(gpu_features, "_LANES", 16)
    monkeypatch.setattr(gpu_pairs, "_BYTES", 256)
    monkeypatch.setattr(gpu_pairs, "_MOST_COLUMNS", 8)


def assert_alike(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compares relative to the greatest magnitude, ``-inf`` exactly."""
    assert found.shape == expected.shape
    finite = torch.isfinite(expected)
    assert torch.equal(torch.isfinite(found), finite)
    assert torch.equal(found[~finite], expected[~finite].to(found.dtype))
    if finite.any():
        error = (found[finite].double() - expected[finite].double()).abs().max()
        assert error <= tolerance * (1 + expected[finite].abs().max())


def normal_numbers(generator: torch.Generator, *shape: int) -> Tensor:
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return values.to(DEVICE).requires_grad_()
