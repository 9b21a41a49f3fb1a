"""The comparison of a model with measurements, as a loss."""

from __future__ import annotations

import abc
import copy
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Sampler

from ..aggregate import Aggregate
from ..base import Binding
from ..layers.layer import Layer
from ..loss import BaseLoss
from ..loss.rows import accumulator, parts
from ..mode import Mode
from ..optim.assembly import CheckpointPath
from ..optim.reporting import Output
from ..optimizer import Optimizer
from ..rounds import BaseRound
from ..table import CountBatch, CountTable

Curve = Callable[[Tensor], Tensor]
Weighting = Literal["error", "variance"]
# Observations, predictions, and the lower and upper ends of the error bars.
Comparison = tuple[Tensor, Tensor, Tensor | None, Tensor | None]

_MAX_ROWS = 1 << 20
_EPOCHS = 50
_PATIENCE = 3


def identity(tensor: Tensor) -> Tensor:
    """Returns its argument."""
    return tensor


class BaseFit(BaseLoss[Any, CountBatch]):
    r"""A model and measurements of the sequences of a table.

    .. math:: \frac{1}{n} \sum_i \frac{(o_i - p_i)^2}{w_i}

    with the observations :math:`o` and the predictions :math:`p` of the rows, which
    subclasses define (see ``obs_pred``), and the weights :math:`w`, see ``weighting``.
    There is no regularisation. The model is a copy, so the original is not changed.

    Args:
        rnd: A round or an aggregate. Of a round, only its aggregate matters.
        dataset: The measurements: a table with one column (the values), two (and the
            errors, the same on both sides) or three (the lower and upper errors).
            Values may be negative, as energies are. If no observation is, neither is
            an end of an error bar: ends below zero are folded, as in PyProBound 1.5.
        prediction: Turns :math:`\log Z` into what is measured.
        observation: Turns the values of the table into what is predicted; errors
            become the values at the ends of the error bars.
        update_construct: Whether the modes are adapted to the lengths of the table,
            with position biases of zero.
        train_posbias: Whether ``fit`` trains the position biases.
        train_hill: Whether ``fit`` trains the Hill coefficients.
        max_split: The number of rows that are scored at once.
        batch_size: The number of rows of a batch of training; all by default.
        checkpoint: The file of the best state.
        output: Where training reports as text, discarded by default.
        device: The device to compute on, see ``Optimizer``.
        sampler: The class of the sampler of rows.
        optimizer: The class of the torch optimizer.
        optim_args: Its keyword arguments.
        sampler_args: Keyword arguments of the sampler.
        name: The title of figures.
        weighting: What :math:`w` is if there are errors: half of the length of the
            error bar (``error``, as in PyProBound 1.5, to repeat published fits), or
            its square (``variance``, the likelihood of normally distributed errors).
            Without errors, :math:`w = 1`.

    Attributes:
        dataset: The measurements.
        optimizer: The optimizer that trains.

    Raises:
        ValueError: The table does not have one to three columns or no rows, an error
            bar has no length, or ``weighting`` is unknown.
        RuntimeError: The lengths of the model are not those of the table; pass
            ``update_construct=True``.
    """

    def __init__(
        self,
        rnd: BaseRound | Aggregate,
        dataset: CountTable,
        prediction: Curve,
        observation: Curve = identity,
        update_construct: bool = False,
        train_posbias: bool = False,
        train_hill: bool = False,
        max_split: int | None = None,
        batch_size: int | None = None,
        checkpoint: CheckpointPath = "valmodel.pt",
        output: Output = os.devnull,
        device: str | torch.device | None = None,
        sampler: type[Sampler[Any]] | None = None,
        optimizer: type[torch.optim.Optimizer] = torch.optim.LBFGS,
        optim_args: Mapping[str, Any] | None = None,
        sampler_args: Mapping[str, Any] | None = None,
        name: str = "",
        *,
        weighting: Weighting = "error",
    ) -> None:
        _check_dataset(dataset)
        if weighting not in ("error", "variance"):
            raise ValueError(
                f"weighting must be 'error' or 'variance', not {weighting!r}"
            )
        super().__init__(
            [_fixed_copy(rnd)],
            lambda_l2=0,
            lambda_l1=0,
            exponential_bound=float("inf"),
            max_split=max_split,
        )
        self.name = name
        self.dataset = dataset
        self.prediction = prediction
        self.observation = observation
        with torch.inference_mode():
            self._is_signed = bool((observation(dataset.target[:, 0]) < 0).any())
        self.train_posbias = train_posbias
        self.weighting: Weighting = weighting
        for part in self.model.modules():
            # Bindings other than modes and cooperativities may have no coefficient.
            if isinstance(part, Binding) and hasattr(part, "train_hill"):
                binding: Any = part
                binding.train_hill = train_hill
        if update_construct:
            self._update_construct()
        self._check_observations()
        self.optimizer = Optimizer(
            self,
            [dataset],
            epochs=_EPOCHS,
            patience=_PATIENCE,
            batch_size=batch_size,
            checkpoint=checkpoint,
            output=output,
            device=device,
            sampler=sampler,
            optimizer=optimizer,
            optim_args=optim_args,
            sampler_args=sampler_args,
        )
        self.eval()

    _VALID_OBSERVATION = "a finite number"

    # --- parts -------------------------------------------------------------------

    @property
    def model(self) -> BaseRound | Aggregate:
        """The copy of the round or the aggregate."""
        transform: BaseRound | Aggregate = self.transforms[0]
        return transform

    def _posbias_parameters(self) -> Iterator[torch.nn.Parameter]:
        """The parameters that layers have of their own."""
        for part in self.model.modules():
            if isinstance(part, Layer):
                yield from part.parameters(recurse=False)

    def _update_construct(self) -> None:
        """Adapts the modes to the lengths of the table, without position biases."""
        table = self.dataset
        spread = table.max_read_length - table.min_read_length
        modes = [part for part in self.model.modules() if isinstance(part, Mode)]
        for mode in modes:
            mode.update_read_length(
                left_shift=table.input_shape - mode.input_shape,
                max_len_shift=spread - (mode.max_input_length - mode.min_input_length),
                new_min_len=table.min_read_length,
                new_max_len=table.max_read_length,
            )
        with torch.no_grad():
            for parameter in self._posbias_parameters():
                parameter.zero_()
            for part in self.model.modules():
                # That of a cooperativity consists of several parameters.
                bias = getattr(part, "log_posbias", None)
                if isinstance(part, Binding) and isinstance(bias, torch.nn.Module):
                    for parameter in bias.parameters():
                        parameter.zero_()

    # --- comparison --------------------------------------------------------------

    def log_aggregate(self, seqs: Tensor) -> Tensor:
        r"""The log of the aggregate, :math:`\log Z`, of shape (rows,).

        Args:
            seqs: Codes of shape (rows, length).
        """
        model = self.model
        if isinstance(model, Aggregate):
            log_z: Tensor = model(seqs)
            return log_z
        return model.log_aggregate(seqs)

    @abc.abstractmethod
    def obs_pred(self, seqs: Tensor, target: Tensor) -> Comparison:
        """Observations and predictions, of shape (rows,) each.

        Args:
            seqs: Codes of shape (rows, length).
            target: Values, and their errors if there are any, of shape (rows, columns).

        Returns:
            The observations, the predictions, and the lower and upper ends of the
            error bars, which are None without errors.
        """

    def _observed(self, target: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Observed values and the ends of their error bars."""
        values = target[:, 0]
        if target.shape[1] == 1:
            return self.observation(values), None, None
        ends = torch.stack(
            [
                self.observation(values - target[:, 1]),
                self.observation(values + target[:, -1]),
            ]
        )
        lower, upper = (ends if self._is_signed else ends.abs()).sort(dim=0).values
        return self.observation(values), lower, upper

    @torch.inference_mode()
    def score(self, batch: CountBatch) -> Comparison:
        """As ``obs_pred`` for a table or a batch, on the CPU and without gradients.

        Args:
            batch: Sequences and values; some rows are computed at a time.
        """
        device = self.optimizer.device
        chunks = [
            self.obs_pred(part.seqs, part.target)
            for part in parts(batch, self.max_split or _MAX_ROWS, device)
        ]
        observed, predicted, lower, upper = zip(*chunks, strict=True)
        return (
            torch.cat(observed).cpu(),
            torch.cat(predicted).cpu(),
            _joined(lower),
            _joined(upper),
        )

    def negloglik(self, transform: Any, batch: CountBatch) -> tuple[Tensor, Tensor]:
        """The weighted squared errors of some rows, in float64.

        Args:
            transform: Is not used.
            batch: Sequences and values.

        Returns:
            The sum over the rows, and their number.
        """
        del transform
        observed, predicted, lower, upper = self.obs_pred(batch.seqs, batch.target)
        errors = (observed - predicted).to(accumulator(observed.device)).square()
        if lower is not None and upper is not None:
            width = (upper - lower).to(errors) / 2
            errors = errors / (width if self.weighting == "error" else width.square())
        return errors.sum(), errors.new_tensor(float(len(errors)))

    def _check_observations(self) -> None:
        """Checks that the observations of all rows can be predicted.

        Raises:
            ValueError: An observation is not finite, or an error bar has no length.
                One that is infinitely long is allowed: its row does not matter.
        """
        with torch.inference_mode():
            observed, lower, upper = self._observed(self.dataset.target)
        _check_rows(
            ~observed.isfinite(),
            f"has an observation that is not {self._VALID_OBSERVATION}; check its value"
            " and the function `observation`",
        )
        if lower is None or upper is None:
            return
        _check_rows(
            ~(upper > lower),
            "has an error bar without length, by which errors are to be divided; give"
            " every value a positive error, or none an error",
        )

    def get_setup_string(self) -> str:
        """An empty text: the settings are those of a comparison, not of a fit."""
        return ""


def _fixed_copy(rnd: BaseRound | Aggregate) -> BaseRound | Aggregate:
    """A copy in which nothing is trainable and no depth matters."""
    result = copy.deepcopy(rnd)
    for parameter in result.parameters():
        parameter.requires_grad_(False)
    if isinstance(result, BaseRound):
        result.train_depth = False
        with torch.no_grad():
            result.log_depth.zero_()
    return result.eval()


def _joined(chunks: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [chunk for chunk in chunks if chunk is not None]
    return torch.cat(present).cpu() if present else None


def _check_dataset(dataset: CountTable) -> None:
    n_rows, n_columns = dataset.target.shape
    if n_columns not in (1, 2, 3):
        raise ValueError(
            "A table of measurements has one column of values, and one or two columns"
            f" of errors behind it, but this one has {n_columns} columns"
        )
    if n_rows == 0:
        raise ValueError("The table of measurements has no rows")


def _check_rows(wrong: Tensor, problem: str) -> None:
    """Raises ValueError for the first row that is wrong."""
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ValueError(f"Row {row} of the table of measurements {problem}")
