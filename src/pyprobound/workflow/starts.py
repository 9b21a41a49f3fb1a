"""Trains a model from several random starts, each of which is remembered."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..aggregate import Aggregate
from ..checkpoint import write_atomically
from ..config import FitConfig, OptimizerConfig
from ..config.build import Model, build
from ..errors import FitError, InputError
from ..optim.records import Consumer, Record
from ..optimizer import Optimizer
from ..table import EvenSampler
from .data import FitData
from .folder import OutputFolder
from .history import History
from .records import StartBegun, StartDone
from .runlog import RunLog


@dataclass(frozen=True)
class Start:
    """The result of one random start.

    Attributes:
        start: Its number, from 0.
        seed: The seed of its random values.
        loss: The loss by which starts are compared: the negative log-likelihood per
            read (of the validation rows, if there are any) plus regularization.
        negloglik: The negative log-likelihood per read of the training rows.
        regularization: The regularization.
        validation_negloglik: That of the validation rows, if there are any.
        n_evaluations: How often the loss was evaluated.
        seconds: The duration, with what earlier processes spent on it.
    """

    start: int
    seed: int
    loss: float
    negloglik: float
    regularization: float
    validation_negloglik: float | None
    n_evaluations: int
    seconds: float


def start_seed(seed: int, start: int) -> int:
    """The seed of a random start; it does not depend on how many starts there are.

    Args:
        seed: The seed of the fit.
        start: The number of the start, from 0.
    """
    words = np.random.SeedSequence([seed, start]).generate_state(2)
    return int(words[0]) << 31 ^ int(words[1])


class Starts:
    """Runs the random starts of a fit, one after the other.

    Args:
        data: The tables and the configuration.
        folder: The output folder, in which progress is kept.
        log: The log file.
        history: The history of all epochs.
        on_record: Another consumer of records.
    """

    def __init__(
        self,
        data: FitData,
        folder: OutputFolder,
        log: RunLog,
        history: History,
        on_record: Consumer | None = None,
    ) -> None:
        self._data = data
        self._folder = folder
        self._log = log
        self._history = history
        self._on_record = on_record

    def run(self) -> list[Start]:
        """Runs all starts that are not finished.

        Returns:
            All starts, in order.

        Raises:
            FitError: A start failed.
        """
        n_starts = self._data.config.starts
        results = []
        for number in range(n_starts):
            result = self._remembered(number)
            if result is None:
                result = self._run_one(number)
            self._log.info(
                f"start {number + 1} of {n_starts}: loss {result.loss:.10f}"
                f" (NLL per read {result.negloglik:.10f}), {result.n_evaluations}"
                f" evaluations, {result.seconds:.1f} s"
            )
            self._report(
                StartDone(
                    number, n_starts, result.loss, result.negloglik, result.seconds
                )
            )
            results.append(result)
        return results

    def restore(self, start: Start) -> Model:
        """The model at the end of a start; the tables get its flanks.

        Args:
            start: The start.
        """
        self._data.reset_flanks()
        model = self._build(start.seed)
        metadata = model.loss.reload(self._file(start.start, "pt"), strict=True)
        tables = [self._data.train_tables, self._data.validation_tables or []]
        for group in tables:
            for table, flanks in zip(group, metadata["flank_lengths"], strict=False):
                table.set_flank_length(*flanks)
        return model

    def _file(self, number: int, suffix: str) -> Path:
        return self._folder.state / f"start-{number}.{suffix}"

    def _report(self, record: Record) -> None:
        if self._on_record is not None:
            self._on_record(record)

    def _remembered(self, number: int) -> Start | None:
        """A start that an earlier process finished."""
        path = self._file(number, "json")
        if not path.exists():
            return None
        return Start(**json.loads(path.read_text(encoding="utf-8")))

    def _build(self, seed: int) -> Model:
        torch.manual_seed(seed)
        return build(self._data.config, self._data.train)

    def _run_one(self, number: int) -> Start:
        config = self._data.config
        seed = start_seed(config.seed, number)
        self._log.info(f"start {number + 1} of {config.starts}, seed {seed}")
        self._report(StartBegun(number, config.starts, seed))
        self._history.begin(number)
        began = time.perf_counter()
        self._data.reset_flanks()
        model = self._build(seed)
        optimizer = self._make_optimizer(model, number)
        try:
            loss = train(model, optimizer, self._file(number, "resume"))
            optimizer.save(self._file(number, "pt"))
            final = evaluate(model, self._data)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            raise FitError(f"start {number + 1} failed: {error}") from error
        result = Start(
            start=number,
            seed=seed,
            loss=loss,
            n_evaluations=optimizer.n_evaluations,
            seconds=time.perf_counter() - began + self._history.seconds_before,
            **final,
        )
        text = json.dumps(dataclasses.asdict(result))
        write_atomically(self._file(number, "json"), lambda path: _write(path, text))
        self._file(number, "resume").unlink(missing_ok=True)
        self._file(number, "best").unlink(missing_ok=True)
        return result

    def _make_optimizer(self, model: Model, number: int) -> Optimizer:
        def consume(record: Record) -> None:
            self._history(record)
            self._report(record)

        with warnings.catch_warnings():
            # The file of the best state exists when a fit is resumed.
            warnings.filterwarnings("ignore", message="Checkpoint file")
            return Optimizer(
                model.loss,
                self._data.train_tables,
                self._data.validation_tables,
                checkpoint=self._file(number, "best"),
                output=self._log.stream,
                device=self._data.config.device,
                on_record=consume,
                **optimizer_options(self._data.config.optimizer),
            )


def train(model: Model, optimizer: Optimizer, resume_file: Path) -> float:
    """Trains a model in the order of its configuration.

    Args:
        model: The model.
        optimizer: Its optimizer.
        resume_file: A file from which training can be continued.

    Returns:
        The loss, regularization included.
    """
    training = model.config.training
    if training.mode == "sequential":
        loss = optimizer.train_sequential(
            training.maintain_loss, training_order(model), resume_file=resume_file
        )
        return float(loss)
    give_activities(model)
    return float(optimizer.train_simultaneous(resume_file=resume_file))


def training_order(model: Model) -> list[list[tuple[Hashable, ...]]] | None:
    """The keys of the modes in the groups of the configuration.

    Modes that share a motif have one key, which stays in its first group.

    Args:
        model: The model.
    """
    order = model.config.training.order
    if order is None:
        return None
    seen: set[tuple[Hashable, ...]] = set()
    groups: list[list[tuple[Hashable, ...]]] = []
    for names in order:
        group: list[tuple[Hashable, ...]] = []
        for name in names:
            for modes in model.modes.values():
                if name in modes and (key := tuple(modes[name].key())) not in seen:
                    seen.add(key)
                    group.append(key)
        if group:
            groups.append(group)
    return groups


def give_activities(model: Model) -> None:
    """Gives contributions without activity their share of binding.

    Sequential training does so when it reaches a mode; simultaneous training would
    leave them out.

    Args:
        model: The model.
    """
    for part in model.loss.modules():
        if isinstance(part, Aggregate):
            for contribution in part.contributions:
                if math.isinf(contribution.log_activity.item()):
                    part.activity_heuristic(contribution)


def evaluate(model: Model, data: FitData) -> dict[str, Any]:
    """The parts of the loss of a model, per read.

    Args:
        model: The model.
        data: The tables.
    """
    model.loss.eval()
    with torch.inference_mode():
        loss = model.loss(data.train_tables)
        values: dict[str, Any] = {
            "negloglik": float(loss.negloglik),
            "regularization": float(loss.regularization),
            "validation_negloglik": None,
        }
        if data.validation_tables is not None:
            validation = model.loss(data.validation_tables)
            values["validation_negloglik"] = float(validation.negloglik)
    return values


def optimizer_options(config: OptimizerConfig) -> dict[str, Any]:
    """The arguments of ``Optimizer`` that a configuration names.

    Args:
        config: The configuration.

    Raises:
        InputError: There is no such class, or it refuses its arguments.
    """
    kind = _optimizer_class(config)
    options = config.model_dump(exclude={"optimizer", "sampler", "dtype"})
    options["optimizer"] = kind
    options["sampler"] = EvenSampler if config.sampler == "EvenSampler" else None
    options["dtype"] = None if config.dtype is None else getattr(torch, config.dtype)
    return options


def _optimizer_class(config: OptimizerConfig) -> type[torch.optim.Optimizer]:
    kind: Any = getattr(torch.optim, config.optimizer, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        raise InputError(
            f"torch.optim has no class {config.optimizer!r}; expected LBFGS, Adam, ...",
            key="optimizer.optimizer",
        )
    make: Callable[..., Any] = kind
    try:
        make([torch.nn.Parameter(torch.zeros(1))], **config.optim_args)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), key="optimizer.optim_args") from None
    return kind


def best_start(starts: list[Start]) -> Start:
    """The start with the lowest loss, the first one of equals.

    Args:
        starts: The starts.

    Raises:
        FitError: No loss is finite.
    """
    finite = [start for start in starts if math.isfinite(start.loss)]
    if not finite:
        raise FitError(
            "no start reached a finite loss; check the table, or raise lambda_l2"
        )
    return min(finite, key=lambda start: start.loss)


def check_model(config: FitConfig, data: FitData) -> None:
    """Makes the model and the optimizer options once, to find errors early.

    Args:
        config: The resolved configuration.
        data: The tables.

    Raises:
        InputError: A setting is wrong.
    """
    optimizer_options(config.optimizer)
    with torch.random.fork_rng(devices=[]):
        model = build(config, data.train)
    try:
        model.loss.check_length_consistency()
    except (RuntimeError, ValueError) as error:
        raise InputError(str(error)) from error


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
