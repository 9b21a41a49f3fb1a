"""The configuration that fits a bare count table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .documents import validate
from .fit import FitConfig
from .modes import parse_symmetry

DEFAULT_SIZE = 10
"""The number of positions of a motif, unless its size or symmetry is given."""

NON_SPECIFIC = "nonspecific"


@dataclass(frozen=True)
class DefaultOptions:
    """What can be chosen without writing a configuration.

    Attributes:
        size: The number of positions of each motif; that of ``symmetry`` by default,
            else 10.
        modes: The number of motifs.
        left_flank: Constant letters in front of the sequences.
        right_flank: Constant letters behind the sequences.
        flank_length: How many of them are scored, on either side.
        pairwise_distance: The greatest distance of letters that interact.
        symmetry: The id of each position of a motif.
        posbias: Whether motifs have a position bias.
        saturation: Whether binding saturates.
        lambda_l2: Weight of the squared parameters.
        pseudocount: Reads by which letters are drawn towards each other.
        seed: From it follow the random starts.
        starts: Independent random starts, of which the best one is kept.
        validation_fraction: Share of the rows on which trainings are judged.
        device: The device to compute on.
        threads: The number of processor threads.
    """

    size: int | None = None
    modes: int = 1
    left_flank: str = ""
    right_flank: str = ""
    flank_length: int = 0
    pairwise_distance: int = 0
    symmetry: Sequence[int] | str | None = None
    posbias: bool = False
    saturation: bool = False
    lambda_l2: float = 1e-6
    pseudocount: float = 0.0
    seed: int = 0
    starts: int = 1
    validation_fraction: float = 0.0
    device: str | None = None
    threads: int | None = None


def default_config(
    path: str | Path,
    columns: Sequence[str | int],
    options: DefaultOptions | None = None,
    *,
    empty_input: bool = False,
) -> FitConfig:
    """The configuration for one table of DNA sequences.

    The first column is the input library, each further one a round of selection
    from the one before it, with activities of its own. There is one mode of
    non-specific binding and one mode for each motif. Training centres a motif on
    its information, unless it has a symmetry.

    Args:
        path: The count table.
        columns: The names of its count columns.
        options: What differs from the defaults.
        empty_input: Whether the first column has no reads. It is not used then: the
            first selected round is only compared with later ones.

    Raises:
        InputError: The options do not agree.
    """
    options = options or DefaultOptions()
    path = Path(path).resolve()
    name = _clean_name(path.name)
    motifs = [f"motif{number}" for number in range(1, options.modes + 1)]
    values: dict[str, Any] = {
        "tables": {name: _table(path, columns, options, empty_input)},
        "psams": {motif: _psam(options) for motif in motifs},
        "modes": {
            NON_SPECIFIC: {"type": "nonspecific"},
            **{motif: _mode(motif, options) for motif in motifs},
        },
        "experiments": {
            name: {"table": name, "rounds": _rounds(columns, options, empty_input)}
        },
        "loss": {"lambda_l2": options.lambda_l2, "pseudocount": options.pseudocount},
    }
    for key in ("seed", "starts", "validation_fraction", "device", "threads"):
        values[key] = getattr(options, key)
    return validate(values)


def _clean_name(file_name: str) -> str:
    stem = file_name.removesuffix(".gz").rpartition(".")[0]
    return re.sub(r"[\s/\\]+", "_", stem).strip("_") or "table"


def _table(
    path: Path, columns: Sequence[str | int], options: DefaultOptions, empty: bool
) -> dict[str, Any]:
    return {
        "path": str(path),
        "columns": list(range(1, len(columns))) if empty else None,
        "left_flank": options.left_flank,
        "right_flank": options.right_flank,
        "left_flank_length": options.flank_length,
        "right_flank_length": options.flank_length,
    }


def _psam(options: DefaultOptions) -> dict[str, Any]:
    symmetry = options.symmetry
    if isinstance(symmetry, str):
        try:
            symmetry = parse_symmetry(symmetry)
        except ValueError as error:
            raise InputError(str(error), key="psams.motif1.symmetry") from None
    size = options.size
    if size is None:
        size = DEFAULT_SIZE if symmetry is None else len(symmetry)
    return {
        "kernel_size": size,
        "pairwise_distance": options.pairwise_distance,
        "symmetry": None if symmetry is None else list(symmetry),
        # Motifs that are off by a few positions are local optima: without being
        # centred, most random starts end in one. A shift would break a symmetry.
        "shift_footprint_heuristic": symmetry is None,
    }


def _mode(motif: str, options: DefaultOptions) -> dict[str, Any]:
    return {"type": "psam", "psam": motif, "train_posbias": options.posbias}


def _rounds(
    columns: Sequence[str | int], options: DefaultOptions, empty: bool
) -> list[dict[str, Any]]:
    names = [str(column).strip() for column in columns]
    if len(set(names)) < len(names) or not all(
        re.fullmatch(r"[^/\\\s][^/\\]*", name) for name in names
    ):
        names = [str(place) for place in range(len(columns))]
    kind = "BoundRound" if options.saturation else "BoundUnsaturatedRound"
    rounds: list[dict[str, Any]] = [
        {"type": "InitialRound", "name": names[0], "observed": not empty}
    ]
    for place, name in enumerate(names[1:], start=1):
        rounds.append(
            {
                "type": kind,
                "name": name,
                "reference_round": names[place - 1],
                # Only ratios of depths matter, so one of those observed is fixed.
                "train_depth": place > 1 or not empty,
            }
        )
    return rounds
