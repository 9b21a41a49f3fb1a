"""The order and the combination in which batches are drawn from tables."""

from collections.abc import Iterator, Sequence, Sized
from typing import Any

import torch
import torch.utils.data


class EvenSampler(torch.utils.data.Sampler[int]):
    """Draws rows at random, but evenly along the table.

    The table is divided into contiguous parts of nearly equal size, each part is
    shuffled by torch's random generator, and the parts give one row each in turn.
    Where the table is sorted by enrichment, each batch so covers the whole range.

    Args:
        data_source: The table, or anything that has a length.
        n_bin: The number of parts.

    Raises:
        ValueError: `n_bin` is below 1.
    """

    def __init__(self, data_source: Sized, n_bin: int = 128) -> None:
        super().__init__()
        if n_bin < 1:
            raise ValueError(f"n_bin is {n_bin}, but must be >= 1")
        self.data_source = data_source
        self.n_bin = n_bin

    def __len__(self) -> int:
        return len(self.data_source)

    def __iter__(self) -> Iterator[int]:
        parts = [
            part[torch.randperm(len(part))]
            for part in torch.arange(len(self)).tensor_split(self.n_bin)
        ]
        n_turns = len(self) // self.n_bin
        turns = torch.stack([part[:n_turns] for part in parts], dim=1).flatten()
        # Parts differ by one row at most, and the larger ones come first.
        return iter(torch.cat([turns, *(part[n_turns:] for part in parts)]).tolist())


class MultitaskLoader:
    """Draws batches from several loaders at once.

    If each loader has exactly one batch, the whole tables are given, once, without
    copying them. Otherwise each item is a tuple of one batch per loader; the longest
    loader is gone through once, and shorter ones are started again as needed.

    Args:
        dataloaders: The loaders.

    Attributes:
        dataloaders: The loaders.

    Raises:
        ValueError: There is no loader, or one has no batch.
    """

    def __init__(self, dataloaders: Sequence[torch.utils.data.DataLoader[Any]]) -> None:
        self.dataloaders = dataloaders
        if not dataloaders:
            raise ValueError("at least one loader is needed")
        for place, loader in enumerate(dataloaders):
            if not len(loader):
                raise ValueError(f"loader {place} has no batch")

    def __len__(self) -> int:
        return max(map(len, self.dataloaders))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if len(self) == 1:
            yield tuple(loader.dataset for loader in self.dataloaders)
            return
        for _, *batches in zip(
            range(len(self)), *map(_cycle, self.dataloaders), strict=False
        ):
            yield tuple(batches)


def _cycle(loader: torch.utils.data.DataLoader[Any]) -> Iterator[Any]:
    """Goes through a loader again and again, shuffling anew if it shuffles."""
    while True:
        yield from loader
