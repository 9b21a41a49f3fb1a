"""Derivatives of single rows against automatic differentiation of the definition."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from kernels.random_models import Arguments, models, random_codes
from pyprobound import kernels
from pyprobound.kernels import features, reference

IMPLEMENTATIONS = ["reference", "numba"]
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5}


@dataclass
class Task:
    """Arguments of ``window_jacobian``."""

    codes: Tensor
    weights: Tensor
    letters: int
    size: int
    distances: tuple[int, ...] = ()
    dilation: int = 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        channels = self.weights.shape[1]
        pairs = [
            (channels, self.letters, self.letters, self.size - distance)
            for distance in self.distances
        ]
        return [(channels, self.letters, self.size), *pairs]

    @property
    def touched(self) -> Tensor:
        """Windows without a score."""
        filters = torch.zeros(1, self.letters, self.size)
        scores = reference.window_scores(self.codes, filters, dilation=self.dilation)
        return torch.isinf(scores).expand(self.weights.shape)

    def jacobian(self, name: str) -> tuple[Tensor, ...]:
        with kernels.use(name):
            return features.window_jacobian(
                self.codes,
                self.weights,
                self.letters,
                self.size,
                self.distances,
                dilation=self.dilation,
            )

    def by_columns(self, name: str, columns: list[Tensor], count: int) -> Tensor:
        with kernels.use(name):
            return features.window_jacobian_columns(
                self.codes,
                self.weights,
                tuple(columns),
                count,
                self.letters,
                self.size,
                self.distances,
                dilation=self.dilation,
            )

    def random_columns(self, count: int, seed: int = 0) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [
            torch.randint(-1, count, shape, generator=generator)
            for shape in self.shapes
        ]

    def gradient(self, rows: slice) -> list[Tensor]:
        """Gradient of the sum of weighted window scores of some rows."""
        filters = [
            torch.zeros(shape, dtype=torch.float64, requires_grad=True)
            for shape in self.shapes
        ]
        scores = reference.window_scores(
            self.codes[rows],
            filters[0],
            list(zip(self.distances, filters[1:], strict=True)),
            dilation=self.dilation,
        )
        upstream = self.weights[rows].double().masked_fill(self.touched[rows], 0.0)
        return list(torch.autograd.grad(scores, filters, upstream))


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    letters = draw(st.sampled_from([2, 4, 4, 20]))
    channels = draw(st.integers(1, 3))
    size = draw(st.integers(1, 9))
    dilation = draw(st.sampled_from([1, 1, 2, 3]))
    windows = draw(st.integers(1, 10))
    distances: list[int] = []
    if dilation == 1 and size > 1:
        distances = draw(st.lists(st.integers(1, size - 1), unique=True, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    codes = random_codes(
        draw(st.sampled_from([0, 1, 6])),
        windows + dilation * (size - 1),
        letters,
        draw(st.sampled_from(["none", "any", "short"])),
        generator,
    )
    weights = torch.randn(
        len(codes), channels, windows, generator=generator, dtype=torch.float64
    )
    weights[weights < -1] = 0.0
    task = Task(
        codes.to(draw(st.sampled_from([torch.int8, torch.int16, torch.int64]))),
        weights.to(draw(st.sampled_from([torch.float32, torch.float64]))),
        letters,
        size,
        tuple(distances),
        dilation,
    )
    useless = draw(st.sampled_from([0.0, torch.nan, torch.inf]))
    task.weights[task.touched] = useless
    return task


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(
        found.double(), expected.double(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(deadline=None, max_examples=60)
@given(task=tasks())
def test_every_row_agrees_with_automatic_differentiation(name: str, task: Task) -> None:
    found = task.jacobian(name)
    rows = len(task.codes)
    assert [part.shape for part in found] == [(rows, *shape) for shape in task.shapes]
    assert all(part.dtype == task.weights.dtype for part in found)
    for row in range(rows):
        for part, wanted in zip(found, task.gradient(slice(row, row + 1)), strict=True):
            assert_close(part[row], wanted, TOLERANCE[task.weights.dtype])


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(deadline=None, max_examples=60)
@given(task=tasks(), count=st.integers(1, 12), seed=st.integers(0, 1000))
def test_features_that_share_a_column_add_up(
    name: str, task: Task, count: int, seed: int
) -> None:
    columns = task.random_columns(count, seed)
    found = task.by_columns(name, columns, count)
    expected = torch.zeros(len(task.codes), count, dtype=torch.float64)
    parts = [task.gradient(slice(row, row + 1)) for row in range(len(task.codes))]
    for row, gradient in enumerate(parts):
        for part, places in zip(gradient, columns, strict=True):
            for column in range(count):
                expected[row, column] += part[places == column].sum()
    assert found.dtype == task.weights.dtype
    assert_close(found, expected, TOLERANCE[task.weights.dtype])


def pinned(rows: int = 40, specials: str = "any", letters: int = 4) -> Task:
    generator = torch.Generator().manual_seed(3)
    codes = random_codes(rows, 14, letters, specials, generator)
    weights = torch.randn(rows, 2, 10, generator=generator, dtype=torch.float64)
    return Task(codes, weights, letters, 5, (1, 3))


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_rows_sum_to_the_gradient(name: str) -> None:
    # Few special codes, so that most rows have windows.
    task = pinned(3000, "none")
    task.codes[::5, 9] = 5
    task.codes[::7, 12:] = 4
    for part, wanted in zip(
        task.jacobian(name), task.gradient(slice(None)), strict=True
    ):
        assert_close(part.sum(0), wanted, 1e-10)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_special_codes_mean_what_they_should(name: str) -> None:
    letter, missing, wildcard, zero = 1, 2, 3, 4
    codes = [
        [letter, wildcard],
        [wildcard, wildcard],
        [zero, letter],
        [letter, missing],
    ]
    weights = torch.tensor([2.0, 4.0, 8.0, torch.nan]).view(4, 1, 1)
    monomer, pair = Task(torch.tensor(codes), weights, 2, 2, (1,)).jacobian(name)
    assert monomer[:, 0].tolist() == [
        [[0.0, 1.0], [2.0, 1.0]],
        [[2.0, 2.0], [2.0, 2.0]],
        [[0.0, 0.0], [0.0, 8.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ]
    assert pair[:, 0, :, :, 0].tolist() == [
        [[0.0, 0.0], [1.0, 1.0]],
        [[1.0, 1.0], [1.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ]


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_weights_that_are_no_numbers_reach_their_own_features_only(name: str) -> None:
    codes = torch.tensor([[0, 1, 2], [0, 1, 2], [1, 6, 2]])
    weights = torch.ones(3, 1, 2, dtype=torch.float64)
    weights[0, 0, 0] = torch.nan
    weights[2, 0, 1] = torch.inf
    task = Task(codes, weights, 4, 2)
    (found,) = task.jacobian(name)
    reached = torch.zeros(3, 4, 2, dtype=torch.bool)
    reached[0, 0, 0] = reached[0, 1, 1] = True
    reached[2, 2, 1] = True
    assert torch.equal(~torch.isfinite(found[:, 0]), reached)
    # Features without a column stay out of sight.
    columns = torch.zeros(1, 4, 2, dtype=torch.int64)
    columns[reached.any(0).unsqueeze(0)] = -1
    assert torch.isfinite(task.by_columns(name, [columns], 1)).all()


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("by_columns", [True, False])
def test_the_derivative_with_respect_to_weights(name: str, by_columns: bool) -> None:
    task = pinned(2, letters=2)
    task.weights.requires_grad_()

    def jacobian(weights: Tensor) -> Tensor:
        if by_columns:
            return task.by_columns(name, task.random_columns(5), 5)
        return torch.cat([part.flatten(1) for part in task.jacobian(name)], 1)

    assert torch.autograd.gradcheck(jacobian, task.weights)
    assert torch.autograd.gradgradcheck(jacobian, task.weights)


def test_the_operator_keeps_the_rules_of_operators() -> None:
    task = pinned(3)
    count = sum(math.prod(shape) for shape in task.shapes)
    columns = torch.cat([part.flatten() for part in task.random_columns(6)])
    operator = torch.ops.pyprobound.window_jacobian
    rest = (task.letters, task.size, task.distances, task.dilation)
    torch.library.opcheck(
        operator, (task.codes, task.weights.requires_grad_(), columns, 6, *rest)
    )
    torch.library.opcheck(
        operator,
        (task.codes, task.weights.detach(), None, count, *rest),
        test_utils=("test_schema", "test_faketensor"),
    )


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_features_without_columns_give_none(name: str) -> None:
    task = pinned(5)
    columns = [torch.full(shape, -1) for shape in task.shapes]
    assert task.by_columns(name, columns, 0).shape == (5, 0)
    assert (task.by_columns(name, columns, 2) == 0).all()


def test_many_rows_are_shared_among_threads() -> None:
    task = pinned(5000)
    expected = task.jacobian("reference")
    columns = task.random_columns(9)
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            for part, wanted in zip(task.jacobian("numba"), expected, strict=True):
                assert_close(part, wanted, 1e-11)
            assert_close(
                task.by_columns("numba", columns, 9),
                task.by_columns("reference", columns, 9),
                1e-11,
            )
    finally:
        torch.set_num_threads(threads)


def test_arguments_need_not_be_contiguous() -> None:
    task = pinned(20)
    expected = task.jacobian("reference")
    task.codes = task.codes.t().contiguous().t()
    task.weights = task.weights.transpose(0, 2).contiguous().transpose(0, 2)
    for part, wanted in zip(task.jacobian("numba"), expected, strict=True):
        assert_close(part, wanted, 1e-12)


def assert_row_jacobian(model: Arguments, name: str, dtype: torch.dtype) -> None:
    """Compares with derivatives of each row's score by the definition."""
    low = model.to(dtype)
    exact = low.to(torch.float64)
    with kernels.use(name):
        found = features.row_score_jacobian(
            low.codes,
            low.monomer,
            low.pairs,
            low.bias,
            low.posbias,
            low.log_hill,
            dilation=low.dilation,
        )
    if exact.log_hill is None:
        exact.log_hill = torch.zeros((), dtype=torch.float64, requires_grad=True)
    if exact.bias is None:
        channels = len(exact.monomer)
        exact.bias = torch.zeros(channels, dtype=torch.float64, requires_grad=True)
    scores = exact.rows("reference")
    finite = torch.isfinite(scores)
    tolerance = TOLERANCE[dtype] * max([1.0, *scores[finite].abs().tolist()])
    assert torch.equal(torch.isfinite(found.scores), finite)
    assert_close(found.scores, scores, tolerance)
    assert (found.posbias is None) == (exact.posbias is None)
    for row, score in enumerate(scores):
        gradients = iter(
            torch.autograd.grad(
                score, exact.leaves, retain_graph=True, materialize_grads=True
            )
        )
        assert_close(found.monomer[row], next(gradients), tolerance)
        bias = next(gradients)
        assert_close(found.bias[row], bias.reshape(-1), tolerance)
        if found.posbias is not None:
            assert_close(found.posbias[row], next(gradients), tolerance)
        assert_close(found.log_hill[row], next(gradients), 10 * tolerance)
        for part, wanted in zip(found.pairs, gradients, strict=True):
            assert_close(part[row], wanted, tolerance)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(deadline=None, max_examples=30)
@given(model=models(most_channels=3))
def test_row_scores_agree_with_automatic_differentiation(
    name: str, dtype: torch.dtype, model: Arguments
) -> None:
    model.codes = model.codes[:4]
    assert_row_jacobian(model, name, dtype)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_rows_without_windows_have_no_derivatives(name: str) -> None:
    codes = torch.tensor([[0, 4, 1], [0, 1, 1]])
    with kernels.use(name):
        found = features.row_score_jacobian(
            codes, torch.ones(1, 4, 2), log_hill=torch.tensor(0.5)
        )
    assert found.scores[0] == -torch.inf
    assert torch.isfinite(found.scores[1])
    for part in (found.monomer, found.bias, found.log_hill):
        assert (part[0] == 0).all()
        assert (part[1] != 0).any()


def test_what_is_compiled_depends_on_the_arguments(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def spy(codes: Tensor, weights: Tensor, *rest: object) -> Tensor:
        calls.append(weights.dtype)
        return weights.new_zeros(len(codes), 2 * (4 * 5 + 16 * 4 + 16 * 2))

    monkeypatch.setattr(features, "compiled_window_jacobian", spy)
    few, many = pinned(), pinned(1000)
    few.jacobian("auto")
    many.jacobian("reference")
    assert calls == []
    few.jacobian("numba")
    many.jacobian("auto")
    assert calls == [torch.float64, torch.float64]
    many.weights = many.weights.to(torch.bfloat16)
    with caplog.at_level(logging.DEBUG, features.__name__):
        assert many.jacobian("auto")[0].dtype == torch.bfloat16
    assert len(calls) == 2
    assert "bfloat16" in caplog.text


@pytest.mark.parametrize("loads", [True, False])
def test_graphics_processors_have_kernels_where_theirs_can_be_loaded(
    loads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other devices are not there for the tests, but their names are.
    found = kernels if loads else None
    monkeypatch.setattr(kernels, "_compiled_module", lambda *_: found)
    assert features._has_kernel("auto", "cuda") == loads
    assert features._has_kernel("triton", "cuda") == loads
    assert not features._has_kernel("numba", "cuda")
    assert not features._has_kernel("triton", "cpu")
    assert not features._has_kernel("auto", "mps")


def test_a_traced_program_keeps_the_operator_as_one_step() -> None:
    task = pinned(30)
    columns = task.random_columns(6)
    graphs = []

    def keep(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph.code)
        return graph

    def total(codes: Tensor, weights: Tensor) -> Tensor:
        found = features.window_jacobian_columns(
            codes, weights, columns, 6, task.letters, task.size, task.distances
        )
        return found.square().sum()

    task.weights.requires_grad_()
    traced = torch.compile(total, fullgraph=True, backend=keep)
    value, wanted = (f(task.codes, task.weights) for f in (traced, total))
    torch.testing.assert_close(value, wanted)
    assert "torch.ops.pyprobound.window_jacobian" in graphs[0]
    gradients = [torch.autograd.grad(x, task.weights)[0] for x in (value, wanted)]
    assert_close(*gradients, 1e-12)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"codes": torch.zeros(40, 14)}, ValueError, "codes must be integers"),
        ({"weights": torch.zeros(40, 2, 9)}, ValueError, r"\(40, channels, 10\)"),
        ({"weights": torch.zeros(40, 2, 10).int()}, ValueError, "real numbers"),
        ({"letters": 0}, ValueError, "at least 1, not 0, 5 and 1"),
        ({"size": 20}, RuntimeError, "have only 14"),
        ({"distances": (1, 1)}, ValueError, "different numbers from 1 to 4"),
        ({"distances": (5,)}, ValueError, "different numbers from 1 to 4"),
        (
            {"dilation": 2, "weights": torch.zeros(40, 2, 6)},
            ValueError,
            "dilation above 1",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_explained(
    name: str, change: dict[str, object], error: type[Exception], message: str
) -> None:
    task = pinned()
    for attribute, value in change.items():
        setattr(task, attribute, value)
    with pytest.raises(error, match=message):
        task.jacobian(name)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda columns: columns[:2], "columns must have the shapes"),
        (lambda columns: [part.float() for part in columns], "must be integers"),
        (lambda columns: [part - 1 for part in columns], "-1 to 2 for 3 columns"),
        (lambda columns: [part + 1 for part in columns], "-1 to 2 for 3 columns"),
    ],
)
def test_columns_that_do_not_fit_are_explained(
    name: str, change: Callable[[list[Tensor]], list[Tensor]], message: str
) -> None:
    task = pinned()
    with pytest.raises(ValueError, match=message):
        task.by_columns(name, change(task.random_columns(3)), 3)


@pytest.mark.parametrize("code", [-1, 7])
def test_codes_that_do_not_exist_are_explained(code: int) -> None:
    task = pinned()
    task.codes[3, 4] = code
    with pytest.raises(ValueError, match="codes must be 0 to 6 for 4 letters"):
        task.jacobian("numba")
