"""For modules of tests that pytest in pytest runs: a death that nobody asked for."""

from __future__ import annotations

DIES = """
def die(peer):
    peer.cast(os._exit, 3)
    peer.wait_down(20)
"""
