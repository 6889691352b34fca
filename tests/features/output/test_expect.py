"""`expect` waits for what a peer prints behind what the last `expect` has found."""

from __future__ import annotations

import os

import pytest
from timeouts import LONG

from pytest_peer import Peer


def ask(*questions: str) -> list[str]:
    return [input(question) for question in questions]


def test_expect_finds_the_same_question_twice(peer: Peer) -> None:
    answers = peer.submit(ask, "name? ", "name? ")
    for name in ("Ada", "Joe"):
        peer.stdout.expect(r"name\? ", LONG)
        peer.stdin.write(f"{name}\n")
    assert answers.result(LONG) == ["Ada", "Joe"]
    with pytest.raises(TimeoutError):
        peer.stdout.expect("name", 0)


def test_expect_gives_the_match(peer: Peer) -> None:
    peer.call(print, "port 4711, port 4712")
    assert [peer.stdout.expect(r"port (\d+)", LONG)[1] for _ in range(2)] == ["4711", "4712"]


def test_what_was_not_expected_is_passed_over(peer: Peer) -> None:
    peer.call(print, "one two three")
    peer.stdout.expect("two", LONG)
    with pytest.raises(TimeoutError, match="one two three"):
        peer.stdout.expect("one", 0)
    assert peer.stdout.expect("three", LONG)


def test_expect_that_fails_passes_over_nothing(peer: Peer) -> None:
    peer.call(print, "one two")
    with pytest.raises(TimeoutError):
        peer.stdout.expect("three", 0)
    assert peer.stdout.expect("one", LONG)


def test_wait_for_still_finds_what_was_expected(peer: Peer) -> None:
    peer.call(print, "once")
    peer.stdout.expect("once", LONG)
    assert peer.stdout.wait_for("once", 0)


def test_streams_have_places_of_their_own(peer: Peer) -> None:
    for fd in (1, 2):
        peer.call(os.write, fd, b"ready\n")
    assert peer.stdout.expect("ready", LONG)
    assert peer.stderr.expect("ready", LONG)


@pytest.mark.parametrize("before", ["grün 🐍".encode(), b"\xff\xfe", b"\xc3", b"\xff gr\xc3\xbcn"])
def test_place_is_right_behind_any_bytes(peer: Peer, before: bytes) -> None:
    peer.call(os.write, 1, b"1" + before + b"1x2" + before + b"2x")
    assert peer.stdout.expect("1x", LONG)
    assert peer.stdout.expect("2", LONG)
    with pytest.raises(TimeoutError):
        peer.stdout.expect("1", 0)
    assert peer.stdout.expect("2x", LONG)


def test_line_begins_only_where_one_begins(peer: Peer) -> None:
    peer.call(print, "one two\nthree")
    peer.stdout.expect("one ", LONG)
    assert peer.stdout.expect("(?m)^t.*", LONG)[0] == "three"


def test_expect_ends_when_the_peer_is_down(mortal: Peer) -> None:
    mortal.kill()
    with pytest.raises(TimeoutError, match="the peer is down"):
        mortal.stdout.expect("anything", None)


def test_failure_says_that_it_did_not_search_all(peer: Peer) -> None:
    peer.call(print, "ready")
    peer.stdout.expect("ready")
    with pytest.raises(TimeoutError, match=r"'ready' was not written behind the place where"):
        peer.stdout.expect("ready", 0.01)
    with pytest.raises(TimeoutError, match=r"'steady' was not written: not"):
        peer.stdout.wait_for("steady", 0.01)
