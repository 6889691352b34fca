"""The peer's real stdin, stdout and stderr."""

from __future__ import annotations

import ctypes
import itertools
import math
import operator
import os
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from pytest_peer import Peer
from pytest_peer import PeerDown
from pytest_peer import here

LONG = 30.0  # for what has to come, on a busy machine too
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


def print_when_told(box: str) -> None:
    print(here.mailbox(box).get(LONG))


def print_when_told_and_die(box: str) -> None:
    print(here.mailbox(box).get(LONG))
    os._exit(3)


def read_lines(count: int) -> list[str]:
    return [input() for _ in range(count)]


def read_all() -> bytes:
    return sys.stdin.buffer.read()


def close_stdout() -> None:
    sys.stdout.close()


def fork_and_print() -> None:
    pid = os.fork()
    if pid == 0:
        os.write(1, b"from the child\n")
        os._exit(0)
    os.waitpid(pid, 0)


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    """For tests that look at the end of its output only."""
    return module_peer_factory()


@pytest.fixture
def mortal(peer_factory: Any) -> Peer:
    """Its death is no news."""
    return peer_factory(peer_down="continue")


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


# wait_for


def test_wait_for_finds_what_is_there_already(peer: Peer) -> None:
    peer.call(print, "listening on 4711")
    match = peer.stdout.wait_for(r"listening on (\d+)", 0)
    assert isinstance(match, re.Match)
    assert match[1] == "4711"


def test_wait_for_finds_the_same_again(peer: Peer) -> None:
    peer.call(print, "once")
    assert peer.stdout.wait_for("once", 0)[0] == peer.stdout.wait_for("once", 0)[0]


def test_wait_for_waits_for_what_comes(peer: Peer) -> None:
    peer.cast(print_when_told, "told")
    with pytest.raises(TimeoutError):
        peer.stdout.wait_for("late", 0)
    peer.send("told", "late")
    assert peer.stdout.wait_for("late", LONG)


def test_wait_for_finds_what_comes_in_pieces(peer: Peer) -> None:
    found: list[re.Match[str]] = []
    waiting = threading.Thread(target=lambda: found.append(peer.stdout.wait_for("all of it", LONG)))
    waiting.start()
    for piece in ("all", " of", " it"):
        peer.call(print, piece, end="")
    waiting.join(LONG)
    assert found


def test_wait_for_takes_a_compiled_pattern(peer: Peer) -> None:
    peer.call(print, "ONE\nTWO")
    assert peer.stdout.wait_for(re.compile("^two$", re.IGNORECASE | re.MULTILINE), 0)


def test_wait_for_spans_lines(peer: Peer) -> None:
    peer.call(print, "one\ntwo")
    assert peer.stdout.wait_for("one\ntwo", 0)


def test_wait_for_stderr(peer: Peer) -> None:
    peer.cast(os.write, 2, b"oh no\n")
    assert peer.stderr.wait_for("oh no", LONG)


def test_wait_for_finds_the_end_of_a_flood(peer: Peer) -> None:
    peer.cast(print_lines, 100_000)
    assert peer.stdout.wait_for(r"line 99999\n", LONG)


def test_wait_for_without_a_limit(peer: Peer) -> None:
    peer.cast(print, "at last")
    assert peer.stdout.wait_for("at last", None)
    assert peer.stdout.wait_for("at last", math.inf)


def test_wait_for_beyond_the_limit_shows_the_last_lines(peer: Peer) -> None:
    peer.call(print, "one\ntwo")
    with pytest.raises(TimeoutError) as caught:
        peer.stdout.wait_for(r"thr[e]+", 0.01)
    text = str(caught.value)
    assert "'thr[e]+'" in text
    assert "0.01 s" in text
    assert "one" in text
    assert "two" in text


def test_wait_for_beyond_the_limit_shows_few_of_many_lines(peer: Peer) -> None:
    peer.call(print_lines, 10_000)
    with pytest.raises(TimeoutError, match=r"line 9999\b") as caught:
        peer.stdout.wait_for("nothing", 0)
    assert len(str(caught.value).splitlines()) < 100


def test_wait_for_ends_when_the_peer_dies(mortal: Peer, peer_factory: Any) -> None:
    mortal.cast(print_when_told_and_die, "told")
    mortal.send("told", "what nobody waits for")
    with pytest.raises(TimeoutError, match="down") as caught:
        mortal.stdout.wait_for("never", LONG)
    assert "what nobody waits for" in str(caught.value)


def test_wait_for_finds_the_last_words(mortal: Peer) -> None:
    mortal.cast(print_when_told_and_die, "told")
    mortal.send("told", "last words")
    assert mortal.stdout.wait_for("last words", LONG)


def test_wait_for_in_a_dead_peer_s_output(mortal: Peer) -> None:
    mortal.call(print, "words")
    mortal.kill()
    assert mortal.stdout.wait_for("words", LONG)
    with pytest.raises(TimeoutError, match="down"):
        mortal.stdout.wait_for("never", LONG)


@pytest.mark.parametrize("limit", [-1, math.nan])
def test_wait_for_refuses_a_wrong_limit(shared: Peer, limit: float) -> None:
    with pytest.raises(ValueError, match=f"timeout: .*{limit!r}"):
        shared.stdout.wait_for("x", limit)


def test_wait_for_refuses_a_limit_of_a_wrong_type(shared: Peer) -> None:
    with pytest.raises(TypeError, match=r"timeout: .*'5'"):
        shared.stdout.wait_for("x", "5")  # type: ignore[arg-type]


def test_wait_for_refuses_a_wrong_pattern(shared: Peer) -> None:
    with pytest.raises(re.error):
        shared.stdout.wait_for("(", 0)


# stdin


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
