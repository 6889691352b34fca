"""Measure boot, call and big data of peers behind launchers, beside a peer on this machine.

python benchmarks/launchers.py [-n BOOTS] "ssh host python3" "docker run -i --rm image python3" ...
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import pytest_peer

CALLS = 300
SIZE = 20_000_000
BOOT_SECONDS = 60.0


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def row(program: Sequence[str], boots: int) -> list[str]:
    def start() -> pytest_peer.Peer:
        return pytest_peer.start(exec=program, start_method="spawn", wait_boot=BOOT_SECONDS)

    start().stop()  # what it does but once
    booting, stopping = [], []
    for _ in range(boots):
        began = time.perf_counter()
        peer = start()
        peer.call(len, "")
        booting.append(time.perf_counter() - began)
        stopping.append(seconds(peer.stop))
    with start() as peer:
        calls = [seconds(lambda: peer.call(len, "")) for _ in range(CALLS)]
        data = bytes(SIZE)
        up = min(seconds(lambda: peer.call(len, data)) for _ in range(3))
        down = min(seconds(lambda: peer.call(bytes, SIZE)) for _ in range(3))
    return [
        f"{1e3 * min(booting):.0f}",
        f"{1e3 * statistics.median(booting):.0f}",
        f"{1e3 * statistics.median(stopping):.0f}",
        f"{1e6 * statistics.median(calls):.0f}",
        f"{SIZE / up / 1e6:.0f}",
        f"{SIZE / down / 1e6:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "programs", nargs="*", metavar="PROGRAM", help="as one word, as in --peer-exec"
    )
    parser.add_argument("-n", type=int, default=10, help="boots of each (default 10)")
    arguments = parser.parse_args()
    print("| program | boot min ms | boot ms | stop ms | call µs | MB/s there | MB/s back |")
    print("|---|---|---|---|---|---|---|")
    for program in ["", *arguments.programs]:
        words = shlex.split(program) or [sys.executable]
        print("|", program or "this interpreter", "|", " | ".join(row(words, arguments.n)), "|")


if __name__ == "__main__":
    main()
