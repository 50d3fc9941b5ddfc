"""ONNX Runtime's arithmetic for quantised operators, as numpy: docs/numerics.md executable.

Codes are int64 arrays, already in the type the kernel sees: in QDQ form the
optimiser turns int8 into uint8 (`offset_binary`), in QOperator form int8 stays.
Every `f32` is one rounding; nothing else rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

f32 = np.float32
Codes = NDArray[np.int64]
Reals = NDArray[np.float32]


@dataclass(frozen=True)
class Quantisation:
    """`real = (code - zero_point) * scale`, codes of an 8-bit type."""

    scale: np.float32
    zero_point: int
    dtype: np.dtype

    @property
    def low(self) -> int:
        return int(np.iinfo(self.dtype).min)

    @property
    def high(self) -> int:
        return int(np.iinfo(self.dtype).max)

    def saturate(self, values: NDArray) -> Codes:
        return np.clip(values, self.low, self.high).astype(np.int64)

    def dequantise(self, codes: Codes) -> Reals:
        return (codes - self.zero_point).astype(f32) * self.scale

    def quantise(self, reals: Reals) -> Codes:
        """QuantizeLinear: divide, round half to even, add the zero point, saturate."""
        return self.saturate(np.rint(f32(reals / self.scale)).astype(np.float64) + self.zero_point)

    def offset_binary(self) -> Quantisation:
        """The uint8 quantisation of the same numbers: codes and zero point 128 higher."""
        if self.dtype == np.uint8:
            return self
        return Quantisation(self.scale, self.zero_point + 128, np.dtype(np.uint8))


def fused_multiply_add(a: NDArray, b: np.float32, c: NDArray | np.float32) -> Reals:
    """`a * b + c` rounded once; `a` has at most 9 bits, so 64 bits hold the exact sum."""
    return f32(np.asarray(a, np.longdouble) * np.longdouble(b) + np.asarray(c, np.longdouble))


def requantise(total: Codes, scale: Reals, y: Quantisation) -> Codes:
    """Rule R, MLAS `RequantizeOutput`: the zero point is added to the rounded integer."""
    return y.saturate(np.rint(f32(total.astype(f32) * scale)).astype(np.int64) + y.zero_point)


def dot_product_scale(x: Quantisation, weight_scale: Reals, y: Quantisation) -> Reals:
    return f32(f32(x.scale * weight_scale) / y.scale)


def add(a: Codes, qa: Quantisation, b: Codes, qb: Quantisation, y: Quantisation) -> Codes:
    """MLAS `MlasQLinearAddKernelAvx2Helper`: the zero points are in the sum that is rounded.

    Not symmetric: an operand `a` that is one value along the innermost axis is
    exchanged with `b` by the kernel, so call it that way round.
    """
    ratio_a, ratio_b = f32(qa.scale / y.scale), f32(qb.scale / y.scale)
    zero_b = f32(ratio_b * f32(qb.zero_point))
    fixed = f32(f32(y.zero_point) - fused_multiply_add(qa.zero_point, ratio_a, zero_b))
    partial = fused_multiply_add(b, ratio_b, fixed)
    return y.saturate(np.rint(fused_multiply_add(a, ratio_a, partial)))


def multiply(a: Codes, qa: Quantisation, b: Codes, qb: Quantisation, y: Quantisation) -> Codes:
    """MLAS `MlasQLinearMulKernel`: rule R, but the zero point is added in f32 before rounding."""
    product = ((a - qa.zero_point) * (b - qb.zero_point)).astype(f32)
    scale = f32(f32(qa.scale * qb.scale) / y.scale)
    return y.saturate(np.rint(f32(f32(product * scale) + f32(y.zero_point))))


def multiply_in_integers(product: Codes, scale: np.float32, zero_point: int) -> Codes:
    """`multiply` of uint8 codes without floating point, before saturation.

    The exact result is `w = product * scale + zero_point`. The kernel rounds it twice
    to 24 bits, first without and then with the zero point, which turns everything
    close enough to `n + 1/2` into a tie. How close is half an ulp of `n + 1/2`, of
    `n + 1/2 - zero_point`, or of both together. Holds where the output is not
    saturated: for `n` in -1..255.
    """
    mantissa, exponent = np.frexp(np.float64(scale))
    # Units of 2^-fraction; with 25 spare bits every half ulp is a whole number of them.
    fraction = 24 - int(exponent) + 25
    w = product.astype(object) * (int(mantissa * 2**24) << 25) + (int(zero_point) << fraction)
    n = w >> fraction
    distance = w - (2 * n + 1) * (1 << (fraction - 1))
    with_zero = half_ulp(2 * n + 1, fraction)
    without = half_ulp(2 * (n - zero_point) + 1, fraction)
    # Below 1/2 numbers are twice as dense.
    towards_zero = np.where(n < zero_point, distance > 0, distance < 0)
    at_binade = np.abs(2 * (n - zero_point) + 1) == 1
    without = np.where(at_binade & towards_zero, without // 2, without)
    reach = np.where(without >= with_zero, without, with_zero + without)
    # A result half way between two numbers goes to the even one, here the outer.
    reach = reach - (with_zero == 2 * without)
    tie = np.abs(distance) <= reach
    return np.where(tie, n + (n & 1), n + (distance > 0)).astype(np.int64)


def half_ulp(twice: NDArray, fraction: int) -> NDArray:
    """Half the last place of `twice / 2` as an f32, in units of 2^-fraction."""
    binade = np.frompyfunc(lambda t: abs(t).bit_length() - 2, 1, 1)(twice)
    return np.frompyfunc(lambda b: 1 << (fraction + b - 24), 1, 1)(binade)


def average_pool(taps: list[Codes], count: NDArray, x: Quantisation, y: Quantisation) -> Codes:
    """`QLinearAveragePool`: f32 additions in raster order; padding is `x.zero_point`."""
    total = np.zeros(taps[0].shape, f32)
    for tap in taps:
        total = f32(total + x.dequantise(tap))
    mean = f32(total / count.astype(f32))
    return y.saturate(np.rint(f32(f32(mean / y.scale) + f32(y.zero_point))))


def average_pool_by_sum(
    taps: list[Codes], count: NDArray, x: Quantisation, y: Quantisation
) -> Codes:
    """The nearest rule on the integer sum; it differs where f32 additions break a tie."""
    total = sum(tap - x.zero_point for tap in taps)
    scale = f32(f32(x.scale / y.scale) / count.astype(f32))
    return y.saturate(np.rint(f32(f32(total.astype(f32) * scale) + f32(y.zero_point))))


def global_average_pool(codes: Codes, x: Quantisation, y: Quantisation) -> Codes:
    """MLAS `MlasQLinearGlobalAveragePool` over the last two axes: rule R."""
    count = codes.shape[-2] * codes.shape[-1]
    total = (codes - x.zero_point).sum((-2, -1), keepdims=True)
    return requantise(total, f32(x.scale / f32(y.scale * f32(count))), y)


def softmax(codes: Codes, x: Quantisation, y: Quantisation) -> Codes:
    """`QLinearSoftmax` over the last axis, uint8: a table of exponentials and f32 sums."""
    length = codes.shape[-1]
    headroom = max(0.0, math.log(np.finfo(f32).max / f32(length)) - 5) / float(x.scale)
    table = f32([math.exp((i - 255 + headroom) * float(x.scale)) for i in range(256)])
    powers = table[codes + 255 - codes.max(-1, keepdims=True)]
    total = np.zeros(codes.shape[:-1], f32)
    for position in range(length):
        total = f32(total + powers[..., position])
    steps = np.floor(f32(1) / y.scale)
    return y.saturate(np.rint(f32(f32(powers * steps) / total[..., None])) + y.zero_point)


def float_operator(
    operator: Callable[..., NDArray], y: Quantisation, *operands: tuple[Codes, Quantisation]
) -> Codes:
    """An operator that stays in f32 between DequantizeLinear and QuantizeLinear."""
    return y.quantise(f32(operator(*(q.dequantise(codes) for codes, q in operands))))


def merged(first: Quantisation, second: Quantisation) -> Quantisation:
    """The one pair that `DoubleQDQPairsRemover` makes of two in a row."""
    lows = [f32(f32(q.low - q.zero_point) * q.scale) for q in (first, second)]
    highs = [f32(f32(q.high - q.zero_point) * q.scale) for q in (first, second)]
    low = max(lows)
    scale = f32(f32(min(highs) - low) / f32(255))
    zero_point = f32(f32(first.low) - f32(low / scale))
    half_away = math.copysign(math.floor(abs(float(zero_point)) + 0.5), zero_point)
    return Quantisation(scale, int(half_away), first.dtype)


@dataclass(frozen=True)
class Tables:
    """`y = clamp(round_half_even((a[i] + b[j]) / 2^fraction) + offset)`."""

    a: Codes
    b: Codes
    fraction: int
    offset: int

    def apply(self, y: Quantisation) -> Codes:
        """The outputs of all 65,536 pairs, first operand along the rows."""
        total = self.a[:, None] + self.b[None, :]
        return y.saturate(np.rint(total / 2.0**self.fraction) + self.offset)


def rounded_tables(
    qa: Quantisation, qb: Quantisation, y: Quantisation, fraction: int, offset: int, sign: int = 1
) -> Tables:
    """The exact addends, each rounded to `fraction` bits: right except close to ties."""
    codes = np.arange(256)
    unit = 2.0**fraction
    ratio_a, ratio_b = (float(f32(q.scale / y.scale)) for q in (qa, qb))
    a = np.rint((codes - qa.zero_point) * ratio_a * unit)
    b = np.rint((sign * (codes - qb.zero_point) * ratio_b + y.zero_point - offset) * unit)
    return Tables(a.astype(np.int64), b.astype(np.int64), fraction, offset)


def nudged_tables(start: Tables, target: Codes, y: Quantisation) -> Tables | None:
    """The largest tables at or below `start` that give `target` for every pair, if any do.

    A wanted output bounds the sum of two entries from both sides. Such bounds are
    difference constraints on `a` and `-b`; Bellman-Ford finds their solution, and
    has found none after as many rounds as there are entries only if there is none.
    """
    free = 1 << 60
    half = 1 << (start.fraction - 1)
    code = target - start.offset
    strict = code & 1
    least = np.where(target == y.low, -free, (2 * code - 1) * half + strict)
    most = np.where(target == y.high, free, (2 * code + 1) * half - strict)
    a, minus_b = start.a, -start.b
    for _ in range(len(a) + len(minus_b)):
        next_b = np.minimum(minus_b, (a[:, None] - least).min(0))
        next_a = np.minimum(a, (next_b[None, :] + most).min(1))
        if np.array_equal(next_a, a) and np.array_equal(next_b, minus_b):
            return Tables(a, -minus_b, start.fraction, start.offset)
        a, minus_b = next_a, next_b
    return None
