"""The configuration of the loss, the optimizer and the order of training."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator

from .base import ConfigModel, Name


class LossConfig(ConfigModel):
    """What is minimised; see ``pyprobound.MultiExperimentLoss``."""

    weights: list[NonNegativeFloat] | None = Field(
        default=None, description="The weight of each experiment; equal by default."
    )
    lambda_l2: NonNegativeFloat = Field(
        default=1e-6, description="Weight of squared values."
    )
    lambda_l1: NonNegativeFloat = Field(
        default=0.0, description="Weight of absolute values."
    )
    pseudocount: NonNegativeFloat = Field(
        default=0.0, description="Reads by which letters are drawn towards each other."
    )
    exponential_bound: float = Field(
        default=40.0,
        gt=0,
        description="Size of values where a steep barrier begins; .inf: none.",
    )
    full_loss: bool = Field(
        default=False,
        description="Whether the terms that depend on data alone are included.",
    )
    dilute_regularization: bool = Field(
        default=False,
        description="Whether shared motifs are regularised once, unweighted.",
    )
    exclude_regularization: list[str] = Field(
        default=[], description="Parts of the names of values not to regularise."
    )
    equalize_contribution: bool = Field(
        default=False,
        description="Whether experiments contribute alike whatever their size.",
    )
    max_split: PositiveInt | None = Field(
        default=None, description="The most sequences that are scored at once."
    )


class OptimizerConfig(ConfigModel):
    """How it is minimised; see ``pyprobound.Optimizer``."""

    epochs: PositiveInt = Field(
        default=200, description="The most epochs of each training."
    )
    patience: PositiveInt = Field(
        default=10, description="Epochs without a better loss before a training ends."
    )
    greedy_threshold: NonNegativeFloat = Field(
        default=2e-4, description="How much a change of a motif must lower the loss."
    )
    batch_size: PositiveInt | None = Field(
        default=None, description="Sequences per batch; the whole table by default."
    )
    sampler: Literal["EvenSampler"] | None = Field(
        default=None, description="In which order batches are drawn; that of the table."
    )
    sampler_args: dict[str, Any] = Field(
        default={}, description="Options of the sampler."
    )
    optimizer: str = Field(
        default="FisherScoring",
        description="FisherScoring, or a class of torch.optim such as LBFGS or Adam.",
    )
    optim_args: dict[str, Any] = Field(default={}, description="Options of that class.")
    use_amp: bool = Field(
        default=False, description="Whether to use lower precision (torch)."
    )
    dtype: Literal["float16", "bfloat16"] | None = Field(
        default=None, description="The lower precision."
    )

    @field_validator("optimizer")
    @classmethod
    def _check_optimizer(cls, value: str) -> str:
        if not value.isidentifier() or value.startswith("_"):
            raise ValueError(
                f"{value!r} is no class of torch.optim; expected FisherScoring,"
                " LBFGS, Adam, ..."
            )
        return value

    @field_validator("optim_args", "sampler_args")
    @classmethod
    def _check_finite(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, number in value.items():
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{name} is {number}; expected a finite number")
        return value


class TrainingConfig(ConfigModel):
    """In which order modes are trained."""

    mode: Literal["sequential", "simultaneous"] = Field(
        default="sequential", description="One mode after the other, or all at once."
    )
    order: list[list[Name]] | None = Field(
        default=None,
        min_length=1,
        description="Groups of modes that are trained together, one group after the"
        " other; one mode each by default.",
    )
    maintain_loss: bool = Field(
        default=True,
        description="Whether a step that does not lower the loss is undone.",
    )
