"""Programs that use the library without pytest leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from processes import assert_gone
from timeouts import LONG


@pytest.fixture
def run(tmp_path):
    """A function that runs a program to its end."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(script))
        command = [sys.executable, *arguments, str(file)]
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LONG, cwd=tmp_path, env=env
        )

    return run


def test_start_works_in_a_program_without_pytest(run):
    result = run(
        """
        import os, sys, pytest_peer
        with pytest_peer.start() as peer:
            assert peer.call(os.getpid) == peer.pid
        assert "pytest" not in sys.modules
        """,
        "-W",
        "error",
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_program_that_ends_stops_its_peers_politely(run, tmp_path):
    result = run(
        """
        import atexit, os, pathlib, pytest_peer
        peers = [pytest_peer.start() for _ in range(3)]
        for number, peer in enumerate(peers):
            peer.call(atexit.register, pathlib.Path(f"note{number}").write_text, "exited")
            print(peer.pid)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert all((tmp_path / f"note{number}").read_text() == "exited" for number in range(3))
    assert_gone(map(int, result.stdout.split()), within=0)


def test_program_that_ends_leaves_no_temporary_directory(run, tmp_path):
    result = run("import pytest_peer; peer = pytest_peer.start()")
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.glob("pytest-peer*"))


def test_program_that_fails_shows_its_own_error_only(run):
    result = run("import pytest_peer; peer = pytest_peer.start(); 1 / 0")
    assert result.returncode == 1
    assert result.stderr.count("Traceback") == 1
    assert "ZeroDivisionError" in result.stderr


def test_program_may_end_while_a_peer_boots(run):
    result = run("import pytest_peer; peer = pytest_peer.start(wait_boot=False)")
    assert (result.returncode, result.stderr) == (0, "")


def test_program_may_end_while_a_call_runs(run):
    result = run(
        """
        import time, pytest_peer
        peer = pytest_peer.start()
        answer = peer.submit(time.sleep, 600)
        print(peer.pid)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert_gone([int(result.stdout)], within=0)


def test_thread_of_the_program_may_stop_the_peer_at_its_end(run):
    result = run(
        """
        import atexit, pytest_peer
        peer = pytest_peer.start()
        atexit.register(peer.stop)
        """
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_program_is_warned_of_an_unasked_death_at_its_end(run):
    result = run(
        """
        import os, pytest_peer
        with pytest_peer.start(name="db", artifacts=".") as peer:
            peer.cast(os._exit, 3)
            peer.wait_down(20)
        """
    )
    assert result.returncode == 0
    assert "PeerDownWarning" in result.stderr
    assert "db" in result.stderr
