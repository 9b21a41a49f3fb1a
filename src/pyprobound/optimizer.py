"""The optimizer: everything that fits a model to tables."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from .checkpoint import Checkpoint
from .loss import BaseLoss, Loss
from .optim import FisherScoring
from .optim.assembly import Assembly, BestState, CheckpointPath
from .optim.procedure import Group, Order, grouped
from .optim.records import Consumer, SetupShown
from .optim.reporting import Output, Reporter, TextOutput
from .optim.search import Search
from .optim.text import parameter_values, parameters_text, procedure_text
from .optim.training import (
    Batches,
    Trainer,
    class_for,
    loader_maker,
    optimizer_maker,
)
from .steps import Call, Step
from .table import Table

__all__ = ["Optimizer"]


class Optimizer:
    r"""Fits a model to tables of sequences.

    What is minimised is the negative log-likelihood per read (natural log) plus the
    regularization. Two ways lead there: ``train_sequential`` trains one binding
    after the other, by the steps that ``get_train_sequential`` lists, and
    ``train_simultaneous`` trains all parameters that are trainable, at once.

    The best state is kept in the file ``checkpoint``, which is only written when
    the loss has decreased, and atomically. In the end the model is in that state.

    Args:
        model: The loss to be minimised.
        train_tables: A table for each transform of the model.
        val_tables: Tables of other sequences, for the same transforms. If they are
            given, their negative log-likelihood decides what the best state is.
        epochs: The greatest number of epochs of each training.
        patience: How many epochs may pass without improvement.
        greedy_threshold: By how much, per read, a change of the structure has to
            lower the loss to be accepted.
        batch_size: The number of rows of a batch; the whole table by default.
        checkpoint: The file of the best state.
        output: Where to report as text: a path, to which the text is appended, or a
            text stream; the standard output by default.
        device: The device to compute on; by default the first available one of
            ``cuda``, ``mps`` and ``cpu``. The model is moved there.
        sampler: The class of the sampler that orders the rows of each table.
        optimizer: The class of the torch optimizer, created anew for each training.
        optim_args: Its keyword arguments; ``line_search_fn`` is ``strong_wolfe``
            unless given, where the class has that option. If the default class does
            not have them but ``torch.optim.LBFGS`` does, which is the default of
            PyProBound 1.5, then that class is used.
        sampler_args: Keyword arguments of the sampler.
        use_amp: Whether to use torch's automatic mixed precision.
        dtype: The lower precision used for that.
        on_record: Is called with each record of the fit (see
            ``pyprobound.optim.records``), for example a
            ``pyprobound.optim.history.JsonLinesHistory``.

    Attributes:
        model: The loss.
        train_tables: The tables of training.
        val_tables: The tables of validation, if there are any.

    Raises:
        ValueError: There are more or fewer tables than transforms.
        RuntimeError: The lengths of the model and of the tables do not agree.

    Warns:
        UserWarning: The output or the checkpoint exists and is not empty.
    """

    def __init__(
        self,
        model: BaseLoss[Any, Any],
        train_tables: Sequence[Table[Any]],
        val_tables: Sequence[Table[Any]] | None = None,
        epochs: int = 200,
        patience: int = 10,
        greedy_threshold: float = 0.0002,
        batch_size: int | None = None,
        checkpoint: CheckpointPath = "model.pt",
        output: Output = None,
        device: str | torch.device | None = None,
        sampler: type[Sampler[Any]] | None = None,
        optimizer: type[torch.optim.Optimizer] = FisherScoring,
        optim_args: Mapping[str, Any] | None = None,
        sampler_args: Mapping[str, Any] | None = None,
        use_amp: bool = False,
        dtype: torch.dtype | None = None,
        *,
        on_record: Consumer | None = None,
    ) -> None:
        self.model = model
        self.train_tables = train_tables
        self.val_tables = val_tables
        self.batch_size = batch_size
        self.output = output
        self.optimizer = class_for(optimizer, optim_args)
        self.optim_args = dict(optim_args or {})
        self.device = torch.device(_default_device() if device is None else device)
        self._assembly = Assembly(model, train_tables, val_tables)
        _warn_about_files(checkpoint, output)
        model.to(self.device)

        make_loader = loader_maker(batch_size, sampler, sampler_args)
        report = Reporter(self.print, on_record)
        self._trainer = Trainer(
            self._assembly,
            (
                make_loader(train_tables),
                None if val_tables is None else make_loader(val_tables),
            ),
            optimizer_maker(self.optimizer, optim_args),
            report,
            epochs=epochs,
            patience=patience,
            device=self.device,
            use_amp=use_amp,
            dtype=dtype,
        )
        self._search = Search(
            self._assembly, self._trainer, checkpoint, greedy_threshold, report
        )
        self._report = report
        self.check_length_consistency()

    # --- settings ----------------------------------------------------------------

    @property
    def checkpoint(self) -> CheckpointPath:
        """The file of the best state."""
        return self._search.checkpoint

    @property
    def epochs(self) -> int:
        """The greatest number of epochs of each training."""
        return self._trainer.epochs

    @property
    def patience(self) -> int:
        """How many epochs may pass without improvement."""
        return self._trainer.patience

    @property
    def greedy_threshold(self) -> float:
        """By how much a greedy move has to lower the loss."""
        return self._search.greedy_threshold

    @property
    def n_evaluations(self) -> int:
        """How often the loss was evaluated, with or without its gradient."""
        return self._trainer.n_evaluations

    def check_length_consistency(self) -> None:
        """Checks that the lengths of the model and of the tables agree.

        Raises:
            RuntimeError: The tables of a transform differ in their shape, a mode
                expects another shape, or the lengths that it knows do not include
                those of all reads.
        """
        self._assembly.check_length_consistency()

    # --- text --------------------------------------------------------------------

    def print(
        self, *objects: object, sep: str = " ", mode: str = "at", end: str = "\n"
    ) -> None:
        """Writes to the output.

        Args:
            *objects: What to write.
            sep: Is written between the objects.
            mode: How the file is opened, if the output is a path.
            end: Is written behind the objects.
        """
        text = sep.join(map(str, objects)) + end
        TextOutput(self.output).write(text, mode)

    def get_setup_string(self) -> str:
        """Describes the settings, the tables and the model."""
        settings = {
            "Torch optimizer": self.optimizer.__name__,
            "Its arguments": self.optim_args,
            "Epochs": self.epochs,
            "Patience": self.patience,
            "Greedy threshold": self.greedy_threshold,
            "Batch size": self.batch_size or "whole tables",
            "Checkpoint": self.checkpoint,
            "Device": self.device,
        }
        lines = ["### Optimizer", *(f"\t{k}: {v}" for k, v in settings.items())]
        for kind, tables in (
            ("Training", self.train_tables),
            ("Validation", self.val_tables or ()),
        ):
            for place, table in enumerate(tables):
                lines.append(f"{kind} table {place}: {len(table)} rows")
                lines.append(table.get_setup_string())
        return "\n".join([*lines, "", self.model.get_setup_string()])

    def get_parameter_string(self) -> str:
        """Lists all parameters: name, whether it is trainable, and value.

        The values of a motif are on one line for single letters and one for pairs,
        and the position bias of two cooperating modes is on one line.
        """
        return parameters_text(parameter_values(self.model))

    def get_train_sequential(self, order: Order | None = None) -> str:
        """Lists the steps of ``train_sequential`` without executing them.

        Args:
            order: See ``train_sequential``.

        Raises:
            ValueError: ``order`` names a key that no binding has.
        """
        return procedure_text(self._groups(order))

    def _groups(self, order: Order | None) -> list[Group]:
        return grouped(self.model.optim_procedure(), order)

    # --- training ----------------------------------------------------------------

    def run_one_epoch(self, train: bool, dataloader: Batches) -> Loss:
        """Passes over the data once.

        Args:
            train: Whether to update the parameters after each batch.
            dataloader: Yields tuples of batches, one batch for each transform.

        Returns:
            The loss after each update, averaged over batches, on the CPU.

        Raises:
            RuntimeError: ``train``, and nothing was trained before, so that there is
                no torch optimizer.
        """
        return self._trainer.run_one_epoch(train, dataloader)

    def train_until_convergence(
        self,
        checkpoint: CheckpointPath | None = None,
        best_loss: float | Tensor = math.inf,
    ) -> Tensor:
        """Trains the trainable parameters until the loss does not decrease any more.

        Training ends when an epoch changes nothing, after ``patience`` epochs
        without improvement, or after ``epochs`` epochs. If the loss is not a
        number, it starts again from the best state, unless there was no new one.

        Afterwards the model is in the state of the checkpoint: the best one, or the
        one that the file had if no loss was below ``best_loss``.

        Args:
            checkpoint: The file of the best state, by default that of the optimizer.
            best_loss: The loss to be beaten.

        Returns:
            The lowest loss, regularization included.

        Raises:
            ValueError: No parameter is trainable.
        """
        path = self.checkpoint if checkpoint is None else checkpoint
        best = BestState(self._assembly, path)
        return _scalar(self._trainer.train(best, float(best_loss)))

    def train_simultaneous(
        self,
        best_loss: float | Tensor = math.inf,
        *,
        resume_file: CheckpointPath | None = None,
    ) -> Tensor:
        """Trains all parameters that are trainable, at once.

        Nothing is frozen or unfrozen, and contributions whose activity is zero
        remain without effect.

        Args:
            best_loss: The loss to be beaten.
            resume_file: See ``train_sequential``; training starts again unless it
                was finished.

        Returns:
            The lowest loss, regularization included.

        Raises:
            ValueError: No parameter is trainable, or the file is of another fit.
        """
        return _scalar(self._search.train_simultaneous(float(best_loss), resume_file))

    def train_sequential(
        self,
        maintain_loss: bool = True,
        order: Order | None = None,
        *,
        resume_file: CheckpointPath | None = None,
    ) -> Tensor:
        """Trains one binding after the other, by the steps of its parts.

        Args:
            maintain_loss: Whether a step that does not lower the loss of the step
                before is taken back, up to what its calls did.
            order: The keys of the bindings in groups; those of a group are trained
                together. By default each key of the model is a group of its own.
            resume_file: A file that is replaced at the start of every step and after
                every accepted change of the structure. If it exists, training goes
                on from it: with a model and tables built in the same way, a fit that
                was killed ends at the same loss. A finished fit is not repeated.

        Returns:
            The loss of the last step, regularization included.

        Raises:
            ValueError: ``order`` names a key that no binding has, or the file is of
                another fit.
        """
        groups = self._groups(order)
        self._report(SetupShown(self.get_setup_string()))
        return _scalar(
            self._search.train_sequential(groups, maintain_loss, resume_file)
        )

    def run_step(self, step: Step) -> None:
        """Makes the calls of a step, without training.

        Calls of ``update_read_length`` come last. A side of the flanks does not grow
        if the information threshold keeps the footprints of the same step from
        growing there.

        Args:
            step: The calls.

        Raises:
            RuntimeError: The flanks of one table are to change differently.
            ValueError: A change is impossible.
        """
        self._search.run_step(step)

    def greedy_search(self, step: Step, best_loss: float | Tensor = math.inf) -> Tensor:
        """Repeats a step, each time with training, for as long as the loss decreases.

        A move that does not lower the loss by more than ``greedy_threshold`` is
        taken back: the model returns to its state in the checkpoint. A move that
        raises ``ValueError`` ends the search too.

        After a move, the activities of all contributions are set so that their
        expected values are as before. This keeps what the other bindings explain;
        it also changes activities that are not trained.

        Args:
            step: The calls of a move.
            best_loss: The loss to be beaten.

        Returns:
            The lowest loss, regularization included.
        """
        best = BestState(self._assembly, self.checkpoint)
        return _scalar(self._search.greedy_search(step, float(best_loss), best))

    def update_read_length(self, calls: Iterable[Call]) -> None:
        """Changes the flanks of tables, and all modes that score these tables.

        A refused change leaves everything as it was.

        Args:
            calls: Calls of ``update_read_length`` of modes; calls that concern the
                same table must have the same arguments.

        Raises:
            RuntimeError: A call is not one of a mode of the model, or calls for the
                same table differ.
            ValueError: A table has no such flank, or no window would be left.
        """
        self._assembly.update_read_length(calls)

    # --- state -------------------------------------------------------------------

    def save(self, checkpoint: CheckpointPath) -> None:
        """Writes the model and the flank lengths of its tables.

        Args:
            checkpoint: The file.
        """
        self._assembly.save(checkpoint)

    def reload(self, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
        """Takes the model and the flank lengths of all tables from a file.

        Args:
            checkpoint: The file, by default the checkpoint of the optimizer.

        Returns:
            The metadata of the file: ``time``, ``version`` and ``flank_lengths``.

        Raises:
            ValueError: The file is not a checkpoint, or has another number of tables.
        """
        return self._assembly.reload(
            self.checkpoint if checkpoint is None else checkpoint
        )


def _default_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _warn_about_files(checkpoint: CheckpointPath, output: Output) -> None:
    """Warns if files exist that training would change."""
    uses = [(checkpoint, "Checkpoint", "overwritten by the best state")]
    if isinstance(output, str | os.PathLike):
        uses.append((output, "Output", "appended to"))
    for name, kind, use in uses:
        path = Path(name)
        if path.exists() and path.stat().st_size > 0:
            warnings.warn(
                f"{kind} file {path} is not empty; it will be {use}", stacklevel=3
            )
