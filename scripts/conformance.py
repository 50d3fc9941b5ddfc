#!/usr/bin/env python3
"""Compare Quern with ONNX Runtime on seeded random quantised networks.

    scripts/conformance --graphs 2000
    scripts/conformance --graphs 50 --only AveragePool --config tiny
    scripts/conformance --seed 17 --graphs 1 --keep build/seed-17

Every network runs in ONNX Runtime and, on each configuration, through `quern run`;
outputs are compared bit by bit. A model that Quern refuses has failed too. Under
Verilator every memory and the cycles of each program run must be the reference's. A
failing network is cut down to the layer that fails and saved in build/conformance/seed-N.

Where ONNX Runtime sums floats instead of integers (docs/numerics.md), the last bit is
its processor's choice: if the first tensor that differs is such a sum, and by one
code, the network is listed as a float-kernel difference instead of a failure.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

import oracle
from machines import CONFIGS, Outcome, compare
from networks.draw import Network, random_network
from networks.minimise import Case, minimise
from networks.operators import FAMILIES

FAILURES = Path("build/conformance")


@dataclass(frozen=True)
class Plan:
    """What to run each network on."""

    quern: Path
    configs: list[str]
    target: str = "reference"
    # This many networks also run under Verilator.
    verilator_graphs: int = 0
    only: str | None = None
    keep: Path | None = None


@dataclass
class Verdict:
    """Of one network."""

    seed: int
    failures: list[str] = field(default_factory=list)
    float_differences: list[str] = field(default_factory=list)
    has_float_layers: bool = False
    operators: set[str] = field(default_factory=set)
    # Program runs whose memories and cycles were the reference's, by configuration.
    agreed_runs: Counter[str] = field(default_factory=Counter)


@dataclass
class Summary:
    passed: int = 0
    failed: int = 0
    float_differences: int = 0


def run(plan: Plan, seeds: Iterable[int], jobs: int) -> Summary:
    """Compares the networks of the seeds, and prints what failed."""
    seeds = list(seeds)
    verilated = set(seeds[: plan.verilator_graphs])
    work = [(plan, seed, seed in verilated) for seed in seeds]
    verdicts = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for verdict in pool.imap_unordered(judge, work, chunksize=1):
            verdicts.append(verdict)
            report(verdict)
            progress(len(verdicts), len(seeds), verdicts)
    verdicts.sort(key=lambda verdict: verdict.seed)
    return summarise(verdicts)


def report(verdict: Verdict) -> None:
    for failure in verdict.failures:
        print(f"FAILED seed {verdict.seed}: {failure}", flush=True)


def progress(done: int, total: int, verdicts: list[Verdict]) -> None:
    if done % 20 == 0 or done == total:
        failed = sum(bool(verdict.failures) for verdict in verdicts)
        print(f"conformance: {done} of {total} networks, {failed} failed", file=sys.stderr)


def summarise(verdicts: list[Verdict]) -> Summary:
    operators = Counter(operator for verdict in verdicts for operator in verdict.operators)
    words = ", ".join(f"{name} {count}" for name, count in operators.most_common())
    print(f"networks with each operator: {words}")
    marked = sum(verdict.has_float_layers for verdict in verdicts)
    different = [verdict for verdict in verdicts if verdict.float_differences]
    print(f"{len(verdicts)} networks, {marked} with layers that ONNX Runtime sums in floats")
    print(f"{len(different)} float-kernel differences")
    for verdict in different:
        for difference in verdict.float_differences:
            print(f"  seed {verdict.seed}: {difference}")
    print_agreement(verdicts)
    failed = sum(bool(verdict.failures) for verdict in verdicts)
    return Summary(len(verdicts) - failed - len(different), failed, len(different))


def print_agreement(verdicts: list[Verdict]) -> None:
    simulated = [verdict.agreed_runs for verdict in verdicts if verdict.agreed_runs]
    if simulated:
        runs = sum(simulated, Counter())
        each = ", ".join(f"{runs[config]} on {config}" for config in CONFIGS if config in runs)
        print(
            f"{len(simulated)} networks under Verilator: all memories and the cycles of all"
            f" program runs are the reference's ({each})"
        )


# --- One network ---


def judge(work: tuple[Plan, int, bool]) -> Verdict:
    plan, seed, verilated = work
    verdict = Verdict(seed)
    try:
        compare_network(plan, seed, verilated, verdict)
    except Exception:
        # Or the pool would end, and the seed that did it would not be known.
        verdict.failures.append(f"the comparison itself failed:\n{traceback.format_exc()}")
    return verdict


def compare_network(plan: Plan, seed: int, verilated: bool, verdict: Verdict) -> None:
    network = random_network(seed, plan.only)
    verdict.operators = {node.op_type for node in network.model.graph.node}
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(plan, Path(name), network)
        verdict.has_float_layers = bool(trial.answer.float_layers)
        targets = [plan.target] + ["verilator"] * (verilated and plan.target != "verilator")
        for target in targets:
            trial.run(target, verdict)
        if plan.keep:
            trial.save(plan.keep / f"seed-{seed}")


class Trial:
    """A network with ONNX Runtime's answer, in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, network: Network) -> None:
        self.plan, self.folder, self.network = plan, folder, network
        self.case = Case(network.model, network.x, network.batch)
        self.answer = self.ask(self.case)

    def ask(self, case: Case) -> oracle.Answer:
        """ONNX Runtime's answer; leaves the case in the folder."""
        onnx.save(case.model, self.folder / "model.onnx")
        np.save(self.folder / "x.npy", case.x)
        return oracle.compute(self.folder / "model.onnx", case.x, case.batch)

    def compare(self, case: Case, target: str, config: str) -> tuple[Outcome, oracle.Answer]:
        answer = self.ask(case)
        model, x, out = (self.folder / name for name in ("model.onnx", "x.npy", "out.npy"))
        return compare(self.plan.quern, model, x, answer.output, target, config, out), answer

    def run(self, target: str, verdict: Verdict) -> None:
        """On every configuration; the first failure of each kind is cut down."""
        failures: dict[str, list[str]] = {}
        outcomes: dict[str, Outcome] = {}
        for config in self.plan.configs:
            outcome, _ = self.compare(self.case, target, config)
            if outcome.report and outcome.report.get("against"):
                verdict.agreed_runs[config] += outcome.report["program_runs"]
            if not outcome.equal:
                failures.setdefault(outcome.message, []).append(config)
                outcomes[outcome.message] = outcome
        for message, configs in failures.items():
            self.explain(outcomes[message], target, configs, verdict)

    def explain(self, outcome: Outcome, target: str, configs: list[str], verdict: Verdict) -> None:
        config = configs[0]
        smallest = minimise(self.case, lambda case: self.fails_alike(case, outcome, target, config))
        cut, answer = self.compare(smallest, target, config)
        where = f"on {target}, {' '.join(configs)}"
        what = f"{self.network.description}; {where}: {outcome.message}"
        # What differs first can't be cut further; a sum of floats in it may be in front of
        # the layer that shows it, where cutting between them makes the sum an integer one.
        sums = answer.float_layers
        if sums and is_last_bit(cut, smallest):
            among = " ".join(f"'{name}' ({sums[name]})" for name in sorted(sums))
            verdict.float_differences.append(f"{what}\n    sums of floats: {among}")
            return
        folder = FAILURES / f"seed-{verdict.seed}"
        write(folder, self.case, smallest, answer, rerun(self.plan, verdict.seed, target, config))
        nodes = " ".join(node.op_type for node in smallest.model.graph.node)
        message = f"\n  {cut.message}" if cut.message != outcome.message else ""
        verdict.failures.append(f"{what}\n  cut down in {folder} to {nodes}{message}")

    def fails_alike(self, case: Case, outcome: Outcome, target: str, config: str) -> bool:
        try:
            return self.compare(case, target, config)[0].kind == outcome.kind
        except oracle.OracleError:
            # The part by itself is no model that ONNX Runtime takes.
            return False

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(self.case.model, folder / "model.onnx")
        np.save(folder / "x.npy", self.case.x)
        np.save(folder / "expected.npy", self.answer.output)


def is_last_bit(outcome: Outcome, case: Case) -> bool:
    """Whether outputs differ by one code, or by one unit in the last place of a float."""
    if outcome.kind != "different":
        return False
    graph = case.model.graph
    last = next(node for node in graph.node if graph.output[0].name in node.output)
    if last.op_type == "DequantizeLinear":
        constants = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        return outcome.largest_difference() <= 1.5 * float(constants[last.input[1]])
    if outcome.expected.dtype == np.float32:
        step = np.spacing(np.abs(outcome.expected))
        return bool((np.abs(outcome.actual - outcome.expected) <= step).all())
    return outcome.largest_difference() <= 1


def rerun(plan: Plan, seed: int, target: str, config: str) -> str:
    only = f" --only {plan.only}" if plan.only else ""
    return (
        f"scripts/conformance --graphs 1 --seed {seed}{only} --on {target} --config {config}\n"
        f"quern run model.onnx --input x.npy --output out.npy --on {target} --config {config}\n"
    )


def write(folder: Path, case: Case, smallest: Case, answer: oracle.Answer, how: str) -> None:
    """Both models, the input and the expected output of the smaller one."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(case.model, folder / "whole-model.onnx")
    np.save(folder / "whole-x.npy", case.x)
    onnx.save(smallest.model, folder / "model.onnx")
    np.save(folder / "x.npy", smallest.x)
    np.save(folder / "expected.npy", answer.output)
    (folder / "rerun.txt").write_text(how)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare Quern with ONNX Runtime on random quantised networks."
    )
    parser.add_argument("--graphs", type=int, default=200, help="networks (200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first one (1)")
    parser.add_argument("--quern", type=Path, default=Path("target/release/quern"))
    parser.add_argument("--on", choices=["reference", "verilator"], default="reference")
    parser.add_argument("--config", nargs="+", choices=CONFIGS, default=CONFIGS, metavar="NAME")
    parser.add_argument(
        "--verilator-graphs",
        type=int,
        default=0,
        metavar="M",
        help="the first M also under Verilator (0)",
    )
    families = ", ".join(sorted(FAMILIES))
    parser.add_argument(
        "--only", choices=FAMILIES, metavar="FAMILY", help=f"networks around one of: {families}"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="save models and answers there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    given = parser.parse_args()
    plan = Plan(given.quern, given.config, given.on, given.verilator_graphs, given.only, given.keep)
    summary = run(plan, range(given.seed, given.seed + given.graphs), given.jobs)
    print(f"{summary.passed} passed, {summary.failed} failed")
    sys.exit(summary.failed > 0)


if __name__ == "__main__":
    main()
