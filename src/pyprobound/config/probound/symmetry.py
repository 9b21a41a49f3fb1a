"""How symmetry strings of ProBound become the ids of a motif here, and back."""

from __future__ import annotations

from ...external.symmetry_strings import (
    MotifSymmetry,
    PairTie,
    parse_symmetry_string,
    symmetry_of_ids,
    write_symmetry_string,
)

__all__ = [
    "MotifSymmetry",
    "PairTie",
    "missing_in_psam",
    "parse_symmetry_string",
    "psam_ids",
    "symmetry_of_ids",
    "write_symmetry_string",
]


def psam_ids(symmetry: MotifSymmetry | None) -> list[int] | None:
    """The ids for ``PSAM(symmetry=...)``; None if every position is free.

    They are the same model only if ``missing_in_psam`` finds nothing: ties of single
    letters, and of pairs at one distance, follow the same rules in both programs.

    Args:
        symmetry: The symmetry, or None for none.
    """
    return None if symmetry is None or symmetry.is_free else list(symmetry.ids)


def missing_in_psam(
    symmetry: MotifSymmetry | None, pairwise_distance: int = 0
) -> list[str]:
    """What a symmetry demands that the ids of a ``PSAM`` cannot express.

    Args:
        symmetry: The symmetry, or None for none.
        pairwise_distance: The greatest distance of letters that interact. A barrier
            matters only if a pair would be read across it.

    Returns:
        One text for each thing, which names the positions, counted from 1.
    """
    if symmetry is None:
        return []
    found = []
    nulls = [place for place, i in enumerate(symmetry.ids, 1) if i == 0]
    if nulls:
        found.append(f"positions that read nothing ({_listed(nulls)})")
    own = [
        place
        for place, i in enumerate(symmetry.ids, 1)
        if i in symmetry.own_complements
    ]
    if own:
        found.append(f"positions that are their own complement ({_listed(own)})")
    barriers = [place + 1 for place in sorted(symmetry.barriers)]
    crossed = [
        place
        for place in barriers
        if _is_crossed(symmetry, place - 1, pairwise_distance)
    ]
    if crossed:
        found.append(f"barriers for pairs of letters (behind {_listed(crossed)})")
    return found


def _is_crossed(symmetry: MotifSymmetry, barrier: int, distance: int) -> bool:
    """Whether a pair of positions that both read something spans a barrier."""
    ids = symmetry.ids
    return any(
        ids[first] and ids[second]
        for first in range(barrier + 1)
        for second in range(barrier + 1, min(first + distance + 1, len(ids)))
    )


def _listed(places: list[int]) -> str:
    return ", ".join(map(str, places))
