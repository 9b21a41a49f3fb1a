"""The command ``pyprobound validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .support import NORMAL, clean_errors, messages, read_verbosity, verbosity_options

if TYPE_CHECKING:
    from ..workflow.validation import Validation

# Written out, so that the help needs none of the modules that compute.
_KINDS = ("affinity", "kd", "ddg", "log-affinity", "intensity")
_UNITS = ("RT", "kcal/mol", "kJ/mol", "ln", "log2", "log10")
_CURVES = ("offset", "linear", "background", "signal", "saturation")


def _read_replacements(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for text in value:
        before, separator, after = text.partition("=")
        if not before or not separator:
            raise click.BadParameter(f"expected FROM=TO, not {text!r}", ctx, param)
        found[before] = after
    return found


@click.command()
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("table_path", metavar="TABLE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="Where validation.tsv, validation.png and validation.json are written.",
)
@click.option(
    "--kind",
    required=True,
    type=click.Choice(_KINDS),
    help="What was measured: association (affinity) or dissociation constants (kd) in"
    " any unit, energies (ddg, positive for weak binding), logs of association"
    " constants, or intensities.",
)
@click.option(
    "--unit",
    type=click.Choice(_UNITS),
    help="The unit of ddg (RT, kcal/mol, kJ/mol), or the base of log-affinity (ln,"
    " log2, log10). Both need one.",
)
@click.option(
    "--temperature",
    metavar="C",
    type=float,
    help="The temperature of energies in kcal/mol or kJ/mol, in degrees Celsius.  "
    "[default: 25]",
)
@click.option(
    "--flip-sign",
    is_flag=True,
    help="Energies are positive for strong binding, or logs are of dissociation"
    " constants.",
)
@click.option(
    "--curve",
    type=click.Choice(_CURVES),
    help="What is fitted between prediction and measurement, see below; by default an"
    " offset, and a signal for intensities.",
)
@click.option(
    "--sequence-column",
    metavar="COLUMN",
    help="The name or the number, from 1, of the column of sequences; by default the"
    " one called sequence or seq, else the first.",
)
@click.option(
    "--value-column",
    metavar="COLUMN",
    help="That of the values; the second one of two.",
)
@click.option(
    "--error-column",
    metavar="COLUMN",
    help="That of the standard deviations, by which the fit is then weighted.",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether the first line names the columns; by default it is looked at.",
)
@click.option(
    "--transliterate",
    metavar="FROM=TO",
    multiple=True,
    callback=_read_replacements,
    help="A text to replace in the sequences, such as U=T. May be repeated.",
)
@click.option("--left-flank", metavar="SEQ", default="", help="Letters in front.")
@click.option("--right-flank", metavar="SEQ", default="", help="Letters behind.")
@click.option(
    "--index",
    metavar="N",
    type=int,
    help="Which model of a file with several, counted from 0.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="The same by its name: the stage of a fit of ProBound, or the fit_id of"
    " MotifCentral.",
)
@click.option(
    "--mode",
    "modes",
    metavar="NAME",
    multiple=True,
    help="Use this mode of MODEL alone. May be repeated.",
)
@click.option(
    "--experiment",
    metavar="NAME",
    help="The experiment of MODEL whose activities weigh the modes.",
)
@click.option(
    "--column",
    metavar="N",
    type=click.IntRange(min=0),
    help="Its column, from 0; by default the last one in which anything binds.",
)
@click.option(
    "--title",
    metavar="TEXT",
    help="The title of the figure, by default the name of the model.",
)
@click.option("--force", is_flag=True, help="Replace earlier results.")
@verbosity_options
def validate(
    model_path: Path,
    table_path: Path,
    output: Path,
    kind: Any,
    unit: Any,
    temperature: float | None,
    flip_sign: bool,
    curve: Any,
    sequence_column: str | None,
    value_column: str | None,
    error_column: str | None,
    header: bool | None,
    transliterate: dict[str, str],
    left_flank: str,
    right_flank: str,
    index: int | None,
    name: str | None,
    modes: tuple[str, ...],
    experiment: str | None,
    column: int | None,
    title: str | None,
    force: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Compare a model with measured affinities.

    MODEL is the output folder of a fit, or any file of a model: of this program, of
    ProBound or MotifCentral, or a motif. TABLE (.tsv or .csv, either with .gz) has a
    sequence and a measured value on each line. Sequences may differ in length: each
    is scored over all of its windows. Rows without a value are skipped and counted.

    Values are compared as log affinities x, in units of RT: the log of an affinity or
    an intensity, minus the log of a Kd, or -ddG/RT. With predictions z, --curve is

    \b
      offset      x = z + c                  what units and reference leave open
      linear      x = a z + c                with the slope of energies, too
      background  x = ln(e^(z + c) + e^b)    with a floor under weak sequences
      signal      y = b + a e^z              intensities y on a linear scale
      saturation  y = b + a / (1 + e^(-z - c))   likewise, where binding saturates

    R squared, the correlations of Pearson and Spearman, and the root mean square
    error in RT are printed, and written to FOLDER with all predictions and a figure.

    \b
    Examples:
      pyprobound validate out affinities.tsv -o check --kind affinity
      pyprobound validate out mitomi.csv -o check --kind ddg --unit kcal/mol
          --value-column MAX_ddG_mean --error-column MAX_ddG_sd
      pyprobound validate MotifCentral.v1.0.0.json pbm.tsv.gz -o check --name 10676
          --kind intensity --curve saturation --left-flank GTCTGATT
    """  # noqa: D301 - click needs the character \b
    verbosity = read_verbosity(quiet, verbose)
    with clean_errors(verbosity), messages(verbosity):
        from ..fitting.measures import DEFAULT_TEMPERATURE, Measure
        from ..io.measurements import Columns
        from ..workflow.validation import ValidationOptions, run_validation
        from ..workflow.validation_model import Selection

        if temperature is not None and unit not in ("kcal/mol", "kJ/mol"):
            raise click.UsageError(
                "--temperature is for energies in kcal/mol or kJ/mol (--unit)"
            )
        if temperature is None:
            temperature = DEFAULT_TEMPERATURE
        try:
            measure = Measure(kind, unit, temperature, flip_sign)
        except ValueError as error:
            raise InputError(str(error), key="--kind") from None
        result = run_validation(
            model_path,
            table_path,
            output,
            ValidationOptions(
                measure,
                curve,
                Selection(modes, experiment, column),
                left_flank,
                right_flank,
                title if title is not None else name or model_path.stem,
            ),
            columns=Columns(sequence_column, value_column, error_column),
            header=header,
            transliterate=transliterate,
            index=index,
            name=name,
            force=force,
        )
        if verbosity >= NORMAL:
            click.echo(_report(result))
            click.echo(f"results in   {output}")


def _report(result: Validation) -> str:
    """What came out, as text."""
    statistics, curve, chosen = result.statistics(), result.curve, result.chosen
    pairs = [each.name for each in chosen.pairs]
    skipped = result.measurements.skipped
    reasons = ", ".join(f"{n:,} without {what}" for what, n in skipped.items())
    unit = "" if result.is_linear else " RT"
    parameters = [f"offset {curve.offset:.4g}"]
    if curve.kind in ("linear", "signal", "saturation"):
        parameters.append(f"scale {curve.scale:.4g}")
    if curve.background is not None:
        parameters.append(f"background {curve.background:.4g}{unit}")
    rows = {
        "modes": ", ".join([each.name for each in chosen.modes] + pairs),
        "sequences": f"{statistics['n_sequences']:,}"
        + (f" (skipped: {reasons})" if reasons else ""),
        "R squared": _written(statistics["r_squared"]),
        "Pearson r": _written(statistics["pearson"]),
        "Spearman r": _written(statistics["spearman"]),
        "RMSE": _written(statistics["rmse"])
        if result.is_linear
        else _written(statistics["rmse_rt"], " RT"),
        "curve": f"{curve.kind}: {', '.join(parameters)}",
    }
    if not result.is_linear:
        slope = _written(statistics["line_scale"])
        rows["slope"] = f"{slope} of the line through all points; ideally 1"
    lines = [f"{name:<12} {text}" for name, text in rows.items()]
    return "\n".join([*lines, *(f"note         {r}" for r in result.chosen.remarks)])


def _written(value: float | None, unit: str = "") -> str:
    return "undefined" if value is None else f"{value:.4f}{unit}"
