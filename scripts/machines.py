"""One comparison: `quern run` beside ONNX Runtime."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CONFIGS = ["tiny", "cu", "asic16"]
# The first run on Verilator builds the design, which takes minutes.
TIMEOUT_S = {"reference": 600, "rtl": 3600, "verilator": 3600}
# Two machines that do not do the same, as `quern run --against` says it.
DISAGREEMENT = re.compile(r"in program run \d+ \w+ and \w+ differ: .*")


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the report, or why it counts as failed."""

    # "equal", "refused" (or crashed), "disagreement" (of the machine with the reference),
    # "malformed" or "different".
    kind: str
    message: str = ""
    report: dict | None = None
    actual: NDArray | None = None
    expected: NDArray | None = None

    @property
    def equal(self) -> bool:
        return self.kind == "equal"

    def largest_difference(self) -> float:
        return float(np.abs(self.actual.astype(float) - self.expected.astype(float)).max())


def compare(
    quern: Path,
    model: Path,
    x: Path,
    expected: NDArray,
    target: str,
    config: str,
    output: Path,
    *more: str,
) -> Outcome:
    """Runs the model and compares the output bit by bit; `output` is where it goes.

    Any machine but the reference has to agree with it in memories and cycles, too.
    """
    against = () if target == "reference" else ("--against", "reference")
    command = [
        *(str(quern), "run", str(model), "--input", str(x), "--output", str(output)),
        *("--on", target, *against, "--config", config, "--json", *more),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S[target])
    except subprocess.TimeoutExpired:
        return Outcome("refused", f"no answer in {TIMEOUT_S[target]} s")
    said = " ".join(done.stderr.replace("│", " ").split())
    if disagreement := DISAGREEMENT.search(said):
        return Outcome("disagreement", disagreement.group())
    if done.returncode != 0:
        return Outcome("refused", f"exit {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    actual, expected = np.load(output), expected[: report["samples"]]
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        kinds = f"{actual.dtype}{actual.shape} for {expected.dtype}{expected.shape}"
        return Outcome("malformed", f"the output is {kinds}", report)
    different = actual != expected
    if not different.any():
        return Outcome("equal", report=report)
    first = tuple(map(int, np.argwhere(different)[0]))
    message = (
        f"{different.sum()} of {different.size} values differ, first {list(first)}:"
        f" got {actual[first]!r}, ONNX Runtime says {expected[first]!r}"
    )
    return Outcome("different", message, report, actual, expected)
