#!/usr/bin/env python3
"""Run an ONNX model with ONNX Runtime: the answer every Quern machine must match.

    python3 scripts/oracle.py MODEL.onnx --input X.npy --output OUT.npy [--raw RAW.npy]

The session has the CPU provider and the default graph optimisations: those fuse
the QuantizeLinear/DequantizeLinear pairs into the integer kernels that people
deploy, and it is their arithmetic we claim to reproduce.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# Operators that the optimiser leaves or makes where it finds no integer kernel.
FLOAT_SUMS = {
    *("Conv", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul"),
    *("MatMulIntegerToFloat", "DynamicQuantizeMatMul", "ReduceMean"),
    *("AveragePool", "QLinearAveragePool", "GlobalAveragePool", "Softmax"),
}


class OracleError(Exception):
    """A reason why there is no answer, for the person at the command line."""


def main() -> None:
    arguments = parse_arguments()
    try:
        answer(arguments)
    except (OracleError, OSError) as error:
        raise SystemExit(f"oracle: {error}") from error


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run an ONNX model with ONNX Runtime's CPU provider.",
        epilog="Only the model's first output is written, under the dtype the model gives it.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        metavar="X.npy",
        help="the model's one input, batch axis first",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="OUT.npy", help="where the output goes"
    )
    parser.add_argument(
        "--raw",
        type=Path,
        metavar="RAW.npy",
        help="also write the integers that the final DequantizeLinear takes",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="run N rows at a time instead of all at once (for models with a fixed batch)",
    )
    return parser.parse_args()


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def answer(arguments: argparse.Namespace) -> None:
    x = load_input(arguments.input)
    # Looked up first: a model without raw integers is refused before a long run.
    final = final_dequantizer(load_model(arguments.model)) if arguments.raw else None
    result = compute(arguments.model, x, arguments.batch)
    for name, operator in result.float_layers.items():
        print(f"oracle: '{name}' is computed in float32 ({operator})", file=sys.stderr)
    save(arguments.output, result.output)
    if final:
        save(arguments.raw, final.integers(result.output))


def load_model(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except OSError:
        raise
    except Exception as error:
        raise OracleError(f"{path} is not an ONNX model: {error}") from error


def load_input(path: Path) -> NDArray:
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise OracleError(f"{path} is not a numpy array file: {error}") from error


def save(path: Path, array: NDArray) -> None:
    # Through an open file, or numpy appends `.npy` to any other name.
    with path.open("wb") as file:
        np.save(file, array)


@dataclass(frozen=True)
class Answer:
    output: NDArray
    # Tensors whose last bit is the processor's choice, with their operators.
    float_layers: dict[str, str]


def run(path: Path, x: NDArray, batch: int | None) -> NDArray:
    """The model's first output for all of `x`, computed `batch` rows at a time."""
    return compute(path, x, batch).output


def compute(path: Path, x: NDArray, batch: int | None) -> Answer:
    """The output and which layers are not computed in integers."""
    session, optimised = open_session(path)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise OracleError(f"{path} takes {len(inputs)} inputs ({names}); only one is supported")
    if x.ndim == 0 or len(x) == 0:
        raise OracleError(f"the input has shape {x.shape}: there is no batch in it")
    name, output = inputs[0].name, session.get_outputs()[0].name
    rows = batch or len(x)
    try:
        pieces = [
            session.run([output], {name: x[start : start + rows]})[0]
            for start in range(0, len(x), rows)
        ]
    except Exception as error:
        kind = f"{x.dtype}{list(x.shape)}"
        raise OracleError(f"ONNX Runtime refuses the input {kind}: {error}") from error
    return Answer(np.concatenate(pieces), float_layers(optimised))


def open_session(path: Path) -> tuple[ort.InferenceSession, onnx.GraphProto]:
    """As `optimise`, with an error for the person at the command line."""
    try:
        return optimise(path)
    except Exception as error:
        raise OracleError(f"ONNX Runtime cannot load {path}: {error}") from error


def optimise(model: Path | bytes) -> tuple[ort.InferenceSession, onnx.GraphProto]:
    """A session, and the graph whose kernels it runs."""
    options = ort.SessionOptions()
    # On an x86 without VNNI the uint8 x int8 kernels add pairs of products in 16
    # saturating bits; this makes them exact at the price of speed.
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Saving the optimised graph makes the runtime warn that it is not portable.
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as directory:
        optimised = Path(directory) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return session, onnx.load(optimised, load_external_data=False).graph


def float_layers(graph: onnx.GraphProto) -> dict[str, str]:
    """The tensors of an optimised graph that are sums of floats.

    Such a sum is rounded at every addition, in an order that depends on the CPU, so
    an integer machine is off by one where the last bit decides: about once in 250,000
    outputs. A model with int8 instead of float32 inputs or outputs can cause it, and
    so can a Relu whose output zero point is not the type's lowest value.
    """
    constants = {initializer.name for initializer in graph.initializer}
    return {
        node.output[0]: node.op_type
        for node in graph.node
        # Sums of constants are folded already.
        if node.op_type in FLOAT_SUMS and not constants.issuperset(node.input)
    }


@dataclass(frozen=True)
class Dequantizer:
    """A per-tensor DequantizeLinear: `y = (q - zero_point) * scale` in float32."""

    scale: np.float32
    zero_point: int
    dtype: np.dtype

    def integers(self, y: NDArray) -> NDArray:
        """The `q` behind `y`.

        Making `q` a graph output would be simpler, but a second consumer of that
        tensor can keep the optimiser from fusing the pair, and then the integers
        would be those of another kernel. Inverting the output leaves the session
        as it was, and is exact: neighbouring `q` are a whole `scale` apart. The
        forward computation is repeated all the same, to prove it.
        """
        q = np.rint(y / self.scale).astype(np.int64) + self.zero_point
        again = (q - self.zero_point).astype(np.float32) * self.scale
        limits = np.iinfo(self.dtype)
        if not np.array_equal(again, y) or q.min() < limits.min or q.max() > limits.max:
            raise OracleError(
                f"the output is not (q - {self.zero_point}) * {self.scale!r} with q in {self.dtype}"
            )
        return q.astype(self.dtype)


def final_dequantizer(model: onnx.ModelProto) -> Dequantizer:
    """The DequantizeLinear that produces the model's first output."""
    output = model.graph.output[0].name
    node = next((n for n in model.graph.node if output in n.output), None)
    if node is None or node.op_type != "DequantizeLinear":
        kind = "nothing" if node is None else node.op_type
        raise OracleError(f"--raw: output '{output}' comes from {kind}, not DequantizeLinear")
    if len(node.input) < 3 or not node.input[2]:
        raise OracleError(f"--raw: '{node.name}' has no zero point, so its integer type is unknown")
    scale = constant(model.graph, node.input[1])
    zero_point = constant(model.graph, node.input[2])
    if scale.size != 1 or scale.dtype != np.float32:
        kind = f"{scale.dtype}{list(scale.shape)}"
        raise OracleError(f"--raw: '{node.name}' must have one float32 scale, not {kind}")
    return Dequantizer(scale.reshape(-1)[0], int(zero_point.reshape(-1)[0]), zero_point.dtype)


def constant(graph: onnx.GraphProto, name: str) -> NDArray:
    """The value of a tensor that the model fixes, as initializer or Constant node."""
    for initializer in graph.initializer:
        if initializer.name == name:
            return numpy_helper.to_array(initializer)
    for node in graph.node:
        if node.op_type == "Constant" and name in node.output:
            return numpy_helper.to_array(helper.get_node_attr_value(node, "value"))
    raise OracleError(f"--raw: '{name}' is computed at run time, not a constant of the model")


if __name__ == "__main__":
    main()
