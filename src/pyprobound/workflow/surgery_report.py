"""What a model holds, as values and as text; and its best sequences and k-mers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..errors import InputError
from ..layers import PSAM
from ..stats.best import MotifScores, RankedSequences, best_sequences
from ..stats.gauges import information
from ..stats.kmers import top_kmers
from .opened import Activities, ModelMode, OpenedModel
from .surgery import place_of

_LONGEST_FACT = 100


def describe(opened: OpenedModel) -> dict[str, Any]:
    """Describes a model with values that JSON can hold.

    Log activities are natural logarithms, None where a mode takes no part;
    information is in bits.

    Args:
        opened: The model.
    """
    remarks = list(opened.remarks)
    modes = [_mode(place, mode, remarks) for place, mode in enumerate(opened.modes)]
    return {
        "path": str(opened.path),
        "sha256": _sha256(opened.path),
        "kind": opened.kind,
        "alphabet": list(opened.alphabet.alphabet),
        "complement": opened.alphabet.complement,
        "provenance": {**opened.provenance, **_sources(opened)},
        "modes": modes,
        "interactions": [
            {
                "place": place,
                "name": pair.name,
                "modes": [opened.modes[mode].name for mode in pair.modes],
                "log_activities": _plain(pair.activities),
            }
            for place, pair in enumerate(opened.interactions)
        ],
        "experiments": _experiments(opened),
        "remarks": remarks,
    }


def report(description: dict[str, Any]) -> str:
    """The description of a model as text.

    Args:
        description: See ``describe``.
    """
    lines = [
        f"{'file':<12}{description['path']}",
        f"{'kind':<12}{description['kind']}",
        f"{'letters':<12}{' '.join(description['alphabet'])}",
        f"{'sha256':<12}{description['sha256'] or '-'}",
    ]
    for key, value in description["provenance"].items():
        text = _fact(value)
        if text:
            lines.append(f"{key:<12}{text}" if len(key) < 12 else f"{key}  {text}")
    lines += ["", *_table(list(_mode_rows(description["modes"])))]
    if description["interactions"]:
        rows = [["", "interaction", "modes", "log activity"]]
        rows += [
            [
                str(pair["place"]),
                pair["name"],
                ":".join(pair["modes"]),
                _numbers(pair["log_activities"]),
            ]
            for pair in description["interactions"]
        ]
        lines += ["", *_table(rows)]
    if description["experiments"]:
        names = ", ".join(
            f"{each['name']} ({each['columns']} columns)"
            for each in description["experiments"]
        )
        lines += ["", f"experiments: {names}"]
    lines += [f"note: {remark}" for remark in description["remarks"]]
    return "\n".join(lines)


def choose_motifs(
    opened: OpenedModel, words: Sequence[str] = ()
) -> list[tuple[str, PSAM]]:
    """The motifs of some modes, with the names of the modes.

    Args:
        opened: The model.
        words: The names or places, from 0, of the modes; all with a motif by default.

    Raises:
        InputError: There is no such mode, or it has no motif.
    """
    places = [place_of(opened, word) for word in words] or [
        place for place, mode in enumerate(opened.modes) if mode.psam is not None
    ]
    found = []
    for place in places:
        mode = opened.modes[place]
        if mode.psam is None:
            raise InputError(
                f"the mode {mode.name!r} is non-specific and has no motif",
                path=opened.path,
            )
        found.append((mode.name, mode.psam))
    if not found:
        raise InputError("no mode of the model has a motif", path=opened.path)
    return found


def best_rows(
    name: str, psam: PSAM, alphabet: Alphabet, count: int
) -> Iterator[list[str]]:
    """The best sequences of one window of each motif of a mode, as rows of a table.

    Energies are relative to the best sequence, affinities its fractions.

    Args:
        name: The name of the mode.
        psam: Its motifs.
        alphabet: The letters.
        count: How many sequences.

    Yields:
        The columns of ``BEST_COLUMNS``.
    """
    for label, scores, bias in _motifs(name, psam):
        found = best_sequences(scores, count)
        yield from _rows(label, found, alphabet, bias)


def kmer_rows(
    name: str, psam: PSAM, alphabet: Alphabet, length: int | None, count: int
) -> Iterator[list[str]]:
    """The best k-mers of each motif of a mode, as rows of a table.

    Args:
        name: The name of the mode.
        psam: Its motifs.
        alphabet: The letters.
        length: The number of letters; that of the motif by default.
        count: How many k-mers.

    Yields:
        The columns of ``BEST_COLUMNS``.

    Raises:
        InputError: There are too many k-mers, or the motif leaves positions out.
    """
    if psam.dilation > 1:
        raise InputError(
            f"the motif of the mode {name!r} leaves positions out (dilation"
            f" {psam.dilation}), so that it has no k-mers; see pyprobound model best"
        )
    for label, scores, bias in _motifs(name, psam):
        found = top_kmers(
            scores,
            length or scores.n_positions,
            count,
            both_strands=psam.score_reverse,
        )
        yield from _rows(label, found, alphabet, bias)


BEST_COLUMNS = ("mode", "rank", "sequence", "affinity", "log_affinity")
"""The name of the mode, the rank from 1, the letters, the affinity relative to the
first sequence and the natural log of the affinity itself."""


def _rows(
    label: str, found: RankedSequences, alphabet: Alphabet, bias: float
) -> Iterator[list[str]]:
    ranked = zip(found.codes, found.energies, strict=True)
    for rank, (codes, energy) in enumerate(ranked, start=1):
        relative = math.exp(energy - found.energies[0])
        yield [
            label,
            str(rank),
            _written(codes, alphabet),
            f"{relative:.8g}",
            f"{energy + bias:.10g}",
        ]


def _motifs(name: str, psam: PSAM) -> Iterator[tuple[str, MotifScores, float]]:
    for motif in range(psam.n_motifs):
        label = name if psam.n_motifs == 1 else f"{name}[{motif}]"
        bias = float(psam.bias[motif, 0].item())
        yield label, MotifScores.from_psam(psam, motif), bias


def _written(codes: npt.NDArray[np.integer[Any]], alphabet: Alphabet) -> str:
    return "".join(alphabet.alphabet[code] for code in codes)


def _mode(place: int, mode: ModelMode, remarks: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "place": place,
        "name": mode.name,
        "size": 0,
        "pairwise_distance": 0,
        "strands": 0,
        "flank_lengths": list(mode.flank_lengths),
        "consensus": [],
        "information": [],
        "log_activities": _plain(mode.activities),
    }
    psam = mode.psam
    if psam is None:
        return result
    result |= {
        "size": psam.kernel_size,
        "pairwise_distance": psam.pairwise_distance,
        "strands": psam.n_strands,
    }
    for _, scores, _ in _motifs(mode.name, psam):
        try:
            best = best_sequences(scores).codes[0]
            bits = information(scores)
        except InputError as error:
            remarks.append(f"mode {mode.name!r} has no consensus: {error}")
            break
        if psam.alphabet is not None:
            result["consensus"].append(_written(best, psam.alphabet))
        result["information"].append([round(value, 6) for value in bits.tolist()])
    return result


def _experiments(opened: OpenedModel) -> list[dict[str, Any]]:
    if opened.kind in ("probound-scoring", "motif"):
        return []
    names = [] if opened.config is None else list(opened.config.experiments)
    rows = opened.modes[0].activities if opened.modes else ()
    return [
        {
            "place": place,
            "name": names[place] if place < len(names) else str(place),
            "columns": len(row),
        }
        for place, row in enumerate(rows)
    ]


def _sources(opened: OpenedModel) -> dict[str, Any]:
    """The files of the tables, as far as the model names them."""
    if opened.config is not None:
        paths = [str(table.path) for table in opened.config.tables.values()]
    elif opened.document is not None:
        tables = opened.document["modelSettings"].get("countTable", [])
        paths = [str(table.get("countTableFile", "")) for table in tables]
    else:
        paths = []
    return {"tables": paths} if any(paths) else {}


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _plain(activities: Activities) -> list[list[float | None]]:
    return [
        [value if math.isfinite(value) else None for value in row] for row in activities
    ]


def _mode_rows(modes: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    yield [
        "",
        "mode",
        "size",
        "pairs",
        "strands",
        "flanks",
        "bits",
        "consensus",
        "log activity",
    ]
    for mode in modes:
        bits = [f"{sum(each):.2f}" for each in mode["information"]]
        is_motif = mode["size"] > 0
        yield [
            str(mode["place"]),
            mode["name"],
            str(mode["size"]) if is_motif else "-",
            str(mode["pairwise_distance"]) if is_motif else "-",
            str(mode["strands"]) if is_motif else "-",
            ",".join(map(str, mode["flank_lengths"])),
            " ".join(bits) or "-",
            _preferred(mode),
            _numbers(mode["log_activities"]),
        ]


def _preferred(mode: dict[str, Any]) -> str:
    """The best sequence of each motif, if any is better than others."""
    if not mode["size"]:
        return "(non-specific)"
    if not mode["consensus"]:
        return "?"
    return " ".join(
        sequence if any(bits) else "(all alike)"
        for sequence, bits in zip(mode["consensus"], mode["information"], strict=True)
    )


def _numbers(rows: Sequence[Sequence[float | None]]) -> str:
    """Activities by column, experiments separated by bars."""
    return " | ".join(
        " ".join(
            "-" if value is None else f"{round(value, 3) + 0.0:.3f}" for value in row
        )
        for row in rows
    )


def _fact(value: Any) -> str:
    """What the file says about itself in a few words; empty if it is too long."""
    if isinstance(value, dict):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "" if "{" in text or len(text) > _LONGEST_FACT else text


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
