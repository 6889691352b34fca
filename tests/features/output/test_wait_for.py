"""`wait_for` waits for what a peer prints."""

from __future__ import annotations

import math
import os
import re
import threading
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, here


def print_lines(count: int) -> None:
    for number in range(count):
        print("line", number)


def print_when_told(box: str) -> None:
    print(here.mailbox(box).get(LONG))


def print_when_told_and_die(box: str) -> None:
    print(here.mailbox(box).get(LONG))
    os._exit(3)


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
