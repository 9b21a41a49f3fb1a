"""The command ``pyprobound demo``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .support import (
    NORMAL,
    VERBOSE,
    clean_errors,
    interrupts,
    messages,
    read_verbosity,
    verbosity_options,
)

if TYPE_CHECKING:
    from ..optim.records import Consumer
    from ..workflow.demo import DemoResult

_LETTERS = "ACGT"


@click.command()
@click.option(
    "-o",
    "--output",
    metavar="OUTDIR",
    type=click.Path(path_type=Path),
    default="demo",
    show_default=True,
    help="Folder for the reads and the results.",
)
@click.option(
    "--reads",
    metavar="N",
    type=click.IntRange(min=2),
    default=200_000,
    show_default=True,
    help="Reads to simulate, half of them before and half after selection.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="From it follows everything random.",
)
@click.option("--force", is_flag=True, help="Replace another fit in OUTDIR.")
@verbosity_options
def demo(
    output: Path, reads: int, seed: int, force: bool, quiet: bool, verbose: int
) -> None:
    """Fit a model to simulated reads and show the result.

    A selection experiment with a built-in motif is simulated, its reads are fitted as
    pyprobound fit does, and the recovered energies are compared with the true ones.

    \b
    Example:
      pyprobound demo -o demo
    """  # noqa: D301 - click needs the character \b
    verbosity = read_verbosity(quiet, verbose)

    def say(text: str) -> None:
        if verbosity >= NORMAL:
            click.echo(text, err=True)

    with (
        clean_errors(verbosity),
        interrupts(lambda: "Run the demonstration again to start anew."),
        messages(verbosity),
    ):
        from ..workflow.demo import run_demo

        with _progress(verbosity) as on_record:
            result = run_demo(
                output,
                reads=reads,
                seed=seed,
                force=force,
                on_record=on_record,
                say=say,
            )
        if verbosity >= NORMAL:
            click.echo(_report(result))


@contextmanager
def _progress(verbosity: int) -> Iterator[Consumer | None]:
    """A live line on a terminal, unless log messages take its place."""
    if not NORMAL <= verbosity < VERBOSE or not sys.stderr.isatty():
        yield None
        return
    from ..optim.display import ProgressDisplay

    with ProgressDisplay() as display:
        yield display


def _report(result: DemoResult) -> str:
    """What came out, as text."""
    found, summary = result.alignment, result.fit.summary
    strand = " (reverse complement)" if found.reverse else ""
    results = {
        "Pearson r": f"{found.correlation:.4f} over {found.first.size} energies",
        "NLL per read": f"{summary['nll_per_read']:.6f}, of the true model"
        f" {result.true_nll:.6f}",
        "reads": f"{sum(result.reads):,}, {result.sequences:,} of them distinct",
        "time": f"{result.simulation_seconds:.1f} s to simulate,"
        f" {summary['wall_seconds']:.1f} s to fit",
        "results in": str(result.fit.folder.path),
    }
    return "\n".join(
        (
            "",
            f"Energies -ddG/RT with mean 0 at each position; recovered{strand}:",
            "",
            *_energy_table(result),
            "",
            *(f"{name:<13} {text}" for name, text in results.items()),
        )
    )


def _energy_table(result: DemoResult) -> list[str]:
    found = result.alignment
    letters = "".join(f"{letter:>7}" for letter in _LETTERS)
    lines = [
        f"          {'true':^28}   {'recovered':^28}",
        f"position{letters}  |{letters}",
    ]
    for place in range(found.n_positions):
        sides = [
            "".join(f"{value:7.2f}" for value in values[:, place])
            for values in (found.first, found.second)
        ]
        lines.append(f"{found.start + place + 1:>8}{sides[0]}  |{sides[1]}")
    return lines
