"""A model and its tables, which change, are saved and are restored together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoint
from ..aggregate import Contribution
from ..base import Component
from ..loss import BaseLoss
from ..mode import Mode
from ..steps import Call
from ..table import Table

FlankLengths = tuple[tuple[int, int], ...]
CheckpointPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Snapshot:
    """The state of a model and the flank lengths of its tables.

    Attributes:
        state: Tensors by name, copied from the model.
        flank_lengths: The left and right flank length of each training table.
    """

    state: Mapping[str, Tensor]
    flank_lengths: FlankLengths


class Assembly:
    """A model with the tables that it is trained on.

    Args:
        model: The loss.
        train_tables: A table for each of its transforms.
        val_tables: The same for validation, or none.

    Raises:
        ValueError: There are more or fewer tables than transforms.
    """

    def __init__(
        self,
        model: BaseLoss[Any, Any],
        train_tables: Sequence[Table[Any]],
        val_tables: Sequence[Table[Any]] | None = None,
    ) -> None:
        self.model = model
        self.transforms: list[Component] = list(model.transforms)
        self.train_tables = list(train_tables)
        self.val_tables = list(val_tables or ())
        for kind, tables in (("training", train_tables), ("validation", val_tables)):
            if tables is not None and len(tables) != len(self.transforms):
                raise ValueError(
                    f"The model has {len(self.transforms)} transforms, but there are"
                    f" {len(tables)} {kind} tables; each transform needs its own"
                )

    # --- parts -------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        parameter = next(self.model.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def trainable_parameters(self) -> list[torch.nn.Parameter]:
        """The parameters that training may change at present, in order."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def contributions(self) -> list[Contribution]:
        """All contributions of the model, each once, in order."""
        modules = self.model.modules()
        return [module for module in modules if isinstance(module, Contribution)]

    def tables_of(self, place: int) -> list[Table[Any]]:
        """The training and the validation table of a transform."""
        return [t[place] for t in (self.train_tables, self.val_tables) if t]

    def modes_of(self, place: int) -> list[Mode]:
        """The modes of a transform, each once, in order."""
        modules = self.transforms[place].modules()
        return [module for module in modules if isinstance(module, Mode)]

    # --- state -------------------------------------------------------------------

    @property
    def flank_lengths(self) -> FlankLengths:
        """The left and right flank length of each training table."""
        return tuple(
            (int(table.left_flank_length), int(table.right_flank_length))
            for table in self.train_tables
        )

    def set_flank_lengths(self, flank_lengths: Sequence[Sequence[int]]) -> None:
        """Sets the flank lengths of all tables.

        Raises:
            ValueError: The number of pairs is not that of the tables.
        """
        if len(flank_lengths) != len(self.transforms):
            raise ValueError(
                f"The state has flank lengths for {len(flank_lengths)} tables, but"
                f" there are {len(self.transforms)}; it belongs to another fit"
            )
        for place, (left, right) in enumerate(flank_lengths):
            for table in self.tables_of(place):
                table.set_flank_length(int(left), int(right))

    def snapshot(self) -> Snapshot:
        """A copy of the state."""
        state = checkpoint.state_dict_of(self.model)
        copied = {name: value.detach().clone() for name, value in state.items()}
        return Snapshot(copied, self.flank_lengths)

    def restore(self, snapshot: Snapshot) -> None:
        """Returns to the state of a snapshot."""
        self.model.reload_from_state_dict(snapshot.state)
        self.set_flank_lengths(snapshot.flank_lengths)

    def save(self, path: CheckpointPath) -> None:
        """Writes a checkpoint."""
        self.model.save(path, self.flank_lengths)

    def reload(self, path: checkpoint.Checkpoint) -> dict[str, Any]:
        """Takes the state from a checkpoint; returns its metadata.

        Raises:
            ValueError: The number of tables differs.
        """
        metadata: dict[str, Any] = self.model.reload(path)
        flank_lengths = metadata.get("flank_lengths", ())
        # A component that was saved without an optimizer has no tables.
        if flank_lengths:
            self.set_flank_lengths(flank_lengths)
        return metadata

    # --- lengths -----------------------------------------------------------------

    def check_length_consistency(self) -> None:
        """Checks that the lengths of the model and of its tables agree.

        Raises:
            RuntimeError: They do not.
        """
        for place, transform in enumerate(self.transforms):
            transform.check_length_consistency()
            self._check_tables(place)

    def _check_tables(self, place: int) -> None:
        tables = self.tables_of(place)
        shapes = sorted({table.input_shape for table in tables})
        if len(shapes) > 1:
            raise RuntimeError(
                f"The training and the validation table of transform {place} differ in"
                f" input_shape: {shapes}; give both the same max_variable_length and"
                " the same flank lengths"
            )
        shortest = min(table.min_read_length for table in tables)
        longest = max(table.max_read_length for table in tables)
        for mode in self.modes_of(place):
            _check_mode(mode, place, shapes[0], shortest, longest)

    def update_read_length(self, calls: Iterable[Call]) -> None:
        """Changes flank lengths, and all modes that score the tables concerned.

        A refused change leaves everything as it was.

        Args:
            calls: Calls of ``update_read_length`` of modes.

        Raises:
            RuntimeError: A call is not one of a mode of the model, calls for one
                table differ, or the lengths would not agree afterwards.
            ValueError: A table has no such flank, or no window would be left.
        """
        wanted = self._shifts_by_place(calls)
        before = self.snapshot()
        try:
            self._shift_flanks(wanted)
            self.check_length_consistency()
        except (RuntimeError, ValueError):
            self.restore(before)
            raise

    def _shift_flanks(self, wanted: Mapping[int, Mapping[str, int]]) -> None:
        updated: list[Mode] = []
        for place, shifts in wanted.items():
            for table in self.tables_of(place):
                table.set_flank_length(
                    table.left_flank_length + shifts["left_shift"],
                    table.right_flank_length + shifts["right_shift"],
                )
            for mode in self.modes_of(place):
                # A mode may score the tables of several transforms.
                if not any(mode is other for other in updated):
                    mode.update_read_length(**shifts)
                    updated.append(mode)

    def _shifts_by_place(self, calls: Iterable[Call]) -> dict[int, dict[str, int]]:
        """The change of each transform: of those called, and those sharing a mode."""
        modes = [self.modes_of(place) for place in range(len(self.transforms))]
        pending = [
            (_called_mode(call), {"left_shift": 0, "right_shift": 0, **call.kwargs})
            for call in calls
        ]
        wanted: dict[int, dict[str, int]] = {}
        while pending:
            mode, shifts = pending.pop(0)
            places = [i for i, own in enumerate(modes) if any(mode is m for m in own)]
            if not places:
                raise RuntimeError(f"{mode} is not a mode of the model")
            for place in places:
                if place not in wanted:
                    wanted[place] = shifts
                    pending.extend((other, shifts) for other in modes[place])
                elif wanted[place] != shifts:
                    raise RuntimeError(
                        f"Modes of transform {place} ask for different changes of the"
                        f" read length: {wanted[place]} and {shifts}"
                    )
        return dict(sorted(wanted.items()))


class BestState:
    """The best state that a training has reached: in memory, and in a file.

    Args:
        assembly: The model and its tables.
        path: A checkpoint that is written whenever there is a better state; none if
            the state is to be kept in memory only.
    """

    def __init__(self, assembly: Assembly, path: CheckpointPath | None = None) -> None:
        self.assembly = assembly
        self.path = path
        self._snapshot: Snapshot | None = None

    def ensure(self) -> None:
        """Sees to it that there is a state to return to."""
        if self._snapshot is None and (
            self.path is None or not Path(self.path).exists()
        ):
            self._snapshot = self.assembly.snapshot()

    def keep(self) -> None:
        """Makes the present state the best one, and writes the file."""
        self._snapshot = self.assembly.snapshot()
        if self.path is not None:
            self.assembly.save(self.path)

    def restore(self) -> None:
        """Returns to the best state."""
        if self._snapshot is not None:
            self.assembly.restore(self._snapshot)
        elif self.path is not None:
            self.assembly.reload(self.path)


def _called_mode(call: Call) -> Mode:
    if not isinstance(call.cmpt, Mode):
        raise RuntimeError(
            f"update_read_length is a step of modes, not of {type(call.cmpt).__name__}"
        )
    return call.cmpt


def _check_mode(
    mode: Mode, place: int, shape: int, shortest: int, longest: int
) -> None:
    """Raises RuntimeError unless a mode can score reads of some lengths."""
    if mode.input_shape != shape:
        raise RuntimeError(
            f"{mode} expects an input_shape of {mode.input_shape}, but the table of"
            f" transform {place} has {shape}; create the mode from that table"
        )
    if mode.min_input_length > shortest:
        raise RuntimeError(
            f"{mode} has a min_input_length of {mode.min_input_length}, but the"
            f" shortest read of transform {place} has {shortest} letters"
        )
    if mode.max_input_length < longest:
        raise RuntimeError(
            f"{mode} has a max_input_length of {mode.max_input_length}, but the"
            f" longest read of transform {place} has {longest} letters"
        )
