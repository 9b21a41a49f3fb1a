"""Growing, shrinking and shifting a motif."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..base import Call, Step
from .lengths import LengthChange

if TYPE_CHECKING:
    from .psam import PSAM

Changed = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]


def effective_shift(
    psam: PSAM, left: int, right: int, check_threshold: bool
) -> tuple[int, int]:
    """The shifts of both sides that the information of the outer positions permits.

    Args:
        psam: The motif.
        left: Positions to be added on the left; removed if negative.
        right: Positions to be added on the right.
        check_threshold: Whether the information is regarded at all.

    Returns:
        The shifts, 0 for a side that must stay.
    """
    if not check_threshold:
        return left, right
    size = psam.kernel_size
    outer = min(2, size)
    sides = (range(outer), range(size - outer, size))
    allowed = []
    for shift, positions in zip((left, right), sides, strict=True):
        information = [psam.get_information(i) for i in positions]
        grows = shift > 0 and min(information) >= psam.information_threshold
        shrinks = shift < 0 and max(information) <= psam.information_threshold
        allowed.append(shift if grows or shrinks else 0)
    return allowed[0], allowed[1]


def update(psam: PSAM, left: int, right: int, check_threshold: bool) -> Changed:
    """Changes the footprint of a motif, and all that depends on it.

    Everything is checked before anything changes.

    Args:
        psam: The motif.
        left: Positions to be added on the left; removed if negative.
        right: Positions to be added on the right.
        check_threshold: Whether the outermost positions must agree to it.

    Returns:
        The parameters that were added and those that were removed.

    Raises:
        ValueError: The change is impossible or has no effect.
    """
    if left == 0 and right == 0:
        return (), ()
    size = psam.kernel_size
    if left + right <= psam.pairwise_distance - size:
        raise ValueError(
            f"A motif of {size} positions with a pairwise_distance of"
            f" {psam.pairwise_distance} cannot lose {-left - right} positions"
        )
    wanted = (left, right)
    left, right = effective_shift(psam, left, right, check_threshold)
    if left == 0 and right == 0:
        raise ValueError(
            f"The information at the ends of the motif, compared with the threshold of"
            f" {psam.information_threshold} bits, does not permit shifts of {wanted}"
        )
    if psam.max_kernel_size is not None and size + left + right > psam.max_kernel_size:
        raise ValueError(
            f"A motif of {size + left + right} positions would exceed the"
            f" max_kernel_size of {psam.max_kernel_size}"
        )
    change = LengthChange(-psam.dilation * left, -psam.dilation * right)
    _follow(psam, change, carry_out=False)
    _follow(psam, change, carry_out=True)
    psam.symmetry = _new_symmetry(psam, left, right)
    return psam.update_params()


def _follow(psam: PSAM, change: LengthChange, carry_out: bool) -> None:
    """Checks or carries out what a change of windows means for all users."""
    for layer in psam._layers:
        if carry_out:
            layer.resize_windows(change)
        else:
            layer.check_window_change(change)
        for mode in layer._modes:
            mode.follow_layer(layer, change, carry_out)


def _new_symmetry(psam: PSAM, left: int, right: int) -> Tensor:
    ids = list(psam.ids)
    largest = max(abs(i) for i in ids)
    ids = ids[max(-left, 0) : len(ids) - max(-right, 0)]
    for _ in range(left):
        largest += 1
        ids.insert(0, largest)
    for _ in range(right):
        largest += 1
        ids.append(largest)
    return torch.tensor(ids, device=psam.symmetry.device)


def greedy_steps(psam: PSAM) -> Iterable[Step]:
    """The greedy steps of training that the options of a motif ask for."""
    modes = list(dict.fromkeys(mode for layer in psam._layers for mode in layer._modes))

    def flanks() -> list[Call]:
        shifts = {"left_shift": 1, "right_shift": 1}
        return [Call(mode, "update_read_length", dict(shifts)) for mode in modes]

    def shift(left: int, right: int, **kwargs: Any) -> Call:
        kwargs = {"left_shift": left, "right_shift": right, **kwargs}
        return Call(psam, "update_footprint", kwargs)

    if psam.increment_flank:
        yield Step(flanks(), greedy=True)
    if psam.shift_footprint_heuristic:
        yield Step([Call(psam, "shift_heuristic", {})], greedy=True)
    if psam.shift_footprint:
        yield Step([shift(1, -1)], greedy=True)
        yield Step([shift(-1, 1)], greedy=True)
    if psam.increment_footprint:
        calls = [shift(1, 1, check_threshold=True)]
        if psam.increment_flank_with_footprint:
            calls.extend(flanks())
        yield Step(calls, greedy=True)
