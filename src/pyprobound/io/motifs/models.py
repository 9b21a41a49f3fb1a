"""Motifs of files as motifs of models, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from ...alphabets import DNA, RNA, Alphabet, Protein
from ...errors import InputError
from ...layers import PSAM
from .formats import detect
from .kinds import to_energies
from .motif import DNA_LETTERS, PROTEIN_LETTERS, RNA_LETTERS, FloatArray, Motif
from .source import read_source


def alphabet_of(letters: Sequence[str]) -> Alphabet:
    """The alphabet of some letters.

    Args:
        letters: The letters, in the order of the columns of a matrix.
    """
    named = {DNA_LETTERS: DNA, RNA_LETTERS: RNA, PROTEIN_LETTERS: Protein}
    found = named.get(tuple(letters))
    if found is not None:
        return found()
    return Alphabet(letters, monomer_length=len(letters[0]))


def motifs_of_psam(
    psam: PSAM, name: str, background: Iterable[float] = ()
) -> list[Motif]:
    r"""The motifs of a PSAM, one for each channel, as energies.

    A dilated motif is written out, with zeros between its positions. A constant
    :math:`b` of a motif becomes :math:`b / k` at each of its :math:`k` positions.

    Args:
        psam: The motifs.
        name: What they are called; several get ``_1``, ``_2``, ... behind it.
        background: The probability of each letter; uniform by default.

    Raises:
        InputError: The PSAM has no alphabet.
    """
    if psam.alphabet is None:
        raise InputError(
            f"the motif {name!r} has no alphabet, so its letters have no names"
        )
    step = psam.dilation
    with torch.no_grad():
        singles = _array(psam.forward_filter(0))
        pairs = {
            distance: _array(psam.forward_filter(distance))
            for distance in range(1, psam.pairwise_distance + 1)
        }
        constants = _array(psam.bias)[:, 0]
    motifs = []
    for channel in range(psam.n_motifs):
        matrix = np.zeros((psam.span, psam.in_channels))
        matrix[::step] = singles[channel].T
        if constants[channel]:
            matrix += constants[channel] / len(matrix)
        # Only motifs that are not dilated have pairs.
        blocks = {
            distance: np.moveaxis(values[channel], -1, 0)
            for distance, values in pairs.items()
            if values[channel].any()
        }
        motifs.append(
            Motif(
                name if psam.n_motifs == 1 else f"{name}_{channel + 1}",
                matrix,
                "energies",
                psam.alphabet.alphabet,
                tuple(background),
                pairs=blocks,
                both_strands=psam.score_reverse,
            )
        )
    return motifs


def psam_of_motif(motif: Motif, pseudocount: float | None = None) -> PSAM:
    """A PSAM in float64 with the energies of a motif; see ``kinds.to_energies``.

    Args:
        motif: The motif.
        pseudocount: What is added to each position of counts or probabilities.

    Raises:
        InputError: A letter has the probability 0.
    """
    try:
        found = to_energies(motif, pseudocount)
    except ValueError as error:
        raise InputError(str(error), key="--pseudocount") from None
    alphabet = alphabet_of(found.letters)
    score_reverse = alphabet.complement
    if found.both_strands is not None:
        score_reverse = score_reverse and found.both_strands
    psam = PSAM(
        len(found),
        alphabet,
        pairwise_distance=max(found.pairs, default=0),
        score_reverse=score_reverse,
        name=found.name,
    ).double()
    _write(psam, 0, found.matrix)
    for distance, block in found.pairs.items():
        _write(psam, distance, block)
    psam.freeze()
    return psam


def read_psams(path: str | os.PathLike[str]) -> list[tuple[str, PSAM]] | None:
    """Reads the motifs of a file, with their names.

    Args:
        path: The file.

    Returns:
        The motifs; None if the file is in no known format.

    Raises:
        InputError: The file looks like one of the formats, but is malformed.
    """
    source = read_source(Path(path))
    found = detect(source)
    if found is None:
        return None
    return [(motif.name, psam_of_motif(motif)) for motif in found.read(source)]


@torch.no_grad()
def _write(psam: PSAM, distance: int, values: FloatArray) -> None:
    # With the ids 1, 2, ... each position has values of its own.
    for part, value in zip(psam.plan(distance).classes, values, strict=True):
        psam.betas[part.key].copy_(torch.from_numpy(np.array(value)))


def _array(values: torch.Tensor) -> FloatArray:
    found: FloatArray = values.detach().cpu().double().numpy()
    return found
