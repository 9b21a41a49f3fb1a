"""Options that several benchmarks have."""

import argparse

import torch

KERNELS = ("auto", "numba", "reference")


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """A parser with the options of all benchmarks.

    Args:
        documentation: The docstring of the script; its first line is shown.
    """
    result = argparse.ArgumentParser(
        description=(documentation or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    result.add_argument("--threads", type=int, default=torch.get_num_threads())
    result.add_argument(
        "--quick",
        action="store_true",
        help="take a few simulated rows, to see that the script works",
    )
    return result


def add_kernels(result: argparse.ArgumentParser) -> None:
    """Adds the choice of the kernels that are measured."""
    result.add_argument("--kernels", choices=KERNELS, default="auto")


def add_reference(result: argparse.ArgumentParser, what: str, default: bool) -> None:
    """Adds the choice whether to measure the reference in the same run."""
    result.add_argument(
        "--reference", action=argparse.BooleanOptionalAction, default=default, help=what
    )
