"""A small selection experiment with a plain motif, for fits that take a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MOTIF = "TGAC"


def write_table(
    path: Path, n_rows: int = 300, length: int = 10, n_rounds: int = 2
) -> Path:
    """Writes random sequences, of which those with the motif are selected."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 4, (n_rows, length))
    sequences = ["".join("ACGT"[code] for code in row) for row in codes]
    reverse = MOTIF.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    affinity = np.array([1 + 9 * (MOTIF in s) + 9 * (reverse in s) for s in sequences])
    lines = []
    for sequence, strength in zip(sequences, affinity, strict=True):
        counts = generator.poisson(1.0 * (strength / 2) ** np.arange(n_rounds))
        counts[0] += 1
        lines.append("\t".join([sequence, *map(str, counts)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def small_values(path: Path, **changes: object) -> dict[str, object]:
    """A configuration of such a table, as plain values."""
    values: dict[str, object] = {
        "tables": {"small": {"path": str(path)}},
        "psams": {"motif": {"kernel_size": 4}},
        "modes": {
            "ns": {"type": "nonspecific"},
            "motif": {"type": "psam", "psam": "motif"},
        },
        "experiments": {
            "small": {
                "table": "small",
                "rounds": [
                    {"type": "InitialRound"},
                    {"type": "BoundUnsaturatedRound", "reference_round": "0"},
                ],
            }
        },
        "optimizer": {"epochs": 5},
        "threads": 1,
        "device": "cpu",
    }
    return values | changes
