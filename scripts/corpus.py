#!/usr/bin/env python3
"""Write the small models that the compiler's fuzzing starts from.

    build/venv/bin/python scripts/corpus.py --output compiler/tests/corpus

One model around each operator family, the smallest of several seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from networks.draw import random_network
from networks.operators import FAMILIES

SEEDS = range(1, 13)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the models that fuzzing starts from.")
    parser.add_argument("--output", type=Path, default=Path("compiler/tests/corpus"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        models = (random_network(seed, family).model.SerializeToString() for seed in SEEDS)
        (folder / f"{family}.onnx").write_bytes(min(models, key=len))


if __name__ == "__main__":
    main()
