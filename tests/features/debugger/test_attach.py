"""Without a terminal, a peer at a breakpoint waits for another terminal to attach."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from at_a_terminal import AROUND, FUNCTIONS, PROMPT, AtTerminal
from timeouts import LONGER

from pytest_peer import eventually

ATTACH = [sys.executable, "-m", "pytest_peer", "attach"]


@pytest.fixture
def start(inner) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that runs tests without a terminal."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: str) -> subprocess.Popen[str]:
        inner.write("")
        file = inner.path / "test_inner.py"
        file.write_text(file.read_text() + FUNCTIONS + source)
        command = [sys.executable, "-m", "pytest", *arguments]
        started.append(
            subprocess.Popen(
                command,
                cwd=inner.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.send_signal(signal.SIGINT)
        each.communicate(timeout=LONGER)


def offered(run: subprocess.Popen[str]) -> str:
    """Wait until a peer is offered; return its name."""
    assert run.stdout is not None
    for line in run.stdout:
        if "python -m pytest_peer attach" in line:
            return line.split()[-1]
    raise AssertionError("nothing was offered")


def attach(*name: str) -> pexpect.spawn[str]:
    return pexpect.spawn(ATTACH[0], [*ATTACH[1:], *name], encoding="utf-8", timeout=LONGER)


TEST = """
def test_it(peer_factory):
    assert peer_factory(name="db").call(work, 3) == 5
"""


@pytest.mark.parametrize("arguments", [[], ["-p", "xdist", "-n", "1"]], ids=["alone", "xdist"])
def test_a_peer_is_debugged_from_another_terminal(start, arguments):
    run = start(TEST, *arguments)
    assert offered(run) == "db"
    child = attach("db")
    child.expect(PROMPT)
    assert child.after == "(Pdb db) "
    child.sendline("p total")
    child.expect(PROMPT)
    assert child.before.split() == ["p", "total", "4"]
    child.sendline("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "1 passed" in run.communicate()[0]


def test_a_long_path_of_temporary_files_is_no_obstacle(start, tmp_path, monkeypatch):
    place = tmp_path / ("x" * 120)
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    run = start(TEST)
    assert offered(run) == "db"
    child = attach("db")
    child.expect(PROMPT)
    child.sendline("c")
    assert "1 passed" in run.communicate()[0]
    assert not list(place.glob("pytest-peer-debug-*"))


def test_the_socket_is_only_for_the_user(start):
    offered(start(TEST))
    (place,) = Path(tempfile.gettempdir()).glob("pytest-peer-debug-*")
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "socket").stat().st_mode) == 0o600


def test_after_the_time_the_program_goes_on(start):
    run = start(TEST, "--peer-debug-timeout=0.5")
    output = run.communicate()[0]
    assert "nobody has attached to peer db in 0.5 s: it goes on" in output
    assert "1 passed" in output
    assert not list(Path(tempfile.gettempdir()).glob("pytest-peer-debug-*"))


def test_nobody_waits():
    done = subprocess.run([*ATTACH, "nobody"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "no peer 'nobody' waits\n")


def test_end_of_file_fails_the_test(start):
    run = start(TEST)
    offered(run)
    child = attach()
    child.expect(PROMPT)
    child.sendeof()
    child.expect(pexpect.EOF)
    assert "BdbQuit" in run.communicate()[0]


def test_a_peer_waits_again_when_a_terminal_has_gone(start):
    run = start(TEST)
    offered(run)
    first = attach()
    first.expect(PROMPT)
    first.close(force=True)

    def attached() -> pexpect.spawn[str]:
        child = attach("db")
        assert child.expect([PROMPT, "no peer"]) == 0
        return child

    second = eventually(attached, LONGER)
    second.sendline("c")
    assert "1 passed" in run.communicate()[0]


@pytest.fixture
def attach_around(inner) -> Callable[..., AtTerminal]:
    """A function that attaches, in a shell that shows the settings of the terminal."""

    def attach_around(*name: str) -> AtTerminal:
        return AtTerminal(inner.path, *name, module=("pytest_peer", "attach"), shell=AROUND)

    return attach_around


def test_the_terminal_ends_with_the_run(start, attach_around, inner):
    run = start(TEST)
    offered(run)
    terminal = attach_around("db")
    terminal.prompt()
    run.kill()
    assert "the run has ended" in terminal.left(inner.path)
    terminal.end()
    assert terminal.child.exitstatus == 1
    assert not list(Path(tempfile.gettempdir()).glob("pytest-peer-debug-*"))


def test_the_terminal_tells_the_end_of_the_peer(start, attach_around, inner):
    run = start(TEST)
    offered(run)
    terminal = attach_around("db")
    terminal.prompt("import os; os.kill(os.getpid(), 9)")
    assert "peer db has ended" in terminal.left(inner.path)
    assert "killed by SIGKILL" in run.communicate()[0]


@pytest.mark.parametrize("closes", [signal.SIGHUP, signal.SIGKILL])
def test_what_a_killed_run_leaves_waits_for_nobody(start, closes):
    run = start(TEST)
    offered(run)
    child = attach("db")
    child.expect(PROMPT)
    child.kill(closes)  # so that it removes nothing
    child.wait()
    run.kill()
    run.communicate()
    assert pexpect.run(" ".join(ATTACH)).split() == [b"no", b"peer", b"waits"]
    assert not list(Path(tempfile.gettempdir()).glob("pytest-peer-debug-*"))


TWO = """
@pytest.mark.parametrize("name", ["one", "two"])
def test_it(peer_factory, name):
    assert peer_factory(name=name).call(work, 3) == 5
"""


@pytest.mark.timeout(120)  # six interpreters start
def test_two_terminals_at_peers_of_two_workers(start):
    run = start(TWO, "-p", "xdist", "-n", "2")
    assert {offered(run), offered(run)} == {"one", "two"}
    first = attach("two")
    first.expect(PROMPT)
    second = attach()
    second.expect(PROMPT)
    assert (first.after, second.after) == ("(Pdb two) ", "(Pdb one) ")
    third = attach()
    third.expect("no peer waits")
    for child in (second, first):
        child.sendline("c")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    assert "2 passed" in run.communicate()[0]
