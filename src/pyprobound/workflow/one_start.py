"""Trains a model from one random start."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from .. import optim
from ..aggregate import Aggregate
from ..config import OptimizerConfig
from ..config.build import Model, build
from ..errors import FitError, InputError
from ..optim.records import Consumer
from ..optimizer import Optimizer
from ..table import EvenSampler
from .data import FitData


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


def start_file(state: Path, number: int, suffix: str) -> Path:
    """A file of a start.

    Args:
        state: The folder with all that is needed to resume.
        number: The number of the start, from 0.
        suffix: ``resume``: where training can go on; ``best``: the best state so
            far; ``pt``: the final state; ``json``: the result.
    """
    return state / f"start-{number}.{suffix}"


def run_start(
    data: FitData, state: Path, number: int, output: TextIO, on_record: Consumer
) -> Start:
    """Trains from a random start, or goes on where it was interrupted.

    The final state is left in a file.

    Args:
        data: The tables and the configuration.
        state: The folder with all that is needed to resume.
        number: The number of the start, from 0.
        output: Training reports to it as text.
        on_record: Training reports to it.

    Raises:
        FitError: Training failed.
    """
    began = time.perf_counter()
    seed = start_seed(data.config.seed, number)
    data.reset_flanks()
    model = build_start(data, seed)
    optimizer = _make_optimizer(
        model, data, start_file(state, number, "best"), output, on_record
    )
    try:
        loss = train(model, optimizer, start_file(state, number, "resume"))
        optimizer.save(start_file(state, number, "pt"))
        final = evaluate(model, data)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise FitError(f"start {number + 1} failed: {error}") from error
    return Start(
        start=number,
        seed=seed,
        loss=loss,
        n_evaluations=optimizer.n_evaluations,
        seconds=time.perf_counter() - began,
        **final,
    )


def build_start(data: FitData, seed: int) -> Model:
    """The model with which a start begins.

    Args:
        data: The tables and the configuration.
        seed: The seed of the start.
    """
    torch.manual_seed(seed)
    return build(data.config, data.train)


def _make_optimizer(
    model: Model, data: FitData, best: Path, output: TextIO, on_record: Consumer
) -> Optimizer:
    with warnings.catch_warnings():
        # The file of the best state exists when a fit is resumed.
        warnings.filterwarnings("ignore", message="Checkpoint file")
        return Optimizer(
            model.loss,
            data.train_tables,
            data.validation_tables,
            checkpoint=best,
            output=output,
            device=data.config.device,
            on_record=on_record,
            **optimizer_options(data.config.optimizer),
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
            for binding in model.bindings_called(name):
                if (key := tuple(binding.key())) not in seen:
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
    own = getattr(optim, config.optimizer, None)
    kind: Any = getattr(torch.optim, config.optimizer, own)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        raise InputError(
            f"torch.optim has no class {config.optimizer!r}; expected FisherScoring,"
            " LBFGS, Adam, ...",
            key="optimizer.optimizer",
        )
    make: Callable[..., Any] = kind
    try:
        make([torch.nn.Parameter(torch.zeros(1))], **config.optim_args)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), key="optimizer.optim_args") from None
    return kind
