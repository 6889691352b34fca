"""Measure networks of tests: how long one takes to make, and what its switch costs. Linux.

    python benchmarks/network.py [--networks 10] [--seconds 3] [--trips 3000] [--lossy 50]

Networks of 3, 20 and 100 hosts are made by the fixture, each host with a peer that has answered a
call; with what the fork server has made in advance, and without. Then one host sends to another
through the switch for so many seconds by TCP. So many times a byte goes there and back, in turns
with two peers without a network, by the machine's own loopback. So many round trips go with a fifth
of the packets lost each way. Nothing is measured of what is 0.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pytest

import machine

CASES = Path(__file__).parent / "network_cases.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--trips", type=int, default=3000)
    parser.add_argument("--lossy", type=int, default=50)
    options = parser.parse_args()
    for name, value in vars(options).items():
        os.environ[f"NETWORK_{name.upper()}"] = str(value)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # others cost time
    print(machine.described(), flush=True)
    with tempfile.TemporaryDirectory(prefix="network-") as directory:
        arguments = [
            str(CASES),
            "-q",
            "-s",
            "--no-header",
            "--tb=short",
            "-p",
            "pytest_peer.plugin",
        ]
        arguments += [
            "-p",
            "no:cacheprovider",
            f"--rootdir={directory}",
            "-c",
            os.devnull,
            "--noconftest",
        ]
        sys.exit(pytest.main([*arguments, f"--basetemp={directory}/tests"]))


if __name__ == "__main__":
    main()
