"""Reads, thins and splits data frames of counts."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .reading import Path, read_table

if TYPE_CHECKING:
    import polars as pl

Seed: TypeAlias = int | np.random.Generator | None


def get_dataframe(
    paths: Path | Iterable[Path],
    total_count: int | None = None,
    random_state: Seed = None,
) -> pd.DataFrame:
    """Reads tables of counts.

    A table is tab-separated text without a header line: a sequence and its counts. It
    may be compressed (gz, bz2, xz, zst).

    Args:
        paths: The path of one table, or several.
        total_count: The number of counts to which each column is thinned at random,
            see `sample_counts`.
        random_state: The seed for that.

    Returns:
        A data frame with the sequences as index and the columns 0, 1, ... Rows are in
        the order of the file if it is one. Several tables are merged: sorted by
        sequence, absent counts are 0, repeated sequences are summed, and columns are
        numbered through.

    Raises:
        ValueError: No path is given.
        InputError: A line is malformed; the message names file and line (it is a
            ``ValueError``).
    """
    import polars as pl

    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    tables = [read_table(path) for path in paths]
    if not tables:
        raise ValueError("no path is given")
    if total_count is not None:
        tables = [_thin_table(table, total_count, random_state) for table in tables]
    if len(tables) == 1:
        return _to_pandas(tables[0])
    numbered = []
    n_columns = 0
    for table in tables:
        first, *columns = table.columns
        names = {old: str(n_columns + i) for i, old in enumerate(columns)}
        numbered.append(table.rename({first: "sequence", **names}))
        n_columns += len(columns)
    merged = (
        pl.concat(numbered, how="diagonal")
        .group_by("sequence")
        .agg(pl.all().sum())
        .sort("sequence")
    )
    return _to_pandas(merged)


def _thin_table(
    table: "pl.DataFrame", n_counts: int, random_state: Seed
) -> "pl.DataFrame":
    import polars as pl

    names = table.columns[1:]
    thinned = _thin([table[name].to_numpy() for name in names], n_counts, random_state)
    series = [
        pl.Series(name, counts) for name, counts in zip(names, thinned, strict=True)
    ]
    return table.with_columns(series).filter(sum(thinned) > 0)


def _to_pandas(table: "pl.DataFrame") -> pd.DataFrame:
    sequences, *columns = table.get_columns()
    return pd.DataFrame(
        {place: column.to_numpy() for place, column in enumerate(columns)},
        index=pd.Index(sequences.to_list(), dtype=None if len(sequences) else "str"),
    )


def _thin(
    columns: Iterable[npt.NDArray[Any]], n_counts: int, random_state: Seed
) -> list[npt.NDArray[np.int64]]:
    generator = np.random.default_rng(random_state)
    thinned = []
    for place, column in enumerate(columns):
        counts = column.astype(np.int64)
        if (counts != column).any() or (counts < 0).any():
            raise ValueError(f"column {place} holds counts that are not integers >= 0")
        total = int(counts.sum())
        share = min(1.0, n_counts / total) if total else 1.0
        thinned.append(generator.binomial(counts, share))
    return thinned


def sample_counts(
    dataframe: pd.DataFrame, n_counts: int = 1000000, random_state: Seed = None
) -> pd.DataFrame:
    """Thins every column at random to about the same total.

    Each count is replaced by a draw from the binomial distribution of that count and
    the probability min(1, `n_counts` / total of its column).

    Args:
        dataframe: Counts; the frame is not changed.
        n_counts: The expected total of each column, if it has that many.
        random_state: The seed.

    Returns:
        A new data frame, without the rows that have become empty.

    Raises:
        ValueError: A count is not an integer, or negative.
    """
    columns = [dataframe.iloc[:, i].to_numpy() for i in range(dataframe.shape[1])]
    thinned = _thin(columns, n_counts, random_state)
    result = dataframe.copy()
    for place, counts in enumerate(thinned):
        result.isetitem(place, counts)
    return result.loc[result.sum(axis=1).to_numpy() > 0]


def sample_dataframe(
    dataframe: pd.DataFrame,
    frac: float = 0.1,
    random_state: int | None = None,
    n_bin: int = 128,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits rows at random such that both parts cover the range of enrichments.

    Rows are sorted by (last column + 1) / (first column + 1) and cut into bins, and
    the sample takes the same share of each bin, up to one row.

    Args:
        dataframe: Counts; the frame is not changed.
        frac: The share of rows to sample: `round(frac * rows)` of them in total.
        random_state: The seed.
        n_bin: The number of bins.

    Returns:
        The sample and the rest, each sorted by index. Where the index has duplicates,
        no row of the rest has the same label as one of the sample.

    Raises:
        ValueError: `frac` is not from 0 to 1, or there is no bin or column.
    """
    if not 0 <= frac <= 1:
        raise ValueError(f"frac is {frac}, but must be from 0 to 1")
    if n_bin < 1 or not dataframe.shape[1]:
        raise ValueError("at least one bin and one column are needed")
    first = dataframe.iloc[:, 0].to_numpy(np.float64)
    last = dataframe.iloc[:, -1].to_numpy(np.float64)
    order = np.argsort((last + 1) / (first + 1), kind="stable")
    n_rows = len(order)
    n_bin = max(1, min(n_bin, n_rows))
    starts = np.arange(n_bin) * (n_rows // n_bin)
    stops = np.append(starts[1:], n_rows)
    # Rounding what the bins up to here should give, not each bin alone, makes the
    # total come out right.
    due = np.rint(frac * stops).astype(np.int64)
    chosen = [
        pd.Series(order[start:stop]).sample(int(n), random_state=random_state)
        for start, stop, n in zip(starts, stops, np.diff(due, prepend=0), strict=True)
    ]
    sample = dataframe.iloc[np.concatenate(chosen)]
    rest = dataframe.loc[~dataframe.index.isin(sample.index)]
    return sample.sort_index(kind="stable"), rest.sort_index(kind="stable")
