"""Draws the logo of one mode of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..checkpoint import write_atomically
from ..errors import InputError
from .opened import OpenedModel
from .surgery import check_folder
from .surgery_report import choose_motifs

_DOTS_PER_INCH = 150
# Figures that do not change are the same to the last byte.
_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def write_logo(
    path: Path,
    opened: OpenedModel,
    modes: Sequence[str] = (),
    *,
    reverse: bool = False,
    width: float = 8,
) -> None:
    """Draws a motif into a file.

    Args:
        path: The file; its ending says in which format: .png, .svg or .pdf.
        opened: The model.
        modes: The name or place of the mode; needed if several have a motif.
        reverse: Whether to draw the reverse complement.
        width: The width in inches.

    Raises:
        InputError: The ending is another one, there is no such mode, or the motif
            cannot be drawn.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise InputError(
            f"cannot draw a {path.suffix or 'file without ending'}; give a name that"
            " ends in .png, .svg or .pdf",
            path=path,
        )
    check_folder(path)
    chosen = choose_motifs(opened, modes)
    if len(chosen) > 1:
        names = ", ".join(repr(name) for name, _ in chosen)
        raise InputError(f"a logo shows one motif; choose one of {names}", key="--mode")
    name, psam = chosen[0]
    if reverse and not (psam.alphabet is not None and psam.alphabet.complement):
        raise InputError("letters without complement have no reverse", key="--reverse")
    # matplotlib and logomaker take more than a second to import.
    from matplotlib import rc_context

    from ..plotting import logo

    try:
        figure = logo(psam, width=width, reverse=reverse)
    except ValueError as error:
        raise InputError(
            f"the motif of the mode {name!r} has no logo: {error}", path=opened.path
        ) from None
    with rc_context({"svg.hashsalt": name}):
        write_atomically(
            path,
            lambda temporary: figure.savefig(
                temporary, format=kind, metadata=_METADATA[kind], dpi=_DOTS_PER_INCH
            ),
        )
