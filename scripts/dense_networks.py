#!/usr/bin/env python3
"""Write seeded random dense networks in QDQ form, to compare machines on.

    python3 scripts/dense_networks.py --seed 7 --output build/dense

Sizes, types, scales, zero points, biases and activation functions are drawn from
the seed. The scales come from the network's own float ranges, so that the codes
use most of their range and some of them saturate.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
SAMPLES = 24
# 128 * 127 * 515 < 2^23: up to here any weights fit 24-bit accumulators.
EXTREME_INPUTS = 515

# Operator, attributes, and the function that estimates its output range.
UNARY = {
    "Relu": ({}, lambda x: np.maximum(x, 0)),
    "LeakyRelu": ({"alpha": 0.1}, lambda x: np.where(x < 0, 0.1 * x, x)),
    "Sigmoid": ({}, lambda x: 1 / (1 + np.exp(-x))),
    "Tanh": ({}, np.tanh),
    "HardSigmoid": ({}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "HardSwish": ({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "Elu": ({}, lambda x: np.where(x < 0, np.expm1(x), x)),
    "Abs": ({}, np.abs),
    "Neg": ({}, np.negative),
}


@dataclass
class Network:
    model: onnx.ModelProto
    x: NDArray[np.float32]
    description: str


@dataclass
class Graph:
    """A graph under construction: its nodes and constants."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: NDArray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(
            helper.make_node(operator, inputs, [output], name=f"/{output}", **attributes)
        )
        return output

    def quantise(self, name: str, scale: np.float32, zero_point: np.generic) -> str:
        """QuantizeLinear and DequantizeLinear behind a float tensor."""
        s = self.constant(f"{name}.scale", scale)
        z = self.constant(f"{name}.zero_point", zero_point)
        q = self.node("QuantizeLinear", [name, s, z], f"{name}.q")
        return self.node("DequantizeLinear", [q, s, z], f"{name}.dq")


def affine(values: NDArray, dtype: np.dtype) -> tuple[np.float32, np.generic]:
    """A scale and zero point for most of the values' range: a few saturate."""
    low, high = np.percentile(values, [0.5, 99.5])
    low, high = min(low, 0.0), max(high, low + 1e-3, 0.0)
    limits = np.iinfo(dtype)
    scale = np.float32((high - low) / 255)
    zero_point = np.clip(np.rint(limits.min - low / scale), limits.min, limits.max)
    return scale, dtype.type(zero_point)


def random_network(seed: int, largest: int) -> Network:
    """One to three dense layers, each perhaps with an activation function."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(rng.choice([np.int8, np.uint8]))
    sizes = np.exp(rng.uniform(0, np.log(largest), rng.integers(2, 5))).astype(int) + 1
    graph = Graph()
    x = rng.normal(0, rng.uniform(0.1, 3), (SAMPLES, sizes[0])).astype(np.float32)
    scale, zero_point = affine(x, dtype)
    tensor, values = graph.quantise("x", scale, zero_point), x
    words = [f"{dtype} {sizes[0]}"]
    for layer, (k, m) in enumerate(zip(sizes, sizes[1:])):
        name = f"dense{layer}"
        tensor, values = dense(graph, rng, name, tensor, values, scale, (k, m))
        words.append(str(m))
        scale, zero_point = affine(values, dtype)
        tensor = graph.quantise(name, scale, zero_point)
        if rng.random() < 0.6:
            operator = str(rng.choice(list(UNARY)))
            attributes, function = UNARY[operator]
            values = function(values).astype(np.float32)
            name = f"{name}.{operator}"
            graph.node(operator, [tensor], name, **attributes)
            scale, zero_point = affine(values, dtype)
            tensor = graph.quantise(name, scale, zero_point)
            words.append(operator)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"dense-{seed}",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", int(sizes[0])])],
            [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["batch", int(sizes[-1])])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return Network(model, x, " ".join(words))


def dense(
    graph: Graph,
    rng: np.random.Generator,
    name: str,
    tensor: str,
    values: NDArray,
    input_scale: np.float32,
    shape: tuple[int, int],
) -> tuple[str, NDArray]:
    """A Gemm with or without bias, transposed or not, or a MatMul."""
    k, m = shape
    per_channel = rng.random() < 0.7
    spread = rng.uniform(0.2, 1, m if per_channel else ()) / (127 * np.sqrt(k))
    scale = np.asarray(spread, np.float32)
    # Bell-shaped with the largest at 127, as trained weights are: layers of 2,000
    # inputs then fit 24-bit accumulators. One layer in five has extreme weights.
    drawn = rng.normal(0, 1, (k, m))
    if k <= EXTREME_INPUTS and rng.random() < 0.2:
        drawn = rng.choice([-1.0, 0.0, 1.0], (k, m))
    weight = np.rint(drawn * (127 / max(np.abs(drawn).max(), 1))).astype(np.int8)
    real = weight.astype(np.float32) * scale
    matmul, bias = rng.random() < 0.3, rng.random() < 0.7
    transposed = not matmul and rng.random() < 0.5
    stored = np.ascontiguousarray(weight.T) if transposed else weight
    axis = {"axis": 0 if transposed else 1} if per_channel else {}

    def dequantise(tensor: str, value: NDArray, scale: NDArray, **attributes: object) -> str:
        inputs = [
            graph.constant(f"{tensor}.q", value),
            graph.constant(f"{tensor}.scale", scale),
            graph.constant(f"{tensor}.zero_point", np.zeros(scale.shape, value.dtype)),
        ]
        return graph.node("DequantizeLinear", inputs, tensor, **attributes)

    inputs = [tensor, dequantise(f"{name}.weight", stored, scale, **axis)]
    result = values @ real
    if matmul:
        return graph.node("MatMul", inputs, name), result
    if bias:
        bias_scale = np.asarray(input_scale * scale, np.float32)
        reach = np.abs(result).max() / bias_scale
        value = np.rint(rng.uniform(-0.5, 0.5, m) * reach).astype(np.int32)
        bias_axis = {"axis": 0} if per_channel else {}
        inputs.append(dequantise(f"{name}.bias", value, bias_scale, **bias_axis))
        result = result + value * bias_scale
    return graph.node("Gemm", inputs, name, transB=int(transposed)), result


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a seeded random dense network.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--largest", type=int, default=300, help="largest layer size (300)")
    parser.add_argument("--output", type=Path, required=True, help="folder for model and input")
    arguments = parser.parse_args()
    network = random_network(arguments.seed, arguments.largest)
    arguments.output.mkdir(parents=True, exist_ok=True)
    onnx.save(network.model, arguments.output / f"dense-{arguments.seed}.onnx")
    np.save(arguments.output / f"dense-{arguments.seed}.npy", network.x)
    print(network.description)


if __name__ == "__main__":
    main()
