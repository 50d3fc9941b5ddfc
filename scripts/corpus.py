#!/usr/bin/env python3
"""Write the small models that the compiler's tests and fuzzing start from, with inputs
and ONNX Runtime's answers.

    build/venv/bin/python scripts/corpus.py --output compiler/tests/corpus

One model around each operator family, the smallest of several seeds that have no layer
in floating point, and one for each habit of converters. `answers.txt` has a line for
each: name, input and output, arrays as type, shape and bytes in hexadecimal.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import oracle
from networks.draw import Network, random_network
from networks.operators import FAMILIES
from networks.special import Special, special_networks

SEEDS = range(1, 13)
SAMPLES = 2
# Elements of which one sample is enough.
LARGE = 64


def smallest(family: str) -> Network:
    networks = (random_network(seed, family) for seed in SEEDS)
    return min(networks, key=lambda network: network.model.ByteSize() + network.x[0].size)


def text(array: NDArray) -> str:
    shape = "x".join(map(str, array.shape))
    return f"{array.dtype} {shape} {np.ascontiguousarray(array).tobytes().hex()}"


def answer(model: onnx.ModelProto, x: NDArray, batch: int | None) -> NDArray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        return oracle.run(path, x, batch)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the models that tests start from.")
    parser.add_argument("--output", type=Path, default=Path("compiler/tests/corpus"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    networks: dict[str, Network | Special] = {family: smallest(family) for family in FAMILIES}
    networks |= special_networks()
    lines = ["# model | input | ONNX Runtime's output: type, shape, bytes"]
    for name, network in sorted(networks.items()):
        (folder / f"{name}.onnx").write_bytes(network.model.SerializeToString())
        batch = getattr(network, "batch", None)
        x = network.x[: batch or (1 if network.x[0].size > LARGE else SAMPLES)]
        lines.append(f"{name} | {text(x)} | {text(answer(network.model, x, batch))}")
    (folder / "answers.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
