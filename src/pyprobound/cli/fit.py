"""The command ``pyprobound fit``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .probound import holds_probound, name_file, read_probound
from .progress import progress
from .support import (
    NORMAL,
    clean_errors,
    interrupts,
    messages,
    read_verbosity,
    verbosity_options,
)

if TYPE_CHECKING:
    from ..config import FitConfig
    from ..io.tables import TableData
    from ..workflow import FitResult

_YAML = (".yaml", ".yml")
# They say how to run a fit, and may differ from what its configuration says.
_RUN_OPTIONS = ("seed", "starts", "validation_fraction", "device", "threads")

# Which option stands behind a key of the configuration of a bare table.
_OPTIONS = {
    "left_flank": "--left-flank",
    "right_flank": "--right-flank",
    "left_flank_length": "--flank-length",
    "right_flank_length": "--flank-length",
    "kernel_size": "--size",
    "pairwise_distance": "--pairwise-distance",
    "symmetry": "--symmetry",
    "validation_fraction": "--validation-fraction",
    "lambda_l2": "--lambda-l2",
    "pseudocount": "--pseudocount",
    "device": "--device",
    "threads": "--threads",
    "seed": "--seed",
    "starts": "--starts",
}


@click.command()
@click.argument("input_path", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUTDIR",
    type=click.Path(path_type=Path),
    help="Folder for the results; <name of INPUT>_fit in the current folder by default.",
)
@click.option(
    "--size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Positions of each motif; as many as --symmetry has, else 10.",
)
@click.option(
    "--modes",
    metavar="N",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Motifs, besides one mode of non-specific binding.",
)
@click.option(
    "--left-flank",
    metavar="SEQ",
    default="",
    help="Constant letters in front of the sequences.",
)
@click.option(
    "--right-flank",
    metavar="SEQ",
    default="",
    help="Constant letters behind the sequences.",
)
@click.option(
    "--flank-length",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Letters of either flank that are scored.",
)
@click.option(
    "--pairwise-distance",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Greatest distance of letters that interact.",
)
@click.option(
    "--symmetry",
    metavar="IDS",
    help="One id per position; equal ids share values, negative ones are"
    " complemented: 1,2,-2,-1, or ABba for short.",
)
@click.option("--posbias", is_flag=True, help="Train a position bias for each motif.")
@click.option(
    "--saturation/--no-saturation",
    default=False,
    show_default=True,
    help="Whether binding saturates (BoundRound) or not (BoundUnsaturatedRound).",
)
@click.option(
    "--lambda-l2",
    metavar="X",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="Weight of the squared parameters.",
)
@click.option(
    "--pseudocount",
    metavar="X",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Reads by which the letters of a motif are drawn towards each other.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="From it follow all random values.",
)
@click.option(
    "--starts",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Independent random starts; the best one is kept.",
)
@click.option(
    "--validation-fraction",
    metavar="X",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of the rows that judge the training instead of taking part in it.",
)
@click.option(
    "--device", help="cpu, cuda, ...; by default the fastest that is present."
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1),
    help="Processor threads; by default one for each core.",
)
@click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Starts that run at the same time and share the threads; by default as many"
    " as end soonest, which is one for small tables.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse keys that are not known in a configuration of ProBound.",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted fit in OUTDIR.")
@click.option("--force", is_flag=True, help="Replace another fit in OUTDIR.")
@verbosity_options
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    input_path: Path,
    output: Path | None,
    jobs: int | None,
    strict: bool,
    resume: bool,
    force: bool,
    quiet: bool,
    verbose: int,
    **options: Any,
) -> None:
    """Fit a binding model to count tables.

    INPUT is a count table (.tsv, .csv, either gzipped, or .parquet: a column of
    sequences, then one column of counts per round, with or without a header line),
    or a YAML file that describes everything (see pyprobound schema), with which only
    --seed, --starts, --validation-fraction, --device, --threads and --jobs can be
    given; or a configuration of ProBound, a JSON list of functions or its full form,
    with which the same holds. Its tables are looked for from the current folder, then
    beside it, and the results go to its outputPath/baseName unless OUTDIR is given.

    A bare table holds DNA. Its first count column is the input library; each further
    one is a round of selection from the one before it. The model has one mode of
    non-specific binding and one mode for each motif, which training shifts to its
    centre unless --symmetry is given.

    \b
    Examples:
      pyprobound fit counts.tsv.gz --size 12 -o out
      pyprobound fit counts.tsv.gz --size 12 --starts 3 --seed 1 -o out
      pyprobound fit counts.tsv.gz --size 12 --starts 16 --jobs 8 -o out
      pyprobound fit counts.tsv --symmetry ABCDdcba --posbias -o palindrome
      pyprobound fit counts.csv --left-flank ACGTC --right-flank GACGT --flank-length 5
      pyprobound fit counts.tsv.gz --size 12 -o out --resume    # after Ctrl-C
      pyprobound fit out/config.yaml -o again                   # the same fit again
      pyprobound fit config.json -o out                         # as ProBound would

    \b
    OUTDIR holds:
      model.safetensors  the model, for pyprobound.load_model
      model.pt           its weights in the layout of PyProBound 1.5
      summary.json       the results
      config.yaml        all settings; fit it again to reproduce the results
      logo-*.svg, .png   the motifs, upright and reverse-complemented
      history.jsonl      one line per epoch
      fit.log            all that happened

    A fit that was interrupted or killed is continued by the same command with
    --resume, and ends at the same result.
    """  # noqa: D301 - click needs the character \\b
    verbosity = read_verbosity(quiet, verbose)
    is_yaml = input_path.suffix.lower() in _YAML
    is_probound = not is_yaml and holds_probound(input_path)
    given = _given_options(ctx, options)
    if is_yaml or is_probound:
        _refuse_options(ctx, given, "YAML file" if is_yaml else "configuration")
    folder = _default_output(input_path) if output is None else output

    def explain(error: InputError) -> InputError:
        if is_probound:
            return name_file(error, input_path)
        return _place_in_file(error, input_path) if is_yaml else _name_option(error)

    with (
        clean_errors(verbosity, explain),
        interrupts(lambda: _advice(folder)),
        messages(verbosity),
    ):
        if str(input_path) == "-":
            raise InputError(
                "the standard input cannot be fitted, because it can be read only once;"
                " give a file"
            )
        if is_probound:
            config, named = read_probound(input_path, given, strict, verbosity)
            folder = output or named or folder
            tables = None
        else:
            config, tables = _configure(input_path, is_yaml, given)

        from ..workflow import run_fit

        with progress(verbosity) as on_record:
            result = run_fit(
                config,
                folder,
                resume=resume,
                force=force,
                on_record=on_record,
                tables=tables,
                jobs=jobs,
            )
        if verbosity >= NORMAL:
            _show(result)


def _given_options(ctx: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were typed, without those that have their default."""
    return {
        name: value
        for name, value in options.items()
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }


def _refuse_options(ctx: click.Context, given: Mapping[str, Any], kind: str) -> None:
    """Options that describe the model are in the configuration already."""
    for name in given:
        if name not in _RUN_OPTIONS:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{option} is for bare count tables; set it in the {kind} instead",
                ctx,
            )


def _default_output(input_path: Path) -> Path:
    name = input_path.name.removesuffix(".gz")
    stem = name.rpartition(".")[0] or name
    if stem == "config":
        # The configuration of a finished fit: named after its folder.
        stem = input_path.resolve().parent.name or stem
    return Path(f"{stem}_fit")


def _advice(folder: Path) -> str:
    if not (folder / "config.yaml").exists():
        return "Nothing was written."
    words = [word for word in sys.argv[1:] if word not in ("--resume", "--force")]
    command = shlex.join(["pyprobound", *words, "--resume"])
    return f"What was done is in {folder}; to go on, run: {command}"


def _configure(
    path: Path, is_yaml: bool, given: Mapping[str, Any]
) -> tuple[FitConfig, dict[str, TableData] | None]:
    """The configuration, and the tables that were read to make it."""
    from ..config import load_config

    if is_yaml:
        return load_config(path).model_copy(update=dict(given)), None
    from ..alphabets import DNA
    from ..config.alphabets import check_flanks
    from ..config.defaults import DefaultOptions, default_config
    from ..io.tables import drop_column, read_table

    chosen = DefaultOptions(**given)
    # Options are checked before a large table is read.
    for name, part in default_config(path, (0, 1), chosen).tables.items():
        check_flanks(part, DNA(), name)
    table = read_table(path, DNA())
    columns = list(table.dataframe.columns)
    if len(columns) < 2:
        raise InputError(
            "has one count column; expected at least two: the input library, then one"
            " for each round of selection",
            path=path,
        )
    empty = not table.dataframe.iloc[:, 0].any()
    config = default_config(path, columns, chosen, empty_input=empty)
    if empty:
        click.echo(
            f"Warning: {path}: the first count column has no reads, so the rounds are"
            " compared with each other alone",
            err=True,
        )
        table = drop_column(table, 0)
    return config, dict.fromkeys(config.tables, table)


def _name_option(error: InputError) -> InputError:
    """Names the option instead of the key that was derived from it."""
    if error.key is None:
        return error
    option = _OPTIONS.get(error.key.rpartition(".")[2])
    if option is None:
        return error
    return InputError(
        error.message, path=error.path, line=error.line, key=option, unit=error.unit
    )


def _place_in_file(error: InputError, path: Path) -> InputError:
    """Finds the line of a key in the configuration."""
    from ..config.documents import line_of_key

    if error.key is None or error.path is not None:
        return error
    return InputError(
        error.message, path=path, line=line_of_key(path, error.key), key=error.key
    )


def _show(result: FitResult) -> None:
    """Prints what came out."""
    summary = result.summary
    if result.was_finished:
        click.echo("The fit was finished already; these are its results.", err=True)
    click.echo(f"NLL per read    {summary['nll_per_read']:.6f}")
    click.echo(f"regularization  {summary['regularization']:.6f}")
    for mode in summary["modes"]:
        if mode["size"]:
            click.echo(f"{mode['name']:<15} {mode['consensus']}")
    click.echo(f"time            {summary['wall_seconds']:.1f} s")
    click.echo(f"results in      {result.folder.path}")
