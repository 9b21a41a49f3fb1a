r"""Exponential and logarithm inside compiled loops, written so that loops vectorise.

A call of the C library handles one value at a time. The functions here are arithmetic
alone, so the compiler makes vector code of a loop around them, which is several times
faster. They are exact to about one unit in the last place.

With :math:`n = \mathrm{round}(x / \ln 2)` the exponential is :math:`2^n e^f` with
:math:`|f| \le \ln(2) / 2`, where the Taylor series converges fast; adding a large number
and subtracting it again rounds, and leaves :math:`n` in the lowest bits. The logarithm
of :math:`2^e m` is :math:`e \ln 2 + 2 \, \mathrm{artanh}((m - 1) / (m + 1))` with
:math:`\sqrt{1/2} \le m < \sqrt 2`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .compiling import inner

_F4, _F8 = np.float32, np.float64
_I4, _I8 = np.int32, np.int64

_PER_LN2_4 = _F4(1 / math.log(2))
_PER_LN2_8 = _F8(1 / math.log(2))
# ln 2 in two parts, of which the first has so few digits that its multiples are exact.
_HIGH_4 = _F4(355 / 512)
_LOW_4 = _F4(math.log(2) - 355 / 512)
_HIGH_8 = _F8(6.93147180369123816490e-01)
_LOW_8 = _F8(1.90821492927058770002e-10)
# Numbers of this size have no digits behind the point.
_ROUND_4 = _F4(1.5 * 2**23)
_ROUND_8 = _F8(1.5 * 2**52)
# Below them the result is no normal number any more, and 0 is returned.
_LEAST_4 = _F4(-87.0)
_LEAST_8 = _F8(-708.0)
_ROOT_4 = _I4(np.array(math.sqrt(0.5), _F4).view(_I4))
_ROOT_8 = _I8(np.array(math.sqrt(0.5), _F8).view(_I8))

_TAYLOR_4 = tuple(_F4(1 / math.factorial(n)) for n in range(7, -1, -1))
_TAYLOR_8 = tuple(_F8(1 / math.factorial(n)) for n in range(13, -1, -1))
_ARTANH_4 = tuple(_F4(2 / n) for n in range(9, 2, -2))
_ARTANH_8 = tuple(_F8(2 / n) for n in range(21, 2, -2))


def exponential(x: Any) -> Any:
    """The exponential of a number that is not greater than about 80.

    Args:
        x: A number in single or double precision.
    """
    return math.exp(x)


def logarithm(x: Any) -> Any:
    """The natural logarithm of a positive normal number.

    Args:
        x: A number in single or double precision; of all other numbers the result has
            no meaning.
    """
    return math.log(x)


@inner
def _exponential_4(x: Any) -> Any:
    rounded = x * _PER_LN2_4 + _ROUND_4
    n = rounded - _ROUND_4
    f = (x - n * _HIGH_4) - n * _LOW_4
    value = _TAYLOR_4[0]
    for term in _TAYLOR_4[1:]:
        value = value * f + term
    power = _I4(_F4(rounded).view(_I4) << _I4(23))
    scaled = _I4(_F4(value).view(_I4) + power).view(_F4)
    scaled = _F4(0) if x < _LEAST_4 else scaled
    return scaled if x == x else x


@inner
def _exponential_8(x: Any) -> Any:
    rounded = x * _PER_LN2_8 + _ROUND_8
    n = rounded - _ROUND_8
    f = (x - n * _HIGH_8) - n * _LOW_8
    value = _TAYLOR_8[0]
    for term in _TAYLOR_8[1:]:
        value = value * f + term
    power = _I8(_F8(rounded).view(_I8) << _I8(52))
    scaled = _I8(_F8(value).view(_I8) + power).view(_F8)
    scaled = _F8(0) if x < _LEAST_8 else scaled
    return scaled if x == x else x


@inner
def _logarithm_4(x: Any) -> Any:
    bits = _F4(x).view(_I4)
    exponent = _I4(_I4(bits - _ROOT_4) >> _I4(23))
    m = _I4(bits - _I4(exponent << _I4(23))).view(_F4)
    s = (m - _F4(1)) / (m + _F4(1))
    square = s * s
    series = _ARTANH_4[0]
    for term in _ARTANH_4[1:]:
        series = series * square + term
    e = _F4(exponent)
    return e * _HIGH_4 + (e * _LOW_4 + (s * square * series + _F4(2) * s))


@inner
def _logarithm_8(x: Any) -> Any:
    bits = _F8(x).view(_I8)
    exponent = _I8(_I8(bits - _ROOT_8) >> _I8(52))
    m = _I8(bits - _I8(exponent << _I8(52))).view(_F8)
    s = (m - _F8(1)) / (m + _F8(1))
    square = s * s
    series = _ARTANH_8[0]
    for term in _ARTANH_8[1:]:
        series = series * square + term
    e = _F8(exponent)
    return e * _HIGH_8 + (e * _LOW_8 + (s * square * series + _F8(2) * s))


@overload(exponential)
def _exponential(x: Any) -> Any:
    if isinstance(x, types.Float):
        single = _exponential_4 if x == types.float32 else _exponential_8

        def compute(x: Any) -> Any:
            return single(x)

        return compute
    return None


@overload(logarithm)
def _logarithm(x: Any) -> Any:
    if isinstance(x, types.Float):
        single = _logarithm_4 if x == types.float32 else _logarithm_8

        def compute(x: Any) -> Any:
            return single(x)

        return compute
    return None
