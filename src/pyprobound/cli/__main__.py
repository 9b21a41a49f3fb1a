"""Runs the command line as ``python -m pyprobound.cli``."""

from . import main

if __name__ == "__main__":
    main(prog_name="pyprobound")
