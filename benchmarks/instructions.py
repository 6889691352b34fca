"""Count the origin's instructions for one call: ``python benchmarks/instructions.py``.

A busy machine does not change their number, so they show changes that are too small for a clock.
Threads make it vary by a few percent. This needs valgrind.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys

CALLS = """
import operator, sys
import pytest_peer
with pytest_peer.start(wait_boot=60) as peer:
    for _ in range(int(sys.argv[1])):
        peer.call(operator.add, 1, 2)
"""
#: So many that the cost of the start is small in comparison.
FEW, MANY = 100, 600
#: Programs are about fifty times slower under valgrind.
SECONDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind: not installed")
        return 0
    for _ in range(arguments.rounds):
        each = (_instructions(MANY) - _instructions(FEW)) / (MANY - FEW)
        print(f"{each:,.0f} instructions for a call")
    return 0


def _instructions(calls: int) -> int:
    """Return the instructions of a whole run, without child processes."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += ["--trace-children=no", sys.executable, "-c", CALLS]
    result = subprocess.run(
        [*command, str(calls)],
        check=True,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", result.stderr)
    assert found is not None, result.stderr
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
