"""The operators that random networks are drawn from: one function for each family.

A family takes a tensor, appends its operators with attributes drawn at random, and
returns the result. It raises `UnfitError` for a tensor that it cannot take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .float_graph import Bias, Constant, FloatGraph, Operand, Shape, Tensor, UnfitError, Weight

MOST_CHANNELS = 24
# Elements of one sample.
MOST_ELEMENTS = 3000
# 255 * 127 * 200 < 2^23: up to here any weights fit 24-bit accumulators.
EXTREME_INPUTS = 200


@dataclass(frozen=True)
class Family:
    build: Callable[[Draw, Tensor], Tensor]
    # Of one sample's tensor.
    ranks: tuple[int, ...]
    weight: float


FAMILIES: dict[str, Family] = {}


def family(name: str, ranks: tuple[int, ...] = (1, 2, 3), weight: float = 1) -> Callable:
    def register(build: Callable[[Draw, Tensor], Tensor]) -> Callable:
        FAMILIES[name] = Family(build, ranks, weight)
        return build

    return register


@dataclass
class Draw:
    """A network being drawn: the dice and what there is so far."""

    rng: np.random.Generator
    graph: FloatGraph

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, options: list) -> object:
        return options[self.rng.integers(len(options))]

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.rng.integers(low, high + 1))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def node(self, operator: str, *inputs: object, **attributes: object) -> Tensor:
        return self.graph.node(operator, *inputs, **attributes)

    def moved(self, operator: str, x: Tensor, *inputs: object, **attributes: object) -> Tensor:
        """A node whose output has the codes of its input, mostly."""
        like = None if self.chance(0.08) else x
        return self.node(operator, x, *inputs, like=like, **attributes)

    def real(self, *values: float) -> Constant:
        """A float scalar, or a vector."""
        array = np.array(values, np.float32)
        return self.graph.constant(array if len(values) > 1 else array[0])

    def indices(self, *values: int) -> Constant:
        return self.graph.constant(np.array(values, np.int64))

    def weight(self, shape: tuple[int, ...], axis: int, fan_in: int) -> Weight:
        """Bell-shaped as trained weights are, or with the extreme values of the codes."""
        values = self.rng.normal(0, 1, shape)
        if fan_in <= EXTREME_INPUTS and self.chance(0.15):
            values = self.rng.choice([-1.0, 0.0, 1.0], shape)
        spread = [-1 if i == axis else 1 for i in range(len(shape))]
        gains = self.rng.uniform(0.3, 1.5, shape[axis]).reshape(spread)
        values = (values * gains / np.sqrt(fan_in)).astype(np.float32)
        per_channel = axis if self.chance(0.7) else None
        return self.graph.constant(values, Weight, axis=per_channel)

    def bias(self, channels: int, x: Tensor, weight: Weight) -> Bias:
        values = (self.rng.normal(0, 0.5, channels) * np.abs(x.values).mean()).astype(np.float32)
        return self.graph.constant(values, Bias, x=x, weight=weight, stays_float=self.chance(0.25))

    def branch(self, x: Tensor) -> Tensor:
        """Another tensor of the same shape, to join with `x`."""
        earlier = [
            t for t in self.graph.tensors() if t.quantised and t is not x and t.shape == x.shape
        ]
        if earlier and self.chance(0.5):
            return self.choice(earlier)
        if len(x.shape) > 1 and self.chance(0.6):
            return convolution(self, x, same_shape=True)
        return table_function(self, x)


# --- Convolution and dense layers ---


@family("Conv", ranks=(2, 3), weight=8)
def conv(draw: Draw, x: Tensor) -> Tensor:
    return convolution(draw, x)


@family("DepthwiseConv", ranks=(2, 3), weight=2)
def depthwise(draw: Draw, x: Tensor) -> Tensor:
    return convolution(draw, x, groups=x.shape[0])


@family("PointwiseConv", ranks=(2, 3), weight=1)
def pointwise(draw: Draw, x: Tensor) -> Tensor:
    return convolution(draw, x, largest_kernel=1)


def convolution(
    draw: Draw,
    x: Tensor,
    groups: int | None = None,
    largest_kernel: int = 5,
    same_shape: bool = False,
) -> Tensor:
    channels, *size = x.shape
    if groups is None:
        divisors = [d for d in range(2, channels + 1) if channels % d == 0]
        groups = draw.choice(divisors) if divisors and draw.chance(0.2) else 1
    outputs = groups * draw.integer(1, max(1, min(MOST_CHANNELS // groups, 12)))
    if groups == channels and draw.chance(0.7):
        outputs = channels
    attributes: dict[str, object] = {}
    if same_shape:
        outputs = channels if channels % groups == 0 else groups
        kernel = [draw.choice([1, 3]) for _ in size]
        attributes["pads"] = [k // 2 for k in kernel] * 2
    else:
        kernel, attributes = window(draw, size, largest_kernel, dilated=True)
    if groups > 1:
        attributes["group"] = groups
    if draw.chance(0.9):
        attributes["kernel_shape"] = kernel
    shape = (outputs, channels // groups, *kernel)
    weight = draw.weight(shape, 0, int(np.prod(shape[1:])))
    bias = [draw.bias(outputs, x, weight)] if draw.chance(0.7) else []
    return fused(draw, "Conv", x, weight, *bias, **attributes)


def window(
    draw: Draw, size: list[int], largest: int, dilated: bool
) -> tuple[list[int], dict[str, object]]:
    """Kernel, strides, dilations and padding of a convolution or pooling."""
    kernel = [draw.integer(1, min(largest, s)) for s in size]
    attributes: dict[str, object] = {}
    if draw.chance(0.4):
        attributes["strides"] = [draw.integer(1, 3) for _ in size]
    padding = draw.choice(["none", "half", "any", "any", "SAME_UPPER", "SAME_LOWER", "VALID"])
    reach = list(kernel)
    if dilated and draw.chance(0.25) and not padding.startswith("SAME"):
        dilations = [draw.integer(1, 3) for _ in size]
        attributes["dilations"] = dilations
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    if padding == "half":
        attributes["pads"] = [r // 2 for r in reach] * 2
    elif padding == "any":
        # Less than the kernel, or a window could lie in the padding altogether.
        attributes["pads"] = [draw.integer(0, min(k - 1, 3)) for k in kernel * 2]
    elif padding != "none":
        attributes["auto_pad"] = padding
    return kernel, attributes


def fused(draw: Draw, operator: str, *inputs: object, **attributes: object) -> Tensor:
    """The operator, or with a Relu or Clip between it and its QuantizeLinear."""
    if not draw.chance(0.4):
        return draw.node(operator, *inputs, **attributes)
    inner = draw.node(operator, *inputs, quantised=False, **attributes)
    return rectified(draw, inner)


def rectified(draw: Draw, x: Tensor) -> Tensor:
    if draw.chance(0.6):
        return draw.node("Relu", x)
    return clip(draw, x)


@family("Gemm", ranks=(1,), weight=5)
def gemm(draw: Draw, x: Tensor) -> Tensor:
    inputs = x.shape[0]
    # As wide as the input where that is wider than anything on chip.
    outputs = draw.integer(1, max(32, inputs // 4))
    transposed = draw.chance(0.6)
    shape = (outputs, inputs) if transposed else (inputs, outputs)
    weight = draw.weight(shape, 0 if transposed else 1, inputs)
    bias = [draw.bias(outputs, x, weight)] if draw.chance(0.75) else []
    attributes = {"transB": 1} if transposed else {}
    return fused(draw, "Gemm", x, weight, *bias, **attributes)


@family("MatMul", ranks=(1, 2, 3), weight=4)
def matmul(draw: Draw, x: Tensor) -> Tensor:
    inputs, outputs = x.shape[-1], draw.integer(1, 24)
    weight = draw.weight((inputs, outputs), 1, inputs)
    if not draw.chance(0.4):
        return fused(draw, "MatMul", x, weight)
    product = draw.node("MatMul", x, weight, quantised=False)
    bias = draw.bias(outputs, x, weight)
    operands = (product, bias) if draw.chance(0.7) else (bias, product)
    return fused(draw, "Add", *operands)


# --- Sums and products ---


@family("Add", weight=3)
def add(draw: Draw, x: Tensor) -> Tensor:
    return elementwise(draw, "Add", x)


@family("Mul", weight=2)
def mul(draw: Draw, x: Tensor) -> Tensor:
    return elementwise(draw, "Mul", x)


def elementwise(draw: Draw, operator: str, x: Tensor) -> Tensor:
    kind = draw.choice(["branch", "branch", "constant", "scalar", "broadcast"])
    if kind == "branch":
        other = draw.branch(x)
    elif kind == "broadcast" and len(x.shape) > 1:
        axes = [1 + axis for axis in range(1, len(x.shape))]
        other = reduce_mean(draw, x, axes, keepdims=1)
    else:
        shape = () if kind == "scalar" else constant_shape(draw, x.shape)
        values = draw.rng.normal(0, np.abs(x.values).mean() + 0.1, shape).astype(np.float32)
        # A scalar also without QuantizeLinear: a function of `x` alone.
        kept = kind == "scalar" and draw.chance(0.3)
        other = draw.graph.constant(values, Constant if kept else Operand)
    operands = (x, other) if draw.chance(0.7) else (other, x)
    return fused(draw, operator, *operands)


def constant_shape(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Broadcasts to `[batch, *shape]`."""
    kept = draw.integer(1, len(shape))
    return tuple(s if draw.chance(0.6) else 1 for s in shape[len(shape) - kept :])


# --- Pooling and means ---


def pool_window(draw: Draw, x: Tensor, dilated: bool) -> tuple[list[int], dict[str, object]]:
    kernel, attributes = window(draw, list(x.shape[1:]), 3, dilated)
    if "auto_pad" not in attributes and draw.chance(0.2):
        attributes["ceil_mode"] = 1
    return kernel, attributes


@family("MaxPool", ranks=(2, 3), weight=2)
def max_pool(draw: Draw, x: Tensor) -> Tensor:
    kernel, attributes = pool_window(draw, x, dilated=True)
    return draw.moved("MaxPool", x, kernel_shape=kernel, **attributes)


@family("AveragePool", ranks=(2, 3), weight=2)
def average_pool(draw: Draw, x: Tensor) -> Tensor:
    # ONNX Runtime fuses a dilated one to a QLinearAveragePool, and then refuses that.
    kernel, attributes = pool_window(draw, x, dilated=False)
    if draw.chance(0.5):
        attributes["count_include_pad"] = draw.integer(0, 1)
    like = x if draw.chance(0.5) else None
    return draw.node("AveragePool", x, like=like, kernel_shape=kernel, **attributes)


@family("GlobalAveragePool", ranks=(2, 3), weight=2)
def global_average_pool(draw: Draw, x: Tensor) -> Tensor:
    return draw.node("GlobalAveragePool", x)


@family("ReduceMean", ranks=(2, 3), weight=1)
def spatial_mean(draw: Draw, x: Tensor) -> Tensor:
    axes = list(range(2, 1 + len(x.shape)))
    if draw.chance(0.2):
        axes = [axis - 1 - len(x.shape) for axis in axes]
    return reduce_mean(draw, x, axes, keepdims=draw.integer(0, 1))


def reduce_mean(draw: Draw, x: Tensor, axes: list[int], keepdims: int) -> Tensor:
    if draw.graph.opset < 18:
        return draw.node("ReduceMean", x, axes=axes, keepdims=keepdims)
    return draw.node("ReduceMean", x, draw.indices(*axes), keepdims=keepdims)


# --- Functions of one code ---

# Beyond it Exp and its relatives leave nothing of the other values.
LARGEST_EXPONENT = 8


@family("Relu")
def relu(draw: Draw, x: Tensor) -> Tensor:
    return draw.node("Relu", x)


@family("Clip")
def clip(draw: Draw, x: Tensor) -> Tensor:
    low, high = draw.choice([(0, 6), (0, 6), (-1, 1), (0, 1), (None, 2), (-0.5, None)])
    limits = [None if limit is None else draw.real(limit) for limit in (low, high)]
    return draw.node("Clip", x, *limits)


@family("LeakyRelu")
def leaky_relu(draw: Draw, x: Tensor) -> Tensor:
    alpha = {} if draw.chance(0.3) else {"alpha": draw.uniform(0.01, 0.5)}
    return draw.node("LeakyRelu", x, **alpha)


@family("PRelu")
def prelu(draw: Draw, x: Tensor) -> Tensor:
    scalar = draw.chance(0.4)
    shape = (1,) if scalar else (x.shape[0],) + (1,) * (len(x.shape) - 1)
    slope = draw.rng.uniform(-0.1, 0.6, shape).astype(np.float32)
    kind = Operand if draw.chance(0.25) else Constant
    return draw.node("PRelu", x, draw.graph.constant(slope, kind))


def plain(name: str, weight: float = 0.7, **attributes: tuple[float, float]) -> None:
    """A family of one operator whose attributes are numbers in ranges, or left out."""

    @family(name, weight=weight)
    def build(draw: Draw, x: Tensor) -> Tensor:
        drawn = {} if draw.chance(0.4) else attributes
        return draw.node(name, x, **{key: draw.uniform(*ends) for key, ends in drawn.items()})


plain("Sigmoid", weight=1)
plain("Tanh", weight=1)
plain("HardSigmoid", alpha=(0.1, 0.4), beta=(0.3, 0.7))
plain("Elu", alpha=(0.5, 1.5))
plain("Softplus")
plain("Abs")
plain("Neg", weight=0.2)


@family("Exp", weight=0.5)
def exp(draw: Draw, x: Tensor) -> Tensor:
    if np.abs(x.values).max() > LARGEST_EXPONENT:
        raise UnfitError("Exp of values this large")
    return draw.node("Exp", x)


@family("Sqrt", weight=0.5)
def sqrt(draw: Draw, x: Tensor) -> Tensor:
    if x.values.min() < 0:
        x = draw.node(draw.choice(["Relu", "Abs"]), x)
    return draw.node("Sqrt", x)


@family("HardSwish")
def hard_swish(draw: Draw, x: Tensor) -> Tensor:
    if draw.graph.opset >= 14 and draw.chance(0.6):
        return draw.node("HardSwish", x)
    gate = draw.node("HardSigmoid", x, quantised=draw.chance(0.6), alpha=1 / 6, beta=0.5)
    return draw.node("Mul", x, gate)


@family("SiLU")
def silu(draw: Draw, x: Tensor) -> Tensor:
    gate = draw.node("Sigmoid", x, quantised=draw.chance(0.6))
    return draw.node("Mul", *((x, gate) if draw.chance(0.7) else (gate, x)))


@family("Gelu")
def gelu(draw: Draw, x: Tensor) -> Tensor:
    forms = [gelu_by_erf, gelu_by_tanh]
    if draw.graph.opset >= 20:
        forms += [gelu_operator] * 4
    return draw.choice(forms)(draw, x)


def gelu_operator(draw: Draw, x: Tensor) -> Tensor:
    attributes = {"approximate": "tanh"} if draw.chance(0.5) else {}
    return draw.node("Gelu", x, **attributes)


def gelu_by_erf(draw: Draw, x: Tensor) -> Tensor:
    """`0.5 x (1 + erf(x / √2))`, in the order in which PyTorch's exporter writes it."""
    inner = draw.node("Div", x, draw.real(np.sqrt(2)), quantised=False)
    inner = draw.node("Erf", inner, quantised=False)
    inner = draw.node("Add", inner, draw.real(1), quantised=False)
    inner = draw.node("Mul", x, inner, quantised=False)
    return draw.node("Mul", inner, draw.real(0.5))


def gelu_by_tanh(draw: Draw, x: Tensor) -> Tensor:
    """`0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`."""
    cube = draw.node("Pow", x, draw.real(3), quantised=False)
    cube = draw.node("Mul", cube, draw.real(0.044715), quantised=False)
    inner = draw.node("Add", x, cube, quantised=False)
    inner = draw.node("Mul", inner, draw.real(np.sqrt(2 / np.pi)), quantised=False)
    inner = draw.node("Tanh", inner, quantised=False)
    inner = draw.node("Add", inner, draw.real(1), quantised=False)
    inner = draw.node("Mul", x, inner, quantised=False)
    return draw.node("Mul", inner, draw.real(0.5))


def table_function(draw: Draw, x: Tensor) -> Tensor:
    return draw.choice([relu, leaky_relu, silu, hard_swish])(draw, x)


# --- Moving codes ---


@family("Reshape")
def reshape(draw: Draw, x: Tensor) -> Tensor:
    size = int(np.prod(x.shape))
    divisors = [d for d in range(2, size) if size % d == 0]
    if len(x.shape) > 1 and draw.chance(0.5) or not divisors:
        shape = [size]
    else:
        first = draw.choice(divisors)
        shape = [first, size // first]
        if draw.chance(0.3):
            second = draw.choice([d for d in range(1, shape[1] + 1) if shape[1] % d == 0])
            shape = [first, second, shape[1] // second]
    leading = 0
    if draw.chance(0.3):
        leading = -1
    elif draw.chance(0.5):
        shape[draw.integer(0, len(shape) - 1)] = -1
    target = draw.graph.constant(np.array([leading, *shape], np.int64), Shape)
    return draw.moved("Reshape", x, target)


@family("Flatten", ranks=(2, 3))
def flatten(draw: Draw, x: Tensor) -> Tensor:
    return draw.moved("Flatten", x, **({} if draw.chance(0.5) else {"axis": 1}))


@family("Squeeze", ranks=(2, 3))
def squeeze(draw: Draw, x: Tensor) -> Tensor:
    axes = [1 + axis for axis, size in enumerate(x.shape) if size == 1]
    if not axes or len(axes) == len(x.shape):
        raise UnfitError("no axis to squeeze")
    return draw.moved("Squeeze", x, draw.indices(*axes))


@family("Unsqueeze", ranks=(1, 2))
def unsqueeze(draw: Draw, x: Tensor) -> Tensor:
    return draw.moved("Unsqueeze", x, draw.indices(draw.integer(1, 1 + len(x.shape))))


@family("Transpose", ranks=(2, 3))
def transpose(draw: Draw, x: Tensor) -> Tensor:
    order = 1 + draw.rng.permutation(len(x.shape))
    return draw.moved("Transpose", x, perm=[0, *map(int, order)])


@family("Concat", weight=2)
def concat(draw: Draw, x: Tensor) -> Tensor:
    parts = [x] + [draw.branch(x) for _ in range(draw.integer(1, 2))]
    if len(x.shape) == 1 and draw.chance(0.3):
        parts.append(gemm(draw, x))
    draw.rng.shuffle(parts)
    return joined(draw, parts, draw.integer(1, len(x.shape)))


def joined(draw: Draw, parts: list[Tensor], axis: int) -> Tensor:
    y = draw.node("Concat", *parts, axis=axis)
    # As TensorFlow Lite has it: all inputs already at the scale of the output.
    if draw.chance(0.25):
        for part in parts:
            if part.like is None and part is not draw.graph.x:
                part.like = y
    return y


@family("Split")
def split(draw: Draw, x: Tensor) -> Tensor:
    axis = draw.integer(1, len(x.shape))
    size = x.shape[axis - 1]
    if size < 2:
        raise UnfitError("nothing to split")
    count = draw.integer(2, min(3, size))
    even = size % count == 0
    inputs, attributes = [x], {"axis": axis}
    if not even or draw.chance(0.5):
        cuts = np.sort(draw.rng.choice(np.arange(1, size), count - 1, replace=False))
        inputs.append(draw.indices(*np.diff([0, *cuts, size])))
        even = len({*np.diff([0, *cuts, size])}) == 1
    elif draw.graph.opset >= 18:
        attributes["num_outputs"] = count
    parts = draw.graph.nodes_of("Split", *inputs, outputs=count, like=x, **attributes)
    if even and draw.chance(0.4):
        return draw.node("Add", parts[0], parts[-1])
    if draw.chance(0.6):
        worked = table_function(draw, parts[0])
        return joined(draw, [*parts[1:], worked], axis)
    # The other parts are left unread.
    return table_function(draw, draw.choice(parts))


@family("Slice")
def slice_(draw: Draw, x: Tensor) -> Tensor:
    axes = [axis for axis, size in enumerate(x.shape) if size > 1]
    if not axes:
        raise UnfitError("nothing to slice")
    axis = draw.choice(axes)
    size = x.shape[axis]
    start = draw.integer(0, size - 1)
    end = draw.integer(start + 1, size)
    ends = [start, end]
    if draw.chance(0.3):
        ends = [start - size, 2**31 - 1]
    inputs = [draw.indices(ends[0]), draw.indices(ends[1]), draw.indices(1 + axis)]
    if draw.chance(0.5):
        inputs.append(draw.indices(draw.integer(1, 2)))
    return draw.moved("Slice", x, *inputs)


@family("Pad", ranks=(2, 3))
def pad(draw: Draw, x: Tensor) -> Tensor:
    before = [draw.integer(0, 2) for _ in x.shape]
    after = [draw.integer(0, 2) for _ in x.shape]
    if draw.chance(0.7):
        before[0] = after[0] = 0
    pads = draw.indices(0, *before, 0, *after)
    kind = draw.choice(["constant", "constant", "constant", "reflect", "edge"])
    if kind != "constant":
        # A reflection is no larger than what is reflected.
        if any(max(b, a) >= s for b, a, s in zip(before, after, x.shape)):
            raise UnfitError("too small to reflect")
        return draw.moved("Pad", x, pads, mode=kind)
    if draw.chance(0.5):
        return draw.node("Pad", x, pads, like=x)
    return draw.node("Pad", x, pads, draw.real(0 if draw.chance(0.7) else 1), like=x)


@family("Identity", weight=0.4)
def identity(draw: Draw, x: Tensor) -> Tensor:
    """With scales of its own it is a requantisation."""
    return draw.node("Identity", x, like=None if draw.chance(0.2) else x)


@family("Dropout", weight=0.4)
def dropout(draw: Draw, x: Tensor) -> Tensor:
    ratio = [draw.real(0.5)] if draw.chance(0.5) else []
    return draw.node("Dropout", x, *ratio, like=x)


@family("Resize", ranks=(2, 3))
def resize(draw: Draw, x: Tensor) -> Tensor:
    """Nearest, twice as large along the spatial axes."""
    if 4 * np.prod(x.shape) > MOST_ELEMENTS:
        raise UnfitError("too large to grow")
    spatial = len(x.shape) - 1
    attributes = draw.choice(
        [
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            {"coordinate_transformation_mode": "half_pixel"},
            {},
        ]
    ).copy()
    inputs = [None, draw.real(1, 1, *[2] * spatial)]
    if draw.graph.opset >= 18 and draw.chance(0.3):
        attributes["axes"] = list(range(2, 2 + spatial))
        inputs = [None, None, draw.indices(*(2 * s for s in x.shape[1:]))]
    return draw.moved("Resize", x, *inputs, mode="nearest", **attributes)


@family("Softmax", weight=0.7)
def softmax(draw: Draw, x: Tensor) -> Tensor:
    # Converters take the scale of a Softmax from the range it can have.
    return draw.node("Softmax", x, axis=-1, span=draw.choice([(0, 1), (0, 255 / 256)]))


# --- Blocks ---


@family("Residual", ranks=(2, 3), weight=2)
def residual(draw: Draw, x: Tensor) -> Tensor:
    inner = convolution(draw, x, same_shape=True)
    if draw.chance(0.5):
        inner = convolution(draw, inner, same_shape=True)
    return fused(draw, "Add", inner, x)


@family("Inception", ranks=(2, 3), weight=1)
def inception(draw: Draw, x: Tensor) -> Tensor:
    parts = [convolution(draw, x, same_shape=True) for _ in range(draw.integer(1, 2))]
    spatial = len(x.shape) - 1
    pool = draw.choice(["MaxPool", "AveragePool"])
    pooled = draw.node(pool, x, kernel_shape=[3] * spatial, pads=[1] * 2 * spatial, like=x)
    return joined(draw, [*parts, pooled], 1)


@family("SqueezeExcite", ranks=(2, 3), weight=1)
def squeeze_excite(draw: Draw, x: Tensor) -> Tensor:
    spatial = len(x.shape) - 1
    gate = draw.node("GlobalAveragePool", x)
    channels, middle = x.shape[0], max(1, x.shape[0] // 2)
    for inputs, outputs, last in [(channels, middle, False), (middle, channels, True)]:
        weight = draw.weight((outputs, inputs, *[1] * spatial), 0, inputs)
        bias = draw.bias(outputs, gate, weight)
        gate = draw.node("Conv", gate, weight, bias, quantised=last)
        if not last:
            gate = draw.node("Relu", gate)
    gate = draw.node(draw.choice(["Sigmoid", "HardSigmoid"]), gate)
    return draw.node("Mul", *((x, gate) if draw.chance(0.6) else (gate, x)))
