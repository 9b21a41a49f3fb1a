"""Reads the tables of a fit and checks all that can be checked before training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..config import FitConfig, PSAMModeConfig, TableConfig
from ..config.alphabets import check_flanks, make_alphabet
from ..config.build import make_table
from ..config.resolve import TableFacts, resolve
from ..errors import InputError
from ..io.tables import TableData, read_table
from ..table import CountTable, sample_dataframe
from .devices import check_device, default_device
from .machine import available_cores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class FitData:
    """The tables of a fit, by name.

    Attributes:
        config: The configuration with every default filled in.
        sources: The tables as they were read.
        train: The rows to train on.
        validation: The other rows; None if all are for training.
        remarks: What the user should know about the tables.
    """

    config: FitConfig
    sources: Mapping[str, TableData]
    train: Mapping[str, CountTable]
    validation: Mapping[str, CountTable] | None
    remarks: tuple[str, ...]

    @property
    def train_tables(self) -> list[CountTable]:
        """The tables to train on, one for each experiment."""
        return [self.train[part.table] for part in self.config.experiments.values()]

    @property
    def validation_tables(self) -> list[CountTable] | None:
        """The tables to validate on, one for each experiment, if there are any."""
        if self.validation is None:
            return None
        parts = self.config.experiments.values()
        return [self.validation[part.table] for part in parts]

    def reset_flanks(self) -> None:
        """Gives all tables the flank lengths of the configuration."""
        for name, table in self.config.tables.items():
            for tables in (self.train, self.validation or {}):
                if name in tables:
                    tables[name].set_flank_length(
                        table.left_flank_length, table.right_flank_length
                    )


def load_data(
    config: FitConfig, given: Mapping[str, TableData] | None = None
) -> FitData:
    """Reads, checks and splits the tables of a configuration.

    Args:
        config: The configuration.
        given: Tables that have been read already.

    Raises:
        InputError: A file or a setting is wrong.
    """
    device = default_device() if config.device is None else config.device
    check_device(device)
    sources: dict[str, TableData] = {}
    facts: dict[str, TableFacts] = {}
    frames: dict[str, tuple[pd.DataFrame, pd.DataFrame | None]] = {}
    remarks: list[str] = []
    for experiment, part in config.experiments.items():
        name = part.table
        source = (given or {}).get(name) or _read(config, experiment)
        _check(config, experiment, source)
        remarks += _remarks(source)
        sources[name] = source
        frames[name] = _split(source, config)
        facts[name] = _facts(config.tables[name], name, source, frames[name][0])
    # Torch does not know what share of the cores a container is granted.
    threads = min(torch.get_num_threads(), available_cores())
    resolved = resolve(config, facts, device=device, threads=threads)
    train, validation = {}, {}
    for name, (frame, rest) in frames.items():
        train[name] = _make_table(resolved, name, frame, remarks)
        if rest is not None:
            validation[name] = _make_table(resolved, name, rest, remarks)
    return FitData(resolved, sources, train, validation or None, tuple(remarks))


def _make_table(
    config: FitConfig, name: str, frame: pd.DataFrame, remarks: list[str]
) -> CountTable:
    table = config.tables[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make_table(table, name, frame)
    remarks += [f"{table.path}: {warning.message}" for warning in caught]
    return made


def _read(config: FitConfig, experiment: str) -> TableData:
    name = config.experiments[experiment].table
    table = config.tables[name]
    alphabet = make_alphabet(table.alphabet, name)
    check_flanks(table, alphabet, name)
    modes = [config.modes[mode] for mode in config.modes_of(experiment)]
    one_hot = [mode.one_hot for mode in modes if isinstance(mode, PSAMModeConfig)]
    source = read_table(
        table.path,
        alphabet,
        header=table.header,
        columns=table.columns,
        transliterate=table.transliterate,
        degenerate=all(one_hot),
    )
    if table.sha256 is not None and table.sha256 != source.sha256:
        raise InputError(
            "is not the file that the configuration was written for: its SHA-256 is"
            f" {source.sha256}, expected {table.sha256}; give the right file, or remove"
            f" the key tables.{name}.sha256",
            path=source.path,
        )
    return source


def _check(config: FitConfig, experiment: str, source: TableData) -> None:
    part = config.experiments[experiment]
    n_columns = source.dataframe.shape[1]
    n_observed = sum(step.observed for step in part.rounds)
    if n_columns != n_observed:
        raise InputError(
            f"{n_observed} rounds are observed, but {source.path} has {n_columns} count"
            " columns; list one round per column, or choose columns",
            key=f"experiments.{experiment}.rounds",
        )
    if not source.dataframe.to_numpy().any():
        raise InputError("the table holds no reads: all counts are 0", path=source.path)
    _check_lengths(config, experiment, source)


def _check_lengths(config: FitConfig, experiment: str, source: TableData) -> None:
    table = config.tables[config.experiments[experiment].table]
    flanks = table.left_flank_length + table.right_flank_length
    shortest = source.shortest
    if table.min_variable_length is not None:
        shortest = min(shortest, table.min_variable_length)
    if table.wildcard_pad:
        return
    for name in config.modes_of(experiment):
        mode = config.modes[name]
        if not isinstance(mode, PSAMModeConfig):
            continue
        psam = config.psams[mode.psam]
        span = psam.dilation * (psam.kernel_size - 1) + 1
        seen = flanks - mode.crop_left - mode.crop_right
        if shortest + seen < span:
            with_flanks = f" ({shortest + seen} with its flanks)" if seen else ""
            raise InputError(
                f"the shortest sequence has {shortest} letters{with_flanks}, but the"
                f" motif {mode.psam!r} covers {span}; choose a smaller motif, score more"
                " letters of the flanks, or remove the short sequences",
                path=source.path,
                line=source.shortest_line,
                unit="row" if source.path.suffix == ".parquet" else "line",
            )


def _remarks(source: TableData) -> list[str]:
    if not source.n_duplicates:
        return []
    remark = (
        f"{source.path}: {source.n_duplicates:,} rows repeat the sequence of an earlier"
        " row; their counts were added to it"
    )
    return [remark]


def _split(
    source: TableData, config: FitConfig
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The rows to train on and those to validate on."""
    frame = source.dataframe
    if not config.validation_fraction:
        return frame, None
    validation, train = sample_dataframe(
        frame, config.validation_fraction, random_state=config.seed % (1 << 32)
    )
    if not len(validation) or not len(train):
        raise InputError(
            f"{config.validation_fraction} of the {len(frame)} rows of {source.path}"
            " leaves no row to train or to validate on",
            key="validation_fraction",
        )
    return train, validation


def _facts(
    table: TableConfig, name: str, source: TableData, train: pd.DataFrame
) -> TableFacts:
    columns: list[int | str] = list(range(source.dataframe.shape[1]))
    if table.columns is not None:
        columns = list(table.columns)
    alphabet = make_alphabet(table.alphabet, name)
    lengths = source.dataframe.index.str.len()
    return TableFacts(
        sha256=source.sha256,
        header=source.header,
        columns=columns,
        min_variable_length=(
            int(lengths.max()) // alphabet.monomer_length
            if table.wildcard_pad
            else source.shortest
        ),
        max_variable_length=int(lengths.max()) // alphabet.monomer_length,
        counts_per_round=train.sum().tolist(),
    )
