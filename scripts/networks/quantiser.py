"""Quantisation by ONNX Runtime's own static quantiser."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.registry import QLinearOpsRegistry

from .float_graph import FloatGraph

# The operators that quantise a float input; others leave the graph float up to them.
FIRST = {"Conv", "Gemm", "MatMul", "Add", "Mul", "Sigmoid", "LeakyRelu", "Concat", "AveragePool"}


class Once(CalibrationDataReader):
    """Feeds one batch."""

    def __init__(self, graph: FloatGraph) -> None:
        self.batches = iter([{graph.x.name: graph.x.values}])

    def get_next(self) -> dict | None:
        return next(self.batches, None)


def quantise(graph: FloatGraph, rng: np.random.Generator) -> tuple[onnx.ModelProto, str]:
    """The quantised model and a word on the options drawn."""
    # The quantiser advises a pre-processing that changes nothing here.
    logging.getLogger().setLevel(logging.ERROR)
    qdq = bool(rng.random() < 0.6) or not has_qoperator_form(graph)
    unsigned = not qdq or bool(rng.random() < 0.5)
    per_channel = bool(rng.random() < 0.6)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "quantised.onnx"
        quantize_static(
            graph.model("batch"),
            path,
            Once(graph),
            quant_format=QuantFormat.QDQ if qdq else QuantFormat.QOperator,
            op_types_to_quantize=sorted({node.operator for node in graph.nodes}),
            activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ForceQuantizeNoInputCheck": True,
                "ActivationSymmetric": bool(rng.random() < 0.2),
                "AddQDQPairToWeight": qdq and bool(rng.random() < 0.2),
                "DedicatedQDQPair": bool(rng.random() < 0.3),
            },
        )
        form = "QDQ" if qdq else "QOperator"
        return onnx.load(path), f"quantize_static {form} {'uint8' if unsigned else 'int8'}"


def has_qoperator_form(graph: FloatGraph) -> bool:
    """Whether no operator would be left in float32: QOperator form has not all of them."""
    operators = [node.operator for node in graph.nodes]
    return operators[0] in FIRST and QLinearOpsRegistry.keys() >= set(operators)
