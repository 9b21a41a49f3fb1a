"""Training by gradients: batches, epochs, and when to stop."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ..loss import Loss
from ..table import MultitaskLoader, Table, collate_batch_fn
from ..utils import clear_cache
from . import records
from .assembly import Assembly, BestState
from .fisher import FisherFunction, FisherScoring
from .memo import Memo, is_repeatable
from .records import Consumer
from .text import parameter_values

# The tables, or one batch of each.
Batches = Iterable[Any]
MakeOptimizer = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]

_LEAST_FISHER_ROWS = 4096
_FISHER_ROWS_PER_VALUE = 16
"""The rows of each table of which Fisher matrices are computed."""

_CHANGED_NO_MORE = "the parameters do not change any more"
_PATIENCE = "no improvement within the patience"
_LAST_EPOCH = "the last epoch"
_NOT_A_NUMBER = "the loss is not a number"


class WholeTables:
    """Yields all tables at once, as they are.

    Args:
        tables: The tables.
    """

    def __init__(self, tables: Sequence[Table[Any]]) -> None:
        self._tables = list(tables)

    def __iter__(self) -> Iterator[list[Table[Any]]]:
        yield self._tables


def loader_maker(
    batch_size: int | None,
    sampler: Callable[..., Sampler[Any]] | None,
    sampler_args: Mapping[str, Any] | None,
) -> Callable[[Sequence[Table[Any]]], Batches]:
    """How batches are drawn from tables.

    Args:
        batch_size: The number of rows of a batch; None for the whole table.
        sampler: Creates the sampler of a table; None for the order of the table.
        sampler_args: Further keyword arguments for that.
    """
    options = dict(sampler_args or {})

    def load(table: Table[Any]) -> DataLoader[Any]:
        return DataLoader(
            table,
            batch_size=max(len(table), 1) if batch_size is None else batch_size,
            sampler=None if sampler is None else sampler(table, **options),
            collate_fn=collate_batch_fn,
        )

    if batch_size is None and sampler is None:
        return WholeTables
    return lambda tables: MultitaskLoader([load(table) for table in tables])


def class_for(
    optimizer: type[torch.optim.Optimizer], arguments: Mapping[str, Any] | None
) -> type[torch.optim.Optimizer]:
    """The class of torch optimizers that is meant.

    Scripts that leave the class to the default may give arguments of the class that
    used to be it.

    Args:
        optimizer: The class that was asked for.
        arguments: The keyword arguments for it.
    """
    given = set(arguments or ())

    def takes_all(kind: type[torch.optim.Optimizer]) -> bool:
        return given <= set(inspect.signature(kind).parameters)

    if optimizer is FisherScoring and not takes_all(optimizer):
        return torch.optim.LBFGS if takes_all(torch.optim.LBFGS) else optimizer
    return optimizer


def optimizer_maker(
    optimizer: type[torch.optim.Optimizer], arguments: Mapping[str, Any] | None
) -> MakeOptimizer:
    """How the torch optimizer of each training is created.

    Args:
        optimizer: Its class.
        arguments: Its keyword arguments. If it has the option ``line_search_fn``,
            the strong Wolfe conditions are the default.
    """
    options = dict(arguments or {})
    if "line_search_fn" in inspect.signature(optimizer).parameters:
        options.setdefault("line_search_fn", "strong_wolfe")

    def make(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return optimizer(parameters, **options)

    return make


@dataclass(frozen=True)
class _Epoch:
    """What was measured in an epoch."""

    negloglik: float
    regularization: float
    validation_negloglik: float | None
    distance: float
    seconds: float

    @property
    def total(self) -> float:
        """The loss that decides: of the validation data, if there are any.

        The regularization is that of the training in either case.
        """
        if self.validation_negloglik is None:
            return self.negloglik + self.regularization
        return self.validation_negloglik + self.regularization


class Trainer:
    """Trains the parameters that are trainable, without changing which those are.

    Args:
        assembly: The model and its tables.
        loaders: What yields the batches of training and, if there is any, of
            validation.
        make_optimizer: Creates a torch optimizer for given parameters.
        report: Receives the records.
        epochs: The greatest number of epochs of one training.
        patience: How many epochs may pass without improvement.
        device: The device of the model.
        use_amp: Whether to evaluate the loss with torch's automatic mixed precision.
        dtype: The lower precision used for that.

    Attributes:
        optimizer: The torch optimizer of the last training.
        n_evaluations: How often the loss has been evaluated.
    """

    def __init__(
        self,
        assembly: Assembly,
        loaders: tuple[Batches, Batches | None],
        make_optimizer: MakeOptimizer,
        report: Consumer,
        *,
        epochs: int,
        patience: int,
        device: torch.device,
        use_amp: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.assembly = assembly
        self.model = assembly.model
        self.train_loader, self.val_loader = loaders
        self.report = report
        self.epochs = epochs
        self.patience = patience
        self.optimizer: torch.optim.Optimizer | None = None
        self.n_evaluations = 0
        self._make_optimizer = make_optimizer
        self._autocast = (device.type, dtype, use_amp)
        self._memo: Memo | None = None

    # --- one pass over the data --------------------------------------------------

    def run_one_epoch(self, train: bool, batches: Batches) -> Loss:
        """Passes over the data once.

        Args:
            train: Whether to update the parameters after each batch.
            batches: Yields tuples of batches, one for each transform.

        Returns:
            The mean over batches of the loss after each update, on the CPU.

        Raises:
            RuntimeError: There is no torch optimizer to train with.
        """
        optimizer = self.optimizer if train else None
        if train and optimizer is None:
            raise RuntimeError(
                "There is no torch optimizer yet; call train_until_convergence,"
                " train_simultaneous or train_sequential, which create one"
            )
        was_training = self.model.training
        losses = []
        try:
            for batch in batches:
                if optimizer is not None:
                    self._update(optimizer, batch)
                losses.append(self._evaluate(batch))
        finally:
            self.model.train(was_training)
        return Loss(*(torch.stack(parts).mean() for parts in zip(*losses, strict=True)))

    def evaluate(self) -> float:
        """The loss of the training data, regularization included."""
        loss = self.run_one_epoch(False, self.train_loader)
        return float(loss.negloglik + loss.regularization)

    def _loss(self, batch: Any) -> Loss:
        device_type, dtype, enabled = self._autocast
        self.n_evaluations += 1
        with torch.autocast(device_type, dtype=dtype, enabled=enabled):
            loss: Loss = self.model(batch)
        return loss

    def _evaluate(self, batch: Any) -> tuple[Tensor, Tensor]:
        known = self._memo.loss() if self._memo else None
        if known is None:
            self.model.eval()
            with torch.inference_mode():
                known = self._loss(batch)
        return known.negloglik.cpu(), known.regularization.cpu()

    def _update(self, optimizer: torch.optim.Optimizer, batch: Any) -> None:
        self.model.train()

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self._memo.loss_with_gradients() if self._memo else None
            if loss is not None:
                return loss.negloglik + loss.regularization
            loss = self._loss(batch)
            total = loss.negloglik + loss.regularization
            if total.requires_grad:
                total.backward()  # type: ignore[no-untyped-call]
            if self._memo:
                self._memo.keep(loss)
            return total.detach()

        if isinstance(optimizer, FisherScoring) and (
            optimizer.fisher is None or self._memo is None
        ):
            # With the same rows in each evaluation, one sample serves throughout.
            optimizer.fisher = self._fisher_of(batch, optimizer)
        if "closure" in inspect.signature(optimizer.step).parameters:
            optimizer.step(closure)  # type: ignore[arg-type]
        else:
            closure()
            optimizer.step()

    def _fisher_of(self, batch: Any, optimizer: FisherScoring) -> FisherFunction:
        """Computes Fisher matrices of a sample of the rows."""
        size = sum(p.numel() for p in optimizer.param_groups[0]["params"])
        rows = max(_LEAST_FISHER_ROWS, _FISHER_ROWS_PER_VALUE * size)
        return partial(self.model.fisher_matrix, self.model.sampled(batch, rows))

    # --- until convergence -------------------------------------------------------

    def train(self, best: BestState, best_loss: float = math.inf) -> float:
        """Trains until the loss does not decrease any more.

        Afterwards the model is in its best state: the one of the lowest loss, or
        the one that ``best`` held before if no loss was below ``best_loss``.

        Args:
            best: Keeps the best state.
            best_loss: The loss to be beaten.

        Returns:
            The lowest loss.

        Raises:
            ValueError: No parameter is trainable.
        """
        best.ensure()
        lowest = best_loss
        while True:
            before = lowest
            lowest, reason = self._descend(best, lowest)
            if reason != _NOT_A_NUMBER or not lowest < before:
                break
            # From the best state, and only if there is a new one: the same steps
            # from the same state would lead to the same result.
            self.report(records.TrainingRestarted(lowest))
            best.restore()
        best.restore()
        self.report(records.ParametersShown(parameter_values(self.model)))
        self.report(
            records.TrainingDone(reason, lowest, lowest < best_loss, self.n_evaluations)
        )
        clear_cache()
        return lowest

    def _descend(self, best: BestState, best_loss: float) -> tuple[float, str]:
        """Trains with one torch optimizer; returns the lowest loss and why it ended."""
        parameters = self.assembly.trainable_parameters()
        if not parameters:
            raise ValueError(
                "No parameter is trainable, so there is nothing to train; call"
                " unfreeze() of the model or of a part of it"
            )
        self.report(records.ParametersShown(parameter_values(self.model)))
        self.optimizer = self._make_optimizer(parameters)
        self._memo = self._new_memo(parameters)
        try:
            return self._run_epochs(parameters, best, best_loss)
        finally:
            self._memo = None

    def _new_memo(self, parameters: list[torch.nn.Parameter]) -> Memo | None:
        """A memory of losses, if the same parameters always give the same loss."""
        always_all_rows = isinstance(self.train_loader, WholeTables)
        if always_all_rows and self.val_loader is None and is_repeatable(self.model):
            return Memo(parameters)
        return None

    def _run_epochs(
        self, parameters: list[torch.nn.Parameter], best: BestState, best_loss: float
    ) -> tuple[float, str]:
        patience_left = self.patience
        for epoch in range(self.epochs):
            measured = self._run_epoch(parameters)
            improved = measured.total < best_loss
            if improved:
                best_loss = measured.total
                best.keep()
            patience_left = self.patience if improved else patience_left - 1
            self.report(
                records.EpochDone(
                    epoch=epoch,
                    seconds=measured.seconds,
                    negloglik=measured.negloglik,
                    regularization=measured.regularization,
                    validation_negloglik=measured.validation_negloglik,
                    distance=measured.distance,
                    patience_left=patience_left,
                    improved=improved,
                    best_loss=best_loss,
                    evaluations=self.n_evaluations,
                )
            )
            if measured.distance == 0:
                return best_loss, _CHANGED_NO_MORE
            if patience_left <= 0:
                return best_loss, _PATIENCE
            if math.isnan(measured.total) and epoch < self.epochs - 1:
                return best_loss, _NOT_A_NUMBER
        return best_loss, _LAST_EPOCH

    def _run_epoch(self, parameters: list[torch.nn.Parameter]) -> _Epoch:
        start, before = time.perf_counter(), _flat(parameters)
        negloglik, regularization = self.run_one_epoch(True, self.train_loader)
        validation = None
        if self.val_loader is not None:
            validation = self.run_one_epoch(False, self.val_loader).negloglik
        return _Epoch(
            float(negloglik),
            float(regularization),
            None if validation is None else float(validation),
            _distance(before, _flat(parameters)),
            time.perf_counter() - start,
        )


def _flat(parameters: list[torch.nn.Parameter]) -> Tensor:
    """All values as one vector."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


def _distance(before: Tensor, after: Tensor) -> float:
    # The difference of two equal infinities is no number, but no change either.
    change = torch.where(before == after, 0, after - before)
    return float(change.cpu().double().norm())
