"""Networks that some accelerators' accumulators or activation memories do not hold.

Sums beyond 24 and 32 bits where the codes still change, and windows larger than the
memory that are no sum of parts: the host computes them, or the accumulators wrap as
ONNX Runtime's do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .special import F32, I8, U8, Graph, Special

LARGE: dict[str, Callable[[int], Special]] = {}


def large(function: Callable[[int], Special]) -> Callable[[int], Special]:
    LARGE["".join(word.title() for word in function.__name__.split("_"))] = function
    return function


def bright(g: Graph) -> str:
    """A quantised input of codes of every brightness, above its zero point."""
    levels = np.linspace(0, 1, len(g.x)).reshape(-1, *[1] * (g.x.ndim - 1))
    g.x = (levels * 6 + g.rng.uniform(0, 2, g.x.shape)).astype(F32)
    return g.quantise("x", 0.031, U8(3))


def one_sided(g: Graph, shape: tuple[int, ...], low: int = 0, axis: int = 0) -> str:
    """Weights whose sums grow with their number, of either sign in each channel."""
    signs = [-1 if i == axis else 1 for i in range(len(shape))]
    signs = g.rng.choice([-1, 1], shape[axis]).reshape(signs)
    codes = (g.rng.integers(low, 128, shape) * signs).astype(I8)
    scale = (g.rng.uniform(0.5, 1, shape[axis]) * 0.01).astype(F32)
    return g.dequantise(codes, scale, np.zeros(shape[axis], I8), axis=axis)


@large
def sums_beyond_24_bits(seed: int) -> Special:
    g = Graph(seed, (1200,), samples=16)
    t = g.node("Gemm", bright(g), one_sided(g, (9, 1200)), g.bias(9, 3), transB=1)
    return g.finish(g.quantise(t, 20, U8(131)))


@large
def sums_beyond_24_bits_then_relu(seed: int) -> Special:
    g = Graph(seed, (1200,), samples=16)
    t = g.node("MatMul", bright(g), one_sided(g, (1200, 10), axis=1))
    return g.finish(g.quantise(g.node("Relu", t), 10, U8(0)))


@large
def convolution_beyond_24_bits(seed: int) -> Special:
    g = Graph(seed, (260, 5, 4), samples=6)
    weights = one_sided(g, (10, 130, 3, 3))
    t = g.node("Conv", bright(g), weights, group=2, pads=[1, 0, 1, 2], strides=[2, 1])
    t = g.quantise(t, 20, U8(120))
    return g.finish(g.quantise(g.node("Abs", t), 15, U8(0)))


@large
def constant_sums_beyond_24_bits(seed: int) -> Special:
    """Behind a shape that no word of the accelerator has."""
    g = Graph(seed, (3, 700), samples=4)
    t = g.node("MatMul", bright(g), one_sided(g, (700, 5), 90, axis=1))
    t = g.quantise(t, 15, U8(127))
    return g.finish(g.quantise(g.node("MatMul", t, g.weights((5, 6), axis=1)), 20))


@large
def sums_beyond_32_bits(seed: int) -> Special:
    g = Graph(seed, (90_000,), samples=12)
    t = g.node("MatMul", bright(g), one_sided(g, (90_000, 3), 120, axis=1))
    return g.finish(g.quantise(t, 4500, U8(130)))


def average(seed: int, sample: tuple[int, ...], zero_point: int, about: float, **a: object) -> Special:
    g = Graph(seed, sample)
    t = g.quantise("x", 0.03, U8(120))
    return g.finish(g.quantise(g.node("AveragePool", t, **a), about, U8(zero_point)))


@large
def average_of_the_elements_inside(seed: int) -> Special:
    return average(seed, (5, 26, 24), 128, 0.011, kernel_shape=[24, 23], pads=[7, 5, 6, 4])


@large
def average_with_an_odd_zero_point(seed: int) -> Special:
    window = {"kernel_shape": [24, 23], "count_include_pad": 1}
    return average(seed, (5, 26, 24), 77, 0.004, pads=[3, 2, 1, 0], **window)


@large
def average_of_one_scale(seed: int) -> Special:
    g = Graph(seed, (3, 24, 24))
    t = g.quantise("x", 0.03, U8(121))
    window = {"kernel_shape": [20, 22], "strides": [2, 1], "count_include_pad": 1}
    return g.finish(g.requantise(g.node("AveragePool", t, pads=[2] * 4, **window)))


@large
def average_of_a_long_row(seed: int) -> Special:
    return average(seed, (3, 9000), 100, 0.0009, kernel_shape=[8600], pads=[40, 0], strides=[150])


@large
def global_average_of_a_large_image(seed: int) -> Special:
    g = Graph(seed, (3, 200, 190))
    g.x *= np.array([0.5, 1, 2], F32).reshape(3, 1, 1)
    t = g.node("GlobalAveragePool", g.quantise("x", 0.03, U8(0)))
    return g.finish(g.quantise(t, 0.005, U8(1)))


def maximum(seed: int, sample: tuple[int, ...], operator: str = "MaxPool", **a: object) -> Special:
    g = Graph(seed, sample)
    return g.finish(g.requantise(g.node(operator, g.quantise("x", 0.04, U8(99)), **a)))


@large
def maximum_of_a_long_row(seed: int) -> Special:
    return maximum(seed, (3, 9000), kernel_shape=[8700], pads=[7, 0], strides=[20])


@large
def global_maximum_of_a_long_row(seed: int) -> Special:
    return maximum(seed, (5, 9000), "GlobalMaxPool")


@large
def maximum_of_distant_elements(seed: int) -> Special:
    return maximum(seed, (5, 64, 60), kernel_shape=[3, 2], dilations=[29, 30], strides=[1, 2])


@large
def maximum_of_very_distant_elements(seed: int) -> Special:
    return maximum(seed, (2, 17_000), kernel_shape=[3], dilations=[8300])


def large_networks() -> dict[str, Special]:
    return {name: make(seed) for seed, (name, make) in enumerate(LARGE.items())}
