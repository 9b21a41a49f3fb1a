"""What a model predicts for the rows of a table, and averages over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..base import Transform
from ..experiment import Experiment
from ..loss.rows import parts
from ..table import CountBatch
from ..utils import avg_pool1d, get_split_size
from .style import FloatArray

_MAX_ROWS = 1 << 18


def evaluate(
    transform: Transform,
    batch: CountBatch,
    function: Callable[[Tensor], Tensor],
    max_split: int | None = None,
) -> FloatArray:
    """Evaluates a function of the sequences of a batch, some rows at a time.

    Args:
        transform: The model that the function uses; it is put into evaluation mode
            meanwhile.
        batch: The rows, or a table.
        function: Takes the codes of some rows, on the device of the model.
        max_split: The number of rows that are scored at once.

    Returns:
        The results for all rows.

    Raises:
        ValueError: There are no rows, or ``max_split`` is below 1.
    """
    if max_split is not None and max_split < 1:
        raise ValueError(f"max_split must be at least 1, not {max_split}")
    if batch.batchlen() == 0:
        raise ValueError("There are no rows to draw")
    parameter = next(transform.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    rows = get_split_size(
        transform.max_embedding_size(), max_split or _MAX_ROWS, device
    )
    modes = {module: module.training for module in transform.modules()}
    transform.eval()
    try:
        with torch.inference_mode():
            results = [
                function(part.seqs).cpu().double().numpy()
                for part in parts(batch, rows, device)
            ]
    finally:
        for module, training in modes.items():
            module.training = training
    return np.concatenate(results)


def observed_counts(experiment: Experiment, batch: CountBatch) -> FloatArray:
    """The counts of a batch, of shape (rows, rounds).

    Raises:
        ValueError: There is not one column for each observed round.
    """
    counts: FloatArray = batch.target.detach().cpu().double().numpy()
    n_rounds = len(experiment.observed_rounds)
    if counts.ndim != 2 or counts.shape[1] != n_rounds:
        raise ValueError(
            f"The counts have the shape {counts.shape}, but the experiment observes"
            f" {n_rounds} rounds; give the table of the experiment"
        )
    return counts


def predicted_counts(
    experiment: Experiment, batch: CountBatch, max_split: int | None = None
) -> FloatArray:
    r"""The expected counts, :math:`p_r(S) \sum_{r'} c_{r'}(S)`, of shape (rows, rounds).

    They have the scale of the observed counts, so both can be given the same
    pseudocount.
    """
    totals = observed_counts(experiment, batch).sum(axis=1, keepdims=True)
    expected: FloatArray = totals * np.exp(
        evaluate(experiment, batch, experiment, max_split)
    )
    return expected


def chosen_columns(columns: Sequence[int] | None, n_columns: int) -> list[int]:
    """The places of columns, counted from 0.

    Args:
        columns: The places, negative ones from the end; None for all.
        n_columns: The number of columns that there are.

    Raises:
        ValueError: There is no such column, or one is given twice.
    """
    if columns is None:
        return list(range(n_columns))
    result = []
    for column in columns:
        if not -n_columns <= column < n_columns:
            raise ValueError(
                f"There is no column {column}: columns are 0 to {n_columns - 1}"
            )
        result.append(column % n_columns)
    if len(set(result)) < len(result):
        raise ValueError(f"A column is given twice: {list(columns)}")
    return result


def binned(values: FloatArray, kernel: int) -> FloatArray:
    """The means of groups of successive rows, without an incomplete last group.

    Args:
        values: Of shape (rows, ...).
        kernel: The number of rows of a group.

    Raises:
        ValueError: There is not a single group.
    """
    if len(values) < max(kernel, 1):
        raise ValueError(
            f"There are {len(values)} rows, too few for bins of kernel={kernel};"
            " choose a smaller kernel"
        )
    means: FloatArray = avg_pool1d(torch.from_numpy(values), kernel).numpy()
    return means


def pseudocount(kernel: int) -> float:
    """What is added to a mean count: one read in a bin."""
    return 1 / kernel if kernel > 1 else 1.0


def bins_text(n_bins: int, kernel: int, noun: str) -> str:
    """Tells of what the points of a figure are means."""
    if kernel > 1:
        return f"{n_bins:,} bins of {kernel:,} {noun}"
    return f"{n_bins:,} {noun}"
