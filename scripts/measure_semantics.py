#!/usr/bin/env python3
"""Measure which arithmetic ONNX Runtime uses for quantised operators.

    build/venv/bin/python scripts/measure_semantics.py [--draws 60] [--seed 1] [OPERATOR ...]

Every trial draws types, scales, zero points, shapes and codes, runs one operator in
QDQ or QOperator form under the options of `oracle.py`, and compares the integers
with a rule of `numerics.py`. A line of the report is a graph, the kernel that the
optimiser chose for it, a rule, and how many outputs differ. The report is the
source of the table in docs/numerics.md. A rule reported as exact that misses one
output makes the exit status 1.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

import numerics
import oracle
from numerics import Codes, Quantisation, f32
from trials import (
    BYTES,
    INT8,
    OPSETS,
    UINT8,
    Answer,
    Model,
    Pool,
    Tensor,
    Weights,
    at_minimum,
    convolve,
    random_codes,
    random_conv,
    random_pair,
    random_pool,
    random_quantisation,
    random_tensor,
    run_float,
    table_quantisations,
)


def conv(report: Report) -> None:
    for rng in report.draws(report.count * 6):
        x, w, bias, attributes = random_conv(rng)
        total = convolve(x, w, attributes) + bias.reshape(1, -1, 1, 1)
        scale = np.asarray(w.scale * x.q.scale, f32)
        real = np.std(total * np.broadcast_to(scale, len(bias)).reshape(1, -1, 1, 1))
        y = random_quantisation(rng, x.q.dtype, max(real, 1e-6) / rng.uniform(20, 120))
        multiplier = np.broadcast_to(numerics.dot_product_scale(x.q, w.scale, y), len(bias))
        multiplier = multiplier.reshape(1, -1, 1, 1)
        for activation in ["", "Relu", "Clip"]:
            # Half of the activations stand before a zero point at the minimum.
            q = at_minimum(y) if activation and rng.random() < 0.5 else y
            model = Model(OPSETS[report.drawn % 3])
            names = [model.activation(x), model.weight(w), model.bias(bias, scale)]
            node = model.activate(activation, model.node("Conv", names, **attributes))
            answer = model.run(model.quantised_output(node, q))
            low, high = bounds(activation, q)
            expected = np.clip(numerics.requantise(total, multiplier, q), low, high)
            fused = "QLinearConv" in answer.kernel
            label = f"Conv, {activation}" if activation else "Conv"
            report.add(label, answer, "R", expected, exact=fused)
        conv_with_float_bias(report, rng, x, w, attributes, y)
        model = Model(OPSETS[report.drawn % 3], int_edges=True)
        names = [model.activation(x), model.weight(w), model.bias(bias, scale)]
        node = model.node("Conv", names, **attributes)
        answer = model.run(model.quantised_output(node, y))
        expected = numerics.requantise(total, multiplier, y)
        fused = "QLinearConv" in answer.kernel
        report.add(f"Conv, {y.dtype} edges", answer, "R", expected, exact=fused)
        if x.q.dtype == UINT8:
            # An int8 one with int8 weights beyond -64..63 does not load.
            model = Model()
            names = [model.operand(x), model.weight_operand(w), model.constant_pair(y)]
            answer = model.run_qoperator("QLinearConv", "", names, y, attributes, bias=bias)
            report.add("QLinearConv", answer, "R", expected)


def conv_with_float_bias(
    report: Report,
    rng: np.random.Generator,
    x: Tensor,
    w: Weights,
    attributes: dict,
    y: Quantisation,
) -> None:
    channels = len(w.codes)
    scale = np.broadcast_to(f32(x.q.scale * w.scale), channels)
    # Half of them half way between two integers.
    steps = rng.integers(-20000, 20000, channels) + rng.choice([0.5, rng.uniform()], channels)
    bias = f32(steps * scale)
    model = Model(OPSETS[report.drawn % 3])
    names = [model.activation(x), model.weight(w), model.constant(bias)]
    node = model.node("Conv", names, **attributes)
    answer = model.run(model.quantised_output(node, y))
    integers = np.rint(f32(bias / scale)).astype(np.int64).reshape(1, -1, 1, 1)
    multiplier = np.broadcast_to(numerics.dot_product_scale(x.q, w.scale, y), channels)
    total = convolve(x, w, attributes) + integers
    expected = numerics.requantise(total, multiplier.reshape(1, -1, 1, 1), y)
    report.add("Conv, float bias", answer, "R", expected)


def matmul(report: Report) -> None:
    """Products of two activations; those with weights are Conv's rule on other kernels."""
    for rng in report.draws():
        rows, inner, columns = (int(v) for v in rng.integers(1, 80, 3))
        a = random_tensor(rng, (3, rows, inner))
        b = random_tensor(rng, (3, inner, columns), a.q.dtype)
        total = (a.codes - a.q.zero_point) @ (b.codes - b.q.zero_point)
        real = float(a.q.scale) * float(b.q.scale) * np.std(total)
        y = random_quantisation(rng, a.q.dtype, max(real, 1e-6) / 60)
        expected = numerics.requantise(total, numerics.dot_product_scale(a.q, b.q.scale, y), y)
        model = Model(OPSETS[report.drawn % 3])
        node = model.node("MatMul", [model.activation(a), model.activation(b)])
        answer = model.run(model.quantised_output(node, y))
        report.add("MatMul of two activations", answer, "R", expected)
        model = Model()
        names = [model.operand(a), model.operand(b), model.constant_pair(y)]
        answer = model.run_qoperator("QLinearMatMul", "", names, y)
        report.add("QLinearMatMul of two activations", answer, "R", expected)


def add(report: Report) -> None:
    elementwise(report, "Add", np.add, numerics.add, spread=(0.3, 1.5))
    broadcast_add(report)


def mul(report: Report) -> None:
    elementwise(report, "Mul", np.multiply, numerics.multiply, spread=(8, 150))
    mul_near_ties(report)


def elementwise(
    report: Report, operator: str, function: Callable, rule: Callable, spread: tuple[float, float]
) -> None:
    """All pairs of codes, in both forms, and with Relu before the QuantizeLinear."""
    for rng in report.draws():
        a, b, y = random_pair(rng, operator, spread)
        for activation in ["", "Relu"]:
            model = Model(OPSETS[report.drawn % 3])
            node = model.node(operator, [model.activation(a), model.activation(b)])
            node = model.activate(activation, node)
            answer = model.run(model.quantised_output(node, y))
            label = f"{operator}, {activation}" if activation else operator
            if answer.kernel.startswith("QLinear"):
                # Here int8 runs as uint8, which shows in the last bit of a sum.
                u = [offset_binary(t) for t in (a, b)]
                expected = on_tensors(rule, u, y.offset_binary())
                expected -= y.offset_binary().zero_point - y.zero_point
                report.add(label, answer, f"{operator.lower()}, codes as uint8", expected)
            else:
                floats = after(activation, function)
                expected = numerics.float_operator(floats, y, (a.codes, a.q), (b.codes, b.q))
                report.add(label, answer, "float", expected)
        model = Model()
        names = [model.operand(a), model.operand(b), model.constant_pair(y)]
        answer = model.run_qoperator(f"QLinear{operator}", "com.microsoft", names, y)
        report.add(f"QLinear{operator}", answer, operator.lower(), on_tensors(rule, [a, b], y))
        if operator == "Mul":
            product = (a.codes - a.q.zero_point) * (b.codes - b.q.zero_point)
            scale = numerics.dot_product_scale(a.q, b.q.scale, y)
            expected = numerics.requantise(product, scale, y)
            report.add("QLinearMul", answer, "R", expected, exact=False)


def mul_near_ties(report: Report) -> None:
    """The integer form of the rule, on scales that put a product next to a tie; no runtime."""
    for rng in report.draws(report.count * 20):
        zero_point = int(rng.choice([0, 1, 2, 3, 128, 255, rng.integers(256)]))
        wanted = rng.integers(256) + 0.5 - zero_point
        product = int(rng.integers(1, 255 * 255 + 1)) * (1 if wanted > 0 else -1)
        exact = f32(wanted / product)
        if exact < 1e-7:
            continue
        products = np.array([product, -product, product + 1, product - 1])
        unit = Quantisation(f32(1), 0, UINT8)
        y = Quantisation(f32(1), zero_point, UINT8)
        for steps in range(-4, 5):
            scale = (exact.view(np.int32) + np.int32(steps)).view(f32)
            a = Quantisation(scale, 0, UINT8)
            expected = numerics.multiply(products, a, np.int64(1), unit, y)
            actual = y.saturate(numerics.multiply_in_integers(products, scale, zero_point))
            key = ("products next to a tie", "", "mul in integers")
            report.count_outputs(key, actual != expected)


def broadcast_add(report: Report) -> None:
    """One value of an operand for a whole channel, and constants."""
    for rng in report.draws():
        a, b, y = random_pair(rng, "Add", (0.3, 1.5))
        full, channel = (2, 16, 8, 8), (16, 1, 1)
        a, b = (Tensor(random_codes(rng, t.q, full), t.q) for t in (a, b))
        ab, ba = numerics.add, lambda a, qa, b, qb, y: numerics.add(b, qb, a, qa, y)
        for label, shapes, rule in [("a", (channel, full), ba), ("b", (full, channel), ab)]:
            pair = [Tensor(random_codes(rng, t.q, s), t.q) for t, s in zip((a, b), shapes)]
            model = Model()
            names = [model.operand(pair[0]), model.operand(pair[1]), model.constant_pair(y)]
            answer = model.run_qoperator("QLinearAdd", "com.microsoft", names, y)
            expected = on_tensors(rule, pair, y)
            report.add(f"QLinearAdd, {label} one value per channel", answer, "add", expected)
        small = Tensor(np.clip(random_codes(rng, b.q, channel), -64, 63), b.q)
        if b.q.dtype == INT8:
            model = Model()
            node = model.node("Add", [model.activation(a), model.constant_tensor(small)])
            answer = model.run(model.quantised_output(node, y))
            expected = numerics.float_operator(np.add, y, (a.codes, a.q), (small.codes, small.q))
            report.add("Add of an int8 constant within -64..63", answer, "float", expected)


def tables(report: Report) -> None:
    """Add and Sub as sums of two table entries: all 65,536 pairs of codes, no runtime."""
    for rng in report.draws(report.count * 2):
        kind = ["any scales", "equal scales", "power-of-two ratios"][report.drawn % 3]
        qa, qb, y = table_quantisations(rng, kind)
        a, b = BYTES[:, None], BYTES[None, :]
        float_add = numerics.float_operator(np.add, y, (a, qa), (b, qb))
        float_sub = numerics.float_operator(np.subtract, y, (a, qa), (b, qb))
        for label, sign, offset, target in [
            ("QLinearAdd", 1, 0, numerics.add(a, qa, b, qb, y)),
            ("float Add", 1, y.zero_point, float_add),
            ("float Sub", -1, y.zero_point, float_sub),
        ]:
            for fraction in [10, 12, 14]:
                start = numerics.rounded_tables(qa, qb, y, fraction, offset, sign)
                nudged = numerics.nudged_tables(start, target, y)
                if nudged and not np.array_equal(nudged.apply(y), target):
                    raise SystemExit("measure_semantics: nudged tables miss their target")
                graph = f"{label} as tables, {kind}, {fraction} fraction bits"
                report.count_cases(graph, "rounded", not np.array_equal(start.apply(y), target))
                report.count_cases(graph, "nudged", nudged is None)


def float_binary(report: Report) -> None:
    """What has no fused kernel."""
    functions = {"Sub": np.subtract, "Max": np.maximum, "Min": np.minimum}
    for rng in report.draws():
        a, b, y = random_pair(rng, "Add", (0.3, 1.5))
        for operator, function in functions.items():
            model = Model()
            node = model.node(operator, [model.activation(a), model.activation(b)])
            answer = model.run(model.quantised_output(node, y))
            expected = numerics.float_operator(function, y, (a.codes, a.q), (b.codes, b.q))
            report.add(operator, answer, "float", expected)


def average_pool(report: Report) -> None:
    for rng in report.draws(report.count * 4):
        x = random_tensor(rng, (2, 9, 17, 19))
        equal = rng.random() < 0.5
        y = x.q if equal else random_quantisation(rng, x.q.dtype, x.q.scale * rng.uniform(0.3, 1.2))
        pool = random_pool(rng)
        attributes = pool.attributes | {"count_include_pad": int(rng.integers(2))}
        size = math.prod(pool.kernel)
        taps, valid = pool.windows(x.codes, x.q.zero_point)
        count = np.full(valid.shape, size) if attributes["count_include_pad"] else valid
        model = Model(OPSETS[report.drawn % 3])
        node = model.node("AveragePool", [model.activation(x)], **attributes)
        answer = model.run(model.quantised_output(node, y))
        u, v = x.q.offset_binary(), y.offset_binary()
        raised = [tap + u.zero_point - x.q.zero_point for tap in taps]
        lower = v.zero_point - y.zero_point
        expected = numerics.average_pool(raised, count, u, v) - lower
        report.add("AveragePool", answer, "f32 additions, codes as uint8", expected)
        ties = "odd counts" if (count % 2).all() else "even counts"
        scales = f"same scale, {ties}" if equal else "other scale"
        expected = numerics.average_pool_by_sum(raised, count, u, v) - lower
        report.add(f"AveragePool, {scales}", answer, "integer sum", expected, exact=False)
        model = Model()
        names = [model.operand(x), model.constant_pair(y)]
        answer = model.run_qoperator("QLinearAveragePool", "com.microsoft", names, y, attributes)
        expected = numerics.average_pool(taps, count, x.q, y)
        report.add("QLinearAveragePool", answer, "f32 additions", expected)


def global_average_pool(report: Report) -> None:
    for rng in report.draws(report.count * 8):
        height, width = (int(v) for v in rng.integers(1, 15, 2))
        x = random_tensor(rng, (16, int(rng.integers(1, 64)), height, width))
        equal = rng.random() < 0.5
        y = x.q if equal else random_quantisation(rng, x.q.dtype, x.q.scale * rng.uniform(0.1, 1.2))
        expected = numerics.global_average_pool(x.codes, x.q, y)
        model = Model(OPSETS[report.drawn % 3])
        node = model.node("GlobalAveragePool", [model.activation(x)])
        answer = model.run(model.quantised_output(node, y))
        report.add("GlobalAveragePool", answer, "R", expected)
        model = Model()
        names = [model.operand(x), model.constant_pair(y)]
        answer = model.run_qoperator(
            "QLinearGlobalAveragePool", "com.microsoft", names, y, {"channels_last": 0}
        )
        report.add("QLinearGlobalAveragePool", answer, "R", expected)
        model = Model()
        node = model.node("ReduceMean", [model.activation(x)], axes=[2, 3])
        answer = model.run(model.quantised_output(node, y))
        label = f"ReduceMean, {'same' if equal else 'other'} scale"
        report.add(label, answer, "R", expected, exact=False)


def max_pool(report: Report) -> None:
    for rng in report.draws():
        x = random_tensor(rng, (2, 9, 17, 19))
        pool = random_pool(rng)
        taps, _ = pool.windows(x.codes, x.q.low)
        largest = np.max(taps, axis=0)
        other = random_quantisation(rng, x.q.dtype, x.q.scale * rng.uniform(0.5, 1.2))
        for label, y in [("same scale", x.q), ("other scale", other)]:
            model = Model(OPSETS[report.drawn % 3])
            node = model.node("MaxPool", [model.activation(x)], **pool.attributes)
            answer = model.run(model.quantised_output(node, y))
            expected = retabled(largest, x.q, y)
            report.add(f"MaxPool, {label}", answer, "largest code, then table", expected)


def concat(report: Report) -> None:
    for rng in report.draws():
        first = random_tensor(rng, (2, 3, 16, 16))
        inputs = [first] + [
            random_tensor(rng, (2, int(rng.integers(1, 9)), 16, 16), first.q.dtype)
            for _ in range(int(rng.integers(1, 4)))
        ]
        y = random_quantisation(rng, first.q.dtype, first.q.scale * rng.uniform(0.5, 1.5))
        y = first.q if rng.random() < 0.3 else y
        expected = np.concatenate([retabled(t.codes, t.q, y) for t in inputs], axis=1)
        model = Model(OPSETS[report.drawn % 3])
        node = model.node("Concat", [model.activation(t) for t in inputs], axis=1)
        report.add("Concat", model.run(model.quantised_output(node, y)), "tables", expected)
        model = Model()
        names = [model.constant_pair(y), *(model.operand(t) for t in inputs)]
        answer = model.run_qoperator("QLinearConcat", "com.microsoft", names, y, {"axis": 1})
        report.add("QLinearConcat", answer, "tables", expected)


def requantise(report: Report) -> None:
    """A change of scale with nothing in between, and the pairs that are merged instead."""
    for rng in report.draws(report.count * 4):
        x = random_tensor(rng, (4, 256))
        ratio = 2.0 ** rng.integers(-2, 3) if rng.random() < 0.3 else rng.uniform(0.3, 2)
        y = random_quantisation(rng, x.q.dtype, x.q.scale * ratio)
        model = Model(int_edges=True)
        answer = model.run(model.quantised_output(model.activation(x), y))
        report.add("change of scale", answer, "table", retabled(x.codes, x.q, y))
        ratio = f32(x.q.scale / y.scale)
        expected = numerics.requantise(x.codes - x.q.zero_point, ratio, y)
        report.add("change of scale", answer, "R", expected, exact=False)
        model = Model()
        model.quantised_output(model.activation(x), y)
        _, optimised = oracle.optimise(model.proto().SerializeToString())
        constants = {c.name: numpy_helper.to_array(c) for c in optimised.initializer}
        scale, zero_point = (constants[name] for name in optimised.node[0].input[1:])
        single = numerics.merged(x.q, y).offset_binary()
        wrong = len(optimised.node) != 2 or (single.scale, single.zero_point) != (scale, zero_point)
        report.count_cases("two QDQ pairs in a row", "merged", wrong)


def movement(report: Report) -> None:
    """Operators that move bytes: the same scale in and out, then different ones."""
    for rng in report.draws():
        x = random_tensor(rng, (2, 6, 8, 10))
        other = random_quantisation(rng, x.q.dtype, x.q.scale * rng.uniform(0.5, 1.3))
        pads = ((0, 0), (0, 0), (1, 2), (2, 1))
        padding = f32(rng.normal() * x.q.scale * 40)
        for q in (x.q, other):
            moves: dict[str, tuple[Callable, Codes]] = {
                "Transpose": (
                    lambda m, t: m.node("Transpose", [t], perm=[0, 2, 3, 1]),
                    x.codes.transpose(0, 2, 3, 1),
                ),
                "Reshape": (
                    lambda m, t: m.node("Reshape", [t, m.constant(np.array([2, -1]))]),
                    x.codes.reshape(2, -1),
                ),
                "Slice": (
                    lambda m, t: m.node("Slice", [t, *map(m.integers, ([1, 2], [6, 9], [1, 3]))]),
                    x.codes[:, 1:6, :, 2:9],
                ),
                "Resize, nearest": (
                    lambda m, t: m.node(
                        *("Resize", [t, "", m.constant(f32([1, 1, 2, 3]))]),
                        mode="nearest",
                        coordinate_transformation_mode="asymmetric",
                        nearest_mode="floor",
                    ),
                    x.codes.repeat(2, 2).repeat(3, 3),
                ),
            }
            for label, (build, moved) in moves.items():
                model = Model(OPSETS[report.drawn % 3])
                node = build(model, model.activation(x))
                answer = model.run(model.quantised_output(node, q))
                report.add(label, answer, "move, then table", retabled(moved, x.q, q))
            model = Model()
            names = [model.activation(x), model.integers([0, 0, 1, 2, 0, 0, 2, 1])]
            node = model.node("Pad", [*names, model.constant(padding)])
            answer = model.run(model.quantised_output(node, q))
            fill = int(q.quantise(padding))
            expected = np.pad(retabled(x.codes, x.q, q), pads, constant_values=fill)
            report.add("Pad", answer, "table, pad code of the output", expected)


def unary(report: Report) -> None:
    """The table rule; the functions themselves are those of the runtime's float operators."""
    for name, attributes in UNARY.items():
        operator = name.split()[0]
        for rng in report.draws(report.count * 2):
            x = Tensor(BYTES, random_quantisation(rng, UINT8))
            if report.drawn % 2:
                x = Tensor(BYTES - 128, random_quantisation(rng, INT8))
            real = run_float(operator, attributes, x.q.dequantise(x.codes))
            low, high = np.percentile(real, [5, 95])
            scale = max(high - min(low, 0), 1e-3) / 255
            if not np.isfinite(f32(scale)):
                continue
            y = random_quantisation(rng, x.q.dtype, scale)
            model = Model(20)
            node = model.node(operator, [model.activation(x)], **attributes)
            answer = model.run(model.quantised_output(node, y))
            report.add(name, answer, "table", y.quantise(real))
            if operator in ("Sigmoid", "LeakyRelu"):
                model = Model()
                names = [model.operand(x), model.constant_pair(y)]
                qoperator = f"QLinear{operator}"
                answer = model.run_qoperator(qoperator, "com.microsoft", names, y, attributes)
                report.add(qoperator, answer, "table", y.quantise(real))


UNARY: dict[str, dict] = {
    "Relu": {},
    "LeakyRelu": {"alpha": 0.1},
    "Sigmoid": {},
    "Tanh": {},
    "HardSigmoid": {},
    "HardSwish": {},
    "Elu": {},
    "Gelu": {},
    "Gelu tanh": {"approximate": "tanh"},
    "Softplus": {},
    "Abs": {},
    "Exp": {},
    "Erf": {},
}


def softmax(report: Report) -> None:
    for rng in report.draws():
        length = int(rng.integers(3, 200))
        x = random_tensor(rng, (50, length))
        spread = rng.uniform(1, 5) / x.q.scale
        x = Tensor(x.q.saturate(np.rint(rng.normal(0, spread, (50, length)))), x.q)
        typical = Quantisation(f32(1 / 256), x.q.low, x.q.dtype)
        other = random_quantisation(rng, x.q.dtype, rng.uniform(0.5, 1.1) / 255)
        for label, y in [("scale 1/256", typical), ("other scale", other)]:
            model = Model(OPSETS[report.drawn % 3])
            node = model.node("Softmax", [model.activation(x)], axis=-1)
            answer = model.run(model.quantised_output(node, y))
            u, v = x.q.offset_binary(), y.offset_binary()
            raised = x.codes + u.zero_point - x.q.zero_point
            expected = numerics.softmax(raised, u, v) - v.zero_point + y.zero_point
            report.add(f"Softmax, {label}", answer, "softmax, codes as uint8", expected)


def network(report: Report) -> None:
    """A small residual network with uint8 activations: the rules one after the other."""
    for rng in report.draws():
        model = Model(OPSETS[report.drawn % 3])
        x = random_tensor(rng, (2, int(rng.integers(1, 9)), 20, 20), UINT8)
        channels = int(rng.integers(1, 20))
        layers = Layers(model, rng)
        trunk = layers.pool("MaxPool", layers.conv((model.activation(x), x), channels, 3))
        side = layers.conv(layers.conv(trunk, channels, 3), channels, 1, "")
        total = layers.add(side, trunk)
        gate = layers.sigmoid(layers.global_average(layers.conv(total, channels, 3)))
        joined = layers.concat([layers.mul(total, gate), layers.pool("AveragePool", total)])
        name, expected = layers.conv(joined, 10, 1)
        model.y = expected.q
        answer = model.run(model.output(name, np.dtype(np.float32)))
        report.add("residual network", answer, "its layers' rules", expected.codes)


class Layers:
    """Layers of a uint8 network, each with the codes that its rule expects."""

    Value = tuple[str, Tensor]

    def __init__(self, model: Model, rng: np.random.Generator) -> None:
        self.model = model
        self.rng = rng

    def conv(self, value: Value, outputs: int, kernel: int, activation: str = "Relu") -> Value:
        name, x = value
        q = Quantisation(f32(1), 0, INT8)
        shape = (outputs, x.codes.shape[1], kernel, kernel)
        w = Weights(random_codes(self.rng, q, shape), f32(self.rng.uniform(1e-3, 1e-2, outputs)))
        attributes = {"pads": [kernel // 2] * 4, "strides": [1, 1], "group": 1}
        total = convolve(x, w, attributes)
        scale = f32(x.q.scale * w.scale)
        y = self.output(total * scale.reshape(1, -1, 1, 1))
        if activation:
            y = at_minimum(y)
        node = self.model.node("Conv", [name, self.model.weight(w)], **attributes)
        multiplier = numerics.dot_product_scale(x.q, w.scale, y).reshape(1, -1, 1, 1)
        codes = numerics.requantise(total, multiplier, y)
        return self.quantised(self.model.activate(activation, node), codes, y)

    def pool(self, operator: str, value: Value) -> Value:
        """3 x 3, so that an average has no ties when its scale stays the same."""
        name, x = value
        pool = Pool((3, 3), (1, 1), (1, 1, 1, 1), ceil=False)
        taps, count = pool.windows(x.codes, x.q.zero_point if operator == "AveragePool" else 0)
        y, codes = x.q, np.max(taps, axis=0)
        if operator == "AveragePool":
            y = self.output(x.q.dequantise(x.codes))
            codes = numerics.average_pool(taps, count, x.q, y)
        return self.quantised(self.model.node(operator, [name], **pool.attributes), codes, y)

    def add(self, a: Value, b: Value) -> Value:
        y = at_minimum(self.output(*(t.q.dequantise(t.codes) for _, t in (a, b))))
        node = self.model.activate("Relu", self.model.node("Add", [a[0], b[0]]))
        return self.quantised(node, on_tensors(numerics.add, [a[1], b[1]], y), y)

    def mul(self, a: Value, b: Value) -> Value:
        y = self.output(a[1].q.dequantise(a[1].codes))
        node = self.model.node("Mul", [a[0], b[0]])
        return self.quantised(node, on_tensors(numerics.multiply, [a[1], b[1]], y), y)

    def sigmoid(self, value: Value) -> Value:
        name, x = value
        y = Quantisation(f32(1 / 256), 0, UINT8)
        codes = y.quantise(run_float("Sigmoid", {}, x.q.dequantise(x.codes)))
        return self.quantised(self.model.node("Sigmoid", [name]), codes, y)

    def global_average(self, value: Value) -> Value:
        name, x = value
        y = self.output(x.q.dequantise(x.codes) / 4)
        codes = numerics.global_average_pool(x.codes, x.q, y)
        return self.quantised(self.model.node("GlobalAveragePool", [name]), codes, y)

    def concat(self, values: list[Value]) -> Value:
        y = self.output(*(t.q.dequantise(t.codes) for _, t in values))
        node = self.model.node("Concat", [name for name, _ in values], axis=1)
        return self.quantised(
            node, np.concatenate([retabled(t.codes, t.q, y) for _, t in values], axis=1), y
        )

    def quantised(self, node: str, codes: Codes, y: Quantisation) -> Value:
        return self.model.pair(node, y), Tensor(codes, y)

    def output(self, *reals: NDArray) -> Quantisation:
        spread = max(float(np.std(values)) for values in reals)
        return random_quantisation(self.rng, UINT8, max(spread, 1e-3) / self.rng.uniform(30, 90))


def branches(report: Report) -> None:
    """A residual block. The tensor with two consumers keeps int8 from the integer kernels."""
    for rng in report.draws():
        x = random_tensor(rng, (4, 16, 12, 12))
        w = random_codes(rng, Quantisation(f32(1), 0, INT8), (16, 16, 3, 3))
        weights = Weights(w, f32(0.01))
        attributes = {"pads": [1, 1, 1, 1], "strides": [1, 1], "group": 1}
        model = Model(OPSETS[report.drawn % 3])

        def layer(name: str, x: Tensor) -> tuple[str, Tensor]:
            total = convolve(x, weights, attributes)
            y = random_quantisation(rng, x.q.dtype, np.std(total) * x.q.scale * 0.01 / 60)
            codes = numerics.requantise(total, numerics.dot_product_scale(x.q, weights.scale, y), y)
            node = model.node("Conv", [name, model.weight(weights)], **attributes)
            return model.pair(node, y), Tensor(codes, y)

        trunk, a = layer(model.activation(x), x)
        side, b = layer(trunk, a)
        y = random_quantisation(rng, x.q.dtype, a.q.scale + b.q.scale)
        answer = model.run(model.quantised_output(model.node("Add", [side, trunk]), y))
        expected = numerics.float_operator(np.add, y, (b.codes, b.q), (a.codes, a.q))
        if x.q.dtype == UINT8:
            expected = on_tensors(numerics.add, [b, a], y)
        rule = "R, then float Add" if x.q.dtype == INT8 else "R, then add"
        graph = f"residual block, {x.q.dtype}"
        report.add(graph, answer, rule, expected, exact=x.q.dtype == UINT8)


OPERATORS: dict[str, Callable[[Report], None]] = {
    "conv": conv,
    "matmul": matmul,
    "add": add,
    "mul": mul,
    "tables": tables,
    "float-binary": float_binary,
    "average-pool": average_pool,
    "global-average-pool": global_average_pool,
    "max-pool": max_pool,
    "concat": concat,
    "requantise": requantise,
    "movement": movement,
    "unary": unary,
    "softmax": softmax,
    "network": network,
    "branches": branches,
}


def on_tensors(rule: Callable, pair: list[Tensor], y: Quantisation) -> Codes:
    a, b = pair
    return rule(a.codes, a.q, b.codes, b.q, y)


def offset_binary(tensor: Tensor) -> Tensor:
    u = tensor.q.offset_binary()
    return Tensor(tensor.codes + u.zero_point - tensor.q.zero_point, u)


def retabled(codes: Codes, x: Quantisation, y: Quantisation) -> Codes:
    return codes if x == y else y.quantise(x.dequantise(codes))


def bounds(activation: str, y: Quantisation) -> tuple[int, int]:
    """The codes to which an activation confines its output."""
    low = y.zero_point if activation else y.low
    return low, int(y.quantise(f32(6))) if activation == "Clip" else y.high


def after(activation: str, function: Callable) -> Callable:
    if activation:
        return lambda *operands: np.maximum(f32(function(*operands)), f32(0))
    return function


@dataclass
class Count:
    exact: bool
    wrong: int = 0
    compared: int = 0


class Report:
    """Counts per graph, kernel and rule."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.drawn = 0
        self.counts: dict[tuple[str, str, str], Count] = {}

    def draws(self, count: int | None = None) -> Iterator[np.random.Generator]:
        """Generators of independent, reproducible trials."""
        for number in range(count or self.count):
            self.drawn = number
            yield np.random.default_rng([self.seed, number])

    def add(
        self, graph: str, answer: Answer, rule: str, expected: Codes, exact: bool = True
    ) -> None:
        expected = np.broadcast_to(expected, answer.codes.shape)
        self.count_outputs((graph, answer.kernel, rule), answer.codes != expected, exact)

    def count_cases(self, graph: str, rule: str, wrong: bool, exact: bool = False) -> None:
        """One case that is right or wrong as a whole."""
        self.count_outputs((graph, "", rule), np.array([wrong]), exact)

    def count_outputs(
        self, key: tuple[str, str, str], wrong: NDArray, exact: bool = True
    ) -> None:
        count = self.counts.setdefault(key, Count(exact))
        count.wrong += int(wrong.sum())
        count.compared += wrong.size

    def print(self) -> bool:
        """The lines of the report; whether every exact rule was."""
        for (graph, kernel, rule), count in self.counts.items():
            broken = "  BROKEN" if count.exact and count.wrong else ""
            left = " | ".join(filter(None, (graph, kernel, rule)))
            print(f"{left} | {count.wrong:,} of {count.compared:,}{broken}", flush=True)
        return not any(count.exact and count.wrong for count in self.counts.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure ONNX Runtime's arithmetic for quantised operators.",
        epilog=f"operators: {', '.join(OPERATORS)}",
    )
    parser.add_argument("operators", nargs="*", metavar="OPERATOR", help="all by default")
    parser.add_argument("--draws", type=int, default=60, help="trials of an operator (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the first trial (1)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.operators if name not in OPERATORS]
    if unknown:
        parser.error(f"unknown operator {unknown[0]}; there are {', '.join(OPERATORS)}")
    if arguments.draws < 1:
        parser.error("--draws must be at least 1")
    print(f"onnxruntime {onnxruntime.__version__}")
    exact = True
    for name in arguments.operators or OPERATORS:
        start = time.monotonic()
        report = Report(arguments.draws, arguments.seed)
        OPERATORS[name](report)
        print(f"\n{name} ({time.monotonic() - start:.0f} s)")
        exact = report.print() and exact
    sys.exit(not exact)


if __name__ == "__main__":
    main()
