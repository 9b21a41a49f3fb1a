"""Jacobians of window scores by compiled loops.

The weight of a window is added to one cell for each of its letters and pairs. The
special codes are letters like any other here, with cells of their own: a row has cells
for its columns, one cell for all that is dropped, and cells for features with
wildcards, which are shared out among the features of letters at the end of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .arguments import MISSING, SPECIAL_CODES, WILDCARD, invalid_code
from .compiling import compiled, inner
from .features_reference import check_columns, feature_shapes, split_features
from .threads import run_all

_CHUNK_ROWS = 1024

Cells = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Layout:
    """Where weights go.

    Attributes:
        cells: Cell of each feature, special codes included, shape (C, features).
        count: Number of cells.
        sources: Cells with wildcards, shape (shares,).
        targets: Columns that get a share of them, shape (shares,).
        shares: How much they get, shape (shares,).
    """

    cells: Cells
    count: int
    sources: Cells
    targets: Cells
    shares: npt.NDArray[np.float64]


def _layout(
    columns: Sequence[npt.NDArray[np.int64]], n_columns: int, letters: int
) -> Layout:
    """Gives every feature a cell.

    Args:
        columns: Column of each feature or -1, in the shapes of the filters.
        n_columns: Number of columns.
        letters: Number of letters n.
    """
    dropped = n_columns
    count = n_columns + 1
    extended = letters + SPECIAL_CODES
    cells, sources, targets, shares = [], [], [], []
    for places in columns:
        axes = places.ndim - 2
        places = np.where(places < 0, dropped, places)
        shape = (len(places), *(extended,) * axes, places.shape[-1])
        part = np.full(shape, dropped, np.int64)
        known = (slice(0, letters),) * axes
        part[:, *known] = places
        # Of a pair, either letter or both can be a wildcard.
        for wild in range(1, 2**axes):
            selected = tuple(
                slice(letters + WILDCARD, letters + WILDCARD + 1)
                if wild >> axis & 1
                else slice(0, letters)
                for axis in range(axes)
            )
            source = part[:, *selected]
            source[:] = count + np.arange(source.size).reshape(source.shape)
            count += source.size
            used = (places != dropped).ravel()
            sources.append(np.broadcast_to(source, places.shape).ravel()[used])
            targets.append(places.ravel()[used])
            share = letters ** -float(wild.bit_count())
            shares.append(np.full(np.count_nonzero(used), share))
        cells.append(part.reshape(len(part), -1))
    return Layout(
        cells=np.concatenate(cells, 1).astype(np.uint32),
        count=count,
        sources=np.concatenate(sources).astype(np.uint32),
        targets=np.concatenate(targets).astype(np.uint32),
        shares=np.concatenate(shares),
    )


@inner
def _mark_missing(
    codes: Any, missing: int, size: int, dilation: int, absent: Any
) -> None:
    """Marks the windows of a row that touch a missing position."""
    absent[:] = False
    for position in range(len(codes)):
        if codes[position] == missing:
            for i in range(size):
                start = position - i * dilation
                if 0 <= start < len(absent):
                    absent[start] = True


@inner
def _slots(length: int, dilation: int) -> Any:
    """An order of positions in which those of any window stand side by side."""
    slots = np.empty(length, np.int64)
    for position in range(length):
        step, remainder = position // dilation, position % dilation
        slots[position] = remainder * ((length + dilation - 1) // dilation) + step
    return slots


@inner
def _find_letters(codes: Any, slots: Any, size: int, found: Any) -> None:
    """Writes where the cells of the letter at each position begin."""
    for position in range(len(codes)):
        found[slots[position]] = codes[position] * size


@inner
def _find_pairs(
    codes: Any, distance: int, symbols: int, places: int, offset: int, found: Any
) -> None:
    """Writes where the cells of the pair that begins at each position begin."""
    for position in range(len(codes) - distance):
        pair = codes[position] * symbols + codes[position + distance]
        found[position] = offset + pair * places


@inner
def _add_weight(sums: Any, cells: Any, beginnings: Any, weight: Any) -> None:
    """Adds the weight of a window to a cell for each position of a filter."""
    for i in range(len(beginnings)):
        # Unsigned, because negative numbers would count from the end.
        sums[cells[beginnings[i] + np.uint64(i)]] += weight


@compiled
def _add_up(
    codes: Any,
    weights: Any,
    first: int,
    last: int,
    letters: int,
    size: int,
    distances: Any,
    dilation: int,
    cells: Any,
    count: int,
    sources: Any,
    targets: Any,
    shares: Any,
    result: Any,
) -> None:
    """Jacobians of the rows ``first..last``."""
    _, channels, windows = weights.shape
    columns = result.shape[1]
    symbols = letters + SPECIAL_CODES
    slots = _slots(codes.shape[1], dilation)
    beginnings = np.zeros((1 + len(distances), slots.max() + 1), np.uint32)
    absent = np.empty(windows, np.bool_)
    sums = np.zeros(count, weights.dtype)
    for row in range(first, last):
        letters_of_row = codes[row]
        _mark_missing(letters_of_row, letters + MISSING, size, dilation, absent)
        _find_letters(letters_of_row, slots, size, beginnings[0])
        offset = symbols * size
        for filters, distance in enumerate(distances):
            places = size - distance
            _find_pairs(
                letters_of_row,
                distance,
                symbols,
                places,
                offset,
                beginnings[filters + 1],
            )
            offset += symbols * symbols * places
        sums[:columns] = 0
        for start in range(windows):
            if absent[start]:
                continue
            for channel in range(channels):
                weight = weights[row, channel, start]
                if weight == 0:
                    continue
                here = beginnings[0, slots[start] : slots[start] + size]
                _add_weight(sums, cells[channel], here, weight)
                for filters, distance in enumerate(distances):
                    here = beginnings[filters + 1, start : start + size - distance]
                    _add_weight(sums, cells[channel], here, weight)
        if np.any(letters_of_row == letters + WILDCARD):
            for i in range(len(sources)):
                sums[targets[i]] += shares[i] * sums[sources[i]]
            sums[columns:] = 0
        for column in range(columns):
            result[row, column] = sums[column]


def _checked_codes(codes: Tensor, letters: int) -> npt.NDArray[np.uint8]:
    """Codes as contiguous bytes."""
    if codes.numel() > 0:
        least, greatest = (int(bound) for bound in codes.aminmax())
        if least < 0 or greatest >= letters + SPECIAL_CODES:
            raise invalid_code(letters)
    array = codes.detach().numpy().astype(np.uint8, copy=False)
    return np.ascontiguousarray(array)


def window_jacobian(
    codes: Tensor,
    weights: Tensor,
    columns: Tensor | None,
    n_columns: int,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> Tensor:
    """See ``pyprobound.kernels.features_reference.window_jacobian``."""
    if columns is None:
        columns = torch.arange(n_columns)
    check_columns(columns, n_columns)
    shapes = feature_shapes(weights.shape[1], letters, size, distances)
    parts = split_features(columns.unsqueeze(0), shapes)
    layout = _layout([part[0].numpy() for part in parts], n_columns, letters)
    code_array = _checked_codes(codes, letters)
    weight_array = np.ascontiguousarray(weights.detach().numpy())
    shares = layout.shares.astype(weight_array.dtype)
    result = np.empty((len(codes), n_columns), weight_array.dtype)

    def run(chunk: int) -> None:
        first = chunk * _CHUNK_ROWS
        _add_up(
            code_array,
            weight_array,
            first,
            min(first + _CHUNK_ROWS, len(codes)),
            letters,
            size,
            np.array(distances, np.int64),
            dilation,
            layout.cells,
            layout.count,
            layout.sources,
            layout.targets,
            shares,
            result,
        )

    run_all(run, -(-len(codes) // _CHUNK_ROWS))
    return torch.from_numpy(result)
