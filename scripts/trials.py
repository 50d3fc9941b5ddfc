"""Random operands, and models of one operator on them, in QDQ and QOperator form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

import oracle
from dense_networks import Graph
from numerics import Codes, Quantisation, f32

INT8, UINT8 = np.dtype(np.int8), np.dtype(np.uint8)
OPSETS = [13, 17, 21]
BYTES = np.arange(256)
# Kernels are told apart by the others; these only move bytes or sit at the edges.
UNINTERESTING = {"QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape"}


@dataclass(frozen=True)
class Tensor:
    codes: Codes
    q: Quantisation

    def stored(self) -> NDArray:
        return np.asarray(self.codes).astype(self.q.dtype)


@dataclass(frozen=True)
class Weights:
    codes: Codes
    scale: NDArray[np.float32]
    dtype: np.dtype = INT8
    zero_point: NDArray[np.int64] = field(default_factory=lambda: np.int64(0))

    def parts(self) -> tuple[NDArray, NDArray, NDArray]:
        zero_point = np.broadcast_to(self.zero_point, np.shape(self.scale)).astype(self.dtype)
        return self.codes.astype(self.dtype), np.asarray(self.scale, f32), zero_point


@dataclass(frozen=True)
class Pool:
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    ceil: bool

    @property
    def attributes(self) -> dict:
        return {
            "kernel_shape": self.kernel,
            "strides": self.strides,
            "pads": self.pads,
            "ceil_mode": int(self.ceil),
        }

    def windows(self, x: Codes, padding: int) -> tuple[list[Codes], NDArray]:
        """The taps in raster order, and how many of each window are not padding."""
        sizes, ends = zip(*(self._axis(axis, x.shape[2 + axis]) for axis in (0, 1)))
        margins = tuple((self.pads[axis], ends[axis]) for axis in (0, 1))
        padded = np.pad(x, ((0, 0), (0, 0), *margins), constant_values=padding)
        inside = np.pad(np.ones(x.shape[2:], int), margins)
        taps, valid = [], np.zeros(sizes, int)
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                window = tuple(
                    slice(start, start + stride * (size - 1) + 1, stride)
                    for start, stride, size in zip((row, column), self.strides, sizes)
                )
                taps.append(padded[(..., *window)])
                valid = valid + inside[window]
        return taps, valid

    def _axis(self, axis: int, length: int) -> tuple[int, int]:
        """The number of windows along an axis, and the padding they need at its end."""
        before, after = self.pads[axis], self.pads[axis + 2]
        kernel, stride = self.kernel[axis], self.strides[axis]
        steps = (length + before + after - kernel) / stride
        count = (math.ceil(steps) if self.ceil else math.floor(steps)) + 1
        if self.ceil and (count - 1) * stride >= length + before:
            count -= 1
        return count, max((count - 1) * stride + kernel - length - before, 0)


def random_quantisation(
    rng: np.random.Generator, dtype: np.dtype, scale: float | None = None
) -> Quantisation:
    limits = np.iinfo(dtype)
    scale = math.exp(rng.uniform(math.log(1e-3), math.log(0.3))) if scale is None else scale
    return Quantisation(f32(scale), int(rng.integers(limits.min, limits.max + 1)), dtype)


def at_minimum(q: Quantisation) -> Quantisation:
    return Quantisation(q.scale, q.low, q.dtype)


def random_codes(rng: np.random.Generator, q: Quantisation, shape: tuple[int, ...]) -> Codes:
    return rng.integers(q.low, q.high + 1, shape)


def random_tensor(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype | None = None
) -> Tensor:
    q = random_quantisation(rng, dtype or np.dtype(rng.choice([INT8, UINT8])))
    return Tensor(random_codes(rng, q, shape), q)


def random_pair(
    rng: np.random.Generator, operator: str, spread: tuple[float, float]
) -> tuple[Tensor, Tensor, Quantisation]:
    """All 65,536 pairs of codes; a third of the scales invite ties."""
    dtype = np.dtype(rng.choice([INT8, UINT8]))
    qa, qb = random_quantisation(rng, dtype), random_quantisation(rng, dtype)
    product = operator == "Mul"
    typical = float(qa.scale) * float(qb.scale) if product else float(qa.scale) + float(qb.scale)
    y = random_quantisation(rng, dtype, typical * rng.uniform(*spread))
    if rng.random() < 0.3:
        power = 2.0 ** rng.integers(-3, 4)
        qa = random_quantisation(rng, dtype, 1 / 64 if product else qa.scale)
        qb = random_quantisation(rng, dtype, qa.scale * power)
        y = random_quantisation(rng, dtype, power / 128 if product else qa.scale * 2)
    if rng.random() < 0.3:
        y = at_minimum(y)
    a, b = (c.ravel() + qa.low for c in np.meshgrid(BYTES, BYTES, indexing="ij"))
    return Tensor(a, qa), Tensor(b, qb), y


def table_quantisations(
    rng: np.random.Generator, kind: str
) -> tuple[Quantisation, Quantisation, Quantisation]:
    qa = random_quantisation(rng, UINT8)
    ratio = math.exp(rng.uniform(-2, 2))
    scale = (1 + ratio) * qa.scale * math.exp(rng.uniform(-1, 0.3))
    if kind == "equal scales":
        ratio = 1
    if kind == "power-of-two ratios":
        ratio = 2.0 ** rng.integers(-3, 3)
        scale = max(1, ratio) * qa.scale * 2.0 ** rng.integers(-2, 2)
    return (
        qa,
        random_quantisation(rng, UINT8, qa.scale * f32(ratio)),
        random_quantisation(rng, UINT8, scale),
    )


def random_pool(rng: np.random.Generator) -> Pool:
    kernel = tuple(int(v) for v in rng.integers(1, 5, 2))
    pads = tuple(int(rng.integers(0, min(2, k))) for k in kernel * 2)
    strides = tuple(int(v) for v in rng.integers(1, 4, 2))
    return Pool(kernel, strides, pads, bool(rng.integers(2)))


def random_conv(rng: np.random.Generator) -> tuple[Tensor, Weights, NDArray, dict]:
    """Plain, grouped and depthwise; 1-D as 1 x n; weights of either type, offset or not."""
    channels, outputs = (int(v) for v in rng.integers(1, 24, 2))
    groups = 1
    kind = rng.choice(["plain", "grouped", "depthwise"])
    if kind == "grouped":
        groups, channels, outputs = 2, channels * 2, outputs * 2
    if kind == "depthwise":
        groups, outputs = channels, channels * int(rng.integers(1, 3))
    kernel = [int(v) for v in rng.integers(1, 5, 2)]
    size = [int(v) for v in rng.integers(6, 20, 2)]
    if rng.random() < 0.3:
        kernel[0], size[0] = 1, 1
    x = random_tensor(rng, (3, channels, *size))
    dtype = np.dtype(rng.choice([INT8, UINT8]))
    shape = (outputs,) if rng.random() < 0.6 else ()
    limits = np.iinfo(dtype)
    zero_point = np.int64(128 if dtype == UINT8 else 0)
    if rng.random() < 0.3:
        zero_point = rng.integers(limits.min, limits.max + 1, shape)
    w = Weights(
        rng.integers(limits.min, limits.max + 1, (outputs, channels // groups, *kernel)),
        np.asarray(np.exp(rng.uniform(-7, -3, shape)), f32),
        dtype,
        zero_point,
    )
    pads = [int(rng.integers(0, min(k, 2))) for k in kernel * 2]
    strides = [int(v) if n > 1 else 1 for v, n in zip(rng.integers(1, 3, 2), size)]
    bias = np.rint(rng.normal(0, 2e4, outputs)).astype(np.int64)
    return x, w, bias, {"pads": pads, "strides": strides, "group": groups}


def convolve(x: Tensor, w: Weights, attributes: dict) -> Codes:
    groups, strides, pads = (attributes[k] for k in ("group", "strides", "pads"))
    zero_points = np.reshape(w.zero_point, (-1, 1, 1, 1))
    weights = (w.codes - zero_points).reshape(groups, -1, *w.codes.shape[1:])
    pool = Pool(tuple(w.codes.shape[2:]), tuple(strides), tuple(pads), ceil=False)
    taps, _ = pool.windows(x.codes - x.q.zero_point, 0)
    total = 0
    for index, tap in enumerate(taps):
        row, column = divmod(index, pool.kernel[1])
        split = tap.reshape(tap.shape[0], groups, -1, *tap.shape[2:]).astype(np.float64)
        factor = weights[:, :, :, row, column].astype(np.float64)
        # Sums stay below 2^53: exact in float64, which numpy multiplies faster.
        total = total + np.einsum("ngchw,gmc->ngmhw", split, factor)
    return total.reshape(total.shape[0], -1, *total.shape[3:]).astype(np.int64)


@dataclass(frozen=True)
class Answer:
    codes: Codes
    kernel: str


class Model:
    """A model of one operator, and the values of its inputs."""

    def __init__(self, opset: int = 17, int_edges: bool = False) -> None:
        self.graph = Graph()
        self.opset = opset
        self.int_edges = int_edges
        self.inputs: dict[str, NDArray] = {}
        self.outputs: list[onnx.ValueInfoProto] = []
        self.y: Quantisation | None = None

    def fresh(self) -> str:
        return f"t{len(self.graph.nodes) + len(self.graph.constants) + len(self.inputs)}"

    def constant(self, value: NDArray) -> str:
        return self.graph.constant(self.fresh(), value)

    def integers(self, values: list[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, inputs: list[str], **attributes: object) -> str:
        return self.graph.node(operator, inputs, self.fresh(), **attributes)

    def activate(self, activation: str, tensor: str) -> str:
        if activation == "Clip":
            return self.node("Clip", [tensor, self.constant(f32(0)), self.constant(f32(6))])
        return self.node(activation, [tensor]) if activation else tensor

    def input(self, values: NDArray) -> str:
        name = self.fresh()
        self.inputs[name] = values
        return name

    def activation(self, tensor: Tensor) -> str:
        """A dequantised input of the QDQ form, behind a float or an integer edge."""
        if self.int_edges:
            return self.dequantised(self.input(tensor.stored()), tensor.q)
        return self.pair(self.input(tensor.q.dequantise(tensor.codes)), tensor.q)

    def dequantised(self, tensor: str, q: Quantisation) -> str:
        names = self.constant_pair(q)
        return self.node("DequantizeLinear", [tensor, *names])

    def pair(self, tensor: str, q: Quantisation) -> str:
        names = self.constant_pair(q)
        quantised = self.node("QuantizeLinear", [tensor, *names])
        return self.node("DequantizeLinear", [quantised, *names])

    def constant_pair(self, q: Quantisation) -> list[str]:
        return [self.constant(q.scale), self.constant(q.dtype.type(q.zero_point))]

    def constant_tensor(self, tensor: Tensor) -> str:
        return self.dequantised(self.constant(tensor.stored()), tensor.q)

    def weight(self, weights: Weights) -> str:
        axis = {"axis": 0} if np.ndim(weights.scale) else {}
        parts = [self.constant(part) for part in weights.parts()]
        return self.node("DequantizeLinear", parts, **axis)

    def bias(self, values: NDArray, scale: NDArray) -> str:
        axis = {"axis": 0} if scale.ndim else {}
        zero_points = np.zeros(scale.shape, np.int32)
        parts = [self.constant(part) for part in (values.astype(np.int32), scale, zero_points)]
        return self.node("DequantizeLinear", parts, **axis)

    def operand(self, tensor: Tensor) -> list[str]:
        """An input of the QOperator form: codes, scale, zero point."""
        return [self.input(tensor.stored()), *self.constant_pair(tensor.q)]

    def weight_operand(self, weights: Weights) -> list[str]:
        return [self.constant(part) for part in weights.parts()]

    def quantised_output(self, tensor: str, y: Quantisation) -> str:
        self.y = y
        if self.int_edges:
            quantised = self.node("QuantizeLinear", [tensor, *self.constant_pair(y)])
            return self.output(quantised, y.dtype)
        return self.output(self.pair(tensor, y), np.dtype(np.float32))

    def output(self, tensor: str, dtype: np.dtype) -> str:
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        self.outputs.append(helper.make_tensor_value_info(tensor, kind, None))
        return tensor

    def proto(self) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in self.inputs.items()
        ]
        graph = self.graph
        return helper.make_model(
            helper.make_graph(graph.nodes, "trial", inputs, self.outputs, graph.constants),
            opset_imports=[
                helper.make_opsetid("", self.opset),
                helper.make_opsetid("com.microsoft", 1),
            ],
            ir_version=10 if self.opset > 20 else 9,
        )

    def run(self, output: str) -> Answer:
        session, optimised = oracle.optimise(self.proto().SerializeToString())
        kernel = " ".join(n.op_type for n in optimised.node if n.op_type not in UNINTERESTING)
        values = session.run([output], self.inputs)[0]
        if values.dtype == np.float32:
            q = self.y
            values = oracle.Dequantizer(q.scale, q.zero_point, q.dtype).integers(values)
        return Answer(values.astype(np.int64), kernel)

    def run_qoperator(
        self,
        operator: str,
        domain: str,
        operands: list[list[str]],
        y: Quantisation,
        attributes: dict | None = None,
        bias: NDArray | None = None,
    ) -> Answer:
        names = [name for operand in operands for name in operand]
        if bias is not None:
            names.append(self.constant(bias.astype(np.int32)))
        node = self.node(operator, names, domain=domain, **(attributes or {}))
        return self.run(self.output(node, y.dtype))


def run_float(operator: str, attributes: dict, x: NDArray) -> NDArray:
    """The float operator on its own, as ONNX Runtime computes it."""
    model = Model(20)
    node = model.node(operator, [model.input(x)], **attributes)
    output = model.output(node, np.dtype(np.float32))
    session, _ = oracle.optimise(model.proto().SerializeToString())
    return session.run([output], model.inputs)[0]
