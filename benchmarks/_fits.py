"""Runs fits, and checks that what they end at is an optimum."""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _measure import PeakMemory
from _options import add_kernels, parser
from _sampler import Sampler, kind_of_work, outside_kernels

import pyprobound
from pyprobound import kernels, layers, optim

Model = tuple[pyprobound.MultiExperimentLoss, layers.PSAM]
MakeModel = Callable[[pyprobound.CountTable], Model]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "FisherScoring": optim.FisherScoring,
    "LBFGS": torch.optim.LBFGS,
}
QUICK_EPOCHS = 1


def fit_parser(documentation: str | None, seeds: int) -> argparse.ArgumentParser:
    """A parser with the options of all benchmarks of fits."""
    result = parser(documentation)
    result.add_argument("--seed", type=int, default=0, help="of the first start")
    result.add_argument("--seeds", type=int, default=seeds, help="number of starts")
    result.add_argument("--optimizer", choices=OPTIMIZERS, default="FisherScoring")
    add_kernels(result)
    result.add_argument("--download", action="store_true", help="fetch the table")
    return result


@dataclass(frozen=True)
class Settings:
    """How models are fitted.

    Attributes:
        make_model: Creates a model at a random start.
        optimizer: The name of the torch optimizer.
        kernels: The name of the kernels.
        epochs: The greatest number of epochs of each training.
    """

    make_model: MakeModel
    optimizer: str
    kernels: str
    epochs: int = 200

    @classmethod
    def given(cls, make_model: MakeModel, options: argparse.Namespace) -> "Settings":
        """The settings of the options of ``fit_parser``."""
        epochs = QUICK_EPOCHS if options.quick else cls.epochs
        return cls(make_model, options.optimizer, options.kernels, epochs)


@dataclass(frozen=True)
class Fit:
    """A finished fit.

    Attributes:
        loss: The loss, at its optimum.
        psam: Its motif.
        seconds: How long the fit took, from the creation of the model on.
        n_evaluations: How often the loss was evaluated.
        peak_extra_bytes: The memory that the fit took at most, besides the table.
    """

    loss: pyprobound.MultiExperimentLoss
    psam: layers.PSAM
    seconds: float
    n_evaluations: int
    peak_extra_bytes: int


def _optimizer(
    loss: pyprobound.MultiExperimentLoss,
    table: pyprobound.CountTable,
    settings: Settings,
    folder: str,
) -> pyprobound.Optimizer:
    return pyprobound.Optimizer(
        loss,
        [table],
        checkpoint=Path(folder) / "best.pt",
        output=io.StringIO(),
        device="cpu",
        optimizer=OPTIMIZERS[settings.optimizer],
        epochs=settings.epochs,
    )


def fit(
    table: pyprobound.CountTable,
    settings: Settings,
    seed: int,
    watch: AbstractContextManager[object] | None = None,
) -> Fit:
    """Trains all modes one after the other from a random start.

    Args:
        table: The table.
        settings: How.
        seed: Seed of the random start.
        watch: Is entered for the time that is measured.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        kernels.use(settings.kernels),
        PeakMemory() as memory,
        watch or nullcontext(),
    ):
        start = time.perf_counter()
        torch.manual_seed(seed)
        loss, psam = settings.make_model(table)
        optimizer = _optimizer(loss, table, settings, folder)
        optimizer.train_sequential()
        seconds = time.perf_counter() - start
    return Fit(loss, psam, seconds, optimizer.n_evaluations, memory.extra)


def warm_up(few_rows: pyprobound.CountTable, settings: Settings) -> None:
    """Compiles, or loads, everything that a fit calls."""
    fit(few_rows, replace(settings, epochs=QUICK_EPOCHS), seed=0)


def consensus(psam: layers.PSAM, letters: Sequence[str]) -> str:
    """The best letter at each position."""
    best = psam.get_filter(0)[0].argmax(dim=0)
    return "".join(letters[index] for index in best.tolist())


# --- is it an optimum? -----------------------------------------------------------


def exact_loss(
    loss: pyprobound.MultiExperimentLoss, table: pyprobound.CountTable
) -> tuple[float, float, float]:
    """Evaluates a loss in float64.

    Returns:
        The negative log-likelihood per read, the regularisation, and the Euclidean
        norm of the gradient of their sum with respect to all trainable parameters.
    """
    loss.double()
    try:
        loss.zero_grad()
        negloglik, regularization = loss([table])
        (negloglik + regularization).backward()
        gradients = [p.grad.flatten() for p in loss.parameters() if p.grad is not None]
        norm = float(torch.cat(gradients).norm())
        return float(negloglik.detach()), float(regularization.detach()), norm
    finally:
        loss.zero_grad()
        loss.float()


def restart(fitted: Fit, table: pyprobound.CountTable, settings: Settings) -> float:
    """By how much training again from the optimum lowers the loss.

    The loss is left in the state that has the lower value.
    """
    before = sum(exact_loss(fitted.loss, table)[:2])
    with tempfile.TemporaryDirectory() as folder:
        optimizer = _optimizer(fitted.loss, table, settings, folder)
        optimizer.train_simultaneous()
    return before - sum(exact_loss(fitted.loss, table)[:2])


# --- several starts --------------------------------------------------------------


def fit_and_check(
    table: pyprobound.CountTable, settings: Settings, seed: int
) -> dict[str, Any]:
    """Fits from a random start; returns what is to be reported of it."""
    fitted = fit(table, settings, seed)
    with kernels.use(settings.kernels):
        negloglik, regularization, norm = exact_loss(fitted.loss, table)
        motif = consensus(fitted.psam, table.alphabet.alphabet)
        improvement = restart(fitted, table, settings)
    return {
        "seed": seed,
        "seconds": round(fitted.seconds, 3),
        "evaluations": fitted.n_evaluations,
        "nll_per_read": round(negloglik, 7),
        "regularization": round(regularization, 7),
        "total_loss": round(negloglik + regularization, 7),
        "gradient_norm": float(f"{norm:.3g}"),
        "restart_improvement": float(f"{improvement:.3g}"),
        "peak_extra_bytes": fitted.peak_extra_bytes,
        "consensus": motif,
    }


def fit_all(
    table: pyprobound.CountTable, settings: Settings, seeds: list[int]
) -> dict[str, Any]:
    """Fits from several starts, and sums up: the best one, and the worst checks."""
    fits = [fit_and_check(table, settings, seed) for seed in seeds]
    best = min(fits, key=lambda each: each["total_loss"])
    seconds = [each["seconds"] for each in fits]
    peak = max(each["peak_extra_bytes"] for each in fits)
    return {
        "rows": len(table),
        "seconds_per_fit": round(statistics.median(seconds), 3),
        "least_seconds": min(seconds),
        "total_seconds": round(sum(seconds), 3),
        "evaluations_per_fit": statistics.median(each["evaluations"] for each in fits),
        "nll_per_read": best["nll_per_read"],
        "regularization": best["regularization"],
        "total_loss": best["total_loss"],
        "consensus": best["consensus"],
        "greatest_gradient_norm": max(each["gradient_norm"] for each in fits),
        "greatest_restart_improvement": max(
            each["restart_improvement"] for each in fits
        ),
        "peak_extra_bytes": peak,
        "bytes_per_row": round(peak / len(table), 1),
        "fits": fits,
    }


def share_outside_kernels(
    table: pyprobound.CountTable, settings: Settings, seed: int
) -> float:
    """The share of the time of another fit that is not spent in kernels."""
    sampler = Sampler(kind_of_work)
    fit(table, settings, seed, sampler)
    return outside_kernels(sampler.seconds)


def reference_fit(
    table: pyprobound.CountTable, settings: Settings, own: dict[str, Any]
) -> dict[str, Any]:
    """The same fit by reference kernels and L-BFGS with strong Wolfe conditions.

    Args:
        table: The table.
        settings: Those of the fit to compare with.
        own: That fit, of ``fit_and_check``.
    """
    plain = replace(settings, optimizer="LBFGS", kernels="reference")
    fitted = fit(table, plain, own["seed"])
    with kernels.use("auto"):
        negloglik, regularization, norm = exact_loss(fitted.loss, table)
    return {
        "reference_seed": own["seed"],
        "reference_seconds": round(fitted.seconds, 1),
        "reference_evaluations": fitted.n_evaluations,
        "reference_nll_per_read": round(negloglik, 7),
        "reference_total_loss": round(negloglik + regularization, 7),
        "reference_gradient_norm": float(f"{norm:.3g}"),
        "ratio": round(fitted.seconds / own["seconds"], 1),
    }
