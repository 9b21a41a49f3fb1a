"""Predicts the counts of a table with the experiment of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .. import checkpoint
from ..config import FitConfig
from ..config.build import make_table
from ..errors import InputError
from ..experiment import Experiment
from ..external import parse_probound_tables
from ..external.lines import ModelLine
from ..io.result_writer import Column, open_results
from ..io.tables import TableData, read_table
from ..table import CountTable
from .models import load_model
from .open_model import double_precision
from .opened import OpenedModel
from .scoring_choice import choose_experiment, experiment_names

_ROWS = 1 << 14


@dataclass(frozen=True)
class PredictionResult:
    """What a prediction came to.

    Attributes:
        n_sequences: The number of sequences.
        reads: The reads of each round that is modelled.
        experiment: What the experiment is called.
    """

    n_sequences: int
    reads: tuple[int, ...]
    experiment: str


def predict_table(
    model: OpenedModel,
    table: str | Path,
    output: str | Path | None,
    *,
    experiment: str | None = None,
    shares: bool = False,
    on_progress: Callable[[int, int | None, int], None] | None = None,
) -> PredictionResult:
    r"""Predicts the counts of a table by the whole model.

    A sequence with :math:`N_i` reads in all rounds has
    :math:`N_i p_{ir}` expected reads in round :math:`r`, where the shares
    :math:`p_{ir}` come from the experiment with all its parts: flanks, position
    biases, interactions, saturation and depths.

    Args:
        model: The model; it must describe its experiments.
        table: A count table with the columns of the fit.
        output: See ``io.result_writer.open_results``.
        experiment: The name of the experiment, or its number from 1; needed if there
            are several.
        shares: Whether to write the shares instead of counts.
        on_progress: Told the rows that were done, of how many, and again.

    Raises:
        InputError: The model has no experiments, or the table does not fit it.
    """
    if not model.experiments:
        reason = f" ({model.remarks[0]})" if model.remarks else ""
        raise InputError(
            "the model does not describe an experiment, so that it predicts affinities"
            f" but no counts{reason}",
            path=model.path,
            key="--predict",
        )
    place = choose_experiment(model, len(model.experiments), experiment)
    names = experiment_names(model)
    name = names[place] if names else str(place + 1)
    source, counts, columns = _read(model, place, Path(table))
    module = model.experiments[place]
    n_rounds = len(module.observed_rounds)
    if counts.target.shape[1] != n_rounds:
        raise InputError(
            f"has {counts.target.shape[1]} columns of counts, but the experiment"
            f" {name!r} has {n_rounds} rounds",
            path=source.path,
        )
    texts = list(map(str, source.dataframe.index))
    labels = [str(column) for column in columns]
    with open_results(output, scientific=True) as writer:
        for start, values in _predictions(module, counts, shares):
            writer.write(_columns(texts[start : start + len(values)], labels, values))
            if on_progress is not None:
                done = start + len(values)
                on_progress(done, len(texts), done)
    reads = tuple(int(total) for total in counts.target.sum(0))
    return PredictionResult(len(texts), reads, name)


def _predictions(
    module: Experiment, table: CountTable, shares: bool
) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.float64]]]]:
    """The expected counts, or the shares, of some rows at a time."""
    module.eval()
    for start in range(0, len(table.target), _ROWS):
        rows = slice(start, start + _ROWS)
        with torch.inference_mode():
            expected = module(table.seqs[rows]).double().exp()
        if not shares:
            expected = expected * table.target[rows].double().sum(1, keepdim=True)
        yield start, expected.numpy()


def _columns(texts: list[str], labels: list[str], values: Any) -> dict[str, Column]:
    numbers = {label: values[:, place] for place, label in enumerate(labels)}
    return {"sequence": texts, **numbers}


def _read(
    model: OpenedModel, place: int, path: Path
) -> tuple[TableData, CountTable, list[Any]]:
    """The table as it is in the file and as the model takes it, and its columns."""
    try:
        if model.config is not None:
            return _read_ours(model, model.config, place, path)
        return _read_probound(model, place, path)
    except InputError as error:
        if error.path is not None:
            raise
        raise InputError(error.message, path=path, key=error.key) from None
    except (ValueError, RuntimeError) as error:
        raise InputError(f"does not fit the model: {error}", path=path) from error


def _read_ours(
    model: OpenedModel, config: FitConfig, place: int, path: Path
) -> tuple[TableData, CountTable, list[Any]]:
    name = list(config.experiments)[place]
    part = config.tables[config.experiments[name].table]
    source = read_table(
        path,
        model.alphabet,
        header=part.header,
        columns=part.columns,
        transliterate=part.transliterate,
    )
    if model.path.suffix == ".safetensors":
        table = load_model(model.path).make_table(name, source.dataframe)
    else:
        table = make_table(part, config.experiments[name].table, source.dataframe)
        flanks = checkpoint.load(model.path)[1].get("flank_lengths") or ()
        if place < len(flanks):
            table.set_flank_length(*flanks[place])
    return source, table, list(source.dataframe.columns)


def _read_probound(
    model: OpenedModel, place: int, path: Path
) -> tuple[TableData, CountTable, list[Any]]:
    assert model.document is not None  # noqa: S101 - it has no configuration of ours
    document = dict(model.document)
    line = ModelLine(document)
    source = read_table(path, model.alphabet)
    n_columns = len(line.log_depths(place))
    if source.dataframe.shape[1] != n_columns:
        raise InputError(
            f"has {source.dataframe.shape[1]} columns of counts, but the fit has"
            f" {n_columns}",
            path=path,
        )
    length = int(line.tables[place]["variableRegionLength"])
    frames = []
    for index, settings in enumerate(line.tables):
        letters = line.letter_order[0] * int(settings["variableRegionLength"])
        empty = {column: [1] for column in range(len(line.log_depths(index)))}
        frames.append(pd.DataFrame(empty, index=[letters]))
    frames[place] = source.dataframe
    with double_precision():
        table = parse_probound_tables(document, frames)[place]
    wrong = source.dataframe.index.str.len() != length
    if wrong.any():
        raise InputError(
            f"holds sequences of other lengths than {length}, the one that the fit"
            f" knows (the first is {source.dataframe.index[wrong][0]!r})",
            path=path,
        )
    columns = line.modeled_columns(place, n_columns)
    return source, table, [source.dataframe.columns[column] for column in columns]
