"""Translates a configuration of ProBound into one of ours.

Whatever cannot be expressed is refused, all of it in one error: a fit is never
another one than what was asked for.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from ..documents import validate
from ..fit import FitConfig
from . import schema
from .config import ProBoundConfigWarning, ProBoundFile, load_probound
from .counts import check_counts
from .remarks import Remark
from .translate_experiments import translate_experiments, translate_tables
from .translate_modes import (
    names_of_interaction,
    translate_interactions,
    translate_modes,
    translate_psams,
)
from .translation import Translation, Values, mode_name


class Translated:
    """The same fit in our words.

    Attributes:
        file: The configuration of ProBound.
        values: Ours, as in a YAML file, with what differs from defaults only.
        config: Ours, complete.
        remarks: What the user should know about the translation.
    """

    def __init__(
        self, file: ProBoundFile, values: Values, remarks: Sequence[Remark]
    ) -> None:
        self.file = file
        self.values = values
        self.remarks = tuple(remarks)
        self.config: FitConfig = validate(values, path=file.document.path)

    def to_yaml(self) -> str:
        """The configuration as YAML, with the remarks as comments."""
        source = self.file.document.path
        lines = [
            "Translated from a configuration of ProBound"
            + (f": {source.name}" if source is not None else "")
        ]
        lines += [f"- {remark}" for remark in self.remarks]
        wrapped = [
            part
            for line in lines
            for part in textwrap.wrap(line, 84, subsequent_indent="  ")
        ]
        comments = "".join(f"# {line}\n" for line in wrapped)
        return comments + yaml.safe_dump(self.values, sort_keys=False, width=88)


def translate(
    file: ProBoundFile, empty_columns: Mapping[int, Sequence[int]] | None = None
) -> Translated:
    """Translates a configuration of ProBound.

    The parts are named by their places: the modes ``mode0``, ``mode1``, ..., the
    interactions ``interaction0``, ..., the rounds by their columns. Tables are named
    after their files.

    Args:
        file: The configuration.
        empty_columns: For each table the columns without any reads. They are not
            compared with others: their depths would tend to nothing.

    Raises:
        InputError: Settings cannot be expressed; the message lists all of them.
    """
    empty = {place: list(each) for place, each in (empty_columns or {}).items()}
    work = Translation(file, empty)
    for place, columns in empty.items():
        if columns:
            work.note(
                ("modelSettings", "countTable", place),
                f"columns without reads are not compared: {', '.join(map(str, columns))}",
            )
    values: Values = {
        "tables": translate_tables(work),
        "psams": translate_psams(work),
        "modes": translate_modes(work),
        "cooperativities": translate_interactions(work),
        "experiments": translate_experiments(work),
        "loss": _loss(work),
        "optimizer": _optimizer(work),
        "training": {"mode": "sequential", "order": _order(work)},
    }
    threads = file.config.optimizer_setting.n_threads
    if threads != schema.OptimizerSetting.model_fields["n_threads"].default:
        values["threads"] = threads
    work.raise_missing()
    given = {key: value for key, value in values.items() if value != {}}
    return Translated(file, given, [*file.remarks, *work.remarks])


def convert(path: str | Path, *, strict: bool = False) -> str:
    """Writes a configuration of ProBound as ours.

    Remarks about settings are comments in the text; those that call for attention
    are warnings too.

    Args:
        path: A builder file or a full configuration (JSON).
        strict: Whether unknown keys are errors.

    Returns:
        YAML, which ``pyprobound fit`` reads.

    Raises:
        InputError: The file is not valid, or settings cannot be expressed.
    """
    translated = translate_file(path, strict=strict)
    for remark in translated.remarks:
        if remark.kind == "info":
            continue
        text = f"{path}: {remark}" if remark.line is None else f"{path}, {remark}"
        warnings.warn(text, ProBoundConfigWarning, stacklevel=2)
    return translated.to_yaml()


def translate_file(path: str | Path, *, strict: bool = False) -> Translated:
    """Reads and translates a configuration of ProBound.

    Args:
        path: A builder file or a full configuration (JSON).
        strict: Whether unknown keys are errors.

    Raises:
        InputError: The file or a table is not valid, or settings cannot be expressed.
    """
    file = load_probound(path, strict=strict)
    return translate(file, check_counts(file))


# --- loss and training -------------------------------------------------------------


def _loss(work: Translation) -> Values:
    settings = work.file.config.optimizer_setting
    if settings.exp_bound == 0:
        work.lack(("optimizerSetting", "expBound"), "must be above 0")
    return {
        # The tables count alike, each by its negative log-likelihood per read.
        "weights": [1.0] * work.n_tables,
        "lambda_l2": float(settings.lambda_l2),
        "pseudocount": float(settings.pseudocount),
        "exponential_bound": float(settings.exp_bound) or 40.0,
        "dilute_regularization": True,
        # Concentrations are constants in ProBound.
        "exclude_regularization": ["log_target_concentration", "log_depth"],
    }


def _optimizer(work: Translation) -> Values:
    settings = work.file.config.optimizer_setting
    key = ("optimizerSetting",)
    if settings.minimizer_type == "sgd":
        work.lack(
            (*key, "minimizerType"),
            "sgd returns at once in ProBound, without fitting anything",
        )
    elif settings.minimizer_type == "patternSearch":
        work.note(
            (*key, "minimizerType"),
            "the same objective is minimised by Fisher scoring, which is faster",
        )
    for name, part in (
        ("lbfgsSettings", settings.lbfgs_settings),
        ("patternSearchSettings", settings.pattern_search_settings),
    ):
        if part != type(part)():
            work.note(
                (*key, name),
                "has no counterpart in Fisher scoring, which minimises the same"
                " objective; see optimizer.optimizer and optimizer.optim_args",
            )
    return {"greedy_threshold": float(settings.likelihood_threshold)}


def _order(work: Translation) -> list[list[str]]:
    """Mode after mode, each interaction as soon as its modes are there."""
    pending = dict(enumerate(work.settings.binding_mode_interactions))
    order: list[list[str]] = []
    for place in range(len(work.settings.binding_modes)):
        order.append([mode_name(place)])
        for number, part in list(pending.items()):
            if max(part.binding_modes) <= place:
                del pending[number]
                order.append(list(dict.fromkeys(names_of_interaction(work, number))))
    return order
