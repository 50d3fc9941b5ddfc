"""Random quantised networks over all operators, each from its seed alone.

Sizes, attributes, types, scales, zero points and the converter's habits are drawn.
The scales come from the network's own float ranges, so that the codes use most of
their range and some of them saturate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from . import quantiser
from .float_graph import FloatGraph, Tensor, UnfitError
from .operators import FAMILIES, MOST_ELEMENTS, Draw, softmax
from .quantise import Quantisation, Style, from_range, quantise, symmetric_weights

SAMPLES = 4
OPSETS = (13, 21)
# Bell-shaped weights of as many inputs fit 24-bit accumulators.
MOST_FEATURES = 1500
# Of one sample; images are what most operators are for.
RANKS = (1, 2, 3, 3)


@dataclass
class Network:
    model: onnx.ModelProto
    x: NDArray
    # Rows that the model takes at a time; None for any number.
    batch: int | None
    description: str


def random_network(seed: int, only: str | None = None) -> Network:
    """One network; of the family `only` with little around it, if that is given."""
    rng = np.random.default_rng(seed)
    graph = None
    while graph is None:
        graph = float_network(rng, only)
    operators = " ".join(node.operator for node in graph.nodes)
    opset = f"opset {graph.opset}"
    if only is None and rng.random() < 0.12:
        model, words = quantiser.quantise(graph, rng)
        return Network(model, graph.x.values, None, f"{words}, {opset}: {operators}")
    style = random_style(rng, graph)
    quantised = quantise(graph, style)
    form = "QOperator" if style.qoperator else "QDQ"
    words = f"{form} {style.activations}, {opset}: {operators}"
    batch = style.batch if isinstance(style.batch, int) else None
    return Network(quantised.model, quantised.x, batch, words)


# --- The float network ---


def float_network(rng: np.random.Generator, only: str | None) -> FloatGraph | None:
    """None where the family `only` does not fit what was drawn around it."""
    ranks = FAMILIES[only].ranks if only else RANKS
    rank = int(rng.choice(ranks))
    x = Tensor("input", random_values(rng, random_shape(rng, rank)))
    names = str(rng.choice(list(NAMERS)))
    graph = FloatGraph(x, int(rng.integers(OPSETS[0], OPSETS[1] + 1)), NAMERS[names])
    draw = Draw(rng, graph)
    y = channels_first(draw, x)
    if only:
        if draw.chance(0.5):
            y = append(draw, y)
        fits = len(y.shape) in FAMILIES[only].ranks
        y = apply(draw, only, y) if fits else None
        if y is None:
            return None
        if draw.chance(0.3):
            y = append(draw, y)
    else:
        for _ in range(draw.integer(1, 6)):
            y = append(draw, y)
    finish(draw, y)
    return graph


def random_shape(rng: np.random.Generator, rank: int) -> tuple[int, ...]:
    """Of one sample: features, channels by length, or channels by height by width."""
    channels = int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24]))
    if rank == 1:
        # Some are larger than the memories of the small configurations.
        return (int(rng.integers(1, 65 if rng.random() < 0.8 else MOST_FEATURES)),)
    if rank == 2:
        return channels, int(rng.integers(3, 21))
    return channels, int(rng.integers(3, 11)), int(rng.integers(3, 11))


def random_values(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    centre, spread = rng.uniform(-1, 1), rng.uniform(0.3, 3)
    return rng.normal(centre, spread, (SAMPLES, *shape)).astype(np.float32)


def channels_first(draw: Draw, x: Tensor) -> Tensor:
    """Sometimes the input has the channels last, as TensorFlow's images."""
    if len(x.shape) < 2 or not draw.chance(0.15):
        return x
    last = len(x.shape)
    order = [0, last, *range(1, last)]
    x.values = np.ascontiguousarray(np.moveaxis(x.values, 1, -1))
    if draw.chance(0.3):
        # Only the transposed input is quantised.
        x.quantised = False
        return draw.node("Transpose", x, perm=order)
    return draw.node("Transpose", x, perm=order, like=x)


def append(draw: Draw, x: Tensor) -> Tensor:
    """Appends a family that takes `x`."""
    fitting = [name for name, family in FAMILIES.items() if len(x.shape) in family.ranks]
    weights = np.array([FAMILIES[name].weight for name in fitting])
    while True:
        name = str(draw.rng.choice(fitting, p=weights / weights.sum()))
        y = apply(draw, name, x)
        if y is not None:
            return y


def apply(draw: Draw, name: str, x: Tensor) -> Tensor | None:
    """The family's result, or None and the graph as it was."""
    before = len(draw.graph.nodes)
    try:
        y = FAMILIES[name].build(draw, x)
        if np.prod(y.shape) <= MOST_ELEMENTS and 1 <= len(y.shape) <= 3:
            return y
    except UnfitError:
        pass
    del draw.graph.nodes[before:]
    return None


def finish(draw: Draw, y: Tensor) -> None:
    """Sometimes ends as classifiers do."""
    roll = draw.rng.random()
    if roll < 0.1:
        draw.node("Softmax", y, axis=-1, quantised=False)
    elif roll < 0.15:
        softmax(draw, y)
    elif roll < 0.2:
        axis = draw.choice([1, -1])
        draw.node("ArgMax", y, axis=axis, keepdims=draw.integer(0, 1), quantised=False)


# --- The converter ---

NAMERS = {
    "PyTorch": lambda operator, number: f"/layer{number % 3}/layer{number % 3}.{number}/{operator}",
    "TensorFlow": lambda operator, number: (
        f"StatefulPartitionedCall/model/{operator.lower()}_{number}/BiasAdd;model/bn_{number}:0"
    ),
    "plain": lambda operator, number: f"{operator}_{number}",
    "numbers": lambda operator, number: f"{operator[:1]}{number}",
}


def random_style(rng: np.random.Generator, graph: FloatGraph) -> Style:
    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    qoperator = chance(0.25)
    # On x86 ONNX Runtime has QLinearConv, QLinearMatMul and QGemm of uint8 activations only.
    sums = any(node.operator in {"Conv", "MatMul", "Gemm"} for node in graph.nodes)
    unsigned = chance(0.5) or (qoperator and sums)
    return Style(
        activations=np.dtype(np.uint8 if unsigned else np.int8),
        choose=lambda values, dtype: random_quantisation(rng, values, dtype),
        choose_weights=lambda values, axis: random_weights(rng, values, axis),
        qoperator=qoperator,
        batch=1 if chance(0.15) else "batch",
        code_input=graph.x.quantised and chance(0.1),
        code_output=chance(0.1),
        shared_dequantise=chance(0.6),
        shared_constants=chance(0.3),
        float_weights=not qoperator and chance(0.15),
        omit_zero_points=chance(0.2),
        constant_nodes=chance(0.1),
    )


def random_quantisation(rng: np.random.Generator, values: NDArray, dtype: np.dtype) -> Quantisation:
    """A scale and zero point for most of the values' range: a few saturate."""
    low, high = np.percentile(values, [0.5, 99.5] if rng.random() < 0.8 else [0, 100])
    low, high = min(low, 0.0), max(high, 0.0)
    roll = rng.random()
    if roll < 0.12:
        reach = max(-low, high)
        low, high = -reach, reach
    elif roll < 0.24:
        # Any zero point, whatever the values are.
        share, reach = rng.uniform(0, 1), max(-low, high)
        low, high = low - share * reach, high + (1 - share) * reach
    quantisation = from_range(low, high, dtype)
    if rng.random() < 0.1:
        # A power of two: then sums fall on ties.
        scale = np.exp2(np.rint(np.log2(quantisation.scale))).astype(np.float32)
        return Quantisation(np.asarray(scale), quantisation.zero_point)
    return quantisation


def random_weights(rng: np.random.Generator, values: NDArray, axis: int | None) -> Quantisation:
    """Up to the largest weight; sometimes the largest ones saturate, at -128 too. Some have
    a zero point, one for all channels as ONNX Runtime's QLinearConv wants it."""
    quantisation = symmetric_weights(values, axis)
    if rng.random() < 0.15:
        dtype = np.dtype(np.uint8 if rng.random() < 0.6 else np.int8)
        middle = 128 if dtype == np.uint8 else 0
        zero_point = middle + rng.integers(-40, 41)
        return Quantisation(
            quantisation.scale, np.full(quantisation.scale.shape, zero_point, dtype)
        )
    if rng.random() < 0.2:
        scale = (quantisation.scale * np.float32(rng.uniform(0.8, 1))).astype(np.float32)
        return Quantisation(np.asarray(scale), quantisation.zero_point)
    return quantisation
