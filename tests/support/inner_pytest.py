"""Runs of pytest in pytest, and checks of what they leave."""

from __future__ import annotations

import contextlib
import sys
import textwrap
import warnings
from collections.abc import Iterator

import pytest
from paths import SUPPORT
from processes import assert_gone
from timeouts import LONGER

#: Importable by inner tests: writes down peers and their children, for the outer test.
NOTES = """
import os
import subprocess

def start_child():
    return subprocess.Popen(["sleep", "600"]).pid

def note(*peers):
    with open("pids", "a") as pids:
        for peer in peers:
            print(peer.pid, peer.call(start_child), file=pids, flush=True)
"""


#: In modules of tests: ends a peer without its having been asked to.
DIES = """
def die(peer):
    peer.cast(os._exit, 3)
    peer.wait_down(20)
"""


def load_only(monkeypatch: pytest.MonkeyPatch, *plugins: str) -> None:
    """Have later runs of pytest load only these plugins: importing all takes longer than a test.

    :param plugins: named as after ``-p``.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", " ".join(f"-p {plugin}" for plugin in (*plugins, "no:cacheprovider"))
    )


@contextlib.contextmanager
def as_at_home() -> Iterator[pytest.MonkeyPatch]:
    """Hide from a run that this is CI, where pytest's summary has whole texts instead of lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        patch.delenv("BUILD_NUMBER", raising=False)
        yield patch


class Inner:
    """A directory with tests, and runs of them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makepyfile(notes=NOTES)

    def write(self, source: str, name: str = "test_inner.py") -> None:
        """A module of tests; what most of them import is there already."""
        header = "import os, signal, sys, threading, time\nimport pytest\nfrom notes import note\n"
        file = self.path / name
        assert file.stem == "conftest" or file.stem not in sys.modules, (
            "runs in process would find it"
        )
        file.parent.mkdir(exist_ok=True)
        file.write_text(header + textwrap.dedent(source))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run the tests in this process, with its fork server; with xdist in another process."""
        if "-n" in arguments:
            return self.run_apart(*arguments)
        with warnings.catch_warnings(), as_at_home():
            warnings.resetwarnings()  # those of the outer test are not theirs
            return self.pytester.runpytest_inprocess(*arguments, syspathinsert=True)

    def run_apart(self, *arguments: str, timeout: float = LONGER) -> pytest.RunResult:
        """Run the tests in a process of their own, which they may end, interrupt or inspect."""
        if "-n" in arguments:
            arguments = ("-p", "xdist", *arguments)
        with as_at_home() as patch:
            patch.setenv("PYTHONPATH", str(SUPPORT))
            return self.pytester.runpytest_subprocess(*arguments, timeout=timeout)

    def pids(self) -> list[int]:
        """Those that the tests have noted."""
        file = self.path / "pids"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    def assert_nothing_left(self, within: float = 2.0) -> None:
        """Of at least one peer with its child."""
        pids = self.pids()
        assert len(pids) >= 2
        assert_gone(pids, within)
