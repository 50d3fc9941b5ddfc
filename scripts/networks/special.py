"""Small models of what converters do and random networks don't: one for each.

They are quantised to uint8 with scales that keep every layer in ONNX Runtime's integer
kernels, so that its answer has no float sum in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

U8, I8, F32 = np.uint8, np.int8, np.float32
SAMPLES = 2


@dataclass
class Special:
    model: onnx.ModelProto
    x: NDArray


class Graph:
    """A graph under construction, with scales that no power of two divides."""

    def __init__(
        self, seed: int, sample: tuple[int, ...], dtype: type = F32, samples: int = SAMPLES
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        shape = (samples, *sample)
        if dtype == F32:
            self.x = self.rng.normal(0, 1, shape).astype(F32)
        else:
            limits = np.iinfo(dtype)
            self.x = self.rng.integers(limits.min, limits.max + 1, shape).astype(dtype)

    def constant(self, value: object) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, *inputs: object, **attributes: object) -> str:
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], name=f"/{name}", **attributes))
        return name

    def scale(self, about: float) -> NDArray:
        return np.asarray(about * self.rng.uniform(0.9, 1.1), F32)

    def quantise(self, tensor: str, about: float = 0.03, zero_point: object = U8(120)) -> str:
        scale = self.scale(about)
        codes = self.node("QuantizeLinear", tensor, scale, zero_point)
        return self.dequantise(codes, scale, zero_point)

    def requantise(self, tensor: str) -> str:
        """The scale of the last quantiser again, as for operators that move codes."""
        last = next(n for n in reversed(self.nodes) if n.op_type == "DequantizeLinear")
        _, scale, zero_point = last.input
        codes = self.node("QuantizeLinear", tensor, scale, zero_point)
        return self.node("DequantizeLinear", codes, scale, zero_point)

    def dequantise(self, codes: object, scale: object, zero_point: object, **a: object) -> str:
        return self.node("DequantizeLinear", codes, np.asarray(scale, F32), zero_point, **a)

    def weights(self, shape: tuple[int, ...], zero_point: object = I8(0), axis: int = 0) -> str:
        dtype = np.asarray(zero_point).dtype
        limits = np.iinfo(dtype)
        codes = self.rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
        scale = (self.rng.uniform(0.5, 1, shape[axis]) * 0.01).astype(F32)
        zeros = np.full(shape[axis], zero_point, dtype)
        return self.dequantise(codes, scale, zeros, axis=axis)

    def bias(self, channels: int, reach: float) -> NDArray:
        """Not quantised."""
        return self.rng.uniform(-reach, reach, channels).astype(F32)

    def conv(self, tensor: str, shape: tuple[int, ...], zero_point: object = I8(0), **a: object) -> str:
        return self.node("Conv", tensor, self.weights(shape, zero_point), **a)

    def finish(self, output: str, dtype: type = F32) -> Special:
        def info(name: str, kind: type, shape: list | None) -> onnx.ValueInfoProto:
            element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            return helper.make_tensor_value_info(name, element, shape)

        inputs = [info("x", self.x.dtype.type, ["batch", *self.x.shape[1:]])]
        graph = helper.make_graph(
            self.nodes, "special", inputs, [info(output, dtype, None)], self.constants
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        return Special(helper.make_model(graph, opset_imports=opsets, ir_version=8), self.x)


SPECIAL: dict[str, Callable[[int], Special]] = {}


def special(function: Callable[[int], Special]) -> Callable[[int], Special]:
    SPECIAL["".join(word.title() for word in function.__name__.split("_"))] = function
    return function


@special
def channels_last_input(seed: int) -> Special:
    g = Graph(seed, (6, 5, 3))
    t = g.requantise(g.node("Transpose", g.quantise("x"), perm=[0, 3, 1, 2]))
    t = g.quantise(g.conv(t, (5, 3, 3, 3), pads=[1] * 4), 0.1)
    return g.finish(g.requantise(g.node("Transpose", t, perm=[0, 2, 3, 1])))


@special
def normalised_input(seed: int) -> Special:
    g = Graph(seed, (3, 5, 5))
    g.x = (g.x * 50 + 120).astype(F32)
    mean = g.rng.uniform(100, 130, (1, 3, 1, 1)).astype(F32)
    deviation = g.rng.uniform(50, 60, (1, 3, 1, 1)).astype(F32)
    t = g.node("Div", g.node("Sub", "x", mean), deviation)
    return g.finish(g.quantise(g.conv(g.quantise(t), (4, 3, 3, 3)), 0.1))


@special
def dynamic_reshape(seed: int) -> Special:
    g = Graph(seed, (4, 3, 5))
    t = g.quantise(g.conv(g.quantise("x"), (6, 4, 3, 3), pads=[1] * 4), 0.1)
    batch = g.node("Gather", g.node("Shape", t), np.int64(0), axis=0)
    batch = g.node("Unsqueeze", batch, np.array([0]))
    shape = g.node("Concat", batch, np.array([-1]), axis=0)
    t = g.requantise(g.node("Reshape", t, shape))
    return g.finish(g.quantise(g.node("Gemm", t, g.weights((90, 7), axis=1)), 0.8))


def of_weights(seed: int, zero_point: object) -> Special:
    g = Graph(seed, (4, 5, 5))
    t = g.quantise(g.conv(g.quantise("x"), (6, 2, 3, 3), zero_point, group=2), 0.3)
    t = g.requantise(g.node("Flatten", t))
    return g.finish(g.quantise(g.node("MatMul", t, g.weights((54, 5), zero_point, 1)), 2))


@special
def unsigned_weights(seed: int) -> Special:
    return of_weights(seed, U8(0))


@special
def shifted_weights(seed: int) -> Special:
    return of_weights(seed, I8(100))


@special
def channel_affine(seed: int) -> Special:
    g = Graph(seed, (4, 3, 5))
    t = g.node("Mul", g.quantise("x"), g.rng.normal(0, 1, (4, 1, 1)).astype(F32))
    return g.finish(g.quantise(g.node("Add", t, g.rng.normal(0, 1, (1, 4, 1, 1)).astype(F32))))


@special
def batch_normalization(seed: int) -> Special:
    g = Graph(seed, (4, 3, 5))
    parameters = [g.rng.uniform(0.5, 1, 4).astype(F32) for _ in range(4)]
    return g.finish(g.quantise(g.node("BatchNormalization", g.quantise("x"), *parameters)))


@special
def position_constants(seed: int) -> Special:
    g = Graph(seed, (6, 8))
    constant = g.dequantise(g.rng.integers(0, 256, (1, 6, 8)).astype(U8), g.scale(0.02), U8(128))
    return g.finish(g.quantise(g.node("Add", g.quantise("x"), constant), 0.05))


@special
def float_position_constants(seed: int) -> Special:
    g = Graph(seed, (6, 8))
    constant = g.rng.normal(0, 1, (1, 6, 8)).astype(F32)
    return g.finish(g.quantise(g.node("Add", g.quantise("x"), constant), 0.05))


@special
def three_quantisers_in_a_row(seed: int) -> Special:
    g = Graph(seed, (40,))
    t = g.quantise(g.node("Identity", g.quantise("x")), 0.02, U8(99))
    return g.finish(g.quantise(t, 0.04, U8(133)))


@special
def dilated_row(seed: int) -> Special:
    g = Graph(seed, (4, 20))
    t = g.node("Conv", g.quantise("x"), g.weights((6, 2, 3)), dilations=[2], strides=[2], group=2, pads=[3, 1])
    return g.finish(g.quantise(t, 0.1))


def same(seed: int, auto_pad: str) -> Special:
    g = Graph(seed, (3, 7, 8))
    t = g.conv(g.quantise("x"), (5, 3, 3, 2), strides=[2, 3], auto_pad=auto_pad)
    return g.finish(g.quantise(t, 0.1))


@special
def same_upper(seed: int) -> Special:
    return same(seed, "SAME_UPPER")


@special
def same_lower(seed: int) -> Special:
    return same(seed, "SAME_LOWER")


@special
def codes_moved(seed: int) -> Special:
    g = Graph(seed, (4, 5, 5), U8)
    t = g.node("MaxPool", "x", kernel_shape=[2, 3], strides=[1, 2], ceil_mode=1)
    t = g.node("Transpose", t, perm=[0, 2, 3, 1])
    t = g.node("Slice", t, np.array([3]), np.array([-100]), np.array([1]), np.array([-1]))
    t = g.node("Concat", t, t, axis=3)
    return g.finish(g.node("Pad", t, np.array([0, 1, 0, 0, 0, 0, 2, 0]), U8(7)), U8)


@special
def signed_edges(seed: int) -> Special:
    g = Graph(seed, (12,), I8)
    scale, zero_point = g.scale(0.03), I8(-5)
    t = g.node("HardSwish", g.dequantise("x", scale, zero_point))
    return g.finish(g.node("QuantizeLinear", t, g.scale(0.02), I8(9)), I8)


def movement(seed: int, sample: tuple[int, ...], operator: str, *inputs: object, **a: object) -> Special:
    g = Graph(seed, sample)
    return g.finish(g.requantise(g.node(operator, g.quantise("x"), *inputs, **a)))


@special
def depth_to_space(seed: int) -> Special:
    return movement(seed, (8, 3, 2), "DepthToSpace", blocksize=2, mode="CRD")


@special
def space_to_depth(seed: int) -> Special:
    return movement(seed, (2, 4, 6), "SpaceToDepth", blocksize=2)


@special
def gather(seed: int) -> Special:
    return movement(seed, (3, 4), "Gather", np.array([3, 0, -1]), axis=2)


@special
def expand(seed: int) -> Special:
    return movement(seed, (2, 1, 3), "Expand", np.array([1, 2, 4, 3]))


@special
def reduce_max(seed: int) -> Special:
    return movement(seed, (3, 4, 5), "ReduceMax", np.array([1, 2]), keepdims=0)


@special
def global_max_pool(seed: int) -> Special:
    return movement(seed, (3, 4, 5), "GlobalMaxPool")


def function(seed: int, operator: str) -> Special:
    g = Graph(seed, (256,))
    return g.finish(g.quantise(g.node(operator, g.quantise("x"))))


for name in ("Selu", "Celu", "Softsign", "ThresholdedRelu", "Mish", "Reciprocal", "Floor"):
    SPECIAL[name] = lambda seed, name=name: function(seed, name)
for name in ("Ceil", "Round", "Sign", "Log", "Tanh", "Erf"):
    SPECIAL[name + "Function"] = lambda seed, name=name: function(seed, name)


def qlinear_pair(seed: int, operator: str, dtype: type) -> Special:
    """Of tensors of their own types, which the runtime does not convert."""
    g = Graph(seed, (4, 3, 3), dtype)
    zero = [dtype(z) for z in (3, 100, -7 if dtype == I8 else 90)]
    other = g.node("Transpose", "x", perm=[0, 1, 3, 2])
    y = g.node(
        operator, "x", g.scale(0.02), zero[0], other, g.scale(0.05), zero[1],
        g.scale(0.06), zero[2], domain="com.microsoft",
    )  # fmt: skip
    return g.finish(y, dtype)


for name in ("QLinearAdd", "QLinearMul"):
    for dtype in (I8, U8):
        kind = "Signed" if dtype == I8 else "Unsigned"
        SPECIAL[kind + name] = lambda seed, name=name, dtype=dtype: qlinear_pair(seed, name, dtype)


def special_networks() -> dict[str, Special]:
    return {name: make(seed) for seed, (name, make) in enumerate(SPECIAL.items())}
