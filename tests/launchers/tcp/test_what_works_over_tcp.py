"""A peer over TCP does what a peer over stdio does."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import pytest
from kinds_of_connections import CONNECTIONS
from mailbox_calls import send, take
from manifests import manifest
from processes import assert_gone, start_child_and_grandchild
from pythons import NEWEST
from timeouts import LONG

import pytest_peer


class Refused(Exception):
    """Of this module."""


def refuse() -> None:
    raise Refused("not today")


def say(text: str) -> None:
    print(text)
    print(text.upper(), file=sys.stderr)


def checksum(data: bytes) -> int:
    return sum(data)


@pytest.mark.parametrize("connection", [name for name in CONNECTIONS if name != "ipv6"])
def test_peer_answers_and_its_manifest_has_the_connection(peer_factory, connection):
    peer = peer_factory(**CONNECTIONS[connection])
    assert peer.call(os.getpid) == peer.pid != os.getpid()
    told = manifest(peer)["options"]
    assert isinstance(told, dict)
    asked = CONNECTIONS[connection]["connection"]
    wanted = ["127.0.0.1", asked] if isinstance(asked, int) else asked
    assert told["connection"] == (list(wanted) if isinstance(wanted, tuple) else wanted)


def test_exceptions_come_back(start):
    with pytest.raises(Refused, match="not today"):
        start().call(refuse)


def test_what_a_call_has_printed_is_there(start):
    peer = start()
    for number in range(20):
        peer.call(say, f"word {number}")
        assert peer.stdout.lines[-1] == f"word {number}"
        assert peer.stderr.lines[-1] == f"WORD {number}"


def test_output_can_be_awaited(start):
    peer = start()
    peer.cast(say, "at last")
    assert peer.stdout.wait_for("at l..t", LONG).group() == "at last"


def test_output_is_in_the_files(start):
    peer = start()
    peer.call(say, "written")
    peer.stop()
    assert (peer.artifacts / "stdout.log").read_text() == peer.stdout.text == "written\n"
    assert (peer.artifacts / "stderr.log").read_text() == peer.stderr.text == "WRITTEN\n"


@pytest.mark.parametrize("size", [0, 1, 4000, 4096, 70_000, 30_000_000])
def test_data_of_every_size_arrives_both_ways(start, size):
    data = random.Random(size).randbytes(size)
    peer = start()
    assert peer.call(checksum, data) == checksum(data)
    assert peer.call(bytearray, data) == data


def test_many_calls_at_once_while_much_is_on_its_way(start):
    peer = start()
    data = bytes(10_000_000)
    big = [peer.submit(bytes, data) for _ in range(3)]
    small = [peer.submit(pow, 2, number) for number in range(500)]
    assert [future.result(LONG) for future in small] == [2**number for number in range(500)]
    assert all(future.result(LONG) == data for future in big)


def test_mailboxes(start, peer_factory):
    peer = start()
    peer.send("there", ["a", 1])
    assert peer.call(take, "there") == ["a", 1]
    peer.call(send, "here", {"b": 2})
    assert peer_factory.mailbox("here").get(LONG) == {"b": 2}


def test_messages_of_a_peer_that_does_not_read_wait(start):
    peer = start(shutdown=0.1)
    peer.pause()
    for number in range(2000):
        peer.send("box", (number, bytes(5000)))
    peer.resume()
    assert [peer.call(take, "box")[0] for _ in range(2000)] == list(range(2000))


def test_call_that_takes_too_long_leaves_the_link_whole(start):
    peer = start()
    with pytest.raises(pytest_peer.CallTimeout):
        peer.call_within(0.1, time.sleep, 60)
    assert peer.call(os.getpid) == peer.pid


def test_calls_that_a_signal_interrupts_leave_the_link_whole(start):
    """An exception of the handler, anywhere in the sending or the receiving."""
    peer = start()

    class Interrupted(BaseException):
        """As Ctrl-C or a time limit."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(100):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00001 + number % 30 / 30_000)
                for _ in range(50):
                    peer.call(checksum, bytes(1000))
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert peer.call(os.getpid) == peer.pid


def test_kill_and_restart(start):
    peer = start(name="phoenix")
    pids = [peer.pid, *peer.call(start_child_and_grandchild)]
    peer.kill()
    assert_gone(pids, within=0)
    assert peer.down_reason.signal == signal.SIGKILL
    peer.restart()
    assert peer.call(os.getpid) == peer.pid not in pids


@pytest.mark.parametrize("shutdown", ["halt", 5.0, "close"])
def test_stop(start, shutdown):
    peer = start(shutdown=shutdown)
    pids = [peer.pid, *peer.call(start_child_and_grandchild)]
    peer.stop()
    peer.wait_down(LONG)
    assert peer.down_reason.kind == "stopped"
    assert_gone(pids)


@pytest.mark.parametrize("shutdown", ["halt", 5.0])
def test_exit_status_is_known(start, shutdown):
    peer = start(shutdown=shutdown)
    peer.stop()
    assert peer.down_reason.exit_status == 0


def test_death_by_itself_is_reported(start):
    peer = start(peer_down="continue")
    with pytest.raises(pytest_peer.PeerDown, match="exited with status 7"):
        peer.call(os._exit, 7)


def test_death_with_much_unread_is_reported(start):
    """What comes is a reset of the connection then."""
    peer = start(peer_down="continue")
    peer.pause()
    answer = peer.submit(bytes, bytes(20_000_000))
    os.kill(peer.pid, signal.SIGKILL)
    with pytest.raises(pytest_peer.PeerDown, match="SIGKILL"):
        answer.result(LONG)


def test_forked_child_of_the_peer_does_not_hold_the_link(start):
    peer = start(peer_down="continue", shutdown="close")
    child = peer.call("occupations:fork")[0]
    peer.stop()
    peer.wait_down(LONG)
    assert_gone([peer.pid, child])


def test_many(peer_factory, options):
    group = peer_factory.many(6, **options)
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_booting_in_the_background(start):
    peer = start(wait_boot=False)
    assert peer.call(os.getpid) == peer.pid


def test_stdin(peer_factory):
    peer = peer_factory(connection=0)
    peer.stdin.write("word\n")
    assert peer.call(input) == "word"
    peer.stdin.close()
    with pytest.raises(EOFError):
        peer.call(input)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", NEWEST])
@pytest.mark.parametrize("connection", ["tcp", "detached"])
def test_other_pythons(peer_factory, requires_python, version, connection):
    peer = peer_factory(exec=requires_python(version), **CONNECTIONS[connection])
    assert peer.python[:2] == tuple(map(int, version.split(".")))
    assert peer.call(bytes, 1_000_000) == bytes(1_000_000)
    peer.stop()
    assert peer.down_reason.exit_status == 0


def test_launcher_that_stays(peer_factory, program):
    peer = peer_factory(connection=0, exec=[program('"$@"; exit $?'), sys.executable])
    assert peer.call(os.getppid) == manifest(peer)["launcher_pid"]


def test_main_module_is_empty(peer_factory):
    names = "sorted(vars(__import__('__main__')))"
    one, other = (
        peer_factory(connection=each, start_method="spawn").call("builtins:eval", names)
        for each in ("stdio", 0)
    )
    assert one == other
