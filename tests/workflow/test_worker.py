"""What a worker process does, in this process."""

from __future__ import annotations

import io
import logging
import os
import pickle
import queue
import warnings

import pytest
import torch

from pyprobound import kernels
from pyprobound.config import validate
from pyprobound.errors import FitError, InputError
from pyprobound.optim.records import EpochDone
from pyprobound.workflow import worker
from pyprobound.workflow.data import load_data
from pyprobound.workflow.devices import limited_threads
from pyprobound.workflow.messages import (
    Failed,
    Finished,
    Logged,
    Ready,
    Recorded,
    Setup,
    Warned,
    Wrote,
)
from pyprobound.workflow.shared_tables import write_tables
from workflow.small_tables import small_values, write_table


class Stream(io.BytesIO):
    """Keeps what is sent."""

    def messages(self):
        self.seek(0)
        found = []
        while True:
            try:
                found.append(pickle.load(self))
            except EOFError:
                return found


@pytest.fixture
def setup(tmp_path):
    table = write_table(tmp_path / "small.tsv", n_rows=60)
    data = load_data(validate(small_values(table, starts=2)))
    file = tmp_path / "tables.bin"
    return Setup(
        config=data.config,
        tables=write_tables(file, data.train, data.validation),
        tables_file=file,
        state=tmp_path,
        threads=1,
        kernels="reference",
        dtype="float32",
        log_levels={"pyprobound": logging.INFO},
    )


def run(setup, numbers):
    stream = Stream()
    waiting = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    with limited_threads(2), kernels.use("auto"), torch.random.fork_rng():
        worker.run_starts(setup, waiting, worker.Channel(stream))
        assert torch.get_num_threads() == 1
        assert kernels.implementation() == "reference"
    return stream.messages()


def test_starts_are_run_until_one_fails(setup, tmp_path):
    (tmp_path / "start-1.resume").write_bytes(b"")
    messages = run(setup, [0, 1])
    assert messages[0] == Ready()
    epochs = [
        message.record
        for message in messages
        if isinstance(message, Recorded) and isinstance(message.record, EpochDone)
    ]
    (finished,) = [m for m in messages if isinstance(m, Finished)]
    assert finished.result.start == 0
    assert finished.result.loss == pytest.approx(epochs[-1].best_loss)
    assert (tmp_path / "start-0.pt").exists()
    text = "".join(m.text for m in messages if isinstance(m, Wrote) and m.start == 0)
    assert text.count("\tEpoch  ") == len(epochs)
    failed = messages[-1]
    assert isinstance(failed, Failed)
    assert failed.start == 1
    assert isinstance(failed.error, FitError)
    assert str(failed.error).startswith("start 2 failed: ")
    assert "Traceback" in failed.traceback


def failure(error):
    stream = Stream()
    try:
        raise error
    except Exception as caught:
        worker.Channel(stream).fail(caught)
    (message,) = stream.messages()
    return message.error


def test_errors_keep_what_they_say():
    error = failure(InputError("is wrong", path="a.tsv", line=3, key="seed"))
    assert str(error) == "a.tsv, line 3: seed: is wrong"
    assert isinstance(failure(MemoryError()), MemoryError)

    class Unknown(Exception):
        """A class that another process does not know."""

    assert repr(failure(Unknown("surprise"))) == "RuntimeError('Unknown: surprise')"


def test_warnings_and_messages_are_sent(monkeypatch):
    stream = Stream()
    channel = worker.Channel(stream)
    channel.start = 4
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", channel.warn)
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
    logger = logging.getLogger("pyprobound.optim")
    handler = worker._Handler(channel)
    logger.addHandler(handler)
    logger.warning("%d problems", 2)
    logger.removeHandler(handler)
    assert stream.messages() == [
        Warned(4, RuntimeWarning, "careful"),
        Logged(4, "pyprobound.optim", logging.WARNING, "2 problems"),
    ]


def test_a_worker_ends_with_its_input(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    numbers = queue.SimpleQueue()
    worker._obey(io.BytesIO(pickle.dumps(3) + pickle.dumps(5)), numbers)
    assert codes == [1]
    assert [numbers.get_nowait(), numbers.get_nowait()] == [3, 5]
