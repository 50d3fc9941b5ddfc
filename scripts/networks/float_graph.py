"""A float network that is evaluated while it is built.

Every node runs in ONNX Runtime as soon as it is added, so the tensors know their
shapes, and the quantiser the ranges that the scales come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MICROSOFT = "com.microsoft"


class UnfitError(Exception):
    """An operator does not apply to a tensor, or its result is of no use."""


@dataclass(eq=False)
class Tensor:
    """The batch axis is the first one."""

    name: str
    values: NDArray
    # False leaves the tensor float, without a QuantizeLinear behind it.
    quantised: bool = True
    # The tensor whose scale and zero point this one shares.
    like: Tensor | None = None
    # The range that the scale is made for, where it is not that of the values.
    span: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.values.shape[1:]

    def root(self) -> Tensor:
        """The tensor that the scale and zero point come from."""
        return self.like.root() if self.like else self


@dataclass(eq=False)
class Constant:
    """A float, shape or index that the quantiser leaves as it is."""

    name: str
    values: NDArray


@dataclass(eq=False)
class Shape(Constant):
    """The target of a Reshape. Its first entry is the batch axis."""


@dataclass(eq=False)
class Weight(Constant):
    """Becomes int8 with zero point 0, with one scale for each index of `axis` if given."""

    axis: int | None = None


@dataclass(eq=False)
class Bias(Constant):
    """Becomes int32 at the scale of input times weight, or stays float."""

    x: Tensor
    weight: Weight
    stays_float: bool = False


@dataclass(eq=False)
class Operand(Constant):
    """Becomes codes of the activations' type, with a scale and zero point of its own."""


@dataclass(eq=False)
class Node:
    operator: str
    name: str
    inputs: list[Tensor | Constant | None]
    outputs: list[Tensor]
    attributes: dict[str, object]
    domain: str = ""


def plain_name(operator: str, number: int) -> str:
    return f"{operator}_{number}"


@dataclass
class FloatGraph:
    x: Tensor
    opset: int
    namer: Callable[[str, int], str] = plain_name
    nodes: list[Node] = field(default_factory=list)
    constants: int = 0

    @property
    def y(self) -> Tensor:
        return self.nodes[-1].outputs[0]

    def tensors(self) -> list[Tensor]:
        return [self.x] + [tensor for node in self.nodes for tensor in node.outputs]

    def constant(self, values: NDArray, kind: type = Constant, **more: object) -> Constant:
        self.constants += 1
        return kind(self.namer(kind.__name__.lower(), self.constants), np.asarray(values), **more)

    def node(
        self,
        operator: str,
        *inputs: Tensor | Constant | None,
        quantised: bool = True,
        like: Tensor | None = None,
        span: tuple[float, float] | None = None,
        domain: str = "",
        **attributes: object,
    ) -> Tensor:
        (output,) = self.nodes_of(
            *(operator, *inputs),
            outputs=1,
            quantised=quantised,
            like=like,
            span=span,
            domain=domain,
            **attributes,
        )
        return output

    def nodes_of(
        self,
        operator: str,
        *inputs: Tensor | Constant | None,
        outputs: int,
        quantised: bool = True,
        like: Tensor | None = None,
        span: tuple[float, float] | None = None,
        domain: str = "",
        **attributes: object,
    ) -> list[Tensor]:
        """Adds a node with several outputs; an output's name follows the node's."""
        name = self.namer(operator, len(self.nodes))
        suffixes = ["_output"] if outputs == 1 else [f"_output_{i}" for i in range(outputs)]
        node = Node(operator, name, list(inputs), [], attributes, domain)
        names = [name + suffix for suffix in suffixes]
        for output, values in zip(names, evaluate(node, names, self.opset), strict=True):
            if not np.isfinite(values).all() or values.size == 0:
                raise UnfitError(f"{operator} has no finite result")
            node.outputs.append(Tensor(output, values, quantised, like, span))
        self.nodes.append(node)
        return node.outputs

    def model(self, batch: str | int) -> onnx.ModelProto:
        """The network in float32."""
        nodes, initialisers = [], {}
        for node in self.nodes:
            nodes.append(proto(node, [output.name for output in node.outputs]))
            for operand in node.inputs:
                if isinstance(operand, Constant):
                    value = numpy_helper.from_array(operand.values, operand.name)
                    initialisers[operand.name] = value
        return assemble(self, nodes, list(initialisers.values()), batch, self.y)


def proto(node: Node, outputs: list[str]) -> onnx.NodeProto:
    inputs = ["" if operand is None else operand.name for operand in node.inputs]
    return helper.make_node(
        node.operator, inputs, outputs, node.name, domain=node.domain, **node.attributes
    )


def assemble(
    graph: FloatGraph,
    nodes: list[onnx.NodeProto],
    initialisers: list[onnx.TensorProto],
    batch: str | int,
    output: Tensor,
) -> onnx.ModelProto:
    """A float32 model from `graph.x` to `output`."""

    def info(tensor: Tensor) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(tensor.values.dtype)
        return helper.make_tensor_value_info(tensor.name, kind, [batch, *tensor.shape])

    return model(nodes, initialisers, info(graph.x), info(output), graph.opset)


def model(
    nodes: list[onnx.NodeProto],
    initialisers: list[onnx.TensorProto],
    x: onnx.ValueInfoProto,
    y: onnx.ValueInfoProto,
    opset: int,
) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", opset)]
    if any(node.domain == MICROSOFT for node in nodes):
        opsets.append(helper.make_opsetid(MICROSOFT, 1))
    return helper.make_model(
        helper.make_graph(nodes, "network", [x], [y], initialisers),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets, ignore_unknown=True),
    )


def evaluate(node: Node, outputs: list[str], opset: int) -> list[NDArray]:
    """The node's results, from ONNX Runtime."""
    operands = {operand.name: operand.values for operand in node.inputs if operand is not None}
    constants = [
        numpy_helper.from_array(operand.values, operand.name)
        for operand in node.inputs
        if isinstance(operand, Constant)
    ]
    tensors = {o.name: o for o in node.inputs if isinstance(o, Tensor)}.values()
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    single = helper.make_model(
        helper.make_graph(
            [proto(node, outputs)],
            "node",
            [
                helper.make_tensor_value_info(
                    t.name, helper.np_dtype_to_tensor_dtype(t.values.dtype), t.values.shape
                )
                for t in tensors
            ],
            [onnx.ValueInfoProto(name=output) for output in outputs],
            constants,
        ),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets, ignore_unknown=True),
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(
            single.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(outputs, {t.name: operands[t.name] for t in tensors})
    except Exception as error:
        raise UnfitError(f"{node.operator}: {error}") from error
