"""Fits of a model to measurements, on a linear and on a logarithmic scale."""

from __future__ import annotations

import abc
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Sampler

from ..aggregate import Aggregate, Contribution
from ..base import Spec
from ..optim.assembly import CheckpointPath
from ..optim.reporting import Output
from ..rounds import BaseRound
from ..table import CountTable
from .base import BaseFit, Comparison, Curve, Weighting, identity
from .figure import Points, draw_comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OffsetColumns = Literal["all", "target"]

# Where the training of scale and intercept starts, as factors of their first values.
_MULTIPLIERS = (0.1, 10**-0.5, 1.0, 10**0.5, 10.0)


class _OffsetFit(BaseFit):
    """What the two fits share: an offset, training in stages, and the figure."""

    def __init__(
        self,
        rnd: BaseRound | Aggregate,
        dataset: CountTable,
        prediction: Curve,
        observation: Curve = identity,
        update_construct: bool = False,
        train_offset: bool = False,
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
        offset_columns: OffsetColumns = "all",
    ) -> None:
        super().__init__(
            rnd,
            dataset,
            prediction,
            observation=observation,
            update_construct=update_construct,
            train_posbias=train_posbias,
            train_hill=train_hill,
            max_split=max_split,
            batch_size=batch_size,
            checkpoint=checkpoint,
            output=output,
            device=device,
            sampler=sampler,
            optimizer=optimizer,
            optim_args=optim_args,
            sampler_args=sampler_args,
            name=name,
            weighting=weighting,
        )
        if offset_columns not in ("all", "target"):
            raise ValueError(
                f"offset_columns must be 'all' or 'target', not {offset_columns!r}"
            )
        target = dataset.target if offset_columns == "all" else dataset.target[:, :1]
        self.train_offset = train_offset
        scale, intercept = (
            self._first_offset(float(target.min()), float(target.max()))
            if train_offset
            else self._NO_OFFSET
        )
        self.scale = self._offset_parameter(scale)
        self.intercept = self._offset_parameter(intercept)

    _NO_OFFSET: tuple[float, float]

    def _offset_parameter(self, value: float) -> torch.nn.Parameter:
        # On the device of the model: it has been moved already.
        number = torch.tensor(value, device=self.optimizer.device)
        return torch.nn.Parameter(number, requires_grad=self.train_offset)

    @abc.abstractmethod
    def _first_offset(self, least: float, greatest: float) -> tuple[float, float]:
        """Scale and intercept at first, for the range of the table."""

    @abc.abstractmethod
    def _multiplied(self, value: float, multiplier: float) -> float:
        """A scale or intercept times a number."""

    @abc.abstractmethod
    def _linear(self, values: Tensor) -> Tensor:
        """Observations or predictions on a linear scale."""

    # --- training ----------------------------------------------------------------

    def fit(self) -> Tensor:
        """Trains in stages, each of which starts from the best state of the last one.

        1. The scale and the intercept, if they are trained, from 25 starts of which
           the best is kept.
        2. The activities of all contributions, too.
        3. What belongs to the experiment, too: Hill coefficients, concentrations and
           position biases, as far as they are trained; never the depth, and nothing
           that other experiments share, such as motifs.

        The model ends in the best state, which is in the checkpoint as well.

        Returns:
            The lowest loss.

        Raises:
            ValueError: The activity of a contribution is to be trained but is zero, or
                the loss is not a number at any start.
        """
        model = self.model
        model.freeze()
        # Before the long first stage, as it is known already.
        contributions = [
            part for part in model.modules() if isinstance(part, Contribution)
        ]
        for contribution in contributions:
            contribution.unfreeze("activity")
        model.freeze()
        loss = self._train_offset() if self.train_offset else self._evaluate()
        for contribution in contributions:
            contribution.unfreeze("activity")
        loss = self._train(loss)
        model.unfreeze()
        for part in model.modules():
            if isinstance(part, Spec):
                part.freeze()
        if self.train_posbias:
            for parameter in self._posbias_parameters():
                parameter.requires_grad_()
        loss = self._train(loss)
        self.optimizer.save(self.optimizer.checkpoint)
        return torch.tensor(loss, dtype=torch.float64)

    def _evaluate(self) -> float:
        """The loss; infinite if it is not a number, so that any other is better."""
        with torch.inference_mode():
            loss = float(self([self.dataset]).negloglik)
        return math.inf if math.isnan(loss) else loss

    def _train(self, best_loss: float) -> float:
        """Trains what is trainable; returns the lowest loss."""
        if not any(parameter.requires_grad for parameter in self.parameters()):
            return best_loss
        return float(self.optimizer.train_simultaneous(best_loss))

    def _train_offset(self) -> float:
        """Trains the scale and the intercept alone, from several starts."""
        first = self._state()
        scale, intercept = self.scale.item(), self.intercept.item()
        starts = [
            (self._multiplied(scale, first), self._multiplied(intercept, second))
            for first, second in itertools.product(_MULTIPLIERS, repeat=2)
        ]
        best_loss, best = math.inf, first
        # An intercept of zero is zero times anything.
        for start in dict.fromkeys(starts):
            self.reload_from_state_dict(first)
            with torch.no_grad():
                self.scale.fill_(start[0])
                self.intercept.fill_(start[1])
            loss = self._train(math.inf)
            if loss < best_loss:
                best_loss, best = loss, self._state()
        if best_loss == math.inf:
            self.reload_from_state_dict(first)
            raise ValueError(
                "The loss is not a finite number at any start of the training of scale"
                " and intercept; check that `prediction` is finite for the log"
                " aggregates of the sequences"
            )
        self.reload_from_state_dict(best)
        self.optimizer.save(self.optimizer.checkpoint)
        return best_loss

    def _state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.state_dict().items()}

    # --- figure ------------------------------------------------------------------

    def plot(
        self,
        xlabel: str = "Predicted",
        ylabel: str = "Observed",
        kernel: int = 1,
        xlog: bool = True,
        ylog: bool = True,
        labels: Sequence[str] | None = None,
        colors: Sequence[Any] | str | None = None,
        *,
        ax: Axes | None = None,
    ) -> Figure:
        r"""Draws the observations against the predictions, on a linear scale.

        The legend gives the rank correlation of Spearman (:math:`r_s`), that of
        Pearson (:math:`r`) and a regression line; the last two are of what is drawn,
        that is, of decadic logs on logarithmic axes. More than 500 points without
        errors, labels and colours are drawn as a map of their density. Labels are
        written where they cover neither each other nor the points, as far as there is
        room.

        Args:
            xlabel: The label of the predictions.
            ylabel: The label of the observations.
            kernel: How many points, in the order of their predictions, are averaged
                to one; an incomplete last group is dropped. The error of a mean is
                that of independent values, :math:`\sqrt{\overline{e^2} / k}`.
            xlog: Whether the axis of the predictions is logarithmic. Both axes are
                linear if a value is not positive.
            ylog: Whether the axis of the observations is logarithmic.
            labels: A text for each point.
            colors: A colour for each point, or one for all.
            ax: Where to draw; a new figure by default.

        Returns:
            The figure; nothing is shown and no file is written.

        Raises:
            ValueError: There are fewer rows than ``kernel``, or not as many labels or
                colours as points.
        """
        observed, predicted, lower, upper = self.score(self.dataset)
        ends = (
            None if values is None else self._linear(values)
            for values in (lower, upper)
        )
        points = Points.of(self._linear(predicted), self._linear(observed), *ends)
        return draw_comparison(
            points.averaged(kernel),
            title=self.name,
            axis_labels=(xlabel, ylabel),
            kernel=kernel,
            logarithmic=(xlog, ylog),
            labels=labels,
            colors=colors,
            ax=ax,
        )


class Fit(_OffsetFit):
    r"""The fit of a model to measurements, on a linear scale.

    .. math:: o_i = \mathrm{observation}(y_i), \quad
        p_i = b + m \, \mathrm{prediction}(\log Z(S_i))

    Without offset, the scale :math:`m` is 1 and the intercept :math:`b` is 0. With
    one, they are trained, and start at the range of the table and its least value.

    Args:
        rnd: See ``BaseFit``, as for all arguments not described here.
        dataset: See ``BaseFit``.
        prediction: See ``BaseFit``; for example ``torch.sigmoid``, the share that is
            bound, or ``torch.exp``.
        observation: See ``BaseFit``.
        update_construct: See ``BaseFit``.
        train_offset: Whether there are a scale and an intercept.
        train_posbias: See ``BaseFit``.
        train_hill: See ``BaseFit``.
        max_split: See ``BaseFit``.
        batch_size: See ``BaseFit``.
        checkpoint: See ``BaseFit``.
        output: See ``BaseFit``.
        device: See ``BaseFit``.
        sampler: See ``BaseFit``.
        optimizer: See ``BaseFit``.
        optim_args: See ``BaseFit``.
        sampler_args: See ``BaseFit``.
        name: See ``BaseFit``.
        weighting: See ``BaseFit``.
        offset_columns: What the range of the table is: that of ``all`` columns, errors
            included, as in PyProBound 1.5, or of the values alone (``target``).

    Attributes:
        scale: The scale.
        intercept: The intercept.

    Raises:
        ValueError: See ``BaseFit``; or ``offset_columns`` is unknown.
        RuntimeError: See ``BaseFit``.
    """

    _NO_OFFSET = (1.0, 0.0)

    def _first_offset(self, least: float, greatest: float) -> tuple[float, float]:
        return greatest - least, least

    def _multiplied(self, value: float, multiplier: float) -> float:
        return value * multiplier

    def _linear(self, values: Tensor) -> Tensor:
        return values

    def obs_pred(self, seqs: Tensor, target: Tensor) -> Comparison:
        """Observations and predictions, see ``BaseFit.obs_pred``."""
        observed, lower, upper = self._observed(target)
        predicted = self.prediction(self.log_aggregate(seqs))
        return observed, self.intercept + self.scale * predicted, lower, upper


class LogFit(_OffsetFit):
    r"""The fit of a model to the logs of measurements.

    .. math:: o_i = \log \mathrm{observation}(y_i), \quad
        p_i = \log\left( e^b + e^{m + \mathrm{prediction}(\log Z(S_i))} \right)

    so the prediction is a log, for example that of ``torch.nn.functional.logsigmoid``.
    Without offset, the scale :math:`m` is 0 and the intercept :math:`b` is -inf. With
    one, they are trained, and start at the log of the range of the table and that of
    its least value.

    See ``Fit`` for the arguments.

    Attributes:
        scale: The log of the scale.
        intercept: The log of the intercept.

    Raises:
        ValueError: See ``Fit``; or an observation is not positive; or an offset is to
            be trained and the least value is zero, or all are equal.
        RuntimeError: See ``BaseFit``.
    """

    _NO_OFFSET = (0.0, -math.inf)
    _VALID_OBSERVATION = "a positive number, of which there is a log"

    def _first_offset(self, least: float, greatest: float) -> tuple[float, float]:
        if not 0 < least < greatest:
            raise ValueError(
                "The offset of a LogFit starts at the logs of the range and of the"
                f" least value of the table, which has values from {least:g} to"
                f" {greatest:g}; pass train_offset=False, use Fit, or, if only errors"
                " are zero, pass offset_columns='target'"
            )
        return math.log(greatest - least), math.log(least)

    def _multiplied(self, value: float, multiplier: float) -> float:
        return value + math.log(multiplier)

    def _linear(self, values: Tensor) -> Tensor:
        return values.exp()

    def _observed(self, target: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        observed, lower, upper = super()._observed(target)
        if lower is not None and upper is not None:
            return observed.log(), lower.log(), upper.log()
        return observed.log(), None, None

    def obs_pred(self, seqs: Tensor, target: Tensor) -> Comparison:
        """Observations and predictions as logs, see ``BaseFit.obs_pred``."""
        observed, lower, upper = self._observed(target)
        predicted = self.scale + self.prediction(self.log_aggregate(seqs))
        if self.train_offset or bool(self.intercept != -math.inf):
            predicted = torch.logaddexp(predicted, self.intercept)
        return observed, predicted, lower, upper
