"""A float network to a quantised ONNX model, as the usual converters write them.

In QDQ form every quantised tensor is a QuantizeLinear followed by DequantizeLinear
nodes, with float operators between. In QOperator form the operators that have an
integer counterpart take and give codes, and the others stand between a
DequantizeLinear and a QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .float_graph import (
    MICROSOFT,
    Bias,
    Constant,
    FloatGraph,
    Node,
    Operand,
    Shape,
    Tensor,
    Weight,
    model,
)

# Take codes as they are: their output has the scale of their input.
CODE_MOVERS = {
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Split", "Slice"),
    *("MaxPool", "Resize", "Identity"),
}
# Have a counterpart in com.microsoft without further attributes.
UNARY = {"Sigmoid", "LeakyRelu", "AveragePool"}


@dataclass(frozen=True)
class Quantisation:
    scale: NDArray  # float32, scalar or one for each channel
    zero_point: NDArray

    def codes(self, values: NDArray, axis: int | None = None) -> NDArray:
        scale, zero_point = self.scale, self.zero_point
        if axis is not None:
            along = [-1 if i == axis else 1 for i in range(values.ndim)]
            scale, zero_point = scale.reshape(along), zero_point.reshape(along)
        limits = np.iinfo(zero_point.dtype)
        rounded = np.rint(values / scale) + zero_point.astype(np.int64)
        return np.clip(rounded, limits.min, limits.max).astype(zero_point.dtype)


def whole_range(values: NDArray, dtype: np.dtype) -> Quantisation:
    """The range of the values and zero, as the min-max calibration does it."""
    return from_range(min(values.min(), 0), max(values.max(), 0), dtype)


def from_range(low: float, high: float, dtype: np.dtype) -> Quantisation:
    limits = np.iinfo(dtype)
    scale = np.float32(max(high - low, 1e-3) / 255)
    zero_point = np.clip(np.rint(limits.min - low / scale), limits.min, limits.max)
    return Quantisation(np.asarray(scale), np.asarray(zero_point, dtype))


def symmetric_weights(values: NDArray, axis: int | None) -> Quantisation:
    """The largest weight of the tensor, or of each channel, becomes 127."""
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    largest = np.maximum(np.abs(values).max(axis=others), 1e-6)
    scale = np.asarray(largest / 127, np.float32)
    return Quantisation(scale, np.zeros(scale.shape, np.int8))


@dataclass
class Style:
    """How a converter writes its models."""

    activations: np.dtype = field(default_factory=lambda: np.dtype(np.int8))
    # Makes the quantisation of an activation from its values.
    choose: Callable[[NDArray, np.dtype], Quantisation] = whole_range
    # Makes the quantisation of a weight from its values and its channel axis.
    choose_weights: Callable[[NDArray, int | None], Quantisation] = symmetric_weights
    qoperator: bool = False
    batch: str | int = "batch"
    code_input: bool = False
    code_output: bool = False
    # One DequantizeLinear for all that read a tensor, or one for each.
    shared_dequantise: bool = True
    # One initialiser for all equal scales and zero points.
    shared_constants: bool = False
    # Weights as float initialisers behind a QuantizeLinear.
    float_weights: bool = False
    # DequantizeLinear without the optional zero point, where it is a scalar 0 or int32.
    omit_zero_points: bool = False
    constant_nodes: bool = False


@dataclass
class Quantised:
    model: onnx.ModelProto
    x: NDArray


def quantise(graph: FloatGraph, style: Style) -> Quantised:
    return Writer(graph, style).write()


class Writer:
    """Writes the nodes of a quantised model in the order of the float graph."""

    def __init__(self, graph: FloatGraph, style: Style) -> None:
        self.graph, self.style = graph, style
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.constants: set[str] = set()
        self.quantisations: dict[Tensor | Constant, Quantisation] = {}
        self.dequantised: dict[Tensor | Constant, str] = {}
        self.shared: dict[tuple, str] = {}
        # Of constants that are float initialisers behind a QuantizeLinear.
        self.quantised_weights: set[Weight] = set()
        # Activations that a QOperator node in front of them stands for.
        self.folded: set[Node | None] = set()
        self.copies = 0

    def write(self) -> Quantised:
        x, y = self.graph.x, self.graph.y
        if not self.style.code_input and x.quantised:
            self.quantise_linear(x)
        for node in self.graph.nodes:
            if node not in self.folded:
                self.node(node)
        output = y.name
        if y.quantised:
            output = self.codes(y) if self.style.code_output else self.dequantise(y)
        code_output = y.quantised and self.style.code_output
        dtype = self.style.activations if code_output else y.values.dtype
        fed = self.quantisation(x).codes(x.values) if self.style.code_input else x.values
        fed_name = self.codes(x) if self.style.code_input else x.name

        def info(name: str, tensor: Tensor, dtype: np.dtype) -> onnx.ValueInfoProto:
            kind = helper.np_dtype_to_tensor_dtype(dtype)
            return helper.make_tensor_value_info(name, kind, [self.style.batch, *tensor.shape])

        built = model(
            self.nodes,
            self.initialisers,
            info(fed_name, x, fed.dtype),
            info(output, y, dtype),
            self.graph.opset,
        )
        onnx.checker.check_model(built)
        return Quantised(built, fed)

    # --- Nodes ---

    def node(self, node: Node) -> None:
        integer = self.style.qoperator and self.integer_node(node)
        if not integer:
            self.float_node(node)

    def float_node(self, node: Node) -> None:
        inputs = ["" if operand is None else self.real(operand) for operand in node.inputs]
        outputs = [output.name for output in node.outputs]
        self.add(node.operator, inputs, outputs, node.name, domain=node.domain, **node.attributes)
        for output in node.outputs:
            if output.quantised:
                self.quantise_linear(output)

    def integer_node(self, node: Node) -> bool:
        """Writes the operator's integer counterpart, if there is one."""
        activations = [o for o in node.inputs if isinstance(o, Tensor)]
        if not all(tensor.quantised for tensor in activations):
            return False
        if node.operator == "ArgMax":
            inputs = [self.codes(node.inputs[0])]
            self.add("ArgMax", inputs, [node.outputs[0].name], node.name, **node.attributes)
            return True
        activation = self.saturating_activation(node)
        output = activation.outputs[0] if activation else node.outputs[0]
        if not output.quantised or node.domain:
            return False
        y = self.quantisation_names(output)
        named = f"{node.name}_quant"

        def qlinear(
            operator: str, inputs: list[str], domain: str = MICROSOFT, **more: object
        ) -> bool:
            attributes = {**node.attributes, **more}
            self.folded.add(activation)
            self.add(operator, inputs, [self.codes(output)], named, domain=domain, **attributes)
            return True

        def coded(operand: Tensor | Constant, axis: int | None = None) -> list[str]:
            return [self.codes(operand), *self.quantisation_names(operand)]

        match node.operator:
            case "Conv":
                bias = [self.codes(b) for b in node.inputs[2:]]
                x, w = node.inputs[:2]
                return qlinear("QLinearConv", [*coded(x), *coded(w), *y, *bias], domain="")
            case "MatMul":
                x, w = node.inputs
                return qlinear("QLinearMatMul", [*coded(x), *coded(w), *y], domain="")
            case "Gemm" if node.attributes.get("transA", 0) == 0:
                x, w, *bias = node.inputs
                bias = self.codes(bias[0]) if bias else ""
                return qlinear("QGemm", [*coded(x), *coded(w), bias, *y])
            case "Add" | "Mul":
                a, b = node.inputs
                if not all(isinstance(o, Tensor | Operand) for o in (a, b)):
                    return False
                return qlinear(f"QLinear{node.operator}", [*coded(a), *coded(b), *y])
            case "Concat":
                inputs = [name for operand in node.inputs for name in coded(operand)]
                return qlinear("QLinearConcat", [*y, *inputs])
            case "GlobalAveragePool":
                x = coded(node.inputs[0])
                return qlinear("QLinearGlobalAveragePool", [*x, *y], channels_last=0)
            case "Softmax":
                x = coded(node.inputs[0])
                return qlinear("QLinearSoftmax", [*x, *y], opset=self.graph.opset)
            case operator if operator in UNARY:
                return qlinear(f"QLinear{operator}", [*coded(node.inputs[0]), *y])
            case operator if operator in CODE_MOVERS:
                x, *rest = node.inputs
                if any(output.root() is not x.root() for output in node.outputs):
                    return False
                inputs = [self.codes(x), *("" if o is None else self.real(o) for o in rest)]
                outputs = [self.codes(output) for output in node.outputs]
                self.add(operator, inputs, outputs, node.name, **node.attributes)
                return True
        return False

    def saturating_activation(self, node: Node) -> Node | None:
        """The Relu or Clip behind the node that the saturation of its codes stands for."""
        output = node.outputs[0]
        readers = [reader for reader in self.graph.nodes if output in reader.inputs]
        if not output.quantised and len(readers) == 1 and readers[0].operator in {"Relu", "Clip"}:
            return readers[0]
        return None

    # --- Tensors ---

    def real(self, operand: Tensor | Constant) -> str:
        """The name of the float tensor that an operator in float form reads."""
        match operand:
            case Tensor():
                return self.dequantise(operand) if operand.quantised else operand.name
            case Bias(stays_float=False) | Weight() | Operand():
                return self.dequantise(operand)
            case Shape() if isinstance(self.style.batch, int):
                values = np.array([self.style.batch, *operand.values[1:]], np.int64)
                return self.constant(operand.name, values)
            case _:
                return self.constant(operand.name, operand.values)

    def codes(self, operand: Tensor | Constant) -> str:
        """The name of the tensor of codes."""
        name = f"{operand.name}_quantized"
        if isinstance(operand, Tensor):
            return name
        quantisation = self.quantisation(operand)
        axis = None if quantisation.scale.ndim == 0 else channel_axis(operand)
        if isinstance(operand, Weight) and self.style.float_weights:
            if operand not in self.quantised_weights:
                self.quantised_weights.add(operand)
                inputs = [self.constant(operand.name, operand.values.astype(np.float32))]
                inputs += self.quantisation_names(operand)
                self.add("QuantizeLinear", inputs, [name], "", **axis_attribute(axis))
            return name
        return self.constant(name, quantisation.codes(operand.values, axis))

    def dequantise(self, operand: Tensor | Constant) -> str:
        """The name of the float tensor behind the codes."""
        known = self.dequantised.get(operand)
        if known and self.style.shared_dequantise:
            return known
        quantisation = self.quantisation(operand)
        axis = None if quantisation.scale.ndim == 0 else channel_axis(operand)
        inputs = [self.codes(operand), *self.quantisation_names(operand)]
        # ONNX Runtime, on its way from int8 to uint8 weights, gives a DequantizeLinear per
        # channel that has no zero point a scalar one, and then refuses it.
        omissible = isinstance(operand, Bias) or axis is None and isinstance(operand, Weight)
        if self.style.omit_zero_points and omissible and not quantisation.zero_point.any():
            inputs = inputs[:2]
        self.copies += 1
        name = f"{operand.name}_dequantized" + (f"_{self.copies}" if known else "")
        self.add("DequantizeLinear", inputs, [name], f"{name}_node", **axis_attribute(axis))
        self.dequantised[operand] = name
        return name

    def quantise_linear(self, tensor: Tensor) -> None:
        inputs = [tensor.name, *self.quantisation_names(tensor)]
        name = f"{tensor.name}_QuantizeLinear"
        self.add("QuantizeLinear", inputs, [self.codes(tensor)], name)

    # --- Quantisations ---

    def quantisation(self, operand: Tensor | Constant) -> Quantisation:
        key = operand.root() if isinstance(operand, Tensor) else operand
        if key not in self.quantisations:
            self.quantisations[key] = self.chosen(key)
        return self.quantisations[key]

    def chosen(self, operand: Tensor | Constant) -> Quantisation:
        match operand:
            case Weight():
                return self.style.choose_weights(operand.values, operand.axis)
            case Bias():
                x, weight = self.quantisation(operand.x), self.quantisation(operand.weight)
                scale = np.asarray(x.scale * weight.scale, np.float32)
                return Quantisation(scale, np.zeros(scale.shape, np.int32))
            case Tensor() if operand.span:
                return from_range(*operand.span, self.style.activations)
            case _:
                return self.style.choose(operand.values, self.style.activations)

    def quantisation_names(self, operand: Tensor | Constant) -> list[str]:
        quantisation = self.quantisation(operand)
        owner = operand.root() if isinstance(operand, Tensor) else operand
        # Two int8 weights with one zero point make ONNX Runtime name two uint8 ones alike,
        # and then it refuses the model.
        shared = self.style.shared_constants and not isinstance(owner, Weight)
        return [
            self.constant(f"{owner.name}_scale", quantisation.scale, shared),
            self.constant(f"{owner.name}_zero_point", quantisation.zero_point, shared),
        ]

    def constant(self, name: str, value: NDArray, shared: bool = False) -> str:
        """The name of an initialiser, or of a Constant node's output."""
        if shared:
            name = self.shared.setdefault((value.dtype, value.shape, value.tobytes()), name)
        if name not in self.constants:
            self.constants.add(name)
            tensor = numpy_helper.from_array(value, name)
            if self.style.constant_nodes:
                self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            else:
                self.initialisers.append(tensor)
        return name

    def add(
        self, operator: str, inputs: list[str], outputs: list[str], name: str, **attributes: object
    ) -> None:
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))


def channel_axis(operand: Constant) -> int:
    return operand.axis if isinstance(operand, Weight) else 0


def axis_attribute(axis: int | None) -> dict[str, int]:
    return {} if axis is None else {"axis": axis}
