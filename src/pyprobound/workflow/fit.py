"""A fit from beginning to end, as ``pyprobound fit`` runs it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import write_atomically
from ..config import FitConfig
from ..config.build import Model
from ..errors import InputError
from ..io.tables import TableData
from ..optim.records import Consumer
from .data import FitData, load_data
from .devices import limited_threads
from .export_model import fit_metadata, write_model_json
from .folder import OutputFolder
from .jobs import Jobs, check_jobs, choose_jobs
from .logos import write_logos
from .models import FittedModel, load_model, save_model
from .one_start import Start
from .runlog import RunLog, open_log
from .stages import stages_of
from .starts import best_start, check_model, restore, run_starts
from .summary import summarize


@dataclass(frozen=True)
class FitResult:
    """A finished fit.

    Attributes:
        folder: The output folder.
        config: The configuration with every default filled in.
        summary: What ``summary.json`` holds.
        was_finished: Whether the fit was finished before it was asked for.
    """

    folder: OutputFolder
    config: FitConfig
    summary: Mapping[str, Any]
    was_finished: bool = False

    @cached_property
    def model(self) -> FittedModel:
        """The fitted model, read from the output folder."""
        return load_model(self.folder.model)


def run_fit(
    config: FitConfig,
    output: str | Path,
    *,
    resume: bool = False,
    force: bool = False,
    on_record: Consumer | None = None,
    tables: Mapping[str, TableData] | None = None,
    jobs: int | None = None,
) -> FitResult:
    """Fits a model to tables and writes everything about it to a folder.

    The configuration and the tables are checked before anything is written. A fit
    that is interrupted, even killed, leaves a folder from which ``resume`` goes on,
    to the same result.

    Args:
        config: What is fitted to what.
        output: The folder to write to; it is created.
        resume: Whether to continue a fit that lies there; one that is not there is
            begun, a finished one is returned.
        force: Whether to replace a fit that lies there.
        on_record: Receives a record of everything that happens.
        tables: Tables that have been read already, by name.
        jobs: How many random starts run at the same time, in processes that share
            the threads of the fit. By default as many as the processor cores and the
            memory allow and end soonest; 1 runs one after the other, here. The
            number has no influence on a start but by its threads: sums over rows
            are rounded differently by another number of threads.

    Returns:
        The results.

    Raises:
        InputError: A file, a setting or the folder is wrong; nothing was written.
        FitError: The fit failed; what was done can be resumed from.
    """
    began = time.perf_counter()
    check_jobs(jobs)
    folder = OutputFolder(Path(output))
    folder.check(resume=resume, force=force)
    data = load_data(config, tables)
    check_model(data.config, data)
    if resume:
        folder.check_same(data.config)
        if folder.is_finished():
            folder.remove_state()
            summary = json.loads(folder.summary.read_text(encoding="utf-8"))
            return FitResult(folder, data.config, summary, was_finished=True)
    folder.open(data.config, resume=resume)
    shares = choose_jobs(data, jobs)
    with (
        open_log(folder.log) as log,
        limited_threads(shares.threads),
        torch.random.fork_rng(),
    ):
        summary = _fit(data, folder, log, began, shares, on_record)
    folder.remove_state()
    return FitResult(folder, data.config, summary)


def _fit(
    data: FitData,
    folder: OutputFolder,
    log: RunLog,
    began: float,
    jobs: Jobs,
    on_record: Consumer | None,
) -> dict[str, Any]:
    for remark in data.remarks:
        log.warning(remark)
    results, earlier = run_starts(data, folder, log, jobs, on_record)
    best = best_start(results)
    model = restore(best, data, folder)
    _write_model(model, data, folder, log)
    seconds = time.perf_counter() - began + earlier
    _write_probound(model, data, folder, log, best, seconds)
    summary = summarize(model, data, results, best, seconds)
    summary["stages"] = stages_of(folder.history, model, best.start)
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    log.info(
        f"kept start {best.start + 1}: NLL per read {best.negloglik:.10f},"
        f" {seconds:.1f} s in all"
    )
    write_atomically(folder.summary, lambda path: _write_text(path, text))
    return summary


def _write_model(
    model: Model, data: FitData, folder: OutputFolder, log: RunLog
) -> None:
    flanks = _flanks(data)
    try:
        model.loss.save(folder.checkpoint, flanks, format="1.5")
    except ValueError as error:
        log.warning(f"{folder.checkpoint.name} is not written: {error}")
        folder.checkpoint.unlink(missing_ok=True)
    save_model(folder.model, model, flank_lengths=flanks)
    write_logos(model.psams, folder, log)


def _write_probound(
    model: Model,
    data: FitData,
    folder: OutputFolder,
    log: RunLog,
    best: Start,
    seconds: float,
) -> None:
    metadata = fit_metadata(
        model.loss,
        data.train_tables,
        negloglik=best.negloglik,
        regularization=best.regularization,
        seconds=seconds,
        n_evaluations=best.n_evaluations,
    )
    try:
        losses = write_model_json(
            folder.probound,
            model,
            metadata=metadata,
            flank_lengths=_flanks(data),
        )
    except InputError as error:
        log.warning(f"{folder.probound.name} is not written: {error}")
        folder.probound.unlink(missing_ok=True)
        return
    for loss in losses:
        log.info(f"{folder.probound.name}: {loss}")


def _flanks(data: FitData) -> tuple[tuple[int, int], ...]:
    return tuple(
        (table.left_flank_length, table.right_flank_length)
        for table in data.train_tables
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
