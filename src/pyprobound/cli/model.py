"""The commands ``pyprobound model ...``."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .support import (
    clean_errors,
    interrupts,
    messages,
    read_verbosity,
    verbosity_options,
)

if TYPE_CHECKING:
    from ..layers import PSAM
    from ..stats.gauges import Gauge
    from ..workflow.opened import OpenedModel
    from ..workflow.surgery_consensus import NonSpecificRule

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_MANY = 1_000_000


@click.group()
def model() -> None:
    """Look into a model, and take it apart.

    MODEL is the output folder of pyprobound fit, its model file, a file of ProBound
    (.models.json, a scoring model, MotifCentral), or a file of motifs.

    \b
    Examples:
      pyprobound model show fit
      pyprobound model consensus bcd.models.json -o bcd.json
      pyprobound model kmers bcd.json --length 8 --top 20
    """  # noqa: D301 - click needs the character \b


def _command(function: Callable[..., None]) -> click.Command:
    """Makes a command of a function whose first argument is an opened model."""

    @functools.wraps(function)
    def run(
        path: Path,
        index: int | None,
        name: str | None,
        quiet: bool,
        verbose: int,
        **options: Any,
    ) -> None:
        verbosity = read_verbosity(quiet, verbose)
        with (
            messages(verbosity),
            interrupts(lambda: "Nothing was written."),
            clean_errors(verbosity),
        ):
            from ..workflow.open_model import open_model

            function(open_model(path, index=index, name=name), **options)

    decorators: list[Decorator] = [
        verbosity_options,
        click.option(
            "--model-index",
            "index",
            metavar="N",
            type=int,
            help="Which model of a file with several, counted from 0; negative numbers"
            " count from the end.",
        ),
        click.option(
            "--model-name",
            "name",
            metavar="NAME",
            help="Which model of a file with several: the fitName of a stage, best for"
            " the stage with the least loss, the fit_id or gene symbol of a model of"
            " MotifCentral, or the name of a motif.",
        ),
        click.argument("path", metavar="MODEL", type=click.Path(path_type=Path)),
    ]
    command: Callable[..., Any] = run
    for decorator in decorators:
        command = decorator(command)
    return model.command()(command)


def _mode_option(text: str) -> Decorator:
    return click.option(
        "-m", "--mode", "modes", metavar="NAME", multiple=True, help=text
    )


_any_modes = _mode_option(
    "A mode, by its name or its place from 0; may be repeated. All by default."
)
_any_interactions = click.option(
    "-i",
    "--interaction",
    "interactions",
    metavar="NAME",
    multiple=True,
    help="An interaction, by its name or its place from 0; may be repeated.",
)
_new_model = click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The new model: .safetensors for a fit of pyprobound, .json for a model of"
    " ProBound.",
)
_new_scoring_model = click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The scoring model, a .json file.",
)
_new_rows = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A tab-separated file; the standard output by default.",
)


def _top(default: int) -> Decorator:
    return click.option(
        "-n",
        "--top",
        metavar="N",
        type=click.IntRange(1, _MANY),
        default=default,
        show_default=True,
        help="How many to list for each motif.",
    )


@_command
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(opened: OpenedModel, as_json: bool) -> None:
    """Show what a model holds.

    For each mode its size, the greatest distance of its pairs of letters, the strands
    and the letters of the flanks that it scores, its information in bits, its best
    sequence, and the natural log of its activity in each column of each experiment (-
    where it takes no part).

    \b
    Examples:
      pyprobound model show fit
      pyprobound model show bcd.models.json --model-name best
      pyprobound model show MotifCentral.v1.0.0.json --model-name 10109 --json
    """  # noqa: D301 - click needs the character \b
    from ..workflow.surgery_report import describe, report

    found = describe(opened)
    click.echo(json.dumps(found, indent=2, default=str) if as_json else report(found))


@_command
@_mode_option("A mode to keep, by its name or its place from 0; may be repeated.")
@_any_interactions
@_new_model
def select(
    opened: OpenedModel,
    modes: Sequence[str],
    interactions: Sequence[str],
    output: Path,
) -> None:
    """Keep some modes and interactions.

    Interactions are kept with their modes; without -i, all whose modes are kept.

    \b
    Examples:
      pyprobound model select fit -m motif1 -o motif1.safetensors
      pyprobound model select exdhox.models.json -m 1 -m 2 -o pair.json
    """  # noqa: D301 - click needs the character \b
    from ..workflow import surgery

    _save(output, surgery.select(opened, modes, interactions))


@_command
@_mode_option("A mode to remove, by its name or its place from 0; may be repeated.")
@_any_interactions
@_new_model
def drop(
    opened: OpenedModel,
    modes: Sequence[str],
    interactions: Sequence[str],
    output: Path,
) -> None:
    """Remove some modes and interactions.

    The interactions of a mode are removed with it.

    \b
    Examples:
      pyprobound model drop fit -m nonspecific -o specific.safetensors
      pyprobound model drop exdhox.models.json -i 0 -o alone.json
    """  # noqa: D301 - click needs the character \b
    from ..workflow import surgery

    _save(output, surgery.drop(opened, modes, interactions))


@_command
@click.option(
    "--nonspecific",
    type=click.Choice(("window", "sequence", "drop")),
    default="window",
    show_default=True,
    help="What becomes of non-specific binding: a motif of zeros that binds every"
    " window (as in ProBoundTools), the same for all sequences, or nothing.",
)
@_new_scoring_model
def consensus(opened: OpenedModel, nonspecific: NonSpecificRule, output: Path) -> None:
    """Make a scoring model: drop what belongs to single experiments.

    Depths, flanks, position biases and interactions are dropped, activities are
    averaged over columns, and motifs are relative to their best sequence. The result
    is a file that ProBoundTools loads.

    \b
    Examples:
      pyprobound model consensus fit -o scoring.json
      pyprobound model consensus bcd.models.json --nonspecific drop -o bcd.json
    """  # noqa: D301 - click needs the character \b
    from ..workflow import surgery_consensus

    result = surgery_consensus.consensus(opened, nonspecific=nonspecific)
    _save(output, result, remarks=True)


@_command
@click.argument("gauge", type=click.Choice(("mean", "mismatch")))
@_any_modes
@_new_model
def gauge(
    opened: OpenedModel, gauge: Gauge, modes: Sequence[str], output: Path
) -> None:
    """Fix what no data determine, without any change of predictions.

    With mean, the letters of each position and the rows and columns of pairs have mean
    zero. With mismatch, values are relative to the best sequence, which is found
    exactly. Activities make up for the difference.

    \b
    Examples:
      pyprobound model gauge fit mismatch -o mismatch.safetensors
      pyprobound model gauge bcd.models.json mean -o mean.json
    """  # noqa: D301 - click needs the character \b
    from ..workflow import surgery

    _save(output, surgery.fix_gauge(opened, gauge, modes))


@_command
@_mode_option("The mode, by its name or its place from 0, if several have a motif.")
@click.option("--reverse", is_flag=True, help="Draw the reverse complement.")
@click.option(
    "--width",
    type=click.FloatRange(1, 40),
    default=8.0,
    show_default=True,
    help="The width of the figure, in inches.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The figure, a .png, .svg or .pdf file.",
)
def logo(
    opened: OpenedModel,
    modes: Sequence[str],
    reverse: bool,
    width: float,
    output: Path,
) -> None:
    """Draw the energy logo of a motif, with the map of its pairs if it has any.

    Letters have the height of their energies -ddG/RT, with mean zero at each position.

    \b
    Examples:
      pyprobound model logo fit -m motif1 -o motif1.png
      pyprobound model logo MotifCentral.v1.0.0.json --model-name 10109 -o 10109.svg
    """  # noqa: D301 - click needs the character \b
    from ..workflow.surgery_logo import write_logo

    write_logo(output, opened, modes, reverse=reverse, width=width)


@_command
@_any_modes
@click.option(
    "-k",
    "--length",
    metavar="N",
    type=click.IntRange(min=1),
    help="The letters of each k-mer; as many as the motif has by default.",
)
@_top(10)
@_new_rows
def kmers(
    opened: OpenedModel,
    modes: Sequence[str],
    length: int | None,
    top: int,
    output: Path | None,
) -> None:
    """List the k-mers that a motif binds most tightly, exactly.

    The affinity of a k-mer is that of all windows in it, on both strands if the mode
    scores both; of one shorter than the motif, the mean over all letters around it,
    summed over its places in the motif. A k-mer and its reverse complement are listed
    once. The columns are the mode, the rank, the k-mer, its affinity relative to the
    first one, and the natural log of its affinity.

    \b
    Examples:
      pyprobound model kmers fit
      pyprobound model kmers bcd.json --length 8 --top 100 -o bcd.8mers.tsv
    """  # noqa: D301 - click needs the character \b
    from ..workflow.surgery_report import kmer_rows

    def list_rows(name: str, psam: PSAM) -> Iterable[list[str]]:
        return kmer_rows(name, psam, opened.alphabet, length, top)

    _write_rows(output, opened, modes, list_rows)


@_command
@_any_modes
@_top(1)
@_new_rows
def best(
    opened: OpenedModel, modes: Sequence[str], top: int, output: Path | None
) -> None:
    """List the sequences that one window of a motif binds most tightly, exactly.

    They are found by dynamic programming, also where pairs of letters interact. The
    columns are the mode, the rank, the sequence, its affinity relative to the first
    one, and the natural log of its affinity.

    \b
    Examples:
      pyprobound model best fit
      pyprobound model best exdhox.models.json -m 1 --top 20
    """  # noqa: D301 - click needs the character \b
    from ..workflow.surgery_report import best_rows

    def list_rows(name: str, psam: PSAM) -> Iterable[list[str]]:
        return best_rows(name, psam, opened.alphabet, top)

    _write_rows(output, opened, modes, list_rows)


def _save(output: Path, result: OpenedModel, *, remarks: bool = False) -> None:
    from ..workflow.surgery import save_opened

    save_opened(output, result)
    for remark in result.remarks if remarks else ():
        click.echo(f"Note: {remark}", err=True)


def _write_rows(
    output: Path | None,
    opened: OpenedModel,
    modes: Sequence[str],
    list_rows: Callable[[str, PSAM], Iterable[list[str]]],
) -> None:
    """Writes a table of sequences, once all of it is known."""
    from ..workflow import surgery, surgery_report

    if output is not None:
        surgery.check_folder(output)
    lines = ["\t".join(surgery_report.BEST_COLUMNS)]
    for name, psam in surgery_report.choose_motifs(opened, modes):
        lines += ["\t".join(row) for row in list_rows(name, psam)]
    text = "\n".join(lines) + "\n"
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        surgery.write_text(output, text)
