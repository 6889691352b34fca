"""Runs of pytest at a terminal, with somebody who types."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
from inner_pytest import Inner
from paths import SUPPORT
from timeouts import LONGER

#: From 3.13 on pdb stops at `breakpoint()` itself, before that at the line behind.
STEPS_TO_NEXT_LINE = ["n"] if sys.version_info >= (3, 13) else []
PROMPT = r"\(Pdb [\w.-]+\) "

#: Runs it in the foreground, and shows the settings of the terminal before and after.
AROUND = 'stty -a >before; trap "" INT; run() { (trap - INT; exec "$@"); }; '
AROUND += 'trap "stty -a >after; echo left" EXIT; run'

#: What the tests call in peers.
FUNCTIONS = """
import asyncio

def work(number):
    total = number + 1
    breakpoint()
    total += 1
    return total

async def awork(number):
    await asyncio.sleep(0)
    breakpoint()
    await asyncio.sleep(0)
    return number

def in_thread():
    found = []

    def add():
        local = 7
        breakpoint()
        found.append(local)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    return found

def deep(number):
    return deeper(number + 1)

def deeper(number):
    return deepest(number + 1)

def deepest(number):
    secret = number * 7
    raise ValueError(f"not {number}")
"""


class AtTerminal:
    """A run of pytest, or of another module, at a terminal of its own, which shows no colours."""

    def __init__(
        self,
        path: Path,
        *arguments: str,
        module: tuple[str, ...] = ("pytest",),
        shell: str = "exec",
    ) -> None:
        addopts = os.environ["PYTEST_ADDOPTS"]
        environment = {**os.environ, "PYTHONPATH": str(SUPPORT), "PYTEST_ADDOPTS": addopts}
        environment.update(TERM="dumb", PS1="", INPUTRC=os.devnull)
        self.child: pexpect.spawn[str] = pexpect.spawn(
            "/bin/bash",
            ["-c", f'{shell} "$@"', "bash", sys.executable, "-m", *module, *arguments],
            cwd=str(path),
            env=environment,
            encoding="utf-8",
            timeout=LONGER,
            dimensions=(50, 200),
        )
        self.child.str_last_chars = 4000  # of what a failure shows

    def prompt(self, *lines: str) -> str:
        """Wait for a prompt, answer it and those after it by `lines`; return what came before."""
        self.child.expect(PROMPT)
        for line in lines:
            self.child.sendline(line)
            if line is not lines[-1]:
                self.child.expect(PROMPT)
        return self.child.before

    def answer(self, line: str) -> str:
        """At a prompt, type a line; return the answer, when the next prompt is there."""
        self.child.sendline(line)
        self.child.expect(PROMPT)
        return self.child.before.partition("\n")[2].replace("\r\n", "\n").rstrip("\n")

    def wait_for_stops(self, count: int) -> None:
        """At a prompt, wait until so many peers have one; those on their way there run."""
        places: list[str] = []
        while len(places) < count or any(place.endswith(": runs") for place in places):
            places = self.answer("peers").splitlines()

    def end(self) -> str:
        """Wait for the end of the run; return what came before."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.before

    def left(self, path: Path) -> str:
        """Wait for the end of a run with `AROUND`, and check that the terminal is as it was."""
        self.child.expect("left\r\n")
        self.check_settings(path)
        return self.child.before

    @staticmethod
    def check_settings(path: Path) -> None:
        # Words: how many stty puts into a line depends on the width that it knows yet.
        before, after = ((path / name).read_text().split() for name in ("before", "after"))
        assert before == after, f"{before}, now {after}"


def starter(inner: Inner, started: list[AtTerminal]) -> Callable[..., AtTerminal]:
    """Return a function that writes tests, and runs them at a terminal."""

    def start(source: str, *arguments: str, shell: str = "exec") -> AtTerminal:
        inner.write("")
        file = inner.path / "test_inner.py"
        file.write_text(file.read_text() + FUNCTIONS + re.sub(r"^    ", "", source, flags=re.M))
        started.append(AtTerminal(inner.path, *arguments, shell=shell))
        return started[-1]

    return start
