"""A lock file keeps processes apart, also when its holder hangs or dies.

The code under test is the library filelock. The peers run the functions of this test module.

Shows: functions of the test module that run in peers, and its globals, which live on there
(`lock`); a call that blocks, as a future (`submit`, `wait_blocked`); a peer that sends a message to
the test (`here.origin.send`); an exception that comes back as itself; `pause`, `resume` and `kill`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from pytest_peer import here

SOON = 10.0  # seconds; far more than it ever takes

lock: FileLock  # each peer's own


def acquire(path: Path, timeout: float = SOON) -> str:
    global lock
    lock = FileLock(path, poll_interval=0.01)
    here.origin.send("contenders", here.name)
    lock.acquire(timeout)
    return here.name


def release() -> None:
    lock.release()


def increment(counter: Path, times: int) -> None:
    """Without the lock, peers would read the same number and write the same next one."""
    for _ in range(times):
        with FileLock(f"{counter}.lock", poll_interval=0.001):
            counter.write_text(str(int(counter.read_text()) + 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "the.lock"


def test_only_one_at_a_time_is_inside(peer_factory, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    peer_factory.many(4).call(increment, counter, 50)
    assert counter.read_text() == "200"


def test_a_contender_waits_until_the_holder_releases(peer_factory, path):
    holder, contender = peer_factory(name="holder"), peer_factory(name="contender")
    holder.call(acquire, path)
    waiting = contender.submit(acquire, path)
    assert waiting.wait_blocked(SOON).on == "polling"  # it looks again and again
    holder.call(release)
    assert waiting.result(SOON) == "contender"


def test_a_killed_holder_loses_the_lock(peer_factory, path):
    holder, contender = peer_factory(name="holder"), peer_factory(name="contender")
    contenders = peer_factory.mailbox("contenders")

    holder.call(acquire, path)
    assert contenders.get(SOON) == "holder"
    waiting = contender.submit(acquire, path)
    assert contenders.get(SOON) == "contender"  # it is about to wait
    assert not waiting.done()

    holder.kill()
    assert waiting.result(SOON) == "contender"


def test_a_paused_holder_keeps_the_lock(peer_factory, path):
    holder, contender = peer_factory(name="holder"), peer_factory(name="contender")
    holder.call(acquire, path)
    holder.pause()  # it stops running, and still holds the lock
    with pytest.raises(Timeout) as caught:  # filelock's own exception, raised in the peer
        contender.call(acquire, path, timeout=0.2)
    assert caught.value.lock_file == str(path)

    holder.resume()
    holder.call(release)
    assert contender.call(acquire, path) == "contender"
