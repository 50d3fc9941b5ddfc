"""Cuts a failing model down to the layer that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

CODES = {np.dtype(np.int8), np.dtype(np.uint8)}


@dataclass(frozen=True)
class Case:
    model: onnx.ModelProto
    x: NDArray
    batch: int | None


def minimise(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case found that still fails: cut behind, in front, then in samples."""
    case = next((c for c in cut_behind(case) if fails(c)), case)
    case = next((c for c in cut_in_front(case) if fails(c)), case)
    samples = (Case(case.model, case.x[i : i + 1], case.batch) for i in range(len(case.x)))
    return next((c for c in samples if fails(c)), case)


def cut_behind(case: Case) -> Iterator[Case]:
    """The model up to each quantised tensor, in the order of computation."""
    values = every_tensor(case)
    graph = case.model.graph
    for node in graph.node:
        for name in node.output:
            if name not in values or values[name].dtype not in CODES:
                continue
            # Behind the DequantizeLinear where there is one: codes as graph output
            # would make the optimiser choose other kernels.
            readers = [n for n in graph.node if name in n.input]
            floats = [n.output[0] for n in readers if n.op_type == "DequantizeLinear"]
            output = floats[0] if floats else name
            if output != graph.output[0].name:
                yield Case(extract(case, graph.input[0].name, output, values), case.x, case.batch)


def cut_in_front(case: Case) -> Iterator[Case]:
    """The model from each quantised tensor on, the last first."""
    values = every_tensor(case)
    graph = case.model.graph
    for node in reversed(graph.node):
        # The float tensor in front of a QuantizeLinear, or codes that none produces.
        name = node.input[0] if node.op_type == "QuantizeLinear" else node.output[0]
        if name not in values or name in (graph.output[0].name, graph.input[0].name):
            continue
        if node.op_type != "QuantizeLinear" and values[name].dtype not in CODES:
            continue
        model = extract(case, name, graph.output[0].name, values)
        if model is not None:
            yield Case(model, values[name], case.batch)


def every_tensor(case: Case) -> dict[str, NDArray]:
    """The tensors that depend on the input, computed without optimisations."""
    graph = case.model.graph
    dependent, outputs = {graph.input[0].name}, []
    for node in graph.node:
        if dependent.intersection(node.input):
            dependent.update(node.output)
            outputs += [name for name in node.output if name]
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows = case.batch or len(case.x)
    pieces = [
        session.run(outputs, {graph.input[0].name: case.x[start : start + rows]})
        for start in range(0, len(case.x), rows)
    ]
    found = {name: np.concatenate(parts) for name, parts in zip(outputs, zip(*pieces))}
    return {graph.input[0].name: case.x, **found}


def extract(
    case: Case, first: str, last: str, values: dict[str, NDArray]
) -> onnx.ModelProto | None:
    """The part between two tensors, or None if it needs other inputs."""
    graph = case.model.graph
    producers = {name: node for node in graph.node for name in node.output}
    needed, kept, waiting = set(), set(), [last]
    while waiting:
        name = waiting.pop()
        if name in needed or not name:
            continue
        needed.add(name)
        if name != first and name in producers:
            node = producers[name]
            kept.add(id(node))
            waiting += node.input
    if first not in needed or (first != graph.input[0].name and graph.input[0].name in needed):
        return None

    def info(name: str) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(values[name].dtype)
        batch = case.batch or "batch"
        return helper.make_tensor_value_info(name, kind, [batch, *values[name].shape[1:]])

    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    part = helper.make_graph(
        [node for node in graph.node if id(node) in kept],
        graph.name,
        [info(first)],
        [info(last)],
        [initialiser for initialiser in graph.initializer if initialiser.name in needed],
    )
    model.graph.CopyFrom(part)
    return model
