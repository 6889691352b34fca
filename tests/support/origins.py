"""Origins that die, and the ends of their peers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from gates import Gate
from occupied_peers import BOOTING
from paths import SUPPORT
from process_ends import MARK, Watched, marked
from timeouts import GONE, LONG, LONGER

from pytest_peer import eventually

#: In which a worker of pytest-xdist interrupts its test after the end of its controller.
NOTICED = 5.0


@dataclass(frozen=True)
class Origin:
    """What to run, and how it ends."""

    arguments: list[str]
    #: Which process is killed; none if it dies by itself.
    killed: str = ""


def program(way: str, *more: str) -> Origin:
    return Origin([str(SUPPORT / "origin_program.py"), "{start_method}", way, *more])


def suite(test: str, *arguments: str, killed: str = "") -> Origin:
    alone = ["-p", "peer", "--noconftest", "-c", os.devnull, "--rootdir", "{place}"]
    alone += ["-p", "no:cacheprovider", "--basetemp", "{place}/temp"]
    words = ["-m", "pytest", *alone, *arguments, f"{SUPPORT / 'origin_suite.py'}::{test}"]
    return Origin(words, killed)


@dataclass
class Outcome:
    #: For each occupation, seconds from the death of the origin to the end of its last process.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Those that lived on, in words; they have been ended.
    survivors: dict[str, list[str]] = field(default_factory=dict)


def run(origin: Origin, start_method: str, place: Path) -> Outcome:
    """Run it to its end, and wait for that of its peers. Nothing is left, whatever happens."""
    mark = uuid.uuid4().hex
    gate = Gate(place / "gate")
    words = [word.format(start_method=start_method, place=place) for word in origin.arguments]
    variables = {
        MARK: mark,
        "PEER_TESTS_PLACE": str(place),
        "PEER_TESTS_START_METHOD": start_method,
        "PYTHONPATH": str(SUPPORT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    inherited = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    with (place / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=inherited | variables,
        )
    try:
        eventually(lambda: _told(process, place), LONGER)
        return _die(process, origin, gate, place, mark)
    finally:
        gate.close()
        process.kill()
        process.wait()
        with Watched(marked(mark)):
            pass  # a failure here, and these are still there


def _told(process: subprocess.Popen[bytes], place: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError((place / "output").read_text())
    return (place / "told").exists() and (place / "told").stat().st_size > 0


def _die(
    process: subprocess.Popen[bytes], origin: Origin, gate: Gate, place: Path, mark: str
) -> Outcome:
    gate.wait_reached()
    told = json.loads((place / "told").read_text())
    pids: dict[str, list[int]] = told["peers"]
    outcome = Outcome()
    peers = [pid for each in pids.values() for pid in each]
    with Watched([process.pid, told["origin"], *peers]) as watched:
        if origin.killed:
            victim = {"itself": process.pid, "its worker": told["origin"]}[origin.killed]
            os.kill(victim, signal.SIGKILL)
        else:
            gate.open()
        first = process.pid if origin.killed == "itself" else told["origin"]
        watched.wait(LONG, [first])
        alone = told["origin"] != first  # a worker without its controller
        watched.wait(GONE + (NOTICED if alone else 0), peers)
        watched.wait(LONG, [told["origin"]])  # its fork server lives as long as it does
        for name, each in pids.items():
            if left := watched.left(each):
                outcome.survivors[name] = left
            else:
                outcome.seconds[name] = (
                    max(watched.ended[pid] for pid in each) - watched.ended[first]
                )
    deadline = time.monotonic() + GONE
    # Also those that were not written down: a peer just being started, a fork server, forks.
    with Watched(told["forks"]) as forks:
        forks.wait(0)
        assert not forks.ended  # they are not the peers' business, nor the other way round
    with Watched(set(marked(mark)) - {process.pid}) as others:
        others.wait(max(0.0, deadline - time.monotonic()))
        if left := others.left(others.words):
            outcome.survivors.setdefault(BOOTING, []).extend(left)
        outcome.seconds.setdefault(BOOTING, 0.0)
    return outcome
