"""The output folder of a fit: what lies in it, and whether it may be written to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoint import write_atomically
from ..config import FitConfig, dump_config, load_config
from ..errors import InputError

_OWN_FILES = (
    "config.yaml",
    "fit.log",
    "history.jsonl",
    "model.json",
    "model.pt",
    "model.safetensors",
    "summary.json",
)
_LOGO_PATTERNS = ("logo-*.svg", "logo-*.png")
_STATE_PATTERN = "start-*"
# What may differ between a fit and its continuation, as it changes no setting of it.
_FREE_KEYS = ("device", "threads")


@dataclass(frozen=True)
class OutputFolder:
    """The folder that a fit writes to.

    Attributes:
        path: The folder; it may not exist yet.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration; it is the first file written."""
        return self.path / "config.yaml"

    @property
    def summary(self) -> Path:
        """The results; it is the last file written, so it marks a finished fit."""
        return self.path / "summary.json"

    @property
    def model(self) -> Path:
        """The model with its configuration."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The weights as PyProBound 1.5 reads them."""
        return self.path / "model.pt"

    @property
    def probound(self) -> Path:
        """The model as ProBound and its tools read it."""
        return self.path / "model.json"

    @property
    def history(self) -> Path:
        """One line for each epoch."""
        return self.path / "history.jsonl"

    @property
    def log(self) -> Path:
        """The log for people to read."""
        return self.path / "fit.log"

    @property
    def state(self) -> Path:
        """The folder with all that is needed to resume; removed in the end."""
        return self.path / "resume"

    def logo(self, psam: str, reverse: bool, suffix: str) -> Path:
        """The figure of a motif.

        Args:
            psam: The name of the motif.
            reverse: Whether it shows the reverse complement.
            suffix: ``svg`` or ``png``.
        """
        strand = "-reverse" if reverse else ""
        return self.path / f"logo-{psam}{strand}.{suffix}"

    def holds_fit(self) -> bool:
        """Whether a fit was written here, finished or not."""
        files = (self.path / name for name in _OWN_FILES)
        return self.state.is_dir() or any(file.exists() for file in files)

    def is_finished(self) -> bool:
        """Whether a finished fit lies here."""
        return self.summary.exists() and self.model.exists()

    def check(self, *, resume: bool, force: bool) -> None:
        """Checks whether the folder may be written to; changes nothing.

        Args:
            resume: Whether a fit that lies here is to be continued.
            force: Whether it is to be replaced.

        Raises:
            InputError: It may not.
        """
        if resume and force:
            raise InputError("resume and force exclude each other: choose one")
        if self.path.exists() and not self.path.is_dir():
            raise InputError("is a file; give a folder for the output", path=self.path)
        if self.holds_fit() and not (resume or force):
            state = "a finished fit" if self.is_finished() else "an unfinished fit"
            raise InputError(
                f"holds {state} already; continue it with --resume, replace it with"
                " --force, or choose another folder with -o",
                path=self.path,
            )

    def check_same(self, config: FitConfig) -> None:
        """Checks that the fit that lies here has the same configuration.

        Args:
            config: The resolved configuration.

        Raises:
            InputError: It differs.
        """
        if not self.config.exists():
            return
        differences = _differences(
            _comparable(load_config(self.config)), _comparable(config)
        )
        if differences:
            shown = "; ".join(differences[:3])
            more = len(differences) - 3
            raise InputError(
                "cannot be resumed, because the configuration differs from that of the"
                f" fit in it: {shown}{f'; and {more} more' if more > 0 else ''}. Give"
                " the same options, or start anew with --force",
                path=self.path,
            )

    def open(self, config: FitConfig, *, resume: bool) -> None:
        """Creates the folder, or empties it of another fit.

        Args:
            config: The resolved configuration, which is written.
            resume: Whether what is there is to be kept.

        Raises:
            InputError: The folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not resume:
                self._remove_fit()
            self._remove_leftovers()
            self.state.mkdir(exist_ok=True)
            text = dump_config(config)
            write_atomically(self.config, lambda path: _write_text(path, text))
        except OSError as error:
            raise InputError(
                f"cannot be written to ({error.strerror})", path=self.path
            ) from None

    def remove_state(self) -> None:
        """Removes what is only needed to resume."""
        if not self.state.is_dir():
            return
        self._remove_leftovers()
        for path in self.state.glob(_STATE_PATTERN):
            path.unlink()
        if not any(self.state.iterdir()):
            self.state.rmdir()

    def _remove_fit(self) -> None:
        # The summary first: what remains of an interrupted removal is no whole fit.
        self.summary.unlink(missing_ok=True)
        for name in _OWN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for pattern in _LOGO_PATTERNS:
            for path in self.path.glob(pattern):
                path.unlink()
        self.remove_state()

    def _remove_leftovers(self) -> None:
        """Removes temporary files of a process that was killed."""
        names = [f".{name}.*" for name in (*_OWN_FILES, *_LOGO_PATTERNS)]
        found = [path for name in names for path in self.path.glob(name)]
        for path in [*found, *self.state.glob(f".{_STATE_PATTERN}")]:
            path.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _comparable(config: FitConfig) -> dict[str, Any]:
    """A configuration without what has no influence on the fit."""
    values = config.model_dump(exclude=set(_FREE_KEYS))
    for table in values["tables"].values():
        # The content counts, which is known by its hash.
        del table["path"]
    return values


def _differences(old: Any, new: Any, key: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in [*old, *(name for name in new if name not in old)]:
            below = f"{key}.{name}" if key else str(name)
            if name not in old or name not in new:
                found.append(f"{below} is {'new' if name in new else 'gone'}")
            else:
                found += _differences(old[name], new[name], below)
        return found
    return [] if old == new else [f"{key} was {old!r} and is {new!r}"]
