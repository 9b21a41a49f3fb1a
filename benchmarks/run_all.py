"""Runs the benchmarks beside this file and prints their results as tables.

    python benchmarks/run_all.py [NAME ...] [--quick] [--json FILE] [--page FILE]
    python benchmarks/run_all.py --from FILE [--page FILE]

A benchmark is a script in this folder that prints one JSON object per line, one for
each thing it measured; whatever else it prints goes to stderr. Names starting with an
underscore are helpers, not benchmarks. ``--page`` writes the page of results, also from
results of an earlier run (``--from``). Exits with 1 if a benchmark fails or prints no
result; the page is not written then.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _machine
from _page import page

FOLDER = Path(__file__).resolve().parent

Record = dict[str, Any]


def scripts(folder: Path) -> list[Path]:
    """Returns the benchmarks in a folder, by name."""
    return [
        path
        for path in sorted(folder.glob("*.py"))
        if path.name != Path(__file__).name and not path.name.startswith("_")
    ]


def run(script: Path, arguments: list[str]) -> list[Record]:
    """Runs one benchmark and returns what it measured.

    Raises:
        RuntimeError: The script failed, or printed no result.
    """
    process = subprocess.run(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
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
    """Returns records as text in aligned columns, numbers to the right.

    Values that are lists or objects themselves are left out.
    """
    records = [
        {key: each for key, each in record.items() if not isinstance(each, list | dict)}
        for record in records
    ]
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


def read(path: Path) -> list[Record]:
    """Reads results that were written as JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, text: str) -> None:
    """Writes a file, with the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run_and_print(
    folder: Path, names: list[str], arguments: list[str]
) -> tuple[list[Record], int]:
    """Runs benchmarks and prints their results.

    Returns:
        The results, each with its script and command, and how many benchmarks failed.
    """
    results: list[Record] = []
    failed = 0
    for name in names:
        command = " ".join(["python", f"benchmarks/{name}.py", *arguments])
        start = time.perf_counter()
        try:
            records = run(folder / f"{name}.py", arguments)
        except RuntimeError as error:
            failed += 1
            print(f"{name}: {error}\n", file=sys.stderr, flush=True)
            continue
        print(f"{name} ({time.perf_counter() - start:.1f} s in all)")
        print(table(records), end="\n\n", flush=True)
        results += [{"script": name, "command": command, **each} for each in records]
    return results, failed


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Runs the benchmarks named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument(
        "--quick", action="store_true", help="pass --quick on: see that they work"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results as JSON lines"
    )
    parser.add_argument(
        "--from",
        type=Path,
        metavar="FILE",
        dest="results",
        help="take the results from JSON lines instead of running anything",
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the page of results"
    )
    options = parser.parse_args(arguments)
    if options.results:
        results, failed = read(options.results), 0
    else:
        available = [path.stem for path in scripts(folder)]
        unknown = [name for name in options.names if name not in available]
        if not available:
            parser.error(f"there are no benchmarks in {folder}")
        if unknown:
            parser.error(
                f"no benchmark named {', '.join(unknown)}; there are: "
                f"{', '.join(available)}"
            )
        machine = {"script": "machine", **_machine.describe()}
        extra = ["--quick"] if options.quick else []
        results, failed = run_and_print(folder, options.names or available, extra)
        results.insert(0, machine)
    if options.json:
        write(options.json, "".join(json.dumps(each) + "\n" for each in results))
    if options.page and not failed:
        write(options.page, page(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
