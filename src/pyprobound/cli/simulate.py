"""The command ``pyprobound simulate``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .support import NORMAL, clean_errors, messages, read_verbosity, verbosity_options

if TYPE_CHECKING:
    from ..alphabets import Alphabet
    from ..experiment import Experiment

DEFAULT_LENGTH = 20


def _numbers(kind: type[int] | type[float]) -> Callable[..., Any]:
    """Reads numbers with commas between them, as a callback of an option."""

    def read(
        ctx: click.Context, param: click.Parameter, value: str | None
    ) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in value.split(","))
        except ValueError:
            whole = "whole " if kind is int else ""
            raise click.BadParameter(
                f"expected {whole}numbers with commas between them, not {value!r}",
                ctx,
                param,
            ) from None

    return read


@click.command()
@click.argument("model_path", metavar="[MODEL]", required=False, type=Path)
@click.option(
    "-o",
    "--output",
    metavar="TABLE",
    required=True,
    type=click.Path(path_type=Path),
    help="The count table: a .tsv, .csv (either with .gz) or .parquet file.",
)
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(min=1),
    help="Rounds of selection, each as the last one of MODEL; by default those of"
    " MODEL, or one.",
)
@click.option(
    "--reads",
    metavar="N[,N...]",
    callback=_numbers(int),
    default="100000",
    show_default=True,
    help="Reads of every round, or of each: the library first.",
)
@click.option(
    "--length",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"Random letters of a molecule; as MODEL has, or {DEFAULT_LENGTH}.",
)
@click.option(
    "--library-size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Molecules in the library; by default 30 for each read of the deepest round.",
)
@click.option(
    "--left-flank",
    metavar="SEQ",
    help="Constant letters in front, which take part in binding; those that MODEL"
    " scores by default.",
)
@click.option(
    "--right-flank",
    metavar="SEQ",
    help="Constant letters behind, likewise.",
)
@click.option(
    "--composition",
    metavar="X,X,...",
    callback=_numbers(float),
    help="Frequencies of the letters in alphabetical order (of the alphabet of MODEL);"
    " equal by default.",
)
@click.option(
    "--saturation/--no-saturation",
    default=None,
    help="Whether binding of the built-in motif saturates; not by default.",
)
@click.option(
    "--sampling",
    type=click.Choice(["poisson", "multinomial"]),
    default="poisson",
    show_default=True,
    help="multinomial gives exactly the number of --reads.",
)
@click.option(
    "--experiment",
    metavar="NAME",
    help="Which experiment of MODEL, if it has several.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="From it follows everything random.",
)
@click.option("--force", is_flag=True, help="Replace TABLE if it exists.")
@verbosity_options
def simulate(
    model_path: Path | None,
    output: Path,
    rounds: int | None,
    reads: tuple[int, ...],
    length: int | None,
    library_size: int | None,
    left_flank: str | None,
    right_flank: str | None,
    composition: tuple[float, ...] | None,
    saturation: bool | None,
    sampling: Any,
    experiment: str | None,
    seed: int,
    force: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Simulate a selection experiment.

    MODEL is the model.safetensors of a fit, or the folder that holds it. Without it, a
    built-in motif of DNA (ATGACGGAAT) and non-specific binding select the molecules.

    Molecules with random letters are enriched in each round as the model says, and
    sequenced. TABLE has a line for each distinct sequence that was read: its random
    letters, then the reads in the library and in each round. It has no header, and
    pyprobound fit reads it.

    \b
    Examples:
      pyprobound simulate -o counts.tsv.gz
      pyprobound simulate -o counts.tsv.gz --rounds 3 --reads 50000 --library-size 5000000
      pyprobound simulate out/model.safetensors -o again.tsv.gz --seed 1
    """  # noqa: D301 - click needs the character \\b
    verbosity = read_verbosity(quiet, verbose)
    with clean_errors(verbosity), messages(verbosity):
        from ..io.table_writer import check_table_path, write_table
        from ..stats.simulation import simulate as run

        check_table_path(output)
        if output.exists() and not force:
            raise InputError("exists already; replace it with --force", path=output)
        if model_path is None:
            if experiment is not None:
                raise click.UsageError("--experiment needs a MODEL")
            source = _builtin(length, saturation)
        else:
            if saturation is not None:
                raise click.UsageError(
                    "--saturation is for the built-in motif; MODEL knows its rounds"
                )
            source = _fitted(model_path, experiment)
        flanks = {
            "left_flank": source.left_flank if left_flank is None else left_flank,
            "right_flank": source.right_flank if right_flank is None else right_flank,
        }
        for name, letters in flanks.items():
            _check_letters(source.alphabet, letters, "--" + name.replace("_", "-"))
        try:
            table = run(
                source.experiment,
                rounds,
                reads[0] if len(reads) == 1 else reads,
                source.length if length is None else length,
                seed,
                library_size=library_size,
                composition=composition,
                sampling=sampling,
                **flanks,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        write_table(output, table)
        if verbosity >= NORMAL:
            totals = ", ".join(f"{total:,}" for total in table.sum())
            click.echo(f"sequences  {len(table):,}")
            click.echo(f"reads      {totals}")
            click.echo(f"table in   {output}")


@dataclass(frozen=True)
class _Source:
    """What is simulated."""

    experiment: Experiment
    alphabet: Alphabet
    length: int
    left_flank: str = ""
    right_flank: str = ""


def _builtin(length: int | None, saturation: bool | None) -> _Source:
    from ..alphabets import DNA
    from ..stats.motifs import builtin_motif
    from ..stats.simulation import builtin_model

    made_for = max(length or DEFAULT_LENGTH, builtin_motif().kernel_size)
    model = builtin_model(made_for, saturation=bool(saturation))
    return _Source(model, DNA(), DEFAULT_LENGTH)


def _fitted(path: Path, name: str | None) -> _Source:
    import pandas as pd

    from ..workflow import load_model

    model = load_model(path / "model.safetensors" if path.is_dir() else path)
    names = list(model.experiments)
    if name is None and len(names) > 1:
        listed = ", ".join(map(repr, names))
        raise InputError(
            f"the model has several experiments, choose one of them: {listed}",
            key="--experiment",
        )
    if name is not None and name not in names:
        listed = ", ".join(map(repr, names))
        raise InputError(
            f"the model has no experiment {name!r}; it has: {listed}",
            key="--experiment",
        )
    name = names[0] if name is None else name
    empty = pd.DataFrame({0: []}, index=pd.Index([], dtype="str"), dtype="int64")
    table = model.make_table(name, empty)
    size = table.alphabet.monomer_length
    left, right = table.left_flank_length * size, table.right_flank_length * size
    return _Source(
        model.experiments[name],
        table.alphabet,
        table.max_variable_length,
        table.left_flank[len(table.left_flank) - left :],
        table.right_flank[:right],
    )


def _check_letters(alphabet: Alphabet, letters: str, option: str) -> None:
    try:
        alphabet.translate(letters)
    except ValueError as error:
        raise InputError(str(error), key=option) from None
