"""`stdout` and `stderr` have all that a call has printed when it returns."""

from __future__ import annotations

import ctypes
import operator
import os
import signal
import subprocess
import sys
import tracemalloc
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerDown

MEGABYTE = 1 << 20


class OwnError(Exception):
    pass


def speak_in_three_ways(number: int) -> None:
    print("printed", number)
    os.write(2, b"written %d\n" % number)
    subprocess.run(["echo", f"echoed {number}"], check=True)


def print_and_fail(text: str) -> None:
    print(text, end="")
    raise OwnError


async def print_later(text: str) -> None:
    print(text, end="")


def print_lines(count: int) -> None:
    for number in range(count):
        print("line", number)


def print_and_segfault() -> None:
    print("last words")
    print("last complaint", file=sys.stderr)
    ctypes.string_at(0)


def close_stdout() -> None:
    sys.stdout.close()


def fork_and_print() -> None:
    pid = os.fork()
    if pid == 0:
        os.write(1, b"from the child\n")
        os._exit(0)
    os.waitpid(pid, 0)


# What a call printed


def test_peer_that_printed_nothing_has_no_output(peer: Peer) -> None:
    peer.call(os.getpid)
    assert (peer.stdout.text, peer.stderr.text) == ("", "")
    assert peer.stdout.lines == []


def test_what_a_call_printed_is_there_when_it_returns(peer: Peer) -> None:
    for number in range(200):
        peer.call(speak_in_three_ways, number)
        assert peer.stdout.lines[-2:] == [f"printed {number}", f"echoed {number}"]
        assert peer.stderr.lines[-1] == f"written {number}"


def test_what_a_call_printed_is_there_when_it_raises(shared: Peer) -> None:
    with pytest.raises(OwnError):
        shared.call(print_and_fail, "before the failure")
    assert shared.stdout.text.endswith("before the failure")


def test_what_a_coroutine_printed_is_there_when_it_returns(shared: Peer) -> None:
    shared.call(print_later, "from a coroutine")
    assert shared.stdout.text.endswith("from a coroutine")


def test_what_a_call_printed_is_there_when_its_future_is_done(shared: Peer) -> None:
    for number in range(50):
        shared.submit(print, "future", number).result(LONG)
        assert shared.stdout.text.endswith(f"future {number}\n")


def test_line_without_an_end_is_there(shared: Peer) -> None:
    shared.call(print, "no end", end="")
    assert shared.stdout.text.endswith("no end")


def test_stdout_and_stderr_are_kept_apart(peer: Peer) -> None:
    peer.call(os.write, 1, b"out")
    peer.call(os.write, 2, b"err")
    assert (peer.stdout.text, peer.stderr.text) == ("out", "err")


def test_output_of_a_forked_child(peer: Peer) -> None:
    peer.call(fork_and_print)
    assert peer.stdout.lines == ["from the child"]


def test_lines_have_no_ends(peer: Peer) -> None:
    peer.call(print, "one\ntwo")
    assert peer.stdout.lines == ["one", "two"]


def test_output_is_kept_when_the_peer_is_down(peer: Peer) -> None:
    peer.call(print, "kept")
    peer.stop()
    assert peer.stdout.text == "kept\n"


def test_log_has_all_of_it(peer: Peer) -> None:
    peer.call(speak_in_three_ways, 1)
    peer.stop()
    assert (peer.artifacts / "stdout.log").read_bytes() == peer.stdout.bytes
    assert (peer.artifacts / "stderr.log").read_bytes() == b"written 1\n"


def test_call_returns_though_it_closed_stdout(peer: Peer) -> None:
    peer.call(close_stdout)
    assert peer.call(os.getpid) == peer.pid


# Text


def test_invalid_utf_8_is_escaped(peer: Peer) -> None:
    peer.call(os.write, 1, b"caf\xe9 \xff\n")
    assert peer.stdout.text == "caf\\xe9 \\xff\n"
    assert peer.stdout.bytes == b"caf\xe9 \xff\n"


def test_output_is_utf_8(peer: Peer) -> None:
    peer.call(os.write, 1, "grün 🐍".encode())
    assert peer.stdout.text == "grün 🐍"


def test_character_written_in_pieces_is_whole(peer: Peer) -> None:
    for byte in "🐍".encode():
        peer.call(os.write, 1, bytes([byte]))
    assert peer.stdout.text == "🐍"


# Much of it


def test_flood_of_100_000_lines(peer: Peer) -> None:
    peer.call(print_lines, 100_000)
    lines = peer.stdout.lines
    assert len(lines) == 100_000
    assert lines[-1] == "line 99999"


def test_calls_are_answered_during_a_flood(peer: Peer) -> None:
    flood = peer.submit(print_lines, 100_000)
    assert [peer.call(operator.neg, number) for number in range(20)] == [-n for n in range(20)]
    flood.result(LONG)


def test_log_has_what_is_too_much_for_the_memory(peer: Peer) -> None:
    peer.call(lambda: [os.write(1, b"x" * MEGABYTE) for _ in range(40)] and None)
    peer.call(print, "the end")
    assert peer.stdout.text.endswith("the end\n")
    assert 16 * MEGABYTE <= len(peer.stdout.bytes) < 40 * MEGABYTE
    peer.stop()
    assert (peer.artifacts / "stdout.log").stat().st_size == 40 * MEGABYTE + len("the end\n")


# Last words


@pytest.mark.parametrize(
    ("death", "told"),
    [
        (print_and_segfault, "SIGSEGV"),
        (lambda: (print("last words"), os._exit(3)), "status 3"),
        (lambda: (os.write(1, b"last words"), os.kill(os.getpid(), signal.SIGKILL)), "SIGKILL"),
    ],
    ids=["SIGSEGV", "exit", "SIGKILL"],
)
def test_last_words_are_heard(mortal: Peer, death: Any, told: str) -> None:
    with pytest.raises(PeerDown, match=told):
        mortal.call(death)
    assert mortal.stdout.lines == ["last words"]


def test_error_of_a_dead_peer_quotes_its_last_words(mortal: Peer) -> None:
    with pytest.raises(PeerDown, match="last complaint"):
        mortal.call(print_and_segfault)


# After the end


def print_much(megabytes: int) -> None:
    for number in range(megabytes):
        print(str(number) * MEGABYTE)


def test_output_of_a_stopped_peer_takes_no_memory(peer_factory: Any) -> None:
    peer = peer_factory()
    tracemalloc.start()
    try:
        peer.call(print_much, 8)
        peer.stop()
        assert tracemalloc.get_traced_memory()[0] < MEGABYTE
    finally:
        tracemalloc.stop()
    assert peer.stdout.text == "".join(f"{str(number) * MEGABYTE}\n" for number in range(8))
    assert peer.stdout.wait_for("77777").end() > 0


def test_end_of_the_output_is_there_without_its_file(peer_factory: Any) -> None:
    peer = peer_factory()
    peer.call(print_much, 1)
    peer.stop()
    (peer.artifacts / "stdout.log").unlink()
    assert peer.stdout.text.endswith("000\n")
