"""``sys.stdout`` of the test is that of the peer there, whatever pytest has put there."""

from __future__ import annotations

import sys
from typing import TextIO

import pytest
from inner_pytest import Inner

from pytest_peer import Peer

SUITE = """
def test_method(peer):
    peer.call(sys.stderr.write, "written")
    assert peer.stderr.text == "written"

def test_argument(peer):
    peer.call(print, "printed", file=sys.stderr)
    assert peer.stderr.text == "printed\\n"
"""


@pytest.mark.parametrize("capture", ["fd", "sys", "tee-sys", "no"])
def test_stream_that_pytest_captures(inner: Inner, capture: str) -> None:
    inner.write(SUITE)
    inner.run(f"--capture={capture}").assert_outcomes(passed=2)


def write(text: str, file: TextIO = sys.stdout) -> None:
    print(text, file=file, flush=True)


def test_default_of_a_function(peer: Peer) -> None:
    peer.call(lambda text, file=sys.stdout: print(text, file=file, flush=True), "by value")
    peer.call(write, "by reference")
    assert peer.stdout.lines == ["by value", "by reference"]


def test_stream_that_a_peer_returns_is_that_of_the_test(peer: Peer) -> None:
    assert peer.call(getattr, sys, "stdout") is sys.stdout
