"""Count tables in memory: sequences, counts, flanks, batches, loading and scoring."""

from ._tables.base import Table
from ._tables.batch import Batch, CountBatch, collate_batch_fn
from ._tables.count_table import CountTable
from ._tables.frames import get_dataframe, sample_counts, sample_dataframe
from ._tables.loading import EvenSampler, MultitaskLoader
from ._tables.scoring import score

__all__ = [
    "Batch",
    "CountBatch",
    "CountTable",
    "EvenSampler",
    "MultitaskLoader",
    "Table",
    "collate_batch_fn",
    "get_dataframe",
    "sample_counts",
    "sample_dataframe",
    "score",
]
