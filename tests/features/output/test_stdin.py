"""`stdin` writes to the standard input of the peer."""

from __future__ import annotations

import itertools
import operator
import os
import sys
import threading
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer

MEGABYTE = 1 << 20


def read_lines(count: int) -> list[str]:
    return [input() for _ in range(count)]


def read_all() -> bytes:
    return sys.stdin.buffer.read()


def test_input_reads_what_was_written(peer: Peer) -> None:
    peer.stdin.write("one\ntwo\n")
    assert peer.call(read_lines, 2) == ["one", "two"]


def test_input_waits_for_what_is_written(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(input, "name? ")
    peer.stdout.wait_for(r"name\? ", LONG)
    peer.stdin.write("Joe\n")
    assert future.result(LONG) == "Joe"


def test_closed_stdin_is_an_end_of_file(peer: Peer) -> None:
    peer.stdin.write("one\n")
    peer.stdin.close()
    assert peer.call(input) == "one"
    with pytest.raises(EOFError):
        peer.call(input)


def test_text_is_written_as_utf_8(peer: Peer) -> None:
    peer.stdin.write("grün 🐍")
    peer.stdin.close()
    assert peer.call(read_all) == "grün 🐍".encode()


def test_bytes_are_written_as_they_are(peer: Peer) -> None:
    peer.stdin.write(b"\0\xff")
    peer.stdin.close()
    assert peer.call(read_all) == b"\0\xff"


def test_big_write_to_stdin_does_not_wait_for_the_reader(peer: Peer) -> None:
    for letter in (b"a", b"b"):
        peer.stdin.write(letter * (4 * MEGABYTE))
    peer.stdin.close()
    assert peer.call(operator.add, 1, 2) == 3
    assert peer.call(read_all) == b"a" * (4 * MEGABYTE) + b"b" * (4 * MEGABYTE)


def test_write_to_closed_stdin_is_a_broken_pipe(peer: Peer) -> None:
    peer.stdin.close()
    with pytest.raises(BrokenPipeError):
        peer.stdin.write("x")


def test_closing_stdin_twice_is_harmless(peer: Peer) -> None:
    peer.stdin.close()
    peer.stdin.close()
    assert peer.call(os.getpid) == peer.pid


def test_write_to_a_dead_peer_s_stdin_is_a_broken_pipe(mortal: Peer) -> None:
    mortal.kill()
    with pytest.raises(BrokenPipeError):
        mortal.stdin.write("x")


def test_unread_stdin_does_not_hinder_the_end(peer: Peer) -> None:
    peer.stdin.write(b"x" * (4 * MEGABYTE))
    peer.stop()
    assert peer.state == "down"


def test_many_threads_write_whole_texts(peer: Peer) -> None:
    def write(letter: str) -> None:
        for _ in range(20):
            peer.stdin.write(letter * 5000 + "\n")

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = peer.call(read_lines, 80)
    assert all(set(line) == {line[0]} and len(line) == 5000 for line in lines)
    assert sorted(line[0] for line in lines) == list(
        itertools.chain.from_iterable(letter * 20 for letter in "abcd")
    )


def test_standard_streams_are_no_terminal(shared: Peer) -> None:
    assert shared.call(lambda: [os.isatty(fd) for fd in (0, 1, 2)]) == [False] * 3
