"""Detached peers have a session of their own and no terminal, write to files, and end with their
link."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from processes import assert_gone, start_child_and_grandchild
from timeouts import LONG

import pytest_peer


@pytest.fixture
def detached(peer_factory) -> pytest_peer.Peer:
    return peer_factory(name="detached", connection=0, detached=True, peer_down="continue")


def streams() -> list[str]:
    return [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]


def session() -> tuple[int, int, int]:
    return os.getpid(), os.getsid(0), os.getpgid(0)


def open_terminal() -> None:
    os.close(os.open("/dev/tty", os.O_RDWR))


def say(text: str) -> None:
    print(text)


def say_later(text: str) -> None:
    time.sleep(0.2)
    print(text, flush=True)


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are read in /proc")
def test_streams_are_nothing_and_the_files(detached):
    files = [str(detached.artifacts / name) for name in ("stdout.log", "stderr.log")]
    assert detached.call(streams) == [os.devnull, *map(os.path.realpath, files)]


def test_session_is_its_own(detached):
    assert detached.call(session) == (detached.pid,) * 3


def test_it_has_no_terminal(detached):
    with pytest.raises(OSError, match="/dev/tty"):
        detached.call(open_terminal)


def test_stdin_is_at_its_end(detached):
    assert detached.call("sys:stdin.read") == ""
    with pytest.raises(BrokenPipeError, match="no stdin"):
        detached.stdin.write("word")
    detached.stdin.close()


def test_output_can_be_awaited(detached):
    detached.cast(say_later, "at last")
    assert detached.stdout.wait_for("at last", LONG)


def test_awaiting_output_has_a_limit(detached):
    with pytest.raises(TimeoutError, match=r"not within 0\.1 s"):
        detached.stdout.wait_for("never", 0.1)


def test_awaiting_output_ends_with_the_peer(detached):
    detached.cast(os._exit, 0)
    with pytest.raises(TimeoutError, match="the peer is down"):
        detached.stdout.wait_for("never", LONG)


def test_death_quotes_its_last_words(detached):
    detached.call(os.write, 2, b"last words\n")
    with pytest.raises(pytest_peer.PeerDown, match="last words"):
        detached.call(os._exit, 3)


def test_much_output_is_complete(detached):
    detached.call(say, "x" * 5_000_000)
    assert len(detached.stdout.text) == 5_000_001


def test_restart_has_files_of_its_own(detached):
    detached.call(say, "first")
    first = detached.artifacts
    detached.restart()
    detached.call(say, "second")
    assert detached.stdout.text == "second\n"
    assert (first / "stdout.log").read_text() == "first\n"


def test_stop_takes_all_along(detached):
    pids = [detached.pid, *detached.call(start_child_and_grandchild)]
    detached.stop()
    assert_gone(pids, within=0)
    assert detached.down_reason.exit_status == 0


def test_report_shows_its_output(pytester):
    pytester.makepyfile("""
        def test_it(peer_factory):
            peer = peer_factory(name="far", connection=0, detached=True)
            peer.call(print, "seen there")
            assert False
    """)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*Captured stdout [[]far]*", "seen there"])


def test_log_is_written_without_the_origin(detached):
    """What comes through a pipe would be lost, or stop the peer, while the origin is busy."""
    path = Path(detached.artifacts / "stdout.log")
    detached.call(os.write, 1, b"by itself\n")
    assert path.read_text() == "by itself\n"
