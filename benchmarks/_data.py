"""The tables that are measured on: real ones by name, and simulated ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import torch

import pyprobound
from pyprobound import datasets
from pyprobound.alphabets import DNA, Alphabet
from pyprobound.errors import PyproboundError
from pyprobound.table import CountBatch

QUICK_ROWS = 400
"""Rows of the simulated stand-in of a real table, see ``--quick``."""


def _stay_offline(url: str, *_: object) -> None:
    raise ConnectionError(f"not asked to download {url}")


def find_table(name: str, download: bool = False) -> Path:
    """The path of an example table of ``pyprobound.datasets``.

    Args:
        name: The name of the experiment.
        download: Whether to fetch the table if it is not on this machine.

    Raises:
        PyproboundError: It is not on this machine, or is another one.
    """
    if download:
        return datasets.fetch(name)
    # It announces downloads before it is told not to make them.
    pooch.get_logger().setLevel("WARNING")
    try:
        return datasets.fetch(name, downloader=_stay_offline)
    except datasets.DownloadError:
        raise PyproboundError(
            f"the table {datasets.describe(name).file} is not on this machine: set"
            " PYPROBOUND_DATA_DIR to a folder that holds it, or give --download"
        ) from None


def example_table(
    name: str, flank_length: int = 0, *, quick: bool = False, download: bool = False
) -> pyprobound.CountTable:
    """The table of an example experiment.

    Args:
        name: The name of the experiment.
        flank_length: How many letters of either flank are scored.
        quick: Whether to simulate a few rows of the same shape instead.
        download: Whether to fetch the table if it is not on this machine.

    Raises:
        PyproboundError: The table is not on this machine, or is another one.
    """
    experiment = datasets.describe(name)
    if quick:
        frame = random_frame(
            QUICK_ROWS, experiment.variable_length, rounds=len(experiment.columns)
        )
    else:
        frame = pyprobound.get_dataframe(find_table(name, download))
    return pyprobound.CountTable(
        frame,
        DNA(),
        left_flank=experiment.left_flank,
        right_flank=experiment.right_flank,
        left_flank_length=flank_length,
        right_flank_length=flank_length,
    )


def random_frame(
    n_rows: int, length: int, letters: str = "ACGT", *, rounds: int = 2, seed: int = 0
) -> pd.DataFrame:
    """Random sequences with random counts."""
    rng = np.random.default_rng(seed)
    codes = np.frombuffer(letters.encode(), np.uint8)[
        rng.integers(0, len(letters), (n_rows, length), np.uint8)
    ]
    sequences = codes.view(f"S{length}")[:, 0].astype(str).tolist()
    counts = rng.integers(0, 5, (n_rows, rounds))
    counts[:, 0] += 1
    return pd.DataFrame(counts, index=sequences)


def random_batch(
    n_rows: int, length: int, alphabet: Alphabet, *, rounds: int = 2, seed: int = 0
) -> CountBatch:
    """Random codes and counts: a table without the time and memory of its text."""
    generator = torch.Generator().manual_seed(seed)
    n_letters = len(alphabet.alphabet)
    shape = (n_rows, length)
    codes = torch.empty(shape, dtype=torch.int8).random_(
        0, n_letters, generator=generator
    )
    counts = torch.empty(n_rows, rounds).random_(0, 5, generator=generator)
    counts[:, 0] += 1
    return CountBatch(codes, counts)


def rows_of(batch: CountBatch, n_rows: int) -> CountBatch:
    """The first rows of a batch."""
    return CountBatch(batch.seqs[:n_rows], batch.target[:n_rows])


def table_bytes(batch: CountBatch) -> int:
    """The memory that the codes and counts of a batch take."""
    return sum(
        each.numel() * each.element_size() for each in (batch.seqs, batch.target)
    )
