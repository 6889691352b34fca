"""With ``-s`` and ``--capture=tee-sys``, what peers print is shown while the test runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

#: In modules of tests: `pytester` has what they print in a file.
SHOWN = """
from pathlib import Path
from pytest_peer import eventually

def lines():
    return Path("stdout").read_text().splitlines()

def is_shown(line):
    return eventually(lambda: line in lines(), 20)

def write(text, stream="stdout"):
    getattr(sys, stream).write(text)
    getattr(sys, stream).flush()
"""
NAMED = '\n@pytest.mark.peer(name="db")\n'


@pytest.mark.parametrize("option", ["-s", "--capture=tee-sys"])
def test_output_is_shown_while_the_test_runs(inner: Any, option: str) -> None:
    inner.write(
        SHOWN
        + NAMED
        + """def test_it(peer):
    peer.call(write, "out\\n")
    assert is_shown("[db] out")
    peer.call(write, "err\\n", "stderr")
    assert is_shown("[db] err")
"""
    )
    inner.run_apart(option).assert_outcomes(passed=1)


@pytest.mark.parametrize("options", [[], ["--capture=sys"], ["-s", "-n", "1"]])
def test_captured_output_is_not_shown_live(inner: Any, options: list[str]) -> None:
    inner.write(SHOWN + NAMED + 'def test_it(peer): peer.call(write, "printed\\n")')
    result = inner.run_apart(*options)
    result.assert_outcomes(passed=1)
    assert "printed" not in result.stdout.str()


def test_output_is_shown_in_the_order_of_the_test(inner: Any) -> None:
    # A reply waits for the terminal only a moment, which may pass on a busy machine.
    inner.write(
        "from pytest_peer.plugin import live_output\nlive_output._REPLY_SECONDS = 30", "conftest.py"
    )
    inner.write(
        SHOWN
        + NAMED
        + """def test_it(peer):
    for number in range(20):
        peer.call(print, "peer", number)
        print("test", number, flush=True)
"""
    )
    lines = inner.run_apart("-s").outlines
    told = [line for line in lines if re.search(r"(peer|test) \d", line)]
    expected = [(f"[db] peer {number}", f"test {number}") for number in range(20)]
    assert told == [line for pair in expected for line in pair]


def test_line_is_shown_when_it_is_whole(inner: Any) -> None:
    inner.write(
        SHOWN
        + NAMED
        + """def test_it(peer):
    peer.call(write, "beg")
    peer.call(write, "between\\n", "stderr")
    assert is_shown("[db] between")
    assert not any("beg" in line for line in lines())
    peer.call(write, "un\\n")
    assert is_shown("[db] begun")
"""
    )
    inner.run_apart("-s").assert_outcomes(passed=1)


def test_begun_line_is_shown_when_the_peer_is_down(inner: Any) -> None:
    inner.write(
        SHOWN
        + NAMED
        + """def test_it(peer):
    peer.call(write, "last words")
    peer.kill()
    assert is_shown("[db] last words")
"""
    )
    inner.run_apart("-s").assert_outcomes(passed=1)


def test_begun_line_is_shown_when_the_test_is_over(inner: Any) -> None:
    inner.write(
        SHOWN
        + """
@pytest.fixture(scope="module")
def db(module_peer_factory): return module_peer_factory(name="db")

def test_first(db): db.call(write, "begun")
def test_next(db):
    assert "[db] begun" in lines()
    db.call(write, "ended\\n")
"""
    )
    result = inner.run_apart("-s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["[[]db] begun", "[[]db] ended"])


def test_lines_of_several_peers_never_mix(inner: Any) -> None:
    inner.write(
        """
def chatter():
    for number in range(2000):
        print("x" * (number % 200))

def test_it(peer_factory): peer_factory.many(3, name="rank").call(chatter)
"""
    )
    lines = [line for line in inner.run_apart("-s").outlines if "x" * 10 in line or "[" in line]
    shown = [line for line in lines if "rank" in line or "xxx" in line]
    assert len(shown) == 3 * 2000
    assert all(re.fullmatch(r"\[rank-[012]\] x*", line) for line in shown)


def test_nothing_is_lost_at_the_end(inner: Any) -> None:
    inner.write(
        """
def count():
    for number in range(100_000):
        print("number", number)

@pytest.mark.peer(name="db")
def test_it(peer): peer.call(count)
"""
    )
    lines = inner.run_apart("-s").outlines
    shown = [line for line in lines if line.startswith("[db] number")]
    assert shown == [f"[db] number {number}" for number in range(100_000)]


def test_last_output_of_an_interrupted_run_is_shown(inner: Any) -> None:
    inner.write(
        SHOWN
        + NAMED
        + """def test_it(peer):
    peer.call(write, "before Ctrl-C")
    os.kill(os.getpid(), signal.SIGINT)
"""
    )
    inner.run_apart("-s").stdout.fnmatch_lines(["[[]db] before Ctrl-C"])


def test_restarted_peer_is_shown_too(inner: Any) -> None:
    inner.write(
        NAMED
        + """def test_it(peer):
    peer.call(print, "first life")
    peer.restart()
    peer.call(print, "next life")
"""
    )
    inner.run_apart("-s").stdout.fnmatch_lines(["[[]db] first life", "[[]db] next life"])


def test_detached_peer_is_shown_too(inner: Any) -> None:
    inner.write(
        SHOWN
        + """
@pytest.mark.peer(name="far", connection=0, detached=True)
def test_it(peer):
    peer.call(write, "to a file\\n")
    assert is_shown("[far] to a file")
"""
    )
    inner.run_apart("-s").assert_outcomes(passed=1)


def test_of_a_progress_bar_the_last_state_is_shown(inner: Any) -> None:
    inner.write(NAMED + 'def test_it(peer): peer.call(print, "1 %\\r50 %\\r100 %")')
    inner.run_apart("-s").stdout.fnmatch_lines(["[[]db] 100 %"])


def test_what_is_no_utf_8_is_escaped(inner: Any) -> None:
    inner.write(NAMED + 'def test_it(peer): peer.call(os.write, 1, b"\\xff\\n")')
    inner.run_apart("-s").stdout.fnmatch_lines([r"[[]db] \xff"])


def test_no_thread_is_left_behind_the_peers(inner: Any) -> None:
    inner.write(
        """
def writers():
    return [each for each in threading.enumerate() if "live-output" in each.name]

@pytest.fixture
def watched():
    yield
    from pytest_peer import eventually
    assert eventually(lambda: not writers(), 20)

def test_it(watched, peer):
    peer.call(print, "said")
    assert writers()

def test_again(watched, peer): test_it(watched, peer)
"""
    )
    result = inner.run_apart("-s")
    result.assert_outcomes(passed=2)
    assert result.stdout.str().count("] said") == 2
