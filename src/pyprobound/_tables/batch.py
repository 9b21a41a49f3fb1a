"""Batches: the rows of a table that are worked on at once."""

import abc
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from torch import Tensor
from torch.utils.data._utils.collate import collate, default_collate_fn_map


@dataclasses.dataclass(eq=False)
class Batch(abc.ABC):
    """A number of rows, the base of all batches.

    Subclasses are dataclasses whose fields hold one entry per row.
    """

    @abc.abstractmethod
    def batchlen(self) -> int:
        """Returns the number of rows."""


@dataclasses.dataclass(eq=False)
class CountBatch(Batch):
    """Sequences and how often each was read.

    Attributes:
        seqs: Codes of the letters, of shape (rows, length).
        target: Counts, of shape (rows, rounds).
    """

    seqs: Tensor
    target: Tensor

    def batchlen(self) -> int:
        """Returns the number of rows."""
        return len(self.target)


BatchT = TypeVar("BatchT", bound=Batch)


class Rows(Sequence[CountBatch]):
    """The single rows of a batch, which need not be collated again.

    A loader asks a table for many rows at a time and hands them to a collating
    function. One that knows this class takes the batch; any other sees a sequence
    of rows.

    Args:
        collated: The batch.
    """

    def __init__(self, collated: CountBatch) -> None:
        self.collated = collated

    def __len__(self) -> int:
        return self.collated.batchlen()

    @overload
    def __getitem__(self, index: int) -> CountBatch: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows": ...
    def __getitem__(self, index: int | slice) -> "CountBatch | Rows":
        rows = CountBatch(self.collated.seqs[index], self.collated.target[index])
        return Rows(rows) if isinstance(index, slice) else rows

    def __iter__(self) -> Iterator[CountBatch]:
        return map(CountBatch, self.collated.seqs, self.collated.target)


def collate_batch_fn(
    batch: Sequence[BatchT],
    *,
    collate_fn_map: dict[type | tuple[type, ...], Callable[..., Any]] | None = None,
) -> BatchT:
    """Joins rows into one batch of the same class, field by field.

    Args:
        batch: The rows, instances of one dataclass.
        collate_fn_map: How torch collates each type; defaults to torch's own map.

    Returns:
        A batch with one more leading axis in every field.
    """
    if isinstance(batch, Rows):
        return batch.collated  # type: ignore[return-value]
    if collate_fn_map is None:
        collate_fn_map = default_collate_fn_map
    fields = {
        field.name: collate(
            [getattr(row, field.name) for row in batch], collate_fn_map=collate_fn_map
        )
        for field in dataclasses.fields(batch[0])
    }
    return type(batch[0])(**fields)


default_collate_fn_map[Batch] = collate_batch_fn
