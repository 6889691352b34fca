"""What tests of the lives of peers have in common."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import pytest_peer

LIMIT = 100.0  # seconds, of a program that must end


@pytest.fixture
def mortal(peer_factory) -> pytest_peer.Peer:
    """A peer whose death is nobody's fault."""
    return peer_factory(name="mortal", peer_down="continue")


@pytest.fixture
def run(tmp_path):
    """A function that runs a program as the origin, and returns its output in lines."""

    def run(*lines: str) -> list[str]:
        program = tmp_path / "origin.py"
        common = """
            import ctypes, os, signal, sys, threading, time
            import pytest_peer
            def start(**options): return pytest_peer.start(peer_down="continue", **options)
            def die(): os.kill(os.getpid(), signal.SIGKILL)
            def kill_parent():
                os.kill(os.getppid(), signal.SIGSEGV)
                time.sleep(100)
            def descriptors():  # without that of the listing
                listed = [int(fd) for fd in os.listdir("/proc/self/fd")]
                return {fd for fd in listed if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")}
            def told(function, *arguments):
                try: return function(*arguments)
                except Exception as exc: return repr(exc)
        """
        parts = [textwrap.dedent(text) for text in (common, *lines)]
        program.write_text("\n".join(parts))
        # Into a file: what holds a pipe open longer would be waited for.
        with (tmp_path / "output").open("w+") as output:
            subprocess.run(
                [sys.executable, program],
                stdout=output,
                timeout=LIMIT,
                env={**os.environ, "TMPDIR": str(tmp_path)},  # for the artifacts that are kept
                check=False,
            )
            output.seek(0)
            return output.read().splitlines()

    return run
