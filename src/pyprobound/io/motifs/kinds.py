r"""What counts, probabilities, log-odds and energies have to do with each other.

At low concentration of the protein, the probability that a bound window has the
letter :math:`a` at position :math:`i` is its probability in the library, :math:`q_a`,
times its relative affinity:

.. math:: p_{ia} = \frac{q_a \, e^{\beta_{ia}}}{\sum_b q_b \, e^{\beta_{ib}}},
    \qquad \beta_{ia} = -\Delta\Delta G_{ia} / RT

So energies become probabilities only together with a background, and probabilities
fix energies up to a constant for each position. That constant is chosen here such that
the best letter of each position has energy 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .motif import FloatArray, Kind, Motif

DEFAULT_SITES = 100.0
"""How many sequences probabilities are written as, where counts are asked for."""


def default_pseudocount(motif: Motif) -> float:
    r"""What is added to each position where logs of a motif are needed.

    :math:`\sqrt N` for :math:`N` whole counts, as JASPAR's tools do. It is 0 for
    probabilities, and for counts of which not all are whole numbers, which are
    probabilities that were multiplied by a number.

    Args:
        motif: The motif.
    """
    if motif.kind != "counts" or (motif.matrix % 1 != 0).any():
        return 0.0
    return float(np.sqrt(motif.matrix.sum(axis=1).mean()))


def to_probabilities(motif: Motif, pseudocount: float | None = None) -> Motif:
    r"""Probabilities of letters in bound sequences.

    With background :math:`q`, pseudocount :math:`c` and :math:`N_i` counts of position
    :math:`i`:

    - counts :math:`n`: :math:`p_{ia} = (n_{ia} + c q_a) / (N_i + c)`
    - log-odds :math:`s`: :math:`p_{ia} = q_a e^{s_{ia}} / \sum_b q_b e^{s_{ib}}`
    - energies :math:`\beta`: the same with :math:`\beta` for :math:`s`

    Where there are probabilities and not counts, the pseudocount makes
    :math:`(N p_{ia} + c q_a) / (N + c)` of them, with :math:`N` = ``n_sites``, or
    one if that is not known.

    Args:
        motif: Any motif without pairs of letters; they can be folded in before, with
            ``fold_pairs``.
        pseudocount: :math:`c`; 0 by default.

    Raises:
        ValueError: A position has no counts, or the motif has pairs.
    """
    if motif.pairs:
        raise ValueError(
            f"the motif {motif.name!r} has energies of pairs of letters, which a matrix"
            " of single letters cannot hold"
        )
    background = np.array(motif.background)
    added = pseudocount or 0.0
    matrix = motif.matrix
    if motif.kind == "counts":
        totals = matrix.sum(axis=1, keepdims=True) + added
        if (totals <= 0).any():
            raise ValueError(f"the motif {motif.name!r} has a position without counts")
        return replace(
            motif,
            matrix=(matrix + added * background) / totals,
            kind="probabilities",
            n_sites=motif.n_sites or float(matrix.sum(axis=1).mean()),
            pseudocount=motif.pseudocount + added,
        )
    values = matrix
    if motif.kind != "probabilities":
        weights = matrix - matrix.max(axis=1, keepdims=True) + np.log(background)
        values = np.exp(weights)
        values = values / values.sum(axis=1, keepdims=True)
    if added:
        weight = motif.n_sites or 1.0
        values = (weight * values + added * background) / (weight + added)
    return replace(
        motif,
        matrix=values,
        kind="probabilities",
        pseudocount=motif.pseudocount + added,
    )


def to_log_odds(motif: Motif, pseudocount: float | None = None) -> Motif:
    r"""Natural logs of probabilities over background probabilities.

    :math:`s_{ia} = \ln p_{ia} / q_a`, with the probabilities of ``to_probabilities``.

    Args:
        motif: Any motif without pairs of letters.
        pseudocount: See ``to_probabilities``; ``default_pseudocount`` by default.

    Raises:
        ValueError: A probability is 0.
    """
    if motif.kind == "log-odds" and not pseudocount:
        return motif
    if pseudocount is None:
        pseudocount = default_pseudocount(motif)
    found = to_probabilities(motif, pseudocount)
    return replace(found, matrix=_logs(found), kind="log-odds")


def to_energies(motif: Motif, pseudocount: float | None = None) -> Motif:
    r"""Natural logs of relative affinities, :math:`-\Delta\Delta G / RT`.

    :math:`\beta_{ia} = s_{ia} - \max_b s_{ib}` with the log-odds :math:`s` of
    ``to_log_odds``: the best letter of each position has energy 0. Energies stay as
    they are.

    Args:
        motif: Any motif.
        pseudocount: See ``to_log_odds``.

    Raises:
        ValueError: A probability is 0.
    """
    if motif.kind == "energies":
        return motif
    odds = to_log_odds(motif, pseudocount)
    values = odds.matrix - odds.matrix.max(axis=1, keepdims=True)
    return replace(odds, matrix=values, kind="energies")


def to_counts(motif: Motif, pseudocount: float | None = None) -> Motif:
    r"""Counts of letters, :math:`n_{ia} = N p_{ia}`, which are not rounded.

    :math:`N` is ``n_sites``, or ``DEFAULT_SITES`` if that is not known. A pseudocount
    that the probabilities hold stays in them.

    Args:
        motif: Any motif without pairs of letters.
        pseudocount: See ``to_probabilities``. With counts it is added to them:
            :math:`n_{ia} + c q_a`.
    """
    if motif.kind == "counts":
        if not pseudocount:
            return motif
        values = motif.matrix + pseudocount * np.array(motif.background)
        return replace(motif, matrix=values, pseudocount=pseudocount)
    found = to_probabilities(motif, pseudocount)
    total = found.n_sites or DEFAULT_SITES
    return replace(found, matrix=total * found.matrix, kind="counts", n_sites=total)


def to_kind(motif: Motif, kind: Kind, pseudocount: float | None = None) -> Motif:
    """Converts a motif to any kind; see the functions of this module.

    Args:
        motif: The motif.
        kind: What its numbers shall be.
        pseudocount: What is added to each position over all letters.
    """
    convert = {
        "counts": to_counts,
        "probabilities": to_probabilities,
        "log-odds": to_log_odds,
        "energies": to_energies,
    }[kind]
    return convert(motif, pseudocount)


def fold_pairs(motif: Motif) -> Motif:
    r"""The best description of a motif by single letters alone.

    With letters drawn from the background :math:`q`, the energies that are nearest in
    the mean square are those to which the means of the pairs
    :math:`\delta_{dab}` of positions :math:`i` and :math:`i + d` are added:
    :math:`\sum_b q_b \delta_{ab}` to letter :math:`a` at the first position,
    :math:`\sum_a q_a \delta_{ab} - \sum_{ab} q_a q_b \delta_{ab}` to letter :math:`b`
    at the second one.

    Args:
        motif: A motif of energies; others are returned as they are.
    """
    if not motif.pairs:
        return motif
    background = np.array(motif.background)
    matrix = motif.matrix.copy()
    for distance, block in motif.pairs.items():
        first = block @ background
        second = np.einsum("iab,a->ib", block, background)
        matrix[:-distance] += first
        matrix[distance:] += second - (second @ background)[:, None]
    return replace(motif, matrix=matrix, pairs={})


def _logs(motif: Motif) -> FloatArray:
    if not (motif.matrix > 0).all():
        row, column = np.argwhere(motif.matrix <= 0)[0]
        raise ValueError(
            f"the motif {motif.name!r} has the probability 0 for the letter"
            f" {motif.letters[column]} at position {row + 1}, whose energy would be"
            " infinite; give a pseudocount above 0"
        )
    values: FloatArray = np.log(motif.matrix) - np.log(motif.background)
    return values
