"""How many random starts run at the same time, and with how many threads each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..config import FitConfig, PSAMModeConfig
from ..errors import InputError
from .data import FitData
from .machine import available_cores, usable_memory

# Rough measures of a fit. Only whether processes pay off hangs on them.
_PARALLEL_SHARE = 0.75
"""How much of the time of a start the threads share among themselves (Amdahl)."""
_STARTUP_SECONDS = 4.0
"""The time until a process has loaded the libraries and the compiled code."""
_START_SECONDS = 0.5
"""The time of a start on one thread that does not depend on the table."""
_LETTER_SECONDS = 5e-7
"""The further time of a start per letter of the table and motif."""
_PROCESS_BYTES = 500 << 20
_ROW_BYTES = 300
"""What a process needs besides its table, and per row of it."""
_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Jobs:
    """How starts share the processor.

    Attributes:
        number: How many starts run at the same time.
        threads: With how many threads each of them computes.
    """

    number: int
    threads: int


def check_jobs(wanted: int | None) -> None:
    """Checks a number of starts that are to run at the same time.

    Args:
        wanted: The number; None for the one that suits.

    Raises:
        InputError: It is less than 1.
    """
    if wanted is not None and wanted < 1:
        raise InputError(f"expected at least 1, not {wanted}", key="jobs")


def choose_jobs(data: FitData, wanted: int | None = None) -> Jobs:
    """Chooses how starts share the threads of a fit.

    The choice depends on the configuration, the size of the tables and the machine,
    not on what else the machine is doing nor on which starts are finished: the same
    fit is computed alike again, to the last bit.

    Args:
        data: The tables and the resolved configuration.
        wanted: How many starts run at the same time; by default as many as end
            soonest, which is one for small fits and on devices other than the CPU.
    """
    config = data.config
    threads = config.threads or torch.get_num_threads()
    if wanted is not None:
        number = min(wanted, config.starts)
        return Jobs(number, max(1, threads // number))
    most = min(config.starts, threads, available_cores(), _most_in_memory(data))
    if torch.device(config.device or "cpu").type != "cpu":
        most = 1
    seconds = _START_SECONDS + _LETTER_SECONDS * _scored_letters(data)
    number = min(
        range(1, most + 1),
        key=lambda number: _duration(number, config.starts, threads, seconds),
    )
    return Jobs(number, threads // number)


def _duration(number: int, starts: int, threads: int, seconds: float) -> float:
    """The expected time of all starts if so many run at the same time."""
    each = seconds * (1 - _PARALLEL_SHARE + _PARALLEL_SHARE / (threads // number))
    startup = _STARTUP_SECONDS if number > 1 else 0.0
    return startup + each * math.ceil(starts / number)


def _scored_letters(data: FitData) -> int:
    """The letters that the motifs score in one evaluation of the loss."""
    letters = 0
    for experiment, table in zip(
        data.config.experiments, data.train_tables, strict=True
    ):
        letters += table.seqs.numel() * _n_motifs(data.config, experiment)
    return letters


def _n_motifs(config: FitConfig, experiment: str) -> int:
    modes = (config.modes[name] for name in config.modes_of(experiment))
    return sum(isinstance(mode, PSAMModeConfig) for mode in modes)


def _most_in_memory(data: FitData) -> int:
    """How many processes the memory holds besides this one."""
    memory = usable_memory()
    if memory is None:
        return data.config.starts
    # Flanks that grow give every process a table of its own.
    each = _PROCESS_BYTES + sum(
        table.seqs.nbytes + len(table) * _ROW_BYTES for table in data.train_tables
    )
    return max(1, int(memory * _MEMORY_SHARE - each) // each)
