"""Applies a module to a batch that may be too large for one go."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from ..utils import get_split_size
from .batch import CountBatch


def score(
    module: torch.nn.Module,
    batch: CountBatch,
    fun: str = "forward",
    max_split: int | None = None,
    **kwargs: object,
) -> tuple[Tensor, Tensor]:
    """Applies a function of a module to the sequences of a batch.

    No gradients are kept. The module is in evaluation mode meanwhile; afterwards each
    of its parts is in the mode in which it was.

    Args:
        module: The module; sequences are moved to the device of its parameters.
        batch: The batch or table.
        fun: The name of the function, called with the sequences.
        max_split: The number of rows scored at once; defaults to all.
        **kwargs: Further arguments of the function.

    Returns:
        The target of the batch and the output of the function, both on the CPU.

    Raises:
        ValueError: `max_split` is below 1.
    """
    n_rows = batch.batchlen()
    if max_split is None:
        max_split = max(1, n_rows)
    if max_split < 1:
        raise ValueError(f"max_split is {max_split}, but must be >= 1")
    parameter = next(module.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    row_size = getattr(module, "max_embedding_size", lambda: 1)
    max_split = get_split_size(row_size(), max_split, device)
    predictions = []
    with _evaluation_mode(module), torch.inference_mode():
        for start in range(0, max(1, n_rows), max_split):
            seqs = batch.seqs[start : start + max_split].to(device)
            predictions.append(getattr(module, fun)(seqs, **kwargs).cpu())
    # Outside of inference mode, so that the result can be used in training.
    return batch.target.detach().cpu(), torch.cat(predictions)


@contextlib.contextmanager
def _evaluation_mode(module: torch.nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
