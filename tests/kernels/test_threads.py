"""Reproducibility and safety of the compiled kernels with several threads."""

import multiprocessing
import threading
from collections.abc import Iterator

import pytest
import torch

from kernels.random_models import Arguments, random_codes
from pyprobound.kernels import threads


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def evaluate(model: Arguments) -> list[torch.Tensor]:
    """Scores of rows, and gradients of rows and windows."""
    scores = model.rows("numba")
    weights = torch.linspace(-1, 1, len(scores))
    windows = model.windows("numba")
    return [
        scores.detach(),
        *torch.autograd.grad((scores * weights).sum(), model.leaves),
        *torch.autograd.grad(windows.square().sum(), model.leaves),
    ]


def example(seed: int = 0, rows: int = 40_000) -> Arguments:
    generator = torch.Generator().manual_seed(seed)
    codes = random_codes(rows, 10, 4, "none", generator)
    codes[::5, 2] = 5
    monomer = torch.randn(2, 4, 6, generator=generator)
    posbias = torch.randn(1, 1, 5, generator=generator)
    return Arguments(codes, monomer, posbias=posbias).to(torch.float32)


def test_results_do_not_depend_on_threads_to_the_last_bit() -> None:
    model = example()
    results = []
    for count in (1, 2, 2, 3):
        torch.set_num_threads(count)
        results.append(evaluate(model))
    for other in results[1:]:
        for found, expected in zip(other, results[0], strict=True):
            assert torch.equal(found, expected)


def test_calls_from_several_threads_do_not_disturb_each_other() -> None:
    torch.set_num_threads(2)
    examples = [example(seed) for seed in range(4)]
    expected = [evaluate(model) for model in examples]
    found: list[list[torch.Tensor]] = [[] for _ in examples]

    def work(i: int) -> None:
        for _ in range(3):
            found[i] = evaluate(examples[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for one, other in zip(found, expected, strict=True):
        assert all(map(torch.equal, one, other))


def test_all_pieces_run_once_and_errors_arrive() -> None:
    torch.set_num_threads(3)
    done: list[int] = []
    threads.run_all(done.append, 100)
    assert sorted(done) == list(range(100))

    def fail(piece: int) -> None:
        raise ArithmeticError(f"piece {piece}")

    with pytest.raises(ArithmeticError):
        threads.run_all(fail, 10)


def _pieces_in_child(queue: "multiprocessing.Queue[int]") -> None:
    done: list[int] = []
    threads.run_all(done.append, 50)
    queue.put(len(done))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own() -> None:
    torch.set_num_threads(2)
    threads.run_all(lambda piece: None, 10)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_pieces_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 50
    child.join(timeout=60)
    assert child.exitcode == 0
