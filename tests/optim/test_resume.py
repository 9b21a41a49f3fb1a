"""Fits that are interrupted and continued."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import pyprobound as pp
from optim.small_fits import SmallFit
from pyprobound.optim import records, resume

OPTIONS = {
    "increment_footprint": True,
    "information_threshold": 0.0,
    "max_kernel_size": 4,
    "posbias": True,
}


class Killed(BaseException):
    """Like a signal: nothing in the library handles it."""


def fit_until(folder, evaluation=None, method="train_sequential", **options):
    """Fits a freshly built model; is killed at an evaluation of the loss, if any."""
    torch.manual_seed(7)
    fit = SmallFit("AC", **OPTIONS)
    seen = []
    optimizer = fit.optimizer(folder, epochs=8, on_record=seen.append, **options)
    remaining = evaluation

    def count(*_):
        nonlocal remaining
        if remaining is not None:
            remaining -= 1
            if remaining < 0:
                raise Killed

    fit.loss.register_forward_pre_hook(count)
    best = getattr(optimizer, method)(resume_file=folder / "resume.pt")
    return fit, optimizer, float(best), seen


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return fit_until(tmp_path_factory.mktemp("uninterrupted"))


def parameters(fit):
    return {name: p.detach().tolist() for name, p in fit.loss.named_parameters()}


@pytest.mark.filterwarnings("ignore:.*is not empty")
@pytest.mark.parametrize("seed", range(4))
def test_a_fit_killed_at_any_evaluation_ends_at_the_same_state(
    tmp_path, uninterrupted, seed
):
    fit, optimizer, best, _ = uninterrupted
    generator = random.Random(seed)
    for _ in range(3):
        with pytest.raises(Killed):
            fit_until(tmp_path, generator.randrange(optimizer.n_evaluations // 3))
    again, optimizer_again, best_again, _ = fit_until(tmp_path)
    assert best_again == best
    assert parameters(again) == parameters(fit)
    assert again.total() == fit.total()
    assert optimizer_again.n_evaluations == optimizer.n_evaluations
    assert again.table.left_flank_length == fit.table.left_flank_length
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    assert optimizer_again.reload()["flank_lengths"] == ((1, 0),)
    assert set(saved["state_dict"]) == set(fit.loss.state_dict())


@pytest.mark.filterwarnings("ignore:.*is not empty")
def test_mini_batches_are_drawn_as_if_there_was_no_interruption(tmp_path):
    options = {
        "batch_size": 40,
        "sampler": pp.EvenSampler,
        "optimizer": torch.optim.Adam,
        "optim_args": {"lr": 0.05},
    }
    (tmp_path / "whole").mkdir()
    _, optimizer, best, _ = fit_until(tmp_path / "whole", **options)
    with pytest.raises(Killed):
        fit_until(tmp_path, 2 * optimizer.n_evaluations // 3, **options)
    torch.rand(5)
    assert fit_until(tmp_path, **options)[2] == best


@pytest.mark.filterwarnings("ignore:.*is not empty")
def test_a_resumed_fit_says_where_it_goes_on(tmp_path, uninterrupted):
    total = uninterrupted[1].n_evaluations
    with pytest.raises(Killed):
        fit_until(tmp_path, total - 1)
    seen = fit_until(tmp_path)[3]
    (resumed,) = (r for r in seen if isinstance(r, records.Resumed))
    first = next(r for r in seen if isinstance(r, records.StepStarted))
    assert (resumed.group, resumed.step) == (first.group, first.step)
    assert resumed.step > 0
    assert 0 < resumed.evaluations < total


@pytest.mark.filterwarnings("ignore:.*is not empty")
@pytest.mark.parametrize("method", ["train_sequential", "train_simultaneous"])
def test_a_finished_fit_is_not_repeated(tmp_path, method):
    fit, optimizer, best, _ = fit_until(tmp_path, method=method)
    again, repeated, best_again, seen = fit_until(tmp_path, 0, method=method)
    assert best_again == best
    assert repeated.n_evaluations == optimizer.n_evaluations
    assert parameters(again) == parameters(fit)
    assert not any(isinstance(r, records.EpochDone) for r in seen)
    assert repeated.reload()["flank_lengths"] == ((1, 0),)


@pytest.mark.filterwarnings("ignore:.*is not empty")
def test_a_simultaneous_fit_is_resumed(tmp_path):
    # Which needs more evaluations than the default.
    options = {"method": "train_simultaneous", "optimizer": torch.optim.LBFGS}
    (tmp_path / "whole").mkdir()
    best = fit_until(tmp_path / "whole", **options)[2]
    with pytest.raises(Killed):
        fit_until(tmp_path, 2, **options)
    assert fit_until(tmp_path, **options)[2] == best


@pytest.mark.filterwarnings("ignore:.*is not empty")
def test_the_same_parameters_are_trainable_afterwards(tmp_path, uninterrupted):
    fit = uninterrupted[0]
    with pytest.raises(Killed):
        fit_until(tmp_path, uninterrupted[1].n_evaluations - 1)
    again = fit_until(tmp_path)[0]
    trainable = [
        [name for name, p in each.loss.named_parameters() if p.requires_grad]
        for each in (fit, again)
    ]
    assert trainable[0] == trainable[1] != []


def test_no_temporary_file_is_left(tmp_path):
    fit_until(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.pt", "log.txt", "resume.pt"]


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_the_generator_of_the_device_of_the_model_is_restored(monkeypatch, kind):
    device = torch.device(kind)
    states = {"device": torch.tensor([1, 2])}
    backend = getattr(torch, kind)
    monkeypatch.setattr(backend, "get_rng_state", lambda *_: states["device"])
    monkeypatch.setattr(
        backend, "set_rng_state", lambda state, *_: states.update(device=state)
    )
    before = resume._random_states(device)
    expected = torch.rand(3)
    states["device"] = torch.tensor([3, 4])
    resume._set_random_states(before, device)
    assert torch.equal(torch.rand(3), expected)
    assert states["device"].tolist() == [1, 2]
    resume._set_random_states({"cpu": before["cpu"]}, device)
    assert states["device"].tolist() == [1, 2]


# --- files that do not fit -------------------------------------------------------


def test_a_file_of_another_procedure_is_refused(tmp_path):
    fit_until(tmp_path)
    other = SmallFit("AC", shift_footprint=True)
    (tmp_path / "other").mkdir()
    optimizer = other.optimizer(tmp_path / "other")
    with pytest.raises(ValueError, match="another fit: its procedure differ"):
        optimizer.train_sequential(resume_file=tmp_path / "resume.pt")


def test_a_file_of_another_table_is_refused(tmp_path):
    fit_until(tmp_path)
    other = SmallFit("AC", **OPTIONS)
    del other.table[0]
    (tmp_path / "other").mkdir()
    optimizer = other.optimizer(tmp_path / "other")
    with pytest.raises(ValueError, match="another fit: its rows differ"):
        optimizer.train_sequential(resume_file=tmp_path / "resume.pt")


@pytest.mark.parametrize("content", [b"", b"neither zip nor pickle", None])
def test_another_file_is_refused(tmp_path, content):
    fit = SmallFit("AC")
    optimizer = fit.optimizer(tmp_path)
    path = tmp_path / "resume.pt"
    if content is None:
        optimizer.save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a file to resume from"):
        optimizer.train_sequential(resume_file=path)


@pytest.mark.filterwarnings("ignore:.*is not empty")
def test_a_file_of_a_later_version_is_refused(tmp_path):
    fit_until(tmp_path)
    path = tmp_path / "resume.pt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 99}, path)
    with pytest.raises(ValueError, match="version 99"):
        fit_until(tmp_path)


# --- a real process --------------------------------------------------------------

SCRIPT = """
import sys, warnings
from pathlib import Path
import torch
from optim.test_resume import fit_until
warnings.simplefilter("ignore")
torch.set_num_threads(1)
print(repr(fit_until(Path(sys.argv[1]))[2]), flush=True)
"""


def start(folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    tests = str(Path(__file__).resolve().parents[1])
    paths = [tests, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_killed_by_a_signal_is_resumed(tmp_path, uninterrupted):
    resume = tmp_path / "resume.pt"
    with start(tmp_path) as process:
        while process.poll() is None and not resume.exists():
            time.sleep(0.001)
        time.sleep(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    with start(tmp_path) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    # Another process may sum in another order.
    assert float(output) == pytest.approx(uninterrupted[2], abs=1e-6)
