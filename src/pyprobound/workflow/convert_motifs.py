"""Converts motifs to other formats of motifs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..io.motifs import (
    FORMATS,
    Motif,
    default_pseudocount,
    fold_pairs,
    format_text,
    read_motifs,
    to_kind,
    write_motifs,
)
from .convert_losses import motif_losses
from .convert_options import (
    STANDARD_OUTPUT,
    Conversion,
    Options,
    background_of,
    chosen_places,
)


def read_chosen_motifs(path: Path, options: Options) -> tuple[str, list[Motif]]:
    """Reads the motifs that were asked for, and the name of their format.

    Args:
        path: The file.
        options: How to convert.

    Raises:
        InputError: The file is malformed, or has no such motif.
    """
    if options.model is not None:
        raise InputError(
            "chooses among the models of a file of ProBound; for motifs give --mode",
            key="--model",
        )
    found, motifs = read_motifs(path, options.source)
    names = [motif.name for motif in motifs]
    motifs = [motifs[place] for place in chosen_places(path, names, options.modes)]
    if options.background:
        motifs = [
            replace(motif, background=background_of(motif.letters, options))
            for motif in motifs
        ]
    return found.name, motifs


def motifs_to_motifs(
    source: str, motifs: Sequence[Motif], output: Path, target: str, options: Options
) -> Conversion:
    """Writes motifs in another format.

    Args:
        source: The format they were read from.
        motifs: The motifs.
        output: The file.
        target: The format.
        options: How to convert.

    Raises:
        InputError: The format cannot hold them.
    """
    chosen = FORMATS[target]
    losses = [loss for motif in motifs for loss in motif_losses(motif, chosen)]
    notes = [kind_note(motif, chosen.kind, options) for motif in motifs[:1]]
    text = write_kind(motifs, output, target, options.pseudocount)
    return Conversion(
        source,
        target,
        tuple(motif.name for motif in motifs),
        tuple(filter(None, notes)),
        tuple(losses),
        text,
    )


def kind_note(motif: Motif, kind: str, options: Options) -> str:
    """How the numbers of a motif are converted, in a sentence; empty if they are not.

    Args:
        motif: The motif.
        kind: What they become.
        options: How to convert.
    """
    if motif.kind == kind:
        return ""
    uses_logs = kind in ("energies", "log-odds") and motif.kind in (
        "counts",
        "probabilities",
    )
    pseudocount = options.pseudocount
    if pseudocount is None:
        pseudocount = default_pseudocount(motif) if uses_logs else 0.0
    shares = "uniform"
    if not motif.has_uniform_background:
        shares = ", ".join(
            f"{letter} {share:g}"
            for letter, share in zip(motif.letters, motif.background, strict=True)
        )
    note = (
        f"{motif.kind} became {kind}; background: {shares}; pseudocount:"
        f" {pseudocount:g}"
    )
    if kind == "counts" and motif.n_sites is None:
        note += "; the number of sites is not known, so counts sum to 100"
    return note


def write_kind(
    motifs: Sequence[Motif], output: Path, target: str, pseudocount: float | None
) -> str:
    """Writes motifs as the numbers that a format has.

    Args:
        motifs: The motifs.
        output: The file.
        target: The format.
        pseudocount: See ``convert_options.Options``.

    Returns:
        The text, if it goes to the standard output.

    Raises:
        InputError: The format cannot hold them, or the pseudocount does not fit.
    """
    chosen = FORMATS[target]
    written = []
    for motif in motifs:
        if motif.kind == chosen.kind == "energies" and pseudocount:
            raise InputError(
                "energies stay as they are; a pseudocount belongs to counts and"
                " probabilities",
                key="--pseudocount",
            )
        single = motif if "pairs" in chosen.holds else fold_pairs(motif)
        try:
            written.append(to_kind(single, chosen.kind, pseudocount))
        except ValueError as error:
            raise InputError(str(error), key="--pseudocount") from None
    if str(output) == STANDARD_OUTPUT:
        return format_text(written, target)
    write_motifs(output, written, target)
    return ""
