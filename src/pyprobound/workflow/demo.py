"""The demonstration: a motif is simulated, fitted and compared with itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ..alphabets import DNA
from ..config.defaults import DefaultOptions, default_config
from ..errors import InputError
from ..experiment import Experiment
from ..io.table_writer import write_table
from ..layers import PSAM
from ..optim.records import Consumer
from ..stats.motifs import Alignment, align_motifs, builtin_motif
from ..stats.simulation import builtin_model, simulate
from .fit import FitResult, run_fit
from .folder import OutputFolder

FloatArray = npt.NDArray[np.float64]

DEFAULT_READS = 200_000
TABLE_NAME = "reads.tsv.gz"
_LENGTH = 20
_SIZE = 10


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration found.

    Attributes:
        fit: The fit of the simulated reads.
        reads: The number of reads in the library and in the selected round.
        sequences: The number of distinct sequences.
        alignment: The true motif with the recovered one laid over it.
        true_nll: The negative log-likelihood per read of the true model, at the best
            depth; the recovered one has more parameters and should be below.
        simulation_seconds: The duration of the simulation.
    """

    fit: FitResult
    reads: tuple[int, ...]
    sequences: int
    alignment: Alignment
    true_nll: float
    simulation_seconds: float


def run_demo(
    output: str | Path,
    *,
    reads: int = DEFAULT_READS,
    seed: int = 0,
    force: bool = False,
    on_record: Consumer | None = None,
    say: Callable[[str], None] = lambda text: None,  # noqa: ARG005
) -> DemoResult:
    """Simulates reads from the built-in motif, fits them, and compares the motifs.

    Half of the reads are from the library and half from one round of selection. The
    fit is that of ``pyprobound fit`` with its defaults and the size of the motif.

    Args:
        output: The folder for the simulated table and for all that a fit writes. The
            output of an earlier demonstration is replaced.
        reads: The number of reads.
        seed: From it follow the reads, and the random values of the fit.
        force: Whether to replace another fit that lies there.
        on_record: Receives a record of everything that happens in the fit.
        say: Receives a sentence before each stage.

    Raises:
        InputError: The folder holds another fit or cannot be written to, or there are
            fewer than 2 reads.
        FitError: The fit failed.
    """
    if reads < 2:
        raise InputError(f"expected at least 2 reads, not {reads}")
    folder = OutputFolder(Path(output))
    table_path = folder.path / TABLE_NAME
    force = force or table_path.is_file()
    folder.check(resume=False, force=force)

    say(
        f"Simulating {reads:,} reads: {_LENGTH} random letters, one round of selection"
        " by the built-in motif"
    )
    began = time.perf_counter()
    model = builtin_model(_LENGTH)
    depths = (reads - reads // 2, reads // 2)
    table = simulate(model, None, depths, seed=seed, sampling="multinomial")
    seconds = time.perf_counter() - began
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror})", path=folder.path
        ) from None
    write_table(table_path, table)

    say(f"Fitting non-specific binding and a motif of {_SIZE} positions")
    config = default_config(table_path, (0, 1), DefaultOptions(size=_SIZE, seed=seed))
    fit = run_fit(config, folder.path, force=force, on_record=on_record)
    (psam,) = fit.model.psams.values()
    return DemoResult(
        fit=fit,
        reads=tuple(int(total) for total in table.sum()),
        sequences=len(table),
        alignment=align_motifs(_letters(builtin_motif()), _letters(psam)),
        true_nll=_best_nll(model, table),
        simulation_seconds=seconds,
    )


def _letters(psam: PSAM) -> FloatArray:
    """The single-letter energies of a motif: (letters, positions)."""
    with torch.no_grad():
        values: FloatArray = psam.forward_filter(0)[0].double().cpu().numpy()
    return values


def _best_nll(model: Experiment, table: pd.DataFrame) -> float:
    """The negative log-likelihood per read of a library and one selected round.

    The depth, which a simulation leaves open, is the one that fits best: the intercept
    of a logistic regression, found by Newton's method.
    """
    codes, _ = DNA().translate_many(table.index.tolist())
    with torch.inference_mode():
        selected = model.observed_rounds[1].log_enrichment(torch.from_numpy(codes))
    log_enrichment = selected.double().cpu().numpy()
    library, bound = table.to_numpy(dtype=np.float64).T
    total = library + bound
    log_depth = -float(np.average(log_enrichment, weights=total))
    for _ in range(50):
        share = 1 / (1 + np.exp(-log_enrichment - log_depth))
        slope = (bound - total * share).sum()
        step = slope / (total * share * (1 - share)).sum()
        log_depth += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    log_odds = log_enrichment + log_depth
    nll = library * np.logaddexp(0, log_odds) + bound * np.logaddexp(0, -log_odds)
    return float(nll.sum() / total.sum())
