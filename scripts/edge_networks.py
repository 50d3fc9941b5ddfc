#!/usr/bin/env python3
"""Write int8 networks with the layer shapes of the five MLPerf Tiny tasks.

    build/venv/bin/python scripts/edge_networks.py --output build/edge

For each network: NAME.onnx in QDQ form and NAME-x.npy with a few samples. The shapes
are those of the reference models (github.com/mlcommons/tiny); weights and inputs are
synthetic, drawn from the seed, and the scales are calibrated on them. So time, memory
and the arithmetic are those of the tasks, accuracy means nothing.

Batch normalisation is folded away, as it is in every deployed model. Activations are
uint8: with int8 ones ONNX Runtime computes networks with branches in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from networks.float_graph import Bias, FloatGraph, Tensor, Weight
from networks.quantise import Quantised, Style, quantise

OPSET = 17
SAMPLES = 4
SEED = 2024


class Builder:
    """A float network whose layers all have outputs of about unit size.

    He et al. 2015 with the measured size of the input: else the sums of the residual
    blocks grow, and a softmax that gives ones and zeros would hide any difference.
    """

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        x = self.rng.normal(0, 1, (SAMPLES, *shape)).astype(np.float32)
        self.graph = FloatGraph(Tensor("input", x), OPSET)

    def dense(self, x: Tensor, outputs: int, relu: bool = True) -> Tensor:
        parameters = self.parameters(x, (outputs, x.shape[0]))
        return self.layer("Gemm", relu, x, *parameters, transB=1)

    def conv(
        self,
        x: Tensor,
        outputs: int,
        kernel: int | tuple[int, ...],
        stride: int = 1,
        groups: int = 1,
        same: bool = True,
        relu: bool = True,
    ) -> Tensor:
        """Padded as TensorFlow's `same`, or not at all."""
        channels, *size = x.shape
        kernel = kernel if isinstance(kernel, tuple) else (kernel,) * len(size)
        parameters = self.parameters(x, (outputs, channels // groups, *kernel))
        pads = same_padding(size, kernel, stride) if same else [0] * (2 * len(size))
        return self.layer(
            *("Conv", relu, x, *parameters),
            kernel_shape=kernel,
            strides=[stride] * len(size),
            pads=pads,
            group=groups,
        )

    def separable(self, x: Tensor, outputs: int, stride: int = 1) -> Tensor:
        """Depthwise 3x3, then pointwise, each with its ReLU."""
        x = self.conv(x, x.shape[0], 3, stride, groups=x.shape[0])
        return self.conv(x, outputs, 1)

    def layer(self, operator: str, relu: bool, *inputs: object, **attributes: object) -> Tensor:
        y = self.graph.node(operator, *inputs, quantised=not relu, **attributes)
        return self.graph.node("Relu", y) if relu else y

    def parameters(self, x: Tensor, shape: tuple[int, ...]) -> tuple[Weight, Bias]:
        fan_in = np.prod(shape[1:])
        size = np.sqrt(np.mean(np.square(x.values)))
        values = self.rng.normal(0, 1 / (size * np.sqrt(fan_in)), shape).astype(np.float32)
        weight = self.graph.constant(values, Weight, axis=0)
        offsets = self.rng.normal(0, 0.1, shape[0]).astype(np.float32)
        return weight, self.graph.constant(offsets, Bias, x=x, weight=weight)

    def classify(self, x: Tensor, classes: int, softmax: bool = True) -> None:
        """Average over space if there is any left, and the last layer."""
        if len(x.shape) > 1:
            x = self.graph.node("GlobalAveragePool", x)
            x = self.graph.node("Flatten", x, like=x)
        y = self.dense(x, classes, relu=False)
        if softmax:
            self.graph.node("Softmax", y, axis=-1, span=(0, 1))


def same_padding(size: list[int], kernel: tuple[int, ...], stride: int) -> list[int]:
    """Begins, then ends; the odd pixel at the end."""
    total = [
        max((-(-s // stride) - 1) * stride + k - s, 0) for s, k in zip(size, kernel, strict=True)
    ]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


@dataclass(frozen=True)
class EdgeNetwork:
    shape: tuple[int, ...]
    build: Callable[[Builder, Tensor], None]


def autoencoder(b: Builder, x: Tensor) -> None:
    """Anomaly detection: ten dense layers, 640 frequencies in and out."""
    for outputs in [128, 128, 128, 128, 8, 128, 128, 128, 128]:
        x = b.dense(x, outputs)
    b.dense(x, 640, relu=False)


def keyword_spotting(b: Builder, x: Tensor) -> None:
    """DS-CNN: 49 frames of 10 MFCCs, 12 words."""
    x = b.conv(x, 64, (10, 4), stride=2)
    for _ in range(4):
        x = b.separable(x, 64)
    b.classify(x, 12)


def image_classification(b: Builder, x: Tensor) -> None:
    """ResNet-8: CIFAR-10 images, 10 classes."""
    x = b.conv(x, 16, 3)
    for channels, stride in [(16, 1), (32, 2), (64, 2)]:
        inner = b.conv(x, channels, 3, stride)
        inner = b.conv(inner, channels, 3, relu=False)
        shortcut = x if stride == 1 else b.conv(x, channels, 1, stride, relu=False)
        x = b.layer("Add", True, shortcut, inner)
    b.classify(x, 10)


def visual_wake_words(b: Builder, x: Tensor) -> None:
    """MobileNetV1 of width 0.25: 96x96 colours, person or not."""
    x = b.conv(x, 8, 3, stride=2)
    halved = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    for channels, stride in [*halved, *[(128, 1)] * 5, (256, 2), (256, 1)]:
        x = b.separable(x, channels, stride)
    b.classify(x, 2)


def streaming_wake_word(b: Builder, x: Tensor) -> None:
    """Four temporal separable convolutions: 30 frames of 40 features, 3 classes.

    Filters, kernels and valid padding are the defaults of `ds_tcn` in the reference's
    keras_model.py, where one frame is left at the end, hence 30; its depthwise layers
    have neither bias nor ReLU. It gives logits, without a softmax.
    """
    for channels, kernel in [(128, 3), (64, 5), (64, 10), (32, 15)]:
        x = b.conv(x, x.shape[0], kernel, groups=x.shape[0], same=False, relu=False)
        x = b.conv(x, channels, 1)
    x = b.graph.node("Flatten", x, like=x)
    b.classify(x, 3, softmax=False)


NETWORKS = {
    "anomaly-detection": EdgeNetwork((640,), autoencoder),
    "keyword-spotting": EdgeNetwork((1, 49, 10), keyword_spotting),
    "image-classification": EdgeNetwork((3, 32, 32), image_classification),
    "visual-wake-words": EdgeNetwork((3, 96, 96), visual_wake_words),
    "streaming-wake-word": EdgeNetwork((40, 30), streaming_wake_word),
}


def edge_network(name: str, seed: int) -> Quantised:
    """The network in QDQ form and its samples `[SAMPLES, *shape]`."""
    network = NETWORKS[name]
    builder = Builder(network.shape, seed)
    network.build(builder, builder.graph.x)
    return quantise(builder.graph, Style(activations=np.dtype(np.uint8)))


def write(folder: Path, seed: int) -> list[tuple[str, Path, Path]]:
    """Name, model and input of each network."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in NETWORKS:
        network = edge_network(name, seed)
        model, x = folder / f"{name}.onnx", folder / f"{name}-x.npy"
        onnx.save(network.model, model)
        np.save(x, network.x)
        written.append((name, model, x))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the five MLPerf Tiny network shapes.")
    parser.add_argument("--output", type=Path, default=Path("build/edge"), help="(build/edge)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of weights and inputs ({SEED})")
    arguments = parser.parse_args()
    for name, model, x in write(arguments.output, arguments.seed):
        print(f"{name}: {model}, {x}")


if __name__ == "__main__":
    main()
