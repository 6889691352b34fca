"""Whole test suites: with a peer in each test, with none, and without the plugin."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counts import Counts
from rounds import Figure, Measurement, Taker
from systems.isolation import Isolation
from systems.peers import Peers
from systems.system import System

#: Runs a command, and returns its seconds and its processor seconds.
Run = Callable[[list[str]], tuple[float, float]]

#: Without the environment's other plugins, which take time too.
ONLY_PEER = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
#: For the directories of tests; ``None``: where temporary files are.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
WITHOUT_PLUGIN = [sys.executable, "-m", "pytest"]
PYTEST = [*WITHOUT_PLUGIN, "-ppeer"]
EMPTY = "def test_{}(): pass\n"
WITH_PEER = "def test_{}(peer): pass\n"
MARK = "import pytest\npytestmark = pytest.mark.peer(**{!r})\n"


def measurements(counts: Counts) -> list[Measurement]:
    tests = counts.tests

    @contextmanager
    def suite(system: System) -> Iterator[Taker]:
        text, command = _with_processes(system, tests)
        with _suite(text) as run:
            yield lambda: {"wall": run(command)[0]}

    @contextmanager
    def cost(_: System) -> Iterator[Taker]:
        with _suite(_tests(EMPTY, tests)) as run:
            yield lambda: _cost(run)

    return [
        Measurement(
            "suite",
            "suite",
            [Figure("wall", f"suite of {tests} tests with a process each", "s", "empty tests")],
            suite,
            share=4,
        ),
        Measurement(
            "plugin",
            "plugin",
            [
                Figure(
                    "wall", f"suite of {tests} empty tests: with the plugin, less without", "ms"
                ),
                Figure("processor", "  of that, time of the processor", "ms"),
            ],
            cost,
        ),
    ]


def _with_processes(system: System, tests: int) -> tuple[str, list[str]]:
    """Return a test suite with a process for each test, and the command that runs it."""
    if isinstance(system, Peers):
        return MARK.format(system.options) + _tests(WITH_PEER, tests), PYTEST
    command = system.pytest() if isinstance(system, Isolation) else PYTEST
    return _tests(EMPTY, tests), command


def _cost(run: Run) -> dict[str, float]:
    one, two, three, four = map(run, [PYTEST, WITHOUT_PLUGIN, WITHOUT_PLUGIN, PYTEST])
    costs = [(a - b - c + d) / 2 for a, b, c, d in zip(one, two, three, four, strict=True)]
    return dict(zip(["wall", "processor"], costs, strict=True))


def _tests(template: str, count: int) -> str:
    return "".join(template.format(number) for number in range(count))


@contextmanager
def _suite(text: str) -> Iterator[Run]:
    """Provide a function that runs the suite with a command."""
    with (
        tempfile.TemporaryDirectory(prefix="suite-") as directory,
        # Not below the suite: pytest would look for tests in it.
        # And in memory: on ext4 a file takes 20 µs or 1 ms, as files were deleted just before it.
        tempfile.TemporaryDirectory(prefix="suite-tmp-", dir=MEMORY) as temporary,
    ):
        (Path(directory) / "test_suite.py").write_text(text)
        (Path(directory) / "pytest.ini").write_text("[pytest]\n")
        inherited = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        # With it every run would compile this package, which an installed one is.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(command: list[str]) -> tuple[float, float]:
            environment = inherited | (ONLY_PEER if command[0] == sys.executable else {})
            before = _processor()
            began = time.perf_counter()
            subprocess.run(
                [*command, "-q", "-pno:cacheprovider", f"--basetemp={temporary}/tmp"],
                cwd=directory,
                env=environment,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            return time.perf_counter() - began, _processor() - before

        yield run


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
