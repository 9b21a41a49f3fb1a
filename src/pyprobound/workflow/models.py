"""Saves a fitted model with its configuration, and brings it back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from .._version import __version__
from ..checkpoint import state_dict_of
from ..config import FitConfig, validate
from ..config.build import Model, build, make_table
from ..errors import InputError
from ..io.model import read_model_file, write_model_file
from ..loss import MultiExperimentLoss
from ..table import CountTable

Flanks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class FittedModel(Model):
    """A model that was read from a file; see ``config.build.Model``.

    Attributes:
        flank_lengths: The letters of the two flanks that are scored, per experiment.
        version: The release of the library that wrote the file.
    """

    flank_lengths: Flanks = ()
    version: str = ""

    def make_table(self, experiment: str, dataframe: pd.DataFrame) -> CountTable:
        """Makes a table of other sequences that an experiment of the model can score.

        Args:
            experiment: The name of the experiment.
            dataframe: Sequences as index, one column of counts per observed round.
                Sequences may not be longer than those of the fit.

        Raises:
            InputError: The sequences do not fit.
        """
        name = self.config.experiments[experiment].table
        table = make_table(self.config.tables[name], name, dataframe)
        table.set_flank_length(
            *self.flank_lengths[list(self.config.experiments).index(experiment)]
        )
        return table


def save_model(
    path: str | Path,
    model: Model | MultiExperimentLoss,
    config: FitConfig | None = None,
    *,
    flank_lengths: Sequence[tuple[int, int]] | None = None,
) -> None:
    """Writes a model to a file from which ``load_model`` rebuilds it.

    The file is replaced atomically. It holds the weights and, as metadata, the
    configuration; it needs no script, no table and no pickle.

    Args:
        path: The file, ``model.safetensors`` by custom.
        model: The model, or its loss.
        config: The resolved configuration; that of the model by default.
        flank_lengths: The letters of the two flanks that are scored, per experiment;
            as configured by default.

    Raises:
        InputError: A loss comes without configuration, or the configuration is not
            resolved.
    """
    if isinstance(model, Model):
        config = config or model.config
        loss = model.loss
    else:
        loss = model
    if config is None:
        raise InputError("a loss can only be saved together with its configuration")
    for name, table in config.tables.items():
        if table.max_variable_length is None or table.min_variable_length is None:
            raise InputError(
                "the configuration must be resolved: give the least and the greatest"
                " length of the sequences",
                key=f"tables.{name}",
            )
    if flank_lengths is None:
        tables = [config.tables[part.table] for part in config.experiments.values()]
        flank_lengths = [(t.left_flank_length, t.right_flank_length) for t in tables]
    description = {
        "version": __version__,
        "config": json.loads(config.model_dump_json()),
        "flank_lengths": [list(map(int, pair)) for pair in flank_lengths],
    }
    write_model_file(path, state_dict_of(loss), description)


def load_model(path: str | Path) -> FittedModel:
    """Rebuilds a model from a file.

    Args:
        path: A file that ``save_model`` or ``pyprobound fit`` wrote.

    Returns:
        The model, on the CPU, in evaluation mode, with nothing left to train.

    Raises:
        InputError: The file is missing, damaged or of another kind.
    """
    path = Path(path)
    tensors, description = read_model_file(path)
    try:
        config = validate(description["config"])
        flanks: Flanks = tuple(
            (int(a), int(b)) for a, b in description["flank_lengths"]
        )
    except InputError as error:
        raise InputError(
            f"its configuration is not valid: {error.message}", path=path, key=error.key
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"its description is damaged ({error!r})", path=path) from None
    # The random values with which motifs begin are replaced: no seed is used up.
    with torch.random.fork_rng(devices=[]):
        model = build(config, empty_tables(config))
    try:
        model.loss.reload_from_state_dict(tensors, strict=True)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"its weights do not fit its configuration ({error})", path=path
        ) from None
    model.loss.freeze()
    model.loss.eval()
    return FittedModel(
        **_parts(model), flank_lengths=flanks, version=description["version"]
    )


def empty_tables(config: FitConfig) -> dict[str, CountTable]:
    """Tables without rows that have the lengths of a resolved configuration.

    Args:
        config: The configuration.
    """
    frame = pd.DataFrame(
        {0: pd.Series([], dtype="int64")}, index=pd.Index([], dtype="str")
    )
    return {
        name: make_table(table, name, frame) for name, table in config.tables.items()
    }


def _parts(model: Model) -> Mapping[str, Any]:
    names = ("config", "loss", "psams", "experiments", "modes", "cooperativities")
    return {name: getattr(model, name) for name in names}
