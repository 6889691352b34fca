"""multiprocessing in a peer has the secret of the test's, as its own children have it."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest


def authkey() -> bytes:
    import multiprocessing.process

    return bytes(multiprocessing.process.current_process().authkey)


def set_authkey(key: bytes) -> None:
    import multiprocessing.process

    multiprocessing.process.current_process().authkey = key


def test_proxies_of_managers_work_on_both_sides(inner):
    inner.write("""
        import multiprocessing

        def append(words, word):
            words.append(word)

        def start_manager():
            global manager, words
            manager = multiprocessing.get_context("spawn").Manager()
            words = manager.list()
            return words

        @pytest.mark.parametrize("options", [{}, {"start_method": "spawn"}, {"connection": 0}])
        def test_proxies(peer_factory, options):
            peer = peer_factory(**options)
            words = start_manager()
            peer.call(append, words, "a")
            assert list(words) == ["a"]
            there = peer.call(start_manager)
            there.append("b")
            assert list(there) == ["b"]
    """)
    inner.run_apart().assert_outcomes(passed=3)


def test_peer_has_the_authkey_that_is_set_when_it_starts(peer_factory):
    before = authkey()
    try:
        set_authkey(b"another")
        peer = peer_factory()
        set_authkey(b"a third")
        assert peer.call(authkey) == b"another"
        assert peer.restart().call(authkey) == b"a third"
    finally:
        set_authkey(before)


def test_code_in_a_peer_may_set_another_authkey(peer):
    peer.call(set_authkey, b"another")
    assert peer.call(authkey) == b"another"


def test_child_of_a_peer_has_the_authkey(peer):
    assert peer.call(key_of_child, "fork") == authkey()
    assert peer.call(key_of_child, "spawn") == authkey()


def key_of_child(method: str) -> bytes:
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply(authkey)


def shown() -> bytes:
    """What every process of this user may see of this one."""
    return Path("/proc/self/cmdline").read_bytes() + Path("/proc/self/environ").read_bytes()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_authkey_is_not_shown(peer_factory, start_method):
    before = authkey()
    try:
        set_authkey(b"a secret word")
        peer = peer_factory(start_method=start_method)
        assert peer.call(authkey) == b"a secret word"
        assert b"secret word" not in peer.call(shown)
    finally:
        set_authkey(before)


@pytest.mark.peer(start_method="spawn")
def test_peer_does_not_import_multiprocessing_for_that(peer):
    assert not peer.call(eval, "'multiprocessing' in __import__('sys').modules")
