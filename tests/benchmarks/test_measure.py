"""Tests of how benchmarks measure."""

import time

import numpy as np
import pytest

from pyprobound.alphabets import DNA, Protein

SIZE = 32 * 2**20


@pytest.mark.parametrize("counted", [True, False])
def test_the_peak_of_memory_is_found_though_it_is_given_back(
    load, monkeypatch, counted
):
    measure = load("_measure")
    if not counted:
        monkeypatch.setattr(measure, "_forget_peak", lambda: False)
    np.ones(SIZE, np.uint8)  # an earlier peak must not count
    with measure.PeakMemory() as memory:
        values = np.ones(SIZE // 2, np.uint8)
        time.sleep(0.02)
        del values
    assert SIZE / 2 * 0.9 < memory.extra < SIZE * 0.9


def test_work_is_repeated_within_its_budget(load):
    measure = load("_measure")
    times = measure.measure(lambda: time.sleep(0.002), repeats=3)
    assert len(times.seconds) == 3
    assert 2 <= times.least <= times.median
    assert len(measure.measure(lambda: time.sleep(0.01), 100, 0.03).seconds) <= 3


def test_simulated_rows_have_the_letters_of_their_alphabet(load):
    data = load("_data")
    batch = data.random_batch(500, 7, Protein(), rounds=3)
    assert batch.seqs.shape == (500, 7)
    assert batch.target.shape == (500, 3)
    assert set(batch.seqs.flatten().tolist()) == set(range(20))
    assert data.table_bytes(batch) == 500 * (7 + 3 * 4)
    assert data.rows_of(batch, 10).batchlen() == 10
    same = data.random_batch(500, 7, Protein(), rounds=3)
    assert bool((same.seqs == batch.seqs).all())
    assert int(data.random_batch(500, 7, DNA()).seqs.max()) == 3


def test_a_sampler_tells_what_takes_the_time(load):
    sampler = load("_sampler")

    def kind(stack):
        return "sleep" if any(p.function.endswith("rest") for p in stack) else "work"

    def rest():
        time.sleep(0.15)

    with sampler.Sampler(kind) as found:
        rest()
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass
    assert found.seconds["sleep"] > found.seconds["work"] > 0
    assert sum(found.seconds.values()) == pytest.approx(0.2, rel=0.5)


@pytest.mark.parametrize(
    ("stack", "kind"),
    [
        (["kernels/cpu.py:score", "loss/base.py:forward"], "kernels: scores"),
        (["kernels/stages.py:gradient", "kernels/ops.py:x"], "kernels: gradients"),
        (["kernels/features.py:x", "loss/fisher.py:add"], "kernels: Jacobian"),
        (["layers/conv1d.py:x", "loss/base.py:fisher_matrix"], "Fisher matrix"),
        (["layers/psam.py:x", "loss/base.py:A.regularization"], "regularisation"),
        (["torch:optim/lbfgs.py:step", "optim/training.py:x"], "optimiser"),
        (
            ["torch:autograd/graph.py:run", "optim/training.py:closure"],
            "gradients outside the kernels",
        ),
        (["checkpoint.py:write", "optim/training.py:train"], "files"),
        (["experiment.py:forward", "loss/base.py:forward"], "likelihood"),
        ([":io.py:read"], "other"),
        ([], "other"),
    ],
)
def test_work_is_named_by_its_call_stack(load, stack, kind):
    sampler = load("_sampler")
    places = []
    for text in stack:
        *package, module, function = text.split(":")
        places.append(
            sampler.Place(package[0] if package else "pyprobound", module, function)
        )
    assert sampler.kind_of_work(places) == kind


def test_what_is_outside_the_kernels_is_a_share(load):
    sampler = load("_sampler")
    seconds = {"kernels: scores": 2.0, "kernels: Jacobian": 1.0, "files": 1.0}
    assert sampler.outside_kernels(seconds) == pytest.approx(0.25)
    assert sampler.outside_kernels({}) == 0
