"""Readers share a lock, a writer has it alone, and readers that come late do not starve it.

The code under test is `ReadWriteLock` of the library filelock, and the claims are those of its own
tests, which let processes sleep so that others may come first.

Shows: one function that prepares each peer (`setup`); the kernel's word that a call waits
(`wait_blocked`) where a test would sleep and hope; a holder that is killed while another waits.
"""

from __future__ import annotations

import functools

import pytest
from filelock import ReadWriteLock, Timeout

SOON = 10.0  # seconds; far more than it ever takes
EXCLUDED = [("write", "write"), ("write", "read"), ("read", "write")]

lock: ReadWriteLock  # each peer's own


def open_lock(path):
    global lock
    lock = ReadWriteLock(path)


def acquire(mode, timeout=SOON, *, blocking=True):
    getattr(lock, f"acquire_{mode}")(timeout, blocking=blocking)


def release():
    lock.release()


def blocked(peer, mode):
    """Let a peer wait for the lock, and return the future when it does."""
    future = peer.submit(acquire, mode)
    assert future.wait_blocked(SOON).on == "polling"  # as SQLite does, in whose files the lock is
    return future


@pytest.fixture
def start(peer_factory, tmp_path):
    setup = functools.partial(open_lock, tmp_path / "lock.db")
    return functools.partial(peer_factory.many, name="p", setup=setup)


def test_readers_share(start):
    start(3).call(acquire, "read")


@pytest.mark.parametrize(("held", "wanted"), EXCLUDED)
def test_others_wait_until_the_holder_releases(start, held, wanted):
    holder, contender = start(2)
    holder.call(acquire, held)
    waiting = blocked(contender, wanted)
    holder.call(release)
    waiting.result(SOON)


@pytest.mark.parametrize(("held", "wanted"), EXCLUDED)
def test_others_may_wait_no_longer_than_they_want(start, held, wanted):
    holder, contender = start(2)
    holder.call(acquire, held)
    with pytest.raises(Timeout):  # filelock's own exception, raised in the peer
        contender.call(acquire, wanted, timeout=0.05)
    with pytest.raises(Timeout):
        contender.call(acquire, wanted, timeout=-1, blocking=False)


def test_readers_that_come_late_do_not_starve_the_writer(start):
    *early, writer, late, later = start(5)
    for reader in early:
        reader.call(acquire, "read")
    writing = blocked(writer, "write")
    reading = [blocked(reader, "read") for reader in (late, later)]
    for reader in early:
        reader.call(release)
    writing.result(SOON)
    assert not any(future.done() for future in reading)
    writer.call(release)
    for future in reading:
        future.result(SOON)


@pytest.mark.parametrize("mode", ["read", "write"])
def test_the_last_of_nested_holds_counts(start, mode):
    holder, contender = start(2)
    for _ in range(3):
        holder.call(acquire, mode)
    waiting = blocked(contender, "write")
    holder.call(release)
    holder.call(release)
    waiting.wait_blocked(SOON)
    holder.call(release)
    waiting.result(SOON)


@pytest.mark.parametrize(("held", "wanted"), [("read", "write"), ("write", "read")])
def test_a_holder_may_not_change_the_mode(peer, tmp_path, held, wanted):
    peer.call(open_lock, tmp_path / "lock.db")
    peer.call(acquire, held)
    with pytest.raises(RuntimeError, match="not allowed"):
        peer.call(acquire, wanted)


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_killed_holder_loses_the_lock(start, mode):
    holder, contender = start(2)
    holder.call(acquire, mode)
    waiting = blocked(contender, "write")
    holder.kill()
    waiting.result(SOON)
