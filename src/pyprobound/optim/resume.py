"""Continuing a fit that was interrupted.

A file holds all that the rest of a fit depends on: the state of the model and its
tables, which parameters are trainable, the loss to be beaten, the place in the
procedure and the state of the random generators. It is replaced atomically, so a
fit that is killed at any moment can go on from it.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import checkpoint
from .assembly import Assembly

_FORMAT = "pyprobound resumable fit"
_VERSION = 1


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in the procedure.

    Attributes:
        group: The group of bindings, from 0.
        step: The step of the group, from 0.
        greedy_round: How many moves of a greedy step were accepted.
    """

    group: int = 0
    step: int = 0
    greedy_round: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a fit is.

    Attributes:
        cursor: What is to be done next.
        best_loss: The loss to be beaten.
        n_evaluations: How often the loss has been evaluated.
    """

    cursor: Cursor
    best_loss: float
    n_evaluations: int


class ResumeFile:
    """The file that a fit can be continued from.

    Args:
        path: The file.
        assembly: The model and its tables.
        procedure: The steps of the fit as text; a file is refused if they differ.
    """

    def __init__(
        self, path: str | os.PathLike[str], assembly: Assembly, procedure: str
    ) -> None:
        self.path = Path(path)
        self._assembly = assembly
        self._identity = {
            "procedure": procedure,
            "rows": [len(table) for table in assembly.train_tables],
        }

    def write(self, progress: Progress) -> None:
        """Replaces the file by the present state."""
        snapshot, cursor = self._assembly.snapshot(), progress.cursor
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            **self._identity,
            "state_dict": dict(snapshot.state),
            "flank_lengths": snapshot.flank_lengths,
            "trainable": self._trainable_names(),
            "cursor": (cursor.group, cursor.step, cursor.greedy_round),
            "best_loss": progress.best_loss,
            "n_evaluations": progress.n_evaluations,
            "random": _random_states(self._assembly.device),
        }
        checkpoint.write_atomically(self.path, lambda path: torch.save(content, path))

    def read(self) -> Progress | None:
        """Restores the state of the file, if there is one.

        Returns:
            How far the fit was; None if there is no file.

        Raises:
            ValueError: The file is of another kind, or of another fit.
        """
        if not self.path.exists():
            return None
        content = self._load()
        self._assembly.model.reload_from_state_dict(content["state_dict"], strict=True)
        self._assembly.set_flank_lengths(content["flank_lengths"])
        trainable = set(content["trainable"])
        for name, parameter in self._assembly.model.named_parameters():
            parameter.requires_grad_(name in trainable)
        # Last, since changing the structure of a model draws random numbers.
        _set_random_states(content["random"], self._assembly.device)
        return Progress(
            Cursor(*content["cursor"]), content["best_loss"], content["n_evaluations"]
        )

    def _load(self) -> dict[str, Any]:
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise ValueError(f"{self.path} is not a file to resume from") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f"{self.path} is not a file to resume from")
        if content["version"] != _VERSION:
            raise ValueError(
                f"{self.path} has version {content['version']}, but this release reads"
                f" version {_VERSION}; resume with the release that wrote it"
            )
        for name, own in self._identity.items():
            if content[name] != own:
                raise ValueError(
                    f"{self.path} belongs to another fit: its {name} differ. Build the"
                    " model and the tables as for that fit, or remove the file to"
                    f" start anew.\nOf the file: {content[name]}\nExpected: {own}"
                )
        return content

    def _trainable_names(self) -> list[str]:
        parameters = self._assembly.model.named_parameters()
        return [name for name, parameter in parameters if parameter.requires_grad]


def _random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's generators that a fit on a device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    # A fit may go on on a device of another kind, though not with the same numbers.
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
