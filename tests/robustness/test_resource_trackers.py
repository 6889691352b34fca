"""What a dead peer leaves in ``/dev/shm`` is removed by multiprocessing's resource tracker."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from multiprocessing import get_context, shared_memory
from pathlib import Path
from typing import Any

import pytest
from origin_programs import said_by
from processes import assert_gone, start_child_and_grandchild
from stopping import taking_less_than
from timeouts import AT_ONCE, LONG

from pytest_peer import Peer, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /dev/shm")

_kept: list[Any] = []


def make_segment() -> str:
    _kept.append(shared_memory.SharedMemory(create=True, size=1000))
    return f"/dev/shm/{_kept[-1].name}"


def make_semaphore() -> str:
    _kept.append(get_context("spawn").Lock())
    return "/dev/shm/sem." + _kept[-1]._semlock.name.lstrip("/")


def make_segment_in_a_child() -> str:
    """With a tracker of the child's."""
    reader, writer = multiprocessing.Pipe()
    if os.fork() == 0:
        os.setsid()
        writer.send(make_segment())
        signal.pause()
    path: str = reader.recv()
    return path


@contextlib.contextmanager
def removed(path: str) -> Iterator[None]:
    assert os.path.exists(path)
    try:
        yield
        eventually(lambda: not os.path.exists(path))
    finally:
        Path(path).unlink(missing_ok=True)


def crash(peer: Peer) -> None:
    peer.cast(os.kill, peer.pid, signal.SIGSEGV)
    peer.wait_down(LONG)


def leave(peer: Peer) -> None:
    peer.cast(os._exit, 0)
    peer.wait_down(LONG)


@pytest.mark.peer(peer_down="continue")
@pytest.mark.parametrize("end", [Peer.stop, Peer.kill, Peer.restart, crash, leave])
def test_segment_of_a_dead_peer_is_removed(peer: Peer, end: Callable[[Peer], object]) -> None:
    with removed(peer.call(make_segment)):
        end(peer)


@pytest.mark.parametrize("end", [Peer.stop, Peer.kill])
@pytest.mark.parametrize("make", [make_semaphore, make_segment_in_a_child])
def test_other_things_of_a_dead_peer_are_removed(
    peer: Peer, make: Callable[[], str], end: Callable[[Peer], object]
) -> None:
    with removed(peer.call(make)):
        end(peer)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("shutdown", ["halt", 5.0, None, "close"])
def test_segment_is_removed_whatever_the_shutdown(
    peer_factory: Any, shutdown: Any, method: str
) -> None:
    peer = peer_factory(shutdown=shutdown, start_method=method)
    with removed(peer.call(make_segment)):
        peer.stop()


@pytest.mark.parametrize("end", [Peer.stop, Peer.kill])
def test_segment_of_a_spawned_peer_is_removed(
    peer_factory: Any, end: Callable[[Peer], object]
) -> None:
    peer = peer_factory(start_method="spawn")
    with removed(peer.call(make_segment)):
        end(peer)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_segment_is_removed_when_the_origin_is_killed(tmp_path: Path, method: str) -> None:
    (path,) = said_by(
        tmp_path,
        f"""
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_resource_trackers import make_segment
        print(start(start_method="{method}").call(make_segment), flush=True)
        die()
        """,
    )
    try:
        eventually(lambda: not os.path.exists(path))
    finally:
        Path(path).unlink(missing_ok=True)


def stop_the_tracker() -> int:
    from multiprocessing.resource_tracker import _resource_tracker

    pid: int = _resource_tracker._pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.parametrize("end", [Peer.stop, Peer.kill])
def test_tracker_that_does_not_end_is_killed(peer: Peer, end: Callable[[Peer], object]) -> None:
    path = peer.call(make_segment)
    try:
        tracker = peer.call(stop_the_tracker)
        with taking_less_than(2 * AT_ONCE):
            end(peer)
        assert_gone([tracker])
    finally:
        Path(path).unlink(missing_ok=True)


def test_what_is_beside_a_tracker_is_killed(peer: Peer) -> None:
    with removed(peer.call(make_segment)):
        pids = [peer.pid, *peer.call(start_child_and_grandchild)]
        peer.kill()
        assert_gone(pids, within=0)


@pytest.mark.parametrize("end", [Peer.stop, Peer.kill])
def test_tracker_of_a_paused_peer_has_its_moment(peer: Peer, end: Callable[[Peer], object]) -> None:
    with removed(peer.call(make_segment)):
        peer.pause()
        end(peer)
