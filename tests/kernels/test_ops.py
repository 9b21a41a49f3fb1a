"""The kernels as operators of PyTorch: tracing, differentiation, serialisation."""

import copy
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from kernels.random_models import Arguments, random_codes
from pyprobound import kernels
from pyprobound.kernels import ops

ROW = torch.ops.pyprobound.row_scores.default
ROW_GRADIENT = torch.ops.pyprobound.row_scores_backward.default
WINDOW = torch.ops.pyprobound.window_scores.default
WINDOW_GRADIENT = torch.ops.pyprobound.window_scores_backward.default


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    yield
    torch.compiler.reset()


def example(
    *,
    rows: int = 30,
    specials: str = "any",
    dtype: torch.dtype = torch.float64,
    full: bool = True,
) -> Arguments:
    """Arguments with all parameters, or with single letters only."""
    generator = torch.Generator().manual_seed(6)

    def normal(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.to(dtype).requires_grad_()

    codes = random_codes(rows, 9, 3, specials, generator).to(torch.int8)
    monomer = normal(2, 3, 4)
    if not full:
        return Arguments(codes, monomer)
    return Arguments(
        codes,
        monomer,
        [(1, normal(2, 3, 3, 3)), (3, normal(2, 3, 3, 1))],
        normal(2, 1),
        normal(10, 1, 6),
        normal(),
    )


def values(model: Arguments, *, of_rows: bool) -> tuple[object, ...]:
    """Arguments of an operator."""
    filters, distances = None, []
    if model.pairs:
        filters = torch.cat([pair.detach().flatten() for _, pair in model.pairs])
        filters.requires_grad_()
        distances = [distance for distance, _ in model.pairs]
    first = (model.codes, model.monomer, filters, distances)
    rest = (model.bias, model.posbias, model.dilation)
    return (*first, *rest, model.log_hill) if of_rows else (*first, *rest)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("of_rows", [True, False])
def test_operators_are_what_pytorch_expects(
    of_rows: bool, full: bool, dtype: torch.dtype
) -> None:
    model = example(dtype=dtype, full=full)
    arguments = values(model, of_rows=of_rows)
    operator, gradient = (ROW, ROW_GRADIENT) if of_rows else (WINDOW, WINDOW_GRADIENT)
    torch.library.opcheck(operator, arguments)
    scores, *state = (result.detach() for result in operator(*arguments))
    upstream = torch.randn_like(scores).requires_grad_()
    checks = ["test_schema", "test_autograd_registration", "test_faketensor"]
    if not full:
        # Second gradients by the definition, which looks at the lengths of rows to
        # choose their position bias.
        checks.append("test_aot_dispatch_dynamic")
    torch.library.opcheck(gradient, (upstream, *state, *arguments), test_utils=checks)


def test_operators_give_the_scores_of_the_kernels() -> None:
    model = example()
    scores = ROW(*values(model, of_rows=True))[0]
    assert torch.equal(scores, model.rows("numba"))
    windows = WINDOW(*values(model, of_rows=False))[0]
    assert torch.equal(windows, model.windows("numba"))


def test_state_has_no_gradient() -> None:
    scores, sums, status = ROW(*values(example(), of_rows=True))
    assert scores.requires_grad
    assert not sums.requires_grad
    assert not status.requires_grad


@pytest.mark.parametrize("of_rows", [True, False])
def test_gradients_of_gradients_of_all_orders(of_rows: bool) -> None:
    model = example(rows=3)
    leaves = [leaf for leaf in model.leaves if of_rows or leaf is not model.log_hill]

    def gradient_length(*_: Tensor) -> Tensor:
        found = model.rows("numba") if of_rows else model.windows("numba").square()
        finite = found.masked_fill(found == -torch.inf, 0.0)
        found = torch.autograd.grad(finite.sum(), leaves, create_graph=True)
        return sum(gradient.square().sum() for gradient in found)

    assert torch.autograd.gradcheck(gradient_length, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(gradient_length, leaves, fast_mode=True)


def test_second_gradients_agree_with_the_definition() -> None:
    model = example(rows=50)
    results = []
    for name in ("numba", "reference"):
        scores = model.rows(name)
        scores = scores.masked_fill(scores == -torch.inf, 0.0)
        first = torch.autograd.grad(scores.sum(), model.leaves, create_graph=True)
        total = sum(gradient.sin().sum() for gradient in first)
        results.append(torch.autograd.grad(total, model.leaves))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_parameters_that_depend_on_each_other_are_not_counted_twice() -> None:
    model = example(full=False, specials="none")
    results = []
    for name in ("numba", "reference"):
        leaf = model.monomer.detach().requires_grad_()
        doubled = 2 * leaf
        with kernels.use(name):
            scores = kernels.row_scores(model.codes, doubled, bias=doubled.sum((1, 2)))
        (first,) = torch.autograd.grad(scores.square().sum(), leaf, create_graph=True)
        results += [first, *torch.autograd.grad(first.square().sum(), leaf)]
    torch.testing.assert_close(results[:2], results[2:])


def test_only_what_is_asked_for_is_differentiated() -> None:
    model = example()
    model.monomer.requires_grad_(False)
    scores = model.rows("numba").masked_fill(model.rows("numba") == -torch.inf, 0.0)
    scores.sum().backward()
    assert model.monomer.grad is None
    assert model.bias is not None
    assert model.bias.grad is not None


def scores_and_gradients(function: object, model: Arguments, rows: int) -> list[Tensor]:
    """Results of a function of kernel arguments, and their gradients."""
    scores = function(model.codes[:rows], model)  # type: ignore[operator]
    finite = scores.masked_fill(scores == -torch.inf, 0.0)
    return [scores, *torch.autograd.grad(finite.sum(), model.leaves)]


@pytest.mark.parametrize("name", ["auto", "numba"])
def test_compiled_programs_hold_the_kernels_as_one_step(name: str) -> None:
    model = example(rows=40)

    def program(codes: Tensor, model: Arguments) -> Tensor:
        scores = kernels.row_scores(
            codes, model.monomer, model.pairs, model.bias, model.posbias, model.log_hill
        )
        windows = kernels.window_scores(
            codes, model.monomer, model.pairs, model.bias, model.posbias
        )
        return torch.logaddexp(scores, windows.amax((1, 2)))

    with kernels.use(name):
        compiled = torch.compile(program, backend="aot_eager", fullgraph=True)
        for rows in (40, 31, 12):
            found = scores_and_gradients(compiled, model, rows)
            with kernels.use("numba"):
                expected = scores_and_gradients(program, model, rows)
            torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_default_compiler_accepts_the_kernels() -> None:
    model = example(rows=40, full=False)

    def program(codes: Tensor, model: Arguments) -> Tensor:
        return kernels.row_scores(codes, model.monomer)

    compiled = torch.compile(program, fullgraph=True)
    found = scores_and_gradients(compiled, model, 40)
    torch.testing.assert_close(found, scores_and_gradients(program, model, 40))


def test_tracing_explains_arguments_that_do_not_fit() -> None:
    compiled = torch.compile(kernels.row_scores, backend="eager", fullgraph=True)
    with pytest.raises(RuntimeError, match="longer seq"):
        compiled(torch.zeros(3, 2, dtype=torch.int8), torch.zeros(2, 4, 3))


@pytest.mark.parametrize("filters", [None, torch.zeros(7), torch.zeros(1, 32)])
def test_operators_refuse_pairs_that_do_not_fit(filters: Tensor | None) -> None:
    codes = torch.zeros(3, 6, dtype=torch.int8)
    with pytest.raises(ValueError, match=r"distances \[1\] must be 32 values"):
        ROW(codes, torch.zeros(1, 4, 3), filters, [1], None, None, 1, None)


def test_operators_refuse_what_the_compiled_loops_cannot_do() -> None:
    codes = torch.zeros(3, 6, dtype=torch.int8)
    with pytest.raises(TypeError, match="bfloat16"):
        ROW(
            codes,
            torch.zeros(1, 4, 3, dtype=torch.bfloat16),
            *(None, [], None, None, 1, None),
        )


def test_another_device_can_bring_its_implementation() -> None:
    """Registers functions for a device that only knows shapes."""
    program = """
import torch
from pyprobound.kernels import ops

def rows(codes, monomer, *others):
    assert len(others) == 6
    scores = monomer.new_empty(len(codes))
    return scores, scores.double(), scores.to(torch.uint8)

def gradient(upstream, *others):
    raise NotImplementedError

ops.implement(
    "xpu",
    row_scores=rows,
    row_gradient=gradient,
    window_scores=rows,
    window_gradient=gradient,
)
assert torch._C._dispatch_has_kernel_for_dispatch_key("pyprobound::row_scores", "XPU")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_first_call_does_not_load_the_tracing_compiler() -> None:
    program = (
        "import sys, torch; from pyprobound import kernels; kernels.use('numba');"
        "monomer = torch.zeros(2, 4, 3, requires_grad=True);"
        "codes = torch.zeros(3, 6, dtype=torch.int8);"
        "kernels.row_scores(codes, monomer).sum().backward();"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class Motif(torch.nn.Module):
    """A module of one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.monomer = torch.nn.Parameter(torch.randn(1, 3, 4))

    def forward(self, codes: Tensor) -> Tensor:
        with kernels.use("numba"):
            return kernels.row_scores(codes, self.monomer)


def test_modules_can_be_copied_and_saved_after_use() -> None:
    codes = example(specials="none").codes
    motif = Motif()
    scores = motif(codes)
    scores.sum().backward()
    twin = copy.deepcopy(motif)
    assert torch.equal(twin(codes), scores)
    stream = io.BytesIO()
    torch.save(motif.state_dict(), stream)
    stream.seek(0)
    other = Motif()
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert torch.equal(other(codes), scores)


def test_arguments_keep_their_order() -> None:
    model = example()
    arguments = ops.Arguments(*values(model, of_rows=True))
    assert arguments.with_parameters(arguments.parameters()) == arguments
