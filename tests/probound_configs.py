"""Small configurations of ProBound for tests."""

from __future__ import annotations

from pyprobound.config.probound import parse_probound

TABLE = {
    "function": "addTable",
    "countTableFile": "a.tsv",
    "nColumns": 2,
    "variableRegionLength": 20,
}
OUTPUT = {"function": "output", "outputPath": "out", "baseName": "a"}
NS = {"function": "addNS"}
MODE = {"function": "addBindingMode", "size": 4}


def build(*functions):
    return parse_probound([TABLE, OUTPUT, NS, MODE, *functions])


def full(**changes):
    """The full configuration of a small fit, with some settings replaced.

    Keys are paths such as ``modelSettings__countTable__0__nColumns``.
    """
    selex = {"function": "addSELEX"}
    values = parse_probound([TABLE, selex, OUTPUT, NS, MODE]).expanded
    for path, value in changes.items():
        *parents, last = [int(p) if p.isdigit() else p for p in path.split("__")]
        target = values
        for part in parents:
            target = (
                target[part] if isinstance(part, int) else target.setdefault(part, {})
            )
        target[last] = value
    return values
