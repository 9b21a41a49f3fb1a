"""One cache per forward pass."""

import logging
import threading

import pytest
import torch

from pyprobound.base import Transform


class Part(Transform):
    """Counts how often it computes, and may fail."""

    def __init__(self, *parts, fails=False):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)
        self.fails = fails
        self.calls = 0

    def components(self):
        yield from self.parts

    @Transform.cache
    def forward(self, seqs):
        self.calls += 1
        if self.fails:
            raise FloatingPointError("broken")
        return seqs.double() + sum(part(seqs) for part in self.parts)


def test_a_shared_part_is_computed_once_per_evaluation():
    shared = Part()
    root = Part(Part(shared), Part(shared))
    seqs = torch.arange(3)
    assert torch.equal(root(seqs), seqs * 5.0)
    assert shared.calls == 1
    root(seqs)
    assert shared.calls == 2


def test_another_input_is_computed_anew_within_an_evaluation():
    shared = Part()

    class Two(Part):
        @Transform.cache
        def forward(self, seqs):
            return shared(seqs) + shared(seqs + 1)

    Two()(torch.arange(3))
    assert shared.calls == 2


def test_d41_nothing_is_left_behind_by_an_exception():
    shared = Part()
    broken = Part(fails=True)
    root = Part(shared, broken)
    with pytest.raises(FloatingPointError):
        root(torch.arange(3))
    broken.fails = False
    other = torch.arange(4)
    assert torch.equal(root(other), other * 3.0)
    assert dict(root._caches) == {}
    assert dict(root._blocking) == {}


def test_d41_an_input_changed_in_place_is_seen():
    part = Part()
    seqs = torch.arange(3)
    part(seqs)
    seqs += 1
    assert torch.equal(part(seqs), seqs.double())


def test_gradients_flow_through_a_shared_result():
    weight = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    class Weighted(Part):
        @Transform.cache
        def forward(self, seqs):
            self.calls += 1
            return seqs * weight

    shared = Weighted()
    Part(shared, Part(shared))(torch.ones(3)).sum().backward()
    assert shared.calls == 1
    assert weight.grad == 6.0


def test_results_without_gradient_do_not_serve_a_call_that_needs_one():
    weight = torch.nn.Parameter(torch.tensor(1.0))

    class Weighted(Part):
        @Transform.cache
        def forward(self, seqs):
            return seqs * weight

    shared = Weighted()

    class Both(Part):
        @Transform.cache
        def forward(self, seqs):
            with torch.no_grad():
                shared(seqs)
            return shared(seqs)

    assert Both()(torch.ones(2)).requires_grad


def test_each_computation_is_logged_once(caplog):
    shared = Part()
    root = Part(Part(shared), shared)
    with caplog.at_level(logging.INFO, logger="pyprobound"):
        root(torch.arange(2))
    assert sum("Calculating output" in line for line in caplog.messages) == 3


def test_threads_have_evaluations_of_their_own():
    part = Part(Part())
    results = {}

    def run(name):
        results[name] = part(torch.full((3,), name))

    threads = [threading.Thread(target=run, args=(name,)) for name in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[1].tolist() == [2.0] * 3
    assert results[2].tolist() == [4.0] * 3
