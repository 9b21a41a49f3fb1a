"""What is known about tensors, and when it is found anew."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from pyprobound import facts


@pytest.fixture
def codes():
    return torch.tensor([[0, 1, 4], [2, 4, 4]], dtype=torch.int8)


class Counter:
    """Adds up a tensor, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self, tensor):
        self.calls += 1
        return int(tensor.sum())


def test_a_fact_is_found_once(codes):
    compute = Counter()
    assert [facts.fact(codes, "sum", compute) for _ in range(3)] == [15] * 3
    assert compute.calls == 1
    facts.fact(codes, "other", compute)
    facts.fact(codes.clone(), "sum", compute)
    assert compute.calls == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.__setitem__((0, 0), 3),
        lambda t: t[0].zero_(),
        lambda t: setattr(t, "data", t.data + 1),
        lambda t: t.resize_(1, 3),
        lambda t: t.t_(),
    ],
)
def test_a_tensor_that_changed_is_looked_at_again(codes, change):
    compute = Counter()
    facts.fact(codes, "sum", compute)
    with torch.no_grad():
        change(codes)
    assert facts.fact(codes, "sum", compute) == int(codes.sum())
    assert compute.calls == 2


def test_what_pytorch_cannot_see_is_forgotten_on_demand(codes):
    compute = Counter()
    facts.fact(codes, "sum", compute)
    codes.numpy()[:] = 1
    facts.forget(codes)
    assert facts.fact(codes, "sum", compute) == 6


def test_tensors_do_not_live_longer_for_what_is_known():
    tensor = torch.arange(12).view(6, 2)
    part = facts.rows(tensor, 2, 4)
    facts.row_lengths(tensor, 0)
    reference = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert reference() is None
    assert part.tolist() == [[4, 5], [6, 7]]


def test_a_copy_is_a_tensor_of_its_own(codes):
    compute = Counter()
    facts.fact(codes, "sum", compute)
    other = copy.deepcopy(codes)
    other[0, 0] = 3
    assert facts.fact(other, "sum", compute) == 18
    assert facts.fact(codes, "sum", compute) == 15


def test_facts_found_in_inference_mode_serve_training(codes):
    with torch.inference_mode():
        lengths = facts.row_lengths(codes, 4)
        inner = torch.ones(2, 2)
        assert facts.state(inner) is None
        assert facts.total(inner, torch.float64) == 4.0
    weight = torch.ones((), requires_grad=True)
    (weight * facts.total(codes, torch.float32)).backward()
    assert weight.grad == 15
    assert not facts.total(codes, torch.float32).is_inference()
    assert lengths.tolist() == [2, 1]


def test_threads_agree(codes):
    big = torch.randint(0, 5, (2000, 30), dtype=torch.int8)
    expected = (big != 4).sum(1)
    found = []

    def work():
        found.extend(
            torch.equal(facts.row_lengths(big, 4), expected) for _ in range(50)
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200


# --- facts -----------------------------------------------------------------------


def test_greatest_and_total(codes):
    assert facts.greatest(codes) == 4
    many = torch.full((2**24 + 3,), 1.0)
    assert facts.total(many, torch.float64).item() == 2**24 + 3


@pytest.mark.parametrize("width", [3, 300, 40_000])
def test_row_lengths(width):
    codes = np.zeros((3, width), np.int64)
    codes[1, 2:] = 4
    codes[2, :] = 4
    found = facts.row_lengths(torch.from_numpy(codes), 4)
    assert found.dtype == torch.int64
    assert found.tolist() == [width, 2, 0]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_rows_of_one_length_share_a_place(rows):
    found = facts.row_lengths(torch.zeros(rows, 7, dtype=torch.int8), 4)
    assert found.tolist() == [7] * rows
    assert rows < 2 or found.stride() == (0,)


def test_rows_are_the_same_views_each_time(codes):
    assert facts.rows(codes, 0, 2) is codes
    assert facts.rows(codes, 0, 5) is codes
    part = facts.rows(codes, 1, 2)
    assert part is facts.rows(codes, 1, 2)
    assert part.tolist() == [[2, 4, 4]]
    assert part.data_ptr() == codes[1].data_ptr()
    codes[1, 0] = 3
    again = facts.rows(codes, 1, 2)
    assert again is not part
    assert again.tolist() == [[3, 4, 4]]


def test_rows_of_a_trainable_tensor_carry_gradients():
    values = torch.ones(4, requires_grad=True)
    facts.rows(values, 1, 3).sum().backward()
    assert values.grad.tolist() == [0, 1, 1, 0]
