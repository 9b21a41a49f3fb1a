"""The command line: one file per command, no science in it.

Commands are imported when they are called, so that ``pyprobound --help`` is quick.
"""

from __future__ import annotations

import importlib
import os

import click

from .._version import __version__

# PyTorch's threads otherwise wait in a loop, which takes the cores from other processes
# and from each other: with one more process, fits would take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_COMMANDS = {
    "convert": "Convert models and motifs between file formats.",
    "demo": "Fit a model to simulated reads and show the result.",
    "fit": "Fit a binding model to count tables.",
    "model": "Look into a model, and take it apart.",
    "schema": "Print the JSON Schema of the configuration of a fit.",
    "score": "Score sequences with a model.",
    "simulate": "Simulate a selection experiment.",
    "validate": "Compare a model with measured affinities.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command.

        Args:
            ctx: The context of click.
            cmd_name: The name of the command.
        """
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __name__)
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a module of ours
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Lists the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="pyprobound")
def main() -> None:
    """Learn biophysical binding models from sequencing counts.

    \b
    Exit codes: 0 done, 1 the work failed, 2 the usage or the input is wrong,
    130 interrupted (Ctrl-C), 143 terminated.
    """  # noqa: D301 - click needs the character \\b
