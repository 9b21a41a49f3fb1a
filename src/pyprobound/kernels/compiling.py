"""How the loops of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function when it is first called, and keeps the code on disk.

    The code runs without Python's global lock, so that threads can share the work.
    """
    compiler = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return cast("Function", compiler(cache=True)(function))
    except RuntimeError:  # there is no directory in which the code could be kept
        return cast("Function", compiler()(function))


def inner(function: Function) -> Function:
    """Compiles a function that only other compiled functions call.

    It becomes part of their code, also on disk, and needs no way in from Python.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiler: Any = partial(numba.njit, nogil=True, error_model="numpy")
    return cast("Function", compiler(**options)(function))
