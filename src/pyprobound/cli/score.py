"""The command ``pyprobound score``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .support import (
    NORMAL,
    clean_errors,
    interrupts,
    messages,
    read_verbosity,
    verbosity_options,
)

if TYPE_CHECKING:
    from ..workflow.opened import OpenedModel
    from ..workflow.scoring import ScoringOptions

_STATISTICS = ("sum", "max", "mean")
OnProgress = Callable[[int, int | None, int], None]


def _column(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> str | int | None:
    del ctx, param
    return int(value) if value is not None and value.isdecimal() else value


@click.command()
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument(
    "sequences", metavar="[SEQUENCES]", required=False, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="Where to write: a .tsv, .csv (either with .gz) or .parquet file; the standard"
    " output by default.",
)
@click.option(
    "--per-mode",
    metavar="sum,max,mean",
    help="Add columns for each motif: the log of the sum, the maximum or the mean of"
    " the affinities of its windows.",
)
@click.option(
    "--profile",
    is_flag=True,
    help="Add the scores of all windows of each motif, on both strands.",
)
@click.option(
    "--predict",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="Instead of scoring SEQUENCES, predict the counts of this count table.",
)
@click.option(
    "--shares",
    is_flag=True,
    help="With --predict: the share of each round in the reads of a sequence, instead"
    " of counts.",
)
@click.option(
    "--wildcard",
    type=click.Choice(["mean-affinity", "mean-energy"]),
    default="mean-affinity",
    show_default=True,
    help="How a letter that is not known exactly (N, R, ...) is scored: by the mean"
    " affinity of all letters it may be, or by their mean energy, as in PyProBound.",
)
@click.option(
    "--column",
    metavar="NAME|N",
    callback=_column,
    help="The column of a table that holds the sequences: its name, or its number from"
    " 1; the first one by default.",
)
@click.option(
    "--with-sequence", is_flag=True, help="Write the sequences besides their names."
)
@click.option(
    "--invalid",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do about sequences without letters, or with letters that the model"
    " does not know.",
)
@click.option(
    "--left-flank", metavar="SEQ", default="", help="Letters in front of each sequence."
)
@click.option(
    "--right-flank", metavar="SEQ", default="", help="Letters behind each sequence."
)
@click.option(
    "--experiment",
    metavar="NAME|N",
    help="Whose activities weigh the modes, if MODEL has several experiments.",
)
@click.option(
    "--round",
    "round_",
    metavar="N",
    type=click.IntRange(min=1),
    help="Whose activities weigh the modes, as a column of the counts from 1; the last"
    " one by default.",
)
@click.option(
    "--no-interactions",
    is_flag=True,
    help="Leave modes that bind together out of the total.",
)
@click.option(
    "--model-name",
    metavar="NAME",
    help="Which model of a file with several: the fitName of a line, a fit_id, a gene"
    " symbol, or the name of a motif.",
)
@click.option(
    "--model-index",
    metavar="N",
    type=int,
    help="Which model of a file with several, by its place from 0.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1),
    help="Processor threads; by default one for each core.",
)
@verbosity_options
def score(
    model_path: Path,
    sequences: Path | None,
    output: Path | None,
    per_mode: str | None,
    profile: bool,
    predict: Path | None,
    shares: bool,
    wildcard: Any,
    column: str | int | None,
    with_sequence: bool,
    invalid: Any,
    left_flank: str,
    right_flank: str,
    experiment: str | None,
    round_: int | None,
    no_interactions: bool,
    model_name: str | None,
    model_index: int | None,
    threads: int | None,
    quiet: bool,
    verbose: int,
) -> None:
    """Score sequences with a model.

    MODEL is the output folder of a fit or a file in it, a file of ProBound (the lines
    of a fit, a scoring model, a release of MotifCentral), or a file of motifs.
    SEQUENCES is a FASTA or FASTQ file, text with one sequence per line, or a table
    with a column of sequences, gzipped or not; - is the standard input. Sequences may
    have any lengths.

    The result has a line for each sequence, in order: its name (or the sequence, if
    there are no names) and log_affinity, the natural logarithm of the affinity of all
    modes together. Motifs that do not fit into a sequence score -inf.

    \b
    Examples:
      pyprobound score out peaks.fa.gz -o scores.tsv
      pyprobound score out reads.fastq.gz --per-mode max,mean -o scores.parquet
      pyprobound score motif.jaspar peaks.fa --profile -o profiles.tsv.gz
      pyprobound score fit.models.json probes.tsv --column probe --left-flank ACGTC
      pyprobound score MotifCentral.json peaks.fa --model-name CTCF
      zcat peaks.fa.gz | pyprobound score out - | sort -k2,2gr | head
      pyprobound score out --predict counts.tsv.gz -o expected.tsv
    """  # noqa: D301 - click needs the character \\b
    verbosity = read_verbosity(quiet, verbose)
    if (sequences is None) == (predict is None):
        raise click.UsageError("give either SEQUENCES or --predict TABLE")
    if shares and predict is None:
        raise click.UsageError("--shares needs --predict")
    if predict is not None:
        _refuse_with_predict(per_mode, profile, column, left_flank, right_flank)
    statistics = _statistics(per_mode)
    with (
        clean_errors(verbosity, _explain),
        interrupts(lambda: "Nothing was written."),
        messages(verbosity),
    ):
        from ..workflow.open_model import open_model
        from ..workflow.scoring import ScoringOptions

        _set_threads(threads)
        model = open_model(model_path, index=model_index, name=model_name)
        if predict is not None:
            _predict(model, predict, output, experiment, shares, verbosity)
            return
        assert sequences is not None  # noqa: S101 - checked above
        options = ScoringOptions(
            statistics=statistics,
            profile=profile,
            wildcard=wildcard,
            experiment=experiment,
            column=round_,
            interactions=not no_interactions,
            left_flank=left_flank,
            right_flank=right_flank,
        )
        more = {
            "column": column,
            "on_invalid": invalid,
            "with_sequence": with_sequence,
        }
        _score(model, sequences, output, options, verbosity, more)


def _statistics(text: str | None) -> Any:
    chosen = [] if text is None else [part.strip() for part in text.split(",")]
    for part in chosen:
        if part not in _STATISTICS:
            raise click.BadParameter(
                f"expected some of {', '.join(_STATISTICS)} with commas between them,"
                f" not {text!r}",
                param_hint="--per-mode",
            )
    return tuple(dict.fromkeys(chosen))


def _refuse_with_predict(
    per_mode: str | None,
    profile: bool,
    column: str | int | None,
    left_flank: str,
    right_flank: str,
) -> None:
    """Options that would have no effect are refused."""
    given = {
        "--per-mode": per_mode is not None,
        "--profile": profile,
        "--column": column is not None,
        "--left-flank": bool(left_flank),
        "--right-flank": bool(right_flank),
    }
    for option, is_given in given.items():
        if is_given:
            raise click.UsageError(
                f"{option} is for SEQUENCES; a prediction takes the table and its"
                " flanks as the fit does"
            )


def _explain(error: InputError) -> InputError:
    """Advice for the user of the command line."""
    if "choose one by its" not in error.message:
        return error
    return InputError(
        f"{error.message} (--model-name NAME or --model-index N)",
        path=error.path,
        line=error.line,
        key=error.key,
    )


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _score(
    model: OpenedModel,
    sequences: Path,
    output: Path | None,
    options: ScoringOptions,
    verbosity: int,
    more: dict[str, Any],
) -> None:
    from ..workflow.score_run import score_file

    with _progress(verbosity, "bytes") as on_progress:
        result = score_file(
            model, sequences, output, options, on_progress=on_progress, **more
        )
    if verbosity < NORMAL:
        return
    for remark in result.remarks:
        click.echo(f"Note: {remark}", err=True)
    if output is not None and str(output) != "-":
        click.echo(f"{result.n_scored:,} sequences scored in {output}", err=True)


def _predict(
    model: OpenedModel,
    table: Path,
    output: Path | None,
    experiment: str | None,
    shares: bool,
    verbosity: int,
) -> None:
    from ..workflow.scoring_predictions import predict_table

    with _progress(verbosity, "rows") as on_progress:
        result = predict_table(
            model,
            table,
            output,
            experiment=experiment,
            shares=shares,
            on_progress=on_progress,
        )
    if verbosity >= NORMAL and output is not None and str(output) != "-":
        click.echo(
            f"{result.n_sequences:,} sequences of experiment {result.experiment}"
            f" predicted in {output}",
            err=True,
        )


@contextmanager
def _progress(verbosity: int, unit: str) -> Iterator[OnProgress | None]:
    """A bar on a terminal; nothing anywhere else.

    Args:
        verbosity: Nothing is shown if nothing is to be said.
        unit: What is counted.
    """
    if verbosity < NORMAL or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("scoring"),
        BarColumn(),
        TextColumn("{task.fields[scored]:,} sequences"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(unit, total=None, scored=0)

        def show(done: int, total: int | None, scored: int) -> None:
            bar.update(task, completed=done, total=total, scored=scored)

        yield show
