#!/usr/bin/env python3
"""Compare Quern's machines with ONNX Runtime, integer by integer.

    build/venv/bin/python scripts/check_onnxruntime.py --quern target/release/quern

The digit classifier runs on every configuration: all images on the reference and
under Verilator, twenty on the RTL. Seeded random dense networks run on the
reference for every configuration, and some of them under Verilator. An output
that differs in one bit is a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import oracle
from dense_networks import random_network

MODELS = Path(__file__).parent.parent / "models"
CONFIGS = ["tiny", "cu", "asic16"]
ACCURACY = 0.95


class Checks:
    """Runs `quern run` and counts what agreed."""

    def __init__(self, quern: Path, folder: Path) -> None:
        self.quern = quern
        self.output = folder / "out.npy"
        self.passed = 0
        self.failed = 0

    def run(
        self,
        what: str,
        model: Path,
        x: Path,
        expected: np.ndarray,
        target: str,
        config: str,
        *more: str,
    ) -> dict | None:
        """One run; its report, or None after a failure."""
        command = [
            *(str(self.quern), "run", str(model), "--input", str(x)),
            *("--output", str(self.output), "--on", target, "--config", config, "--json", *more),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        label = f"{what} on {target}, {config}"
        if done.returncode != 0:
            return self.fail(label, f"exit {done.returncode}\n{done.stderr}")
        report = json.loads(done.stdout)
        actual = np.load(self.output)
        expected = expected[: report["samples"]]
        if actual.dtype != expected.dtype or actual.shape != expected.shape:
            kinds = f"{actual.dtype}{actual.shape} for {expected.dtype}{expected.shape}"
            return self.fail(label, f"the output is {kinds}")
        wrong = np.flatnonzero((actual != expected).reshape(len(actual), -1).any(axis=1))
        if len(wrong):
            first = wrong[0]
            values = f"got {actual[first]}, ONNX Runtime says {expected[first]}"
            return self.fail(label, f"{len(wrong)} samples differ, first {first}: {values}")
        self.passed += 1
        return report

    def fail(self, label: str, reason: str) -> None:
        self.failed += 1
        print(f"FAILED {label}: {reason}", flush=True)


def check_digits(checks: Checks) -> None:
    model, x = MODELS / "digits-mlp.onnx", MODELS / "digits-x.npy"
    labels = ("--labels", str(MODELS / "digits-y.npy"))
    expected = oracle.run(model, oracle.load_input(x), None)
    for config in CONFIGS:
        for target, *more in [("reference",), ("verilator",), ("rtl", "--limit", "20")]:
            report = checks.run(
                "digits-mlp", model, x, expected, target, config, *labels, *more
            )
            if report is None:
                continue
            print(
                f"digits-mlp on {target:9} {config:6} {report['samples']:3} images,"
                f" accuracy {report['accuracy']:.4f}, {report['cycles']} cycles: equal",
                flush=True,
            )
            if not more and report["accuracy"] < ACCURACY:
                checks.fail("digits-mlp", f"accuracy {report['accuracy']} below {ACCURACY}")


def check_random(checks: Checks, folder: Path, networks: int, seed: int) -> None:
    for number in range(seed, seed + networks):
        # Every fifth network is larger than any on-chip memory of `tiny` and `cu`.
        network = random_network(number, largest=2000 if number % 5 == 0 else 200)
        model, x = folder / "model.onnx", folder / "x.npy"
        onnx.save(network.model, model)
        np.save(x, network.x)
        expected = oracle.run(model, network.x, None)
        what = f"dense network of seed {number} ({network.description})"
        for config in CONFIGS:
            checks.run(what, model, x, expected, "reference", config)
            if number % 10 == 1:
                checks.run(what, model, x, expected, "verilator", config)
    print(f"{networks} random dense networks, seeds {seed} to {seed + networks - 1}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare Quern with ONNX Runtime.")
    parser.add_argument("--quern", type=Path, default=Path("target/release/quern"))
    parser.add_argument("--networks", type=int, default=60, help="random networks (60)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first one (1)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        checks = Checks(arguments.quern, Path(name))
        check_digits(checks)
        check_random(checks, Path(name), arguments.networks, arguments.seed)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
