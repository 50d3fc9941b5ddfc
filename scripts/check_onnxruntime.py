#!/usr/bin/env python3
"""Compare Quern's machines with ONNX Runtime, integer by integer.

    build/venv/bin/python scripts/check_onnxruntime.py --quern target/release/quern

The digit classifiers run on every configuration: all images on the reference and
under Verilator, and twenty through the perceptron on the RTL. The networks with the
shapes of MLPerf Tiny run on the reference; `--long` adds Verilator. Networks follow that
some accumulators or memories do not hold, then seeded random ones over all operators
(scripts/conformance), some of them under Verilator, too: 20, or 150 with `--long`. An
output that differs in one bit is a failure, and so is a memory or a number of cycles
that is not the reference's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import conformance
import edge_networks
import oracle
from machines import CONFIGS, compare
from networks.large import large_networks

MODELS = Path(__file__).parent.parent / "models"

# Random networks that run under Verilator, without and with --long.
VERILATOR_GRAPHS = {False: 20, True: 150}


@dataclass(frozen=True)
class Digits:
    """A classifier of `models/`, the accuracy it must have, and where it runs."""

    name: str
    accuracy: float
    targets: tuple[tuple[str, ...], ...]


DIGITS = (
    Digits("digits-mlp", 0.95, (("reference",), ("verilator",), ("rtl", "--limit", "20"))),
    Digits("digits-cnn", 0.97, (("reference",), ("verilator",))),
)


class Checks:
    """Runs `quern run` and counts what agreed."""

    def __init__(self, quern: Path, folder: Path) -> None:
        self.quern = quern
        self.folder = folder
        self.passed = 0
        self.failed = 0

    def run(
        self, model: Path, x: Path, expected: NDArray, target: str, config: str, *more: str
    ) -> dict | None:
        """One run; its report, or None after a failure."""
        output = self.folder / "out.npy"
        outcome = compare(self.quern, model, x, expected, target, config, output, *more)
        label = f"{model.stem} on {target}, {config}"
        if not outcome.equal:
            self.fail(label, outcome.message)
            return None
        self.passed += 1
        report = outcome.report
        accuracy = f", accuracy {report['accuracy']:.4f}" if "accuracy" in report else ""
        figures = f"{report['samples']} samples{accuracy}, {report['cycles']} cycles"
        print(f"{label}: equal, {figures}", flush=True)
        return report

    def fail(self, label: str, reason: str) -> None:
        self.failed += 1
        print(f"FAILED {label}: {reason}", flush=True)


def check_digits(checks: Checks) -> None:
    x = MODELS / "digits-x.npy"
    labels = ("--labels", str(MODELS / "digits-y.npy"))
    for digits in DIGITS:
        model = MODELS / f"{digits.name}.onnx"
        expected = oracle.run(model, oracle.load_input(x), None)
        for config in CONFIGS:
            for target, *more in digits.targets:
                report = checks.run(model, x, expected, target, config, *labels, *more)
                if report and not more and report["accuracy"] < digits.accuracy:
                    reason = f"accuracy {report['accuracy']} below {digits.accuracy}"
                    checks.fail(digits.name, reason)


def check_edge_networks(checks: Checks, long: bool) -> None:
    for _, model, x in edge_networks.write(checks.folder / "edge", edge_networks.SEED):
        answer = oracle.compute(model, np.load(x), None)
        if answer.float_layers:
            names = " ".join(answer.float_layers)
            checks.fail(model.stem, f"ONNX Runtime sums floats in {names}")
        for config in CONFIGS:
            checks.run(model, x, answer.output, "reference", config)
        if long:
            checks.run(model, x, answer.output, "verilator", "asic16")


def check_large_networks(checks: Checks) -> None:
    for name, network in large_networks().items():
        model, x = (checks.folder / f"{name}.{kind}" for kind in ("onnx", "npy"))
        onnx.save(network.model, model)
        np.save(x, network.x)
        answer = oracle.run(model, network.x, None)
        if answer.min() == answer.max():
            checks.fail(name, f"the output is {answer.min()} everywhere, which shows nothing")
        for config in CONFIGS:
            checks.run(model, x, answer, "reference", config)


def check_random_networks(checks: Checks, graphs: int, long: bool) -> None:
    verilator_graphs = VERILATOR_GRAPHS[long]
    plan = conformance.Plan(checks.quern, CONFIGS, verilator_graphs=verilator_graphs)
    summary = conformance.run(plan, range(1, graphs + 1), os.cpu_count() or 1)
    checks.passed += summary.passed
    checks.failed += summary.failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare Quern with ONNX Runtime.")
    parser.add_argument("--quern", type=Path, default=Path("target/release/quern"))
    parser.add_argument("--graphs", type=int, default=200, help="random networks (200)")
    parser.add_argument(
        "--long",
        action="store_true",
        help="also the MLPerf Tiny networks and 150 random ones under Verilator",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        checks = Checks(arguments.quern, Path(name))
        check_digits(checks)
        check_edge_networks(checks, arguments.long)
        check_large_networks(checks)
        check_random_networks(checks, arguments.graphs, arguments.long)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
