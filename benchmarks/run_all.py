"""Runs the benchmarks beside this file and prints their results as tables.

    python benchmarks/run_all.py [NAME ...] [--json FILE]

A benchmark is a script in this folder that prints one JSON object per line, one for
each thing it measured; whatever else it prints goes to stderr. Names starting with an
underscore are helpers, not benchmarks. Exits with 1 if a benchmark fails or prints no
result.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent

Record = dict[str, Any]


def scripts(folder: Path) -> list[Path]:
    """Returns the benchmarks in a folder, by name."""
    return [
        path
        for path in sorted(folder.glob("*.py"))
        if path.name != Path(__file__).name and not path.name.startswith("_")
    ]


def run(script: Path) -> list[Record]:
    """Runs one benchmark and returns what it measured.

    Raises:
        RuntimeError: The script failed, or printed no result.
    """
    process = subprocess.run(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False
    )
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}")
    records = []
    for line in filter(str.strip, process.stdout.splitlines()):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            raise RuntimeError(f"printed a line that is no JSON object: {line!r}")
        records.append(record)
    if not records:
        raise RuntimeError("printed no result")
    return records


def written(value: object) -> str:
    """Returns a value as it is shown in a table."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def table(records: list[Record]) -> str:
    """Returns records as text in aligned columns, numbers to the right."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [
        [written(record[key]) if key in record else "" for key in columns]
        for record in records
    ]
    widths = [
        max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)
    ]
    numeric = [
        all(isinstance(record.get(key, 0), int | float) for record in records)
        for key in columns
    ]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [columns, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Runs the benchmarks named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results as JSON lines"
    )
    options = parser.parse_args(arguments)
    available = {path.stem: path for path in scripts(folder)}
    unknown = [name for name in options.names if name not in available]
    if unknown or not available:
        parser.error(
            f"no benchmark named {', '.join(unknown)}; there are: "
            f"{', '.join(available)}"
            if unknown
            else f"there are no benchmarks in {folder}"
        )
    results: list[Record] = []
    failed = 0
    for name in options.names or available:
        start = time.perf_counter()
        try:
            records = run(available[name])
        except RuntimeError as error:
            failed += 1
            print(f"{name}: {error}\n", file=sys.stderr, flush=True)
            continue
        print(f"{name} ({time.perf_counter() - start:.1f} s in all)")
        print(table(records), end="\n\n", flush=True)
        results += [{"script": name, **record} for record in records]
    if options.json:
        options.json.write_text(
            "".join(json.dumps(record) + "\n" for record in results), encoding="utf-8"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
