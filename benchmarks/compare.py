"""Boot, round trip and payload of a peer, beside raw execnet in the same run.

All systems take turns in every round, so that a busy moment of the machine hits all of them; figures are medians, ratios are
medians of the ratios within a round. Run it with ``python benchmarks/compare.py``; it needs the package and nothing else.
"""

from __future__ import annotations

import argparse
import operator
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import execnet

import pytest_peer

MEGABYTE = 1 << 20
ECHO = "for item in channel: channel.send(item)"


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def boot_peer() -> float:
    began = time.perf_counter()
    peer = pytest_peer.start()
    peer.call(operator.add, 1, 2)
    took = time.perf_counter() - began
    peer.stop()
    return took


def boot_execnet() -> float:
    group = execnet.Group()
    began = time.perf_counter()
    channel = group.makegateway("popen").remote_exec(ECHO)
    channel.send(1)
    channel.receive()
    took = time.perf_counter() - began
    group.terminate(timeout=1)
    return took


def boot_python() -> float:
    return seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))


class Table:
    """Rows of one figure for every system, the reference last."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, list[str], str]] = []

    def add(self, what: str, unit: str, rounds: list[dict[str, float]], factor: float) -> None:
        systems = list(rounds[0])
        medians = [
            statistics.median(each[system] for each in rounds) * factor for system in systems
        ]
        ratio = statistics.median(each["pytest-peer"] / each["execnet"] for each in rounds)
        cells = [f"{system} {median:.4g}" for system, median in zip(systems, medians, strict=True)]
        self.rows.append((what, unit, cells, f"{ratio:.2f}"))

    def print(self) -> None:
        print(f"| {'':32} | unit | figures | pytest-peer / execnet |")
        print("|---|---|---|---|")
        for what, unit, cells, ratio in self.rows:
            print(f"| {what:32} | {unit} | {', '.join(cells)} | {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--trips", type=int, default=1000, help="calls in a round")
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--cpu", type=int, help="pin everything to this processor")
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    where = f"{os.cpu_count()} processors" if arguments.cpu is None else "pinned to one processor"
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}, {where}"
    )
    print(
        f"execnet {execnet.__version__}, load {os.getloadavg()[0]:.1f}, {arguments.rounds} rounds\n"
    )

    table = Table()
    boot_peer(), boot_execnet()  # what is imported once
    boots = [
        {"python -c pass": boot_python(), "pytest-peer": boot_peer(), "execnet": boot_execnet()}
        for _ in range(arguments.rounds)
    ]
    table.add("boot to the first answer", "ms", boots, 1e3)

    group = execnet.Group()
    channel = group.makegateway("popen").remote_exec(ECHO)
    sink = group.makegateway("popen").remote_exec("for item in channel: channel.send(len(item))")
    source = group.makegateway("popen").remote_exec(
        "for size in channel: channel.send(bytes(size))"
    )
    with pytest_peer.start() as peer:

        def execnet_trips() -> None:
            for _ in range(arguments.trips):
                channel.send(1)
                channel.receive()

        def peer_trips() -> None:
            for _ in range(arguments.trips):
                peer.call(operator.add, 1, 2)

        trips = [
            {"pytest-peer": seconds(peer_trips), "execnet": seconds(execnet_trips)}
            for _ in range(arguments.rounds)
        ]
        table.add("round trip of add(1, 2) / echo", "µs", trips, 1e6 / arguments.trips)

        size = arguments.megabytes * MEGABYTE
        payload = bytes(size)

        def execnet_push() -> None:
            sink.send(payload)
            sink.receive()

        def execnet_pull() -> None:
            source.send(size)
            source.receive()

        pushes = [
            {
                "pytest-peer": seconds(lambda: peer.call(len, payload)),
                "execnet": seconds(execnet_push),
            }
            for _ in range(arguments.rounds)
        ]
        table.add(f"argument of {arguments.megabytes} MiB", "ms", pushes, 1e3)
        pulls = [
            {
                "pytest-peer": seconds(lambda: peer.call(bytes, size)),
                "execnet": seconds(execnet_pull),
            }
            for _ in range(arguments.rounds)
        ]
        table.add(f"result of {arguments.megabytes} MiB", "ms", pulls, 1e3)
    group.terminate(timeout=1)
    table.print()


if __name__ == "__main__":
    main()
