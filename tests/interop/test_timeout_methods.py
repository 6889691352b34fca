"""pytest-timeout ends a test that waits for a peer, by either method."""

from __future__ import annotations

import pytest

SUITE = """
def hang(): time.sleep(600)

@pytest.mark.timeout(3, func_only=True)
def test_hangs(peer):
    note(peer)
    peer.call(hang)

def test_next(peer): assert peer.call(abs, -1) == 1
"""


@pytest.fixture
def suite(inner, load):
    load("timeout")
    inner.write(SUITE)
    return inner


def test_signal_fails_the_test_and_shows_the_peer(suite):
    result = suite.run_apart("--timeout-method=signal")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured stacks ?test_hangs*", "*in hang*"])
    suite.assert_nothing_left()


def test_thread_ends_the_run_and_its_peers(suite):
    result = suite.run_apart("--timeout-method=thread")
    assert result.ret == 1
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    assert "passed" not in result.stdout.str()
    suite.assert_nothing_left()
