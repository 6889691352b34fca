"""Runs of pytest whose coverage is measured, and what was measured."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData
from inner_pytest import Inner
from timeouts import LONGER

#: The code under test. The comments are names of its lines.
SHOP = """
import os
import threading
import time


def sell(count):
    if count > 10:
        return "wholesale"  # wholesale
    return "retail"  # retail


def sell_in_a_thread():
    def run():
        sold.append(sell(1))  # thread

    sold = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return sold  # joined


async def deliver():
    import asyncio

    await asyncio.sleep(0)
    return "delivered"  # delivered


def tick(path):
    while True:
        with open(path, "a") as file:
            file.write("x")
        time.sleep(0.0005)


turns = 0


def calculate():
    global turns
    while True:
        sum(range(10))  # calculated
        turns += 1


def sell_for_ever():
    global turns
    while True:
        sell(11)
        turns += 1


def turned():
    return turns


def serve(request, answer):
    while True:
        time.sleep(0.001)
        if os.path.exists(request):
            os.remove(request)
            reply(answer)


def reply(answer):
    with open(answer, "w"):  # served
        pass


def leave():
    os._exit(0)  # left
"""


class Measured:
    """A directory with the module `shop` and tests of it."""

    def __init__(self, inner: Inner) -> None:
        self.inner = inner
        self.path: Path = inner.path
        self.shop = self.module("shop", SHOP)

    def module(self, name: str, source: str) -> Path:
        path = self.path / f"{name}.py"
        path.write_text(source)
        return path

    def settings(self, text: str) -> None:
        """Write the configuration of coverage."""
        (self.path / ".coveragerc").write_text("[run]\n" + textwrap.dedent(text))

    def test(self, *arguments: str, timeout: float = LONGER) -> pytest.RunResult:
        """Run the tests with pytest-cov."""
        given = arguments if any(each.startswith("--cov=") for each in arguments) else ("--cov=.",)
        options = ("-p", "pytest_cov", "--cov-report=", *given)
        return self.inner.run_apart(*dict.fromkeys((*options, *arguments)), timeout=timeout)

    def test_below(self, *arguments: str) -> pytest.RunResult:
        """Run the tests with ``coverage run``."""
        run = (sys.executable, "-m", "coverage", "run", *arguments, "-m", "pytest")
        return self.inner.pytester.run(*run, timeout=LONGER)

    def data(self) -> CoverageData:
        data = CoverageData(basename=str(self.path / ".coverage"))
        data.read()
        return data

    def lines(self, path: Path | None = None) -> list[int]:
        return sorted(self.data().lines(str(path or self.shop)) or ())

    def arcs(self, path: Path) -> list[Any]:
        return sorted(self.data().arcs(str(path)) or ())

    def has(self, name: str) -> bool:
        """Return whether the line of `shop` with that comment has run."""
        return self._number(name) in self.lines()

    def contexts(self, name: str) -> list[str]:
        return self.data().contexts_by_lineno(str(self.shop)).get(self._number(name), [])

    @staticmethod
    def _number(name: str) -> int:
        lines = SHOP.split("\n")
        return next(i for i, line in enumerate(lines, 1) if line.endswith(f"# {name}"))

    def files(self) -> list[str]:
        """Return the names of the data files that are there."""
        return sorted(
            each
            for each in os.listdir(self.path)
            if each.startswith(".coverage") and each != ".coveragerc"
        )
