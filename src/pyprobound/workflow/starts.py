"""Trains a model from several random starts, each of which is remembered."""

from __future__ import annotations

import math

import torch

from ..config import FitConfig
from ..config.build import Model, build
from ..errors import FitError, InputError
from ..optim.records import Consumer
from .data import FitData
from .folder import OutputFolder
from .jobs import Jobs
from .ledger import Ledger
from .one_start import Start, build_start, optimizer_options, run_start, start_file
from .runlog import RunLog
from .together import run_together


def run_starts(
    data: FitData,
    folder: OutputFolder,
    log: RunLog,
    jobs: Jobs,
    on_record: Consumer | None = None,
) -> tuple[list[Start], float]:
    """Runs all random starts that are not finished.

    Args:
        data: The tables and the configuration.
        folder: The output folder, in which progress is kept.
        log: The log file.
        jobs: How many starts run at the same time.
        on_record: Another consumer of records.

    Returns:
        All starts, in order, and the seconds that earlier processes spent on them.

    Raises:
        FitError: A start failed.
    """
    config = data.config
    ledger = Ledger(config.seed, config.starts, folder, log, on_record)
    waiting = ledger.recall()
    number = min(jobs.number, len(waiting))
    if number > 1:
        run_together(waiting, Jobs(number, jobs.threads), data, folder, ledger, log)
    else:
        for start in waiting:
            _run_here(start, data, folder, ledger, log)
    results = [ledger.results[start] for start in range(config.starts)]
    return results, ledger.seconds_before / jobs.number


def _run_here(
    number: int, data: FitData, folder: OutputFolder, ledger: Ledger, log: RunLog
) -> None:
    ledger.begin(number)
    result = run_start(
        data,
        folder.state,
        number,
        log.stream,
        lambda record: ledger.receive(number, record),
    )
    ledger.finish(result)


def restore(start: Start, data: FitData, folder: OutputFolder) -> Model:
    """The model at the end of a start; the tables get its flanks.

    Args:
        start: The start.
        data: The tables and the configuration.
        folder: The output folder, in which the start was kept.
    """
    data.reset_flanks()
    model = build_start(data, start.seed)
    file = start_file(folder.state, start.start, "pt")
    metadata = model.loss.reload(file, strict=True)
    for group in (data.train_tables, data.validation_tables or []):
        for table, flanks in zip(group, metadata["flank_lengths"], strict=False):
            table.set_flank_length(*flanks)
    return model


def best_start(starts: list[Start]) -> Start:
    """The start with the lowest loss, the first one of equals.

    Args:
        starts: The starts.

    Raises:
        FitError: No loss is finite.
    """
    finite = [start for start in starts if math.isfinite(start.loss)]
    if not finite:
        raise FitError(
            "no start reached a finite loss; check the table, or raise lambda_l2"
        )
    return min(finite, key=lambda start: start.loss)


def check_model(config: FitConfig, data: FitData) -> None:
    """Makes the model and the optimizer options once, to find errors early.

    Args:
        config: The resolved configuration.
        data: The tables.

    Raises:
        InputError: A setting is wrong.
    """
    optimizer_options(config.optimizer)
    with torch.random.fork_rng(devices=[]):
        model = build(config, data.train)
    try:
        model.loss.check_length_consistency()
    except (RuntimeError, ValueError) as error:
        raise InputError(str(error)) from error
