"""The command ``pyprobound convert``."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError
from .support import NORMAL, clean_errors, messages, read_verbosity, verbosity_options

# Named here as well as in workflow.convert, which takes long to import; a test
# compares them.
FORMATS = (
    "meme",
    "jaspar",
    "jaspar-raw",
    "transfac",
    "homer",
    "hocomoco-pcm",
    "hocomoco-ppm",
    "hocomoco-pwm",
    "cisbp",
    "plain",
    "psem",
    "psam",
    "probound",
    "pyprobound",
)
_MOST_LOSSES = 20


def _background(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, ...]:
    if value is None or value == "uniform":
        return ()
    try:
        return tuple(float(part.split("=")[-1]) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"expected numbers with commas between them, not {value!r}", ctx, param
        ) from None


@click.command()
@click.argument("input_path", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUTPUT",
    required=True,
    type=click.Path(path_type=Path),
    help="The file to write, gzipped if it is a motif file that ends with .gz; - for"
    " the standard output.",
)
@click.option(
    "--from",
    "source",
    type=click.Choice(FORMATS),
    help="The format of INPUT; by default what it looks like.",
)
@click.option(
    "--to",
    "target",
    type=click.Choice(FORMATS),
    help="The format of OUTPUT; by default what the ending of its name says.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Which model of a file of ProBound: the name or the number of its line, its"
    " fit_id or its gene symbol.",
)
@click.option(
    "--mode",
    "modes",
    metavar="NAME",
    multiple=True,
    help="Which mode or motif, by its name or its place from 0; may be given several"
    " times. All by default.",
)
@click.option(
    "--background",
    metavar="X,X,...",
    callback=_background,
    help="Probabilities of the letters where nothing binds, in their order; by default"
    " as INPUT says, else uniform.",
)
@click.option(
    "--pseudocount",
    metavar="X",
    type=click.FloatRange(min=0),
    help="Added to the counts of each position, over all letters; by default the root"
    " of their sum where whole counts become energies or log-odds, else 0.",
)
@click.option("--force", is_flag=True, help="Replace OUTPUT if it exists.")
@verbosity_options
def convert(
    input_path: Path,
    output: Path,
    source: str | None,
    target: str | None,
    model: str | None,
    modes: tuple[str, ...],
    background: tuple[float, ...],
    pseudocount: float | None,
    force: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Convert models and motifs between file formats.

    INPUT is the output folder of a fit or its model file, a model of ProBound or
    MotifCentral (JSON), or a file of motifs. OUTPUT is in the format that the ending of
    its name tells: .meme, .jaspar, .pfm, .transfac, .homer, .pcm, .ppm, .pwm, .cisbp,
    .psem, .psam, .json (ProBound) or .safetensors (pyprobound). A configuration of
    ProBound becomes a .yaml for pyprobound fit.

    Energies -ddG/RT become probabilities p = q exp(-ddG/RT) / sum, with the background
    q; and back by logs, the best letter of each position getting 0. What OUTPUT cannot
    hold is listed, with the mean absolute change of the score of 10,000 random
    sequences.

    \b
    Examples:
      pyprobound convert out -o motifs.meme
      pyprobound convert fit.models.json -o model.safetensors
      pyprobound convert MotifCentral.v1.0.0.json -o ctcf.psem --model CTCF
      pyprobound convert MA0139.1.jaspar -o ctcf.json --pseudocount 0.8
      pyprobound convert H11.pwm -o - --to homer --mode CTCF_HUMAN.H11MO.0.A
    """  # noqa: D301 - click needs the character \\b
    verbosity = read_verbosity(quiet, verbose)
    with clean_errors(verbosity), messages(verbosity):
        is_file = str(output) != "-"
        if is_file and output.is_dir():
            raise InputError("is a folder; give a file", path=output)
        if is_file and output.exists() and not force:
            raise InputError("exists already; replace it with --force", path=output)
        if is_file and not output.parent.is_dir():
            raise InputError(
                f"cannot be written: there is no folder {output.parent}", path=output
            )
        from ..workflow.convert import Options
        from ..workflow.convert import convert as run

        options = Options(source, target, model, modes, background, pseudocount)
        done = run(input_path, output, options)
        if not is_file:
            click.echo(done.text, nl=False)
        if verbosity < NORMAL:
            return
        more = f" and {len(done.names) - 3} more" if len(done.names) > 3 else ""
        click.echo(f"read       {done.source}", err=not is_file)
        click.echo(
            f"written    {done.target}: {', '.join(done.names[:3])}{more}",
            err=not is_file,
        )
        for note in done.notes:
            click.echo(f"note       {note}", err=not is_file)
        shown = done.losses if verbosity > NORMAL else done.losses[:_MOST_LOSSES]
        for loss in shown:
            click.echo(f"lost       {loss}", err=not is_file)
        if len(shown) < len(done.losses):
            hidden = len(done.losses) - len(shown)
            click.echo(f"lost       {hidden} more; see them with -v", err=not is_file)
        if is_file:
            click.echo(f"output in  {output}")
