#!/usr/bin/env python3
"""Train the two digit classifiers in `models/` and quantise them to int8.

    python3 scripts/train_digits.py

Rewrites `models/digits-{mlp,cnn}.onnx` and the held-out images they share,
`models/digits-{x,y}.npy`, in ten seconds or so. The networks are small
enough that their gradients are written out here in numpy: that keeps a training
framework out of the requirements, and every random draw under one seed.
"""

from __future__ import annotations

import argparse
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

SEED = 2024
CLASSES = 10
# An 8x8 image's pixels count the set bits of a 4x4 block, so 16 is white.
PIXEL_FULL_SCALE = 16
# Leaves 450 of the 1,797 images unseen: one image is 0.22 % of accuracy.
TEST_FRACTION = 0.25
# Per-channel weights need 13. Later opsets change nothing that these graphs use, so
# the choice only decides how old a tool may be that reads them.
OPSET = 17
IR_VERSION = 8

Array = NDArray[np.float64]


# --- The networks: forward, gradient and ONNX node of each layer -----------------


class Parameter:
    """A trained tensor with its gradient and its two Adam moments."""

    def __init__(self, value: Array) -> None:
        self.value = value
        self.gradient = np.zeros_like(value)
        self.mean = np.zeros_like(value)
        self.variance = np.zeros_like(value)


class Layer(ABC):
    """One ONNX operator that can be trained.

    `backward` may rely on what the latest `forward` remembered.
    """

    operator: str

    @abstractmethod
    def forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, gradient: Array) -> Array:
        """Takes the loss gradient of the output to that of the input."""

    def parameters(self) -> list[Parameter]:
        """In the order in which the ONNX operator takes them after its data."""
        return []

    def attributes(self) -> dict[str, object]:
        return {}


class WeightedLayer(Layer):
    """A layer with a weight tensor, output channels first, and a bias."""

    def __init__(self, rng: np.random.Generator, *weight_shape: int) -> None:
        fan_in = int(np.prod(weight_shape[1:]))
        # He et al. 2015: keeps the variance through layers followed by a ReLU.
        weight = rng.normal(0.0, np.sqrt(2.0 / fan_in), weight_shape)
        self.weight = Parameter(weight)
        self.bias = Parameter(np.zeros(weight_shape[0]))

    def parameters(self) -> list[Parameter]:
        return [self.weight, self.bias]


class Dense(WeightedLayer):
    """Weights are `[outputs, inputs]`, hence `transB`."""

    operator = "Gemm"

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weight.value.T + self.bias.value

    def backward(self, gradient: Array) -> Array:
        self.weight.gradient = gradient.T @ self.x
        self.bias.gradient = gradient.sum(axis=0)
        return gradient @ self.weight.value

    def attributes(self) -> dict[str, object]:
        return {"transB": 1}


class Convolution(WeightedLayer):
    """3x3, stride 1, padded by 1 so that the image keeps its size."""

    operator = "Conv"

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9 * x.shape[1])
        y = self.columns @ self._matrix().T + self.bias.value
        return y.reshape(len(x), *x.shape[2:], -1).transpose(0, 3, 1, 2)

    def backward(self, gradient: Array) -> Array:
        count, channels, height, width = self.x_shape
        rows = gradient.transpose(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        self.weight.gradient = (rows.T @ self.columns).reshape(self.weight.value.shape)
        self.bias.gradient = rows.sum(axis=0)
        columns = (rows @ self._matrix()).reshape(count, height, width, channels, 3, 3)
        padded = np.zeros((count, channels, height + 2, width + 2))
        for ky, kx in np.ndindex(3, 3):
            tap = columns[..., ky, kx].transpose(0, 3, 1, 2)
            padded[:, :, ky : ky + height, kx : kx + width] += tap
        return padded[:, :, 1:-1, 1:-1]

    def attributes(self) -> dict[str, object]:
        return {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

    def _matrix(self) -> Array:
        return self.weight.value.reshape(len(self.weight.value), -1)


class Relu(Layer):
    operator = "Relu"

    def forward(self, x: Array) -> Array:
        self.positive = x > 0
        return x * self.positive

    def backward(self, gradient: Array) -> Array:
        return gradient * self.positive


class MaxPool(Layer):
    """2x2, stride 2."""

    operator = "MaxPool"

    def forward(self, x: Array) -> Array:
        count, channels, height, width = self.x_shape = x.shape
        blocks = x.reshape(count, channels, height // 2, 2, width // 2, 2)
        blocks = blocks.transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
        self.winner = blocks.argmax(axis=1)
        return blocks.max(axis=1).reshape(count, channels, height // 2, width // 2)

    def backward(self, gradient: Array) -> Array:
        count, channels, height, width = self.x_shape
        blocks = np.zeros((gradient.size, 4))
        blocks[np.arange(gradient.size), self.winner] = gradient.ravel()
        blocks = blocks.reshape(count, channels, height // 2, width // 2, 2, 2)
        return blocks.transpose(0, 1, 2, 4, 3, 5).reshape(self.x_shape)

    def attributes(self) -> dict[str, object]:
        return {"kernel_shape": [2, 2], "strides": [2, 2]}


class Flatten(Layer):
    operator = "Flatten"

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, gradient: Array) -> Array:
        return gradient.reshape(self.x_shape)


def mlp(rng: np.random.Generator) -> list[Layer]:
    """64-32-10."""
    return [Flatten(), Dense(rng, 32, 64), Relu(), Dense(rng, CLASSES, 32)]


def cnn(rng: np.random.Generator) -> list[Layer]:
    """Two convolutions, each halved by pooling: 1x8x8, 8x4x4, 16x2x2, 10."""
    return [
        Convolution(rng, 8, 1, 3, 3),
        Relu(),
        MaxPool(),
        Convolution(rng, 16, 8, 3, 3),
        Relu(),
        MaxPool(),
        Flatten(),
        Dense(rng, CLASSES, 64),
    ]


# --- Training --------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How to make one model, and the accuracy below which it is a failure."""

    name: str
    build: Callable[[np.random.Generator], list[Layer]]
    epochs: int
    least_accuracy: float


RECIPES = (
    Recipe("digits-mlp", mlp, epochs=60, least_accuracy=0.95),
    Recipe("digits-cnn", cnn, epochs=60, least_accuracy=0.97),
)
BATCH = 32
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 0.1


@dataclass(frozen=True)
class Split:
    """Images `[count, 1, 8, 8]` in 0..1 and labels, in two disjoint parts."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def load_split() -> Split:
    digits = load_digits()
    # A division by a power of two: the pixels stay exact in float32.
    images = (digits.images / PIXEL_FULL_SCALE).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_FRACTION, stratify=labels, random_state=SEED
    )
    return Split(train_x, train_y, test_x, test_y)


def cross_entropy_gradient(logits: Array, labels: NDArray[np.int64]) -> Array:
    """Of the mean over the batch, with respect to the logits."""
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[np.arange(len(labels)), labels] -= 1.0
    return probabilities / len(labels)


def adam_step(parameters: list[Parameter], step: int, learning_rate: float) -> None:
    """Kingma and Ba 2015, with decoupled weight decay (Loshchilov and Hutter 2019)."""
    decay_mean, decay_variance, epsilon = 0.9, 0.999, 1e-8
    for p in parameters:
        p.mean += (1 - decay_mean) * (p.gradient - p.mean)
        p.variance += (1 - decay_variance) * (p.gradient**2 - p.variance)
        mean = p.mean / (1 - decay_mean**step)
        variance = p.variance / (1 - decay_variance**step)
        p.value -= learning_rate * (mean / (np.sqrt(variance) + epsilon) + WEIGHT_DECAY * p.value)


def train(layers: list[Layer], split: Split, epochs: int, rng: np.random.Generator) -> None:
    """Adam with a learning rate that falls along half a cosine."""
    parameters = [p for layer in layers for p in layer.parameters()]
    steps_per_epoch = len(split.train_x) // BATCH
    total_steps = epochs * steps_per_epoch
    for epoch in range(epochs):
        order = rng.permutation(len(split.train_x))
        for batch in range(steps_per_epoch):
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            activation = split.train_x[chosen].astype(np.float64)
            for layer in layers:
                activation = layer.forward(activation)
            gradient = cross_entropy_gradient(activation, split.train_y[chosen])
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            step = epoch * steps_per_epoch + batch
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / total_steps))
            adam_step(parameters, step + 1, rate)


# --- ONNX ------------------------------------------------------------------------


def float_model(name: str, layers: list[Layer]) -> onnx.ModelProto:
    """The trained layers as a float32 graph with a symbolic batch axis."""
    nodes, initializers = [], []
    tensor = "image"
    for index, layer in enumerate(layers):
        node_name = f"{layer.operator.lower()}{index}"
        inputs = [tensor]
        for role, parameter in zip(("weight", "bias"), layer.parameters()):
            inputs.append(f"{node_name}_{role}")
            value = parameter.value.astype(np.float32)
            initializers.append(numpy_helper.from_array(value, inputs[-1]))
        tensor = "logits" if index == len(layers) - 1 else f"{node_name}_out"
        nodes.append(
            helper.make_node(layer.operator, inputs, [tensor], node_name, **layer.attributes())
        )
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model)


class TrainingImages(CalibrationDataReader):
    """Feeds the quantiser the training images: the test images must stay unseen."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self.batches: Iterator[NDArray[np.float32]] = iter(np.array_split(images, 16))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def quantise(model: onnx.ModelProto, split: Split, path: Path) -> None:
    """Int8 activations and per-channel int8 weights, in QuantizeLinear/DequantizeLinear form."""
    quantize_static(
        model,
        path,
        TrainingImages(split.train_x),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=CalibrationMethod.MinMax,
        # Quantises the image itself even where a Flatten comes first, so that the
        # float side of the graph is one QuantizeLinear and one DequantizeLinear.
        extra_options={"ForceQuantizeNoInputCheck": True},
    )
    onnx.checker.check_model(str(path), full_check=True)


def quantised_accuracy(path: Path, split: Split) -> float:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": split.test_x})
    return float((logits.argmax(axis=1) == split.test_y).mean())


def make(recipe: Recipe, split: Split, directory: Path) -> None:
    rng = np.random.default_rng(SEED)
    layers = recipe.build(rng)
    train(layers, split, recipe.epochs, rng)
    path = directory / f"{recipe.name}.onnx"
    quantise(float_model(recipe.name, layers), split, path)
    accuracy = quantised_accuracy(path, split)
    print(f"{path.name}: {accuracy:.4f} of {len(split.test_y)} test images, quantised")
    if accuracy < recipe.least_accuracy:
        raise SystemExit(f"{path.name}: accuracy {accuracy:.4f} is below {recipe.least_accuracy}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "models",
        help="directory to write to (default: models/ of this repository)",
    )
    directory = parser.parse_args().output
    # The quantiser advises its own pre-processing pass, which would change nothing:
    # the shapes are inferred already and there is no BatchNormalization to fold.
    logging.getLogger().setLevel(logging.ERROR)
    directory.mkdir(parents=True, exist_ok=True)
    split = load_split()
    np.save(directory / "digits-x.npy", split.test_x)
    np.save(directory / "digits-y.npy", split.test_y)
    # One thread: the order of a parallel sum would change the last bits, and
    # training turns last bits into different weights.
    with threadpool_limits(limits=1):
        for recipe in RECIPES:
            make(recipe, split, directory)


if __name__ == "__main__":
    main()
