"""Modes that see less of the flanks than their table gives."""

from __future__ import annotations

from typing import Any

from ..layers import PSAM, Layer, get_padding_layers
from ..layers.conv1d import Conv1d
from ..layers.layer import SpecLayer
from ..mode import Mode
from ..table import CountTable
from .modes import PSAMModeConfig


class Cropping:
    """Makes modes; those of one name share what crops them, in all experiments."""

    def __init__(self) -> None:
        self._layers: dict[str, list[Layer]] = {}

    def make_mode(
        self, part: PSAMModeConfig, psam: PSAM, table: CountTable, name: str
    ) -> Mode:
        """Makes a mode.

        Args:
            part: Its configuration.
            psam: Its motif.
            table: The table that it scores.
            name: Its name.
        """
        options = part.model_dump(
            exclude={"type", "psam", "crop_left", "crop_right", "train_hill"}
        )
        layers = self._crops(part, table, name)
        scorer = Conv1d.from_psam(psam, layers[-1] if layers else table, **options)
        return Mode([*layers, scorer], train_hill=part.train_hill, name=name)

    def _crops(self, part: PSAMModeConfig, table: CountTable, name: str) -> list[Layer]:
        if name not in self._layers:
            self._layers[name] = get_padding_layers(
                table.alphabet,
                table,
                left=-part.crop_left,
                right=-part.crop_right,
                align="left",
            )
            return self._layers[name]
        made: list[Layer] = []
        for layer in self._layers[name]:
            kind: Any = type(layer)
            assert isinstance(layer, SpecLayer)  # noqa: S101 - all that pad are
            made.append(kind.from_spec(layer.layer_spec, made[-1] if made else table))
        return made
