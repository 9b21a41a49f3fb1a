"""Draws the logos of a fit."""

from __future__ import annotations

from collections.abc import Mapping

from ..checkpoint import write_atomically
from ..layers import PSAM
from .folder import OutputFolder
from .runlog import RunLog

_DOTS_PER_INCH = 150
# Figures that do not change are the same to the last byte.
_METADATA = {"svg": {"Date": None}, "png": {"Software": None}}


def write_logos(psams: Mapping[str, PSAM], folder: OutputFolder, log: RunLog) -> None:
    """Writes the logo of every motif, upright and reverse-complemented.

    A motif of an alphabet without complements has no reverse.

    Args:
        psams: The motifs by name.
        folder: The output folder.
        log: The log file.
    """
    # matplotlib and logomaker take more than a second to import.
    from matplotlib import rc_context

    from ..plotting import logo

    for name, psam in psams.items():
        complement = psam.alphabet is not None and psam.alphabet.complement
        for reverse in (False, True) if complement else (False,):
            try:
                figure = logo(psam, reverse=reverse)
            except ValueError as error:
                log.warning(f"the motif {name} has no logo: {error}")
                break
            for suffix, metadata in _METADATA.items():
                with rc_context({"svg.hashsalt": name}):
                    write_atomically(
                        folder.logo(name, reverse, suffix),
                        lambda path: figure.savefig(  # noqa: B023 - called at once
                            path,
                            format=suffix,  # noqa: B023
                            metadata=metadata,  # noqa: B023
                            dpi=_DOTS_PER_INCH,
                        ),
                    )
