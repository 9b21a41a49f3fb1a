"""The command ``pyprobound schema``."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration of a fit.

    Editors use it to complete and check YAML files.

    \b
    Example:
      pyprobound schema > fit.schema.json
    """  # noqa: D301 - click needs the character \\b
    from ..config import FitConfig

    click.echo(json.dumps(FitConfig.model_json_schema(), indent=2))
