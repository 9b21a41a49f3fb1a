"""The sums over pairs of windows against plain sums, and against each other."""

import functools
import math
from dataclasses import dataclass, replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from pyprobound import kernels
from pyprobound.kernels.pairs import pair_jacobian, pair_scores

NAMES = ["numba", "reference"]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@dataclass
class Pairs:
    """Arguments of the sums over pairs of windows."""

    windows_a: Tensor
    windows_b: Tensor
    energies: Tensor
    groups: Tensor | None = None
    log_hill: Tensor | None = None

    @property
    def leaves(self) -> list[Tensor]:
        tensors = (self.windows_a, self.windows_b, self.energies, self.log_hill)
        return [tensor for tensor in tensors if tensor is not None]

    @property
    def arguments(self) -> tuple[Tensor | None, ...]:
        tensors = (self.windows_a, self.windows_b, self.energies)
        return (*tensors, self.groups, self.log_hill)

    def to(self, dtype: torch.dtype) -> "Pairs":
        """A copy with fresh leaves of another precision."""

        def leaf(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype).requires_grad_()

        hill = self.log_hill
        return replace(
            self,
            windows_a=leaf(self.windows_a),
            windows_b=leaf(self.windows_b),
            energies=leaf(self.energies),
            log_hill=None if hill is None else leaf(hill),
        )

    def scores(self, name: str) -> Tensor:
        with kernels.use(name):
            return pair_scores(*self.arguments)

    def plain(self) -> Tensor:
        """The sum pair by pair."""
        energies = self.energies
        if energies.ndim == 4:
            energies = energies.unsqueeze(0)
        energies = energies[:1] if self.groups is None else energies[self.groups]
        first = self.windows_a[:, :, None, :, None]
        scores = (energies + first + self.windows_b[:, None, :, None, :]).flatten(1)
        absent = scores == -math.inf
        empty = absent.all(1)
        scores = scores.masked_fill(absent, 0.0)
        if self.log_hill is not None:
            scores = scores * self.log_hill.exp()
        scores = scores.masked_fill(absent & ~empty.unsqueeze(1), -math.inf)
        return scores.logsumexp(1).masked_fill(empty, -math.inf)


def gradients(scores: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    weights = torch.linspace(-1, 1, len(scores), dtype=scores.dtype)
    finite = torch.isfinite(scores)
    return list(torch.autograd.grad((scores[finite] * weights[finite]).sum(), leaves))


def assert_alike(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compares relative to the greatest magnitude, ``-inf`` exactly."""
    assert found.shape == expected.shape
    finite = torch.isfinite(expected)
    assert torch.equal(torch.isfinite(found), finite)
    assert torch.equal(found[~finite], expected[~finite].to(found.dtype))
    if finite.any():
        error = (found[finite].double() - expected[finite]).abs().max()
        assert error <= tolerance * (1 + expected[finite].abs().max())


def assert_agreement(pairs: Pairs, dtype: torch.dtype, factor: float = 1.0) -> None:
    """Compares scores and gradients of both implementations with the plain sum."""
    low = pairs.to(dtype)
    # What single precision does to the arguments is not the kernels' error.
    exact = low.to(torch.float64)
    expected = exact.plain()
    wanted = gradients(expected, exact.leaves)
    for name in NAMES:
        found = low.scores(name)
        assert found.dtype == dtype
        assert_alike(found, expected, TOLERANCE[dtype])
        for one, other in zip(gradients(found, low.leaves), wanted, strict=True):
            assert_alike(one, other, factor * TOLERANCE[dtype])


def random_pairs(
    rows: int,
    shape: tuple[int, int, int, int],
    *,
    groups: int = 0,
    hill: bool = False,
    depth: float = 1.0,
    missing: float = 0.0,
    forbidden: float = 0.0,
    seed: int = 0,
) -> Pairs:
    """Window scores and energies of a magnitude, some of them -inf."""
    generator = torch.Generator().manual_seed(seed)

    def values(share: float, *shape: int) -> Tensor:
        found = torch.rand(shape, generator=generator, dtype=torch.float64)
        absent = torch.rand(shape, generator=generator) < share
        return (depth * (2 * found - 1)).masked_fill(absent, -math.inf)

    strands_a, strands_b, n_a, n_b = shape
    several = (groups,) if groups else ()
    return Pairs(
        values(missing, rows, strands_a, n_a),
        values(missing, rows, strands_b, n_b),
        values(forbidden, *several, *shape),
        torch.randint(groups, (rows,), generator=generator) if groups else None,
        torch.tensor(0.3, dtype=torch.float64) if hill else None,
    )


@st.composite
def pair_models(draw: st.DrawFn) -> Pairs:
    share = st.sampled_from([0.0, 0.3, 0.9])
    sizes = [draw(st.integers(1, 2)) for _ in range(2)]
    sizes += [draw(st.integers(1, 21)) for _ in range(2)]
    return random_pairs(
        draw(st.sampled_from([0, 1, 2, 7, 40, 130])),
        tuple(sizes),
        groups=draw(st.sampled_from([0, 1, 3])),
        hill=draw(st.booleans()),
        depth=draw(st.sampled_from([1.0, 10.0, 60.0, 600.0])),
        missing=draw(share),
        forbidden=draw(share),
        seed=draw(st.integers(0, 1000)),
    )


@settings(deadline=None, max_examples=60)
@given(pairs=pair_models())
def test_scores_are_those_of_the_plain_sum(pairs: Pairs) -> None:
    assert_agreement(pairs, torch.float64)


@settings(deadline=None, max_examples=60)
@given(pairs=pair_models())
def test_single_precision_is_as_good_as_its_arguments(pairs: Pairs) -> None:
    assert_agreement(pairs, torch.float32)


def test_many_rows_of_several_groups_agree() -> None:
    pairs = random_pairs(9_000, (2, 2, 9, 11), groups=3, forbidden=0.6, missing=0.2)
    assert_agreement(pairs, torch.float64)
    assert_agreement(pairs, torch.float32)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_differences(name: str) -> None:
    pairs = random_pairs(4, (2, 2, 3, 2), groups=2, hill=True, depth=2.0)
    pairs.windows_a[1, 0] = pairs.energies[0, 1, 0, 2] = -math.inf
    pairs.windows_b[3] = -math.inf
    # Only a pair far below the best windows is left in this row.
    pairs.windows_a[2] = torch.tensor([[900.0, 0.0, 0.0]] * 2)
    pairs.energies[:, :, :, 0] = -math.inf
    pairs = pairs.to(torch.float64)

    def function(*_: Tensor) -> Tensor:
        scores = pairs.scores(name)
        return scores.masked_fill(torch.isinf(scores), 0.0)

    # Differences of -inf are none, so those values are held.
    leaves = []
    for field in ("windows_a", "windows_b", "energies", "log_hill"):
        values = getattr(pairs, field).detach()
        finite = values != -math.inf
        leaf = values[finite].clone().requires_grad_()
        setattr(pairs, field, values.masked_scatter(finite, leaf))
        leaves.append((field, finite, leaf))

    def of_leaves(*found: Tensor) -> Tensor:
        for (field, finite, _), leaf in zip(leaves, found, strict=True):
            known = getattr(pairs, field).detach()
            setattr(pairs, field, known.masked_scatter(finite, leaf))
        return function()

    inputs = [leaf for _, _, leaf in leaves]
    assert torch.autograd.gradcheck(of_leaves, inputs)
    assert torch.autograd.gradgradcheck(of_leaves, inputs)


@pytest.mark.parametrize("depth", [5.0, 30.0, 45.0, 80.0, 600.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_pairs_far_below_the_best_windows_count(
    depth: float, dtype: torch.dtype
) -> None:
    """The best windows exclude each other, and other pairs are as deep as this."""
    pairs = random_pairs(100, (1, 1, 8, 9), forbidden=0.3, hill=True)
    pairs.windows_a[:, 0, 3] += depth
    pairs.windows_b[::2, 0, 5] += depth
    pairs.energies[0, 0, 3] = pairs.energies[0, 0, :, 5] = -math.inf
    pairs.energies[0, 0, 3, 0] = -depth
    assert_agreement(pairs, dtype)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_gradients_of_any_magnitude_keep_their_precision(scale: float) -> None:
    pairs = random_pairs(50, (2, 1, 6, 7), depth=20.0).to(torch.float32)
    exact = pairs.to(torch.float64)
    found = torch.autograd.grad(pairs.scores("numba").sum() * scale, pairs.leaves)
    expected = torch.autograd.grad(exact.plain().sum(), exact.leaves)
    for one, other in zip(found, expected, strict=True):
        assert_alike(one.double() / scale, other, 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_pairs_score_minus_infinity_without_gradient(name: str) -> None:
    pairs = random_pairs(20, (2, 2, 5, 5), hill=True)
    pairs.windows_a[:10] = -math.inf
    pairs.windows_b[10:, :, 1:] = -math.inf
    pairs.energies[..., 0] = -math.inf
    pairs = pairs.to(torch.float64)
    scores = pairs.scores(name)
    assert bool((scores == -math.inf).all())
    for gradient in torch.autograd.grad(scores.sum(), pairs.leaves):
        assert bool((gradient == 0).all())
    nothing = replace(pairs, energies=torch.full_like(pairs.energies, -math.inf))
    assert bool((nothing.scores(name) == -math.inf).all())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["windows_a", "windows_b", "energies"])
def test_arguments_that_are_no_numbers_are_not_hidden(name: str, field: str) -> None:
    pairs = random_pairs(20, (1, 1, 9, 5)).to(torch.float32)
    with torch.no_grad():
        getattr(pairs, field).view(-1)[3] = math.nan
    scores = pairs.scores(name)
    assert bool(scores[0].isnan())
    gradient = torch.autograd.grad(scores.sum(), pairs.leaves)
    assert all(bool(values.isnan().any()) for values in gradient)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_wanted_is_differentiated(name: str) -> None:
    pairs = random_pairs(30, (2, 2, 6, 7), hill=True).to(torch.float64)
    everything = gradients(pairs.scores(name), pairs.leaves)
    frozen = replace(
        pairs, energies=pairs.energies.detach(), log_hill=pairs.log_hill.detach()
    )
    found = gradients(frozen.scores(name), frozen.leaves[:2])
    torch.testing.assert_close(found, everything[:2])


def test_jacobians_hold_the_gradient_of_each_row() -> None:
    for pairs in (
        random_pairs(12, (2, 2, 4, 5), groups=3, hill=True, missing=0.2),
        random_pairs(12, (1, 2, 4, 9), forbidden=0.4, depth=300.0),
    ):
        pairs.windows_a[2] = -math.inf
        for name, dtype in ((n, d) for n in NAMES for d in TOLERANCE):
            low = pairs.to(dtype)
            exact = low.to(torch.float64)
            with kernels.use(name):
                found = pair_jacobian(*low.arguments)
            assert not any(part.requires_grad for part in found)
            assert_alike(found.scores, exact.plain().detach(), TOLERANCE[dtype])
            for row, score in enumerate(exact.plain()):
                by = torch.autograd.grad(score, exact.leaves[:3], retain_graph=True)
                group = 0 if pairs.groups is None else int(pairs.groups[row])
                energies = by[2].view(-1, *pairs.energies.shape[-4:])[group]
                parts = (by[0][row], by[1][row], energies)
                for one, other in zip(found[1:], parts, strict=True):
                    expected = other.nan_to_num(0.0)
                    assert_alike(one[row], expected, TOLERANCE[dtype])


def test_results_do_not_depend_on_threads_to_the_last_bit() -> None:
    pairs = random_pairs(9_000, (2, 2, 9, 11), groups=2, hill=True).to(torch.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            scores = pairs.scores("numba")
            results.append([scores.detach(), *gradients(scores, pairs.leaves)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for found, expected in zip(other, results[0], strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_types_without_compiled_code_are_summed_by_the_definition(
    dtype: torch.dtype,
) -> None:
    pairs = random_pairs(30, (1, 1, 4, 4)).to(dtype)
    found = pairs.scores("numba")
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.double(), pairs.to(torch.float64).plain(), rtol=1e-2, atol=1e-2
    )


def test_precisions_may_be_mixed() -> None:
    pairs = random_pairs(30, (1, 1, 4, 4))
    low = replace(pairs, windows_a=pairs.windows_a.float())
    exact = replace(pairs, windows_a=low.windows_a.double())
    for name in NAMES:
        torch.testing.assert_close(low.scores(name), exact.plain())


def test_small_inputs_start_at_once(caplog: pytest.LogCaptureFixture) -> None:
    small = random_pairs(10, (1, 1, 4, 4))
    large = random_pairs(20_000, (1, 1, 4, 4))
    for pairs, expected in ((small, True), (large, False)):
        caplog.clear()
        with caplog.at_level("DEBUG", "pyprobound.kernels.pairs"):
            torch.testing.assert_close(pairs.scores("auto"), pairs.plain())
        assert ("reference kernels" in caplog.text) == expected


def test_operators_keep_the_rules_of_pytorch() -> None:
    pairs = random_pairs(12, (2, 1, 3, 4), groups=2, hill=True).to(torch.float64)
    tensors = (*pairs.leaves[:3], pairs.groups, pairs.log_hill)
    torch.library.opcheck(torch.ops.pyprobound.pair_scores.default, tensors)
    upstream = torch.linspace(-1, 1, 12, dtype=torch.float64, requires_grad=True)
    # Second derivatives are computed, but not traced.
    torch.library.opcheck(
        torch.ops.pyprobound.pair_scores_backward.default,
        (upstream, *tensors, True),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_traced_programs_keep_the_operator() -> None:
    pairs = random_pairs(12, (2, 1, 3, 4), groups=2, hill=True).to(torch.float64)

    @functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    def total(*arguments: Tensor | None) -> Tensor:
        return pair_scores(*arguments).sum()

    with kernels.use("numba"):
        found = total(*pairs.arguments)
    expected = pairs.plain().sum()
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, pairs.leaves),
        torch.autograd.grad(expected, pairs.leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_arguments_that_do_not_fit_are_refused() -> None:
    pairs = random_pairs(5, (2, 2, 3, 4), groups=2)
    cases = [
        ({"windows_a": pairs.windows_a[:4]}, ValueError, "as many rows"),
        ({"windows_a": pairs.windows_a[0]}, ValueError, "as many rows"),
        ({"energies": pairs.energies[..., :3]}, ValueError, "energies of pairs"),
        ({"groups": None}, ValueError, "2 groups of rows, but no groups"),
        ({"groups": torch.zeros(4, dtype=torch.long)}, ValueError, "each of 5 rows"),
        ({"groups": torch.zeros(5)}, ValueError, "integer"),
        ({"log_hill": torch.zeros(2)}, ValueError, "one value"),
        ({"groups": torch.tensor([0, 1, 2, 0, 0])}, IndexError, "rows of group 2"),
        ({"groups": torch.tensor([0, 1, -1, 0, 0])}, IndexError, "rows of group -1"),
    ]
    for change, error, message in cases:
        for name in NAMES:
            with pytest.raises(error, match=message):
                replace(pairs, **change).scores(name)
