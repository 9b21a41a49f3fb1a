"""The choice of an implementation, and the checks of arguments."""

import logging
import subprocess
import sys

import numba
import pytest
import torch

from pyprobound import kernels
from pyprobound.kernels import tables
from pyprobound.kernels.compiling import compiled

CODES = torch.zeros(3, 6, dtype=torch.int8)
MONOMER = torch.zeros(2, 4, 3)


def test_use_restores_the_choice_at_the_end_of_the_block() -> None:
    before = kernels.implementation()
    with kernels.use("reference"):
        assert kernels.implementation() == "reference"
        with kernels.use("numba"):
            assert kernels.implementation() == "numba"
        assert kernels.implementation() == "reference"
    assert kernels.implementation() == before


def test_use_without_a_block_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    with kernels.use("auto"):
        kernels.use("reference")
        assert kernels.implementation() == "reference"
    assert kernels.implementation() == "auto"


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYPROBOUND_KERNELS", "reference")
    assert kernels.implementation() == "reference"
    monkeypatch.setenv("PYPROBOUND_KERNELS", "cuda")
    with pytest.raises(ValueError, match="PYPROBOUND_KERNELS"):
        kernels.row_scores(CODES, MONOMER)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="none of auto, reference, numba"):
        kernels.use("fast")


def test_unsupported_arguments_fall_back_with_a_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "pyprobound.kernels"), kernels.use("numba"):
        scores = kernels.row_scores(CODES, MONOMER.to(torch.bfloat16))
    assert scores.dtype == torch.bfloat16
    assert "reference" in caplog.text


def test_few_letters_are_left_to_the_definition(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "pyprobound.kernels"), kernels.use("auto"):
        kernels.row_scores(CODES, MONOMER)
    assert "few letters" in caplog.text


def test_devices_without_compiled_kernels_use_the_definition(
    caplog: pytest.LogCaptureFixture,
) -> None:
    codes = torch.zeros(1000, 6, dtype=torch.int8, device="meta")
    for name in ("auto", "numba"):
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "pyprobound.kernels"), kernels.use(name):
            assert kernels.row_scores(codes, MONOMER.to("meta")).shape == (1000,)
        assert "on meta: using the reference" in caplog.text


class FakeKernels:
    """Stands in for the module of another device."""

    def __init__(self, *, able: bool) -> None:
        self.able = able

    def supports(self, *arguments: object) -> bool:
        return self.able

    def row_scores(self, *arguments: object, dilation: int) -> str:
        return "scores"


def test_triton_is_used_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for able in (True, False):
        found = FakeKernels(able=able)
        monkeypatch.setattr(kernels, "import_module", lambda *_, found=found: found)
        with caplog.at_level(logging.DEBUG, "pyprobound"), kernels.use("triton"):
            scores = kernels.row_scores(CODES, MONOMER)
        assert (scores == "scores") if able else (scores.shape == (3,))
    assert "using the reference kernels" in caplog.text
    assert kernels._compiled_module("auto", "cuda") is found


def test_triton_that_is_not_installed_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = "triton"

    def without_triton(*names: str) -> None:
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr(kernels, "import_module", without_triton)
    with kernels.use("triton"), pytest.raises(ImportError, match="pip install triton"):
        kernels.row_scores(CODES, MONOMER)
    # The choice by input goes on without.
    assert kernels._compiled_module("auto", "cuda") is None
    missing = "another"
    with pytest.raises(ModuleNotFoundError):
        kernels._compiled_module("auto", "cuda")


def test_tables_follow_parameters_that_change_in_place() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 4, (50, 8), generator=generator)
    monomer = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    for _ in range(3):
        for kernel in (kernels.row_scores, kernels.window_scores):
            with kernels.use("numba"):
                found = kernel(codes, monomer)
            with kernels.use("reference"):
                torch.testing.assert_close(found, kernel(codes, monomer))
        monomer[0, 1, 2] += 1


def test_tables_are_made_once_for_scores_and_gradient() -> None:
    monomer = MONOMER.clone().requires_grad_()
    tables.multiplicative_tables.cache_clear()
    with kernels.use("numba"):
        kernels.row_scores(CODES, monomer).sum().backward()
    found = tables.multiplicative_tables.cache_info()
    assert (found.hits, found.misses) == (1, 1)


def test_code_that_cannot_be_kept_on_disk_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler = numba.njit

    def without_disk(*functions: object, **options: object) -> object:
        if options.pop("cache", False):
            raise RuntimeError("no locator available")
        return compiler(*functions, **options)

    monkeypatch.setattr(numba, "njit", without_disk)

    def double(value: float) -> float:
        return 2 * value

    assert compiled(double)(21.0) == 42.0


def test_few_letters_do_not_load_the_compiler() -> None:
    program = (
        "import sys, torch; from pyprobound import kernels;"
        "kernels.row_scores(torch.zeros(3, 6, dtype=torch.int8), torch.zeros(2, 4, 3));"
        "sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"codes": torch.zeros(3, 2, dtype=torch.int8)}, RuntimeError, "longer seq"),
        ({"codes": torch.zeros(3, 4, 6)}, ValueError, "codes must be integers"),
        ({"monomer": torch.zeros(4, 3)}, ValueError, "monomer filters"),
        ({"dilation": 0}, ValueError, "dilation must be at least 1"),
        (
            {"pairs": [(1, torch.zeros(2, 4, 4, 2))], "dilation": 2},
            ValueError,
            "cannot be combined",
        ),
        ({"pairs": [(1, torch.zeros(2, 4, 4, 1))]}, ValueError, "at distance 1"),
        ({"pairs": [(3, torch.zeros(2, 4, 4, 0))]}, ValueError, "at distance 3"),
        (
            {"pairs": [(1, torch.zeros(2, 4, 4, 2))] * 2},
            ValueError,
            "twice for a distance",
        ),
        ({"bias": torch.zeros(3)}, ValueError, "bias must hold one value"),
        ({"posbias": torch.zeros(1, 2, 3)}, ValueError, "position bias must have"),
        ({"posbias": torch.zeros(5, 1, 4)}, IndexError, "max_input_length"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(
    name: str, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"codes": CODES, "monomer": MONOMER} | changes
    for kernel in (kernels.row_scores, kernels.window_scores):
        with kernels.use(name), pytest.raises(error, match=message):
            kernel(**arguments)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int64])
@pytest.mark.parametrize("code", [7, -1])
def test_unknown_codes_are_refused_by_the_compiled_kernels(
    dtype: torch.dtype, code: int
) -> None:
    codes = torch.full((9, 12), 2, dtype=torch.int64)
    codes[4, 5] = code
    with kernels.use("numba"):
        for kernel in (kernels.row_scores, kernels.window_scores):
            with pytest.raises(ValueError, match="codes must be 0 to 6"):
                kernel(codes.to(dtype), MONOMER)


def test_no_rows_give_no_scores_and_no_gradient() -> None:
    monomer = MONOMER.clone().requires_grad_()
    for name in ("numba", "reference"):
        with kernels.use(name):
            scores = kernels.row_scores(CODES[:0], monomer)
            assert scores.shape == (0,)
            (gradient,) = torch.autograd.grad(scores.sum(), [monomer])
            assert (gradient == 0).all()
            assert kernels.window_scores(CODES[:0], monomer).shape == (0, 2, 4)
