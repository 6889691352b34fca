"""With ``terminal=True`` a peer has a terminal, in front of which the test sits."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest
from processes import assert_gone, start
from timeouts import LONG

from pytest_peer import Peer, PeerInterrupted
from pytest_peer.launch.forkserver import registry

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peers are told apart by /proc")

WAYS = {
    "forked": {},
    "spawned": {"start_method": "spawn"},
    "over_tcp": {"connection": 0},
    "behind_nice": {"exec": ["nice", "-n1", sys.executable]},
    "without_a_fork_server": {"start_method": "spawn"},
}
at_a_terminal = pytest.mark.peer(terminal=True)


@pytest.fixture(params=WAYS)
def seated(
    request: pytest.FixtureRequest, peer_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> Peer:
    """A peer at a terminal, for each way in which it may come there."""
    if request.param == "without_a_fork_server":
        monkeypatch.setattr(registry, "unavailable", lambda: "the test wants none")
    return peer_factory(terminal=True, **WAYS[request.param])


def is_terminal() -> list[bool]:
    return [os.isatty(fd) for fd in (0, 1, 2)]


def session() -> set[int]:
    """Whose terminal it is, and who is in its foreground; the peer, if all is well."""
    with open("/dev/tty") as tty:
        return {os.tcgetpgrp(tty.fileno()), os.getpgrp(), os.getsid(0), os.getpid()}


def ask_for_words() -> tuple[str, str]:
    name = input("name? ")
    return name, getpass.getpass("secret? ")


def read_lines(count: int) -> list[str]:
    return [sys.stdin.readline() for _ in range(count)]


def run_program(*words: str) -> int:
    return subprocess.run([sys.executable, *words], check=False).returncode


def print_and_die() -> None:
    print("x" * 20_000 + "last words")
    os._exit(3)


def leave_terminal() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def ignore_hangup() -> int:
    """Start a process that no SIGHUP ends."""
    return start("/bin/sh", "-c", "trap '' HUP; sleep 600; true").pid


def test_all_streams_are_one_terminal(seated: Peer) -> None:
    assert seated.call(is_terminal) == [True] * 3
    assert len(seated.call(lambda: {os.ttyname(fd) for fd in (0, 1, 2)})) == 1


def test_peer_controls_its_terminal(seated: Peer) -> None:
    assert seated.call(session) == {seated.pid}


def test_code_that_asks_gets_what_is_typed(seated: Peer) -> None:
    words = seated.submit(ask_for_words)
    seated.stdout.expect(r"name\? ", LONG)
    seated.stdin.write("Ada\n")
    seated.stdout.expect(r"secret\? ", LONG)
    seated.stdin.write("swordfish\n")
    assert words.result(LONG) == ("Ada", "swordfish")


@at_a_terminal
def test_terminal_echoes_what_is_typed_but_no_password(peer: Peer) -> None:
    test_code_that_asks_gets_what_is_typed(peer)
    assert peer.stdout.text == "name? Ada\r\nsecret? \r\n"


def test_ctrl_c_is_a_key(seated: Peer) -> None:
    sleeping = seated.submit(run_program, "-c", "import time; print('here'); time.sleep(600)")
    seated.stdout.expect("here", LONG)
    seated.stdin.write("\x03")
    with pytest.raises(PeerInterrupted):
        sleeping.result(LONG)
    seated.stdout.expect("KeyboardInterrupt", LONG)  # of the program, which got it too
    assert seated.call(os.getpid) == seated.pid


@at_a_terminal
@pytest.mark.parametrize(("typed", "lines"), [("one\n", ["one\n", ""]), ("begun", ["begun", ""])])
def test_closing_stdin_types_ctrl_d(peer: Peer, typed: str, lines: list[str]) -> None:
    peer.stdin.write(typed)
    peer.stdin.close()
    assert peer.call(read_lines, 2) == lines
    with pytest.raises(BrokenPipeError):
        peer.stdin.write("more")


@at_a_terminal
def test_stderr_is_the_same_stream(peer: Peer) -> None:
    peer.call(os.write, 2, b"error\n")
    assert peer.stdout.text == peer.stderr.text == "error\r\n"
    assert (peer.artifacts / "stdout.log").read_bytes() == b"error\r\n"
    assert not (peer.artifacts / "stderr.log").exists()


@at_a_terminal
def test_output_of_a_call_is_there_when_it_returns(peer: Peer) -> None:
    for size in (1, 5_000, 60_000, 200_000):
        peer.call(os.write, 1, b"x" * (size - 1) + b"e")
        assert peer.stdout.bytes.endswith(b"xe" if size > 1 else b"e")
    assert len(peer.stdout.bytes) == 265_001


def test_last_output_is_kept(peer_factory: Any) -> None:
    for number in range(5):
        peer = peer_factory(terminal=True, peer_down="continue", name=f"dies-{number}")
        peer.cast(print_and_die)
        assert peer.wait_down(LONG).exit_status == 3
        assert peer.stdout.text == "x" * 20_000 + "last words\r\n"


@at_a_terminal
def test_peer_that_leaves_its_terminal_lives_on(peer: Peer) -> None:
    peer.call(print, "before")
    peer.call(leave_terminal)
    peer.stdin.write("to nobody\n")
    assert peer.call(os.getpid) == peer.pid
    assert peer.stdout.wait_for("before", 0)


@at_a_terminal
def test_big_write_does_not_wait_for_the_reader(peer: Peer) -> None:
    lines = [f"{number:04000}" for number in range(100)]
    peer.stdin.write("".join(f"{line}\n" for line in lines))
    assert peer.call(os.getpid) == peer.pid
    assert peer.call(read_lines, 100) == [f"{line}\n" for line in lines]


@pytest.mark.parametrize("how", ["stop", "kill", "pause"])
def test_nothing_is_left_at_the_end(seated: Peer, how: str) -> None:
    child = seated.call(ignore_hangup)
    getattr(seated, how)()
    if how == "pause":
        assert seated.life.process.paused
        seated.stop()
    assert_gone([seated.pid or 0, child])


@at_a_terminal
def test_restarted_peer_has_a_terminal_again(peer: Peer) -> None:
    peer.restart()
    assert peer.call(is_terminal) == [True] * 3
    peer.restart(terminal=False)
    assert peer.call(is_terminal) == [False] * 3


@at_a_terminal
def test_idle_peer_dies_of_ctrl_c(peer: Peer) -> None:
    with peer.expect_death(LONG):
        peer.stdin.write("\x03")
    assert peer.down_reason is not None
    assert peer.down_reason.signal == signal.SIGINT


def test_size_is_what_the_option_says(peer_factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "7")  # of another terminal
    monkeypatch.setenv("LINES", "7")
    for options in WAYS.values():
        peer = peer_factory(terminal=(50, 132), **options)
        assert peer.call(shutil.get_terminal_size) == (132, 50)
    assert peer_factory(terminal=True).call(shutil.get_terminal_size) == (80, 24)
