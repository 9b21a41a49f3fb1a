"""The device and the threads that a fit computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import InputError


def default_device() -> str:
    """The fastest kind of device that is present."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(device: str) -> None:
    """Checks that a device can be used.

    Args:
        device: Its name for torch.

    Raises:
        InputError: There is no such device.
    """
    try:
        torch.zeros(1, device=torch.device(device))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"the device {device!r} cannot be used ({reason}); expected cpu, or cuda or"
            " mps where there is one",
            key="device",
        ) from None


@contextmanager
def limited_threads(number: int) -> Iterator[None]:
    """Computes with a number of threads, and restores the former one.

    Args:
        number: The number of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
