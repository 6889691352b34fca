"""`here` in the processes that a peer has started, in whatever way."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import children
import pytest
from mailbox_calls import send, take
from timeouts import LONG

from pytest_peer import EncodeError, Peer, eventually, here

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
pytestmark = linux

Way = Callable[..., None]
WAYS: dict[str, Way] = {
    "fork": children.forked,
    "multiprocessing_fork": partial(children.by_multiprocessing, "fork"),
    "multiprocessing_spawn": partial(children.by_multiprocessing, "spawn"),
    "multiprocessing_forkserver": partial(children.by_multiprocessing, "forkserver"),
    "pool": children.in_pool,
    "subprocess": children.executed,
    "subprocess_without_environment": children.without_environment,
    "orphan_of_a_shell": children.orphaned,
    "daemon": children.daemonized,
    "grandchild": children.from_a_child,
    "another_user": children.by_another_user,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_way
def test_child_takes_from_the_test_and_answers(peer: Peer, peer_factory: Any, way: Way) -> None:
    peer.send("questions", {"number": 42})
    peer.call(way, children.answer, "questions", "answers")
    answer = peer_factory.mailbox("answers").get(LONG)
    assert answer == (peer.name, peer.name, {"number": 42})


@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
@pytest.mark.parametrize("way", [children.executed, children.daemonized])
def test_child_sends_whatever_started_its_peer(
    peer_factory: Any, start_method: str, way: Way
) -> None:
    peer = peer_factory(start_method=start_method)
    peer.call(way, children.send_name, "names")
    assert peer_factory.mailbox("names").get(LONG) == peer.name


def hold_and_fork() -> None:
    origin, box = here.origin, here.mailbox("held")
    children.forked(lambda: origin.send("back", box.get(LONG)))


def test_what_was_held_before_the_fork_works_after_it(peer: Peer, peer_factory: Any) -> None:
    peer.send("held", 1)
    peer.send("held", 2)
    peer.call(hold_and_fork)
    assert peer_factory.mailbox("back").get(LONG) == 1
    assert peer.call(take, "held", 0) == 2


def send_in_turns(box: str, size: int) -> None:
    for number in range(6):
        if number % 2:
            send(box, (number, bytes(size)))
        else:
            children.forked(send, box, (number, bytes(size)))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 100_000, 3_000_000])
def test_child_and_peer_keep_the_order(shared: Peer, module_peer_factory: Any, size: int) -> None:
    shared.call(send_in_turns, "turns", size)
    box = module_peer_factory.mailbox("turns")
    got = [box.get(LONG) for _ in range(6)]
    assert got == [(number, bytes(size)) for number in range(6)]


def send_back(box: str) -> None:
    message = here.mailbox(box).get(LONG)
    here.origin.send(box, (message, [type(part).__name__ for part in message]))


def test_child_gets_and_sends_big_messages(shared: Peer, module_peer_factory: Any) -> None:
    parts = [b"a" * 3_000_000, bytearray(b"b" * 3_000_000), memoryview(b"c" * 3_000_000), "d"]
    shared.send("big", parts)
    shared.call(children.forked, send_back, "big")
    message, types = module_peer_factory.mailbox("big").get(LONG)
    assert message == parts
    assert types == [type(part).__name__ for part in parts]


def take_all(box: str, taken: str) -> None:
    for number in here.mailbox(box):
        if number is None:
            break
        here.origin.send(taken, number)


def fork_takers(count: int) -> None:
    pids = []
    for _ in range(count):
        if (pid := os.fork()) == 0:
            take_all("numbers", "taken")
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * count


def test_message_goes_to_one_process(peer: Peer, peer_factory: Any) -> None:
    calls = peer.submit(fork_takers, 4)
    for number in [*range(100), *[None] * 4]:
        peer.send("numbers", number)
    calls.result(LONG)
    box = peer_factory.mailbox("taken")
    assert sorted(box.get(LONG) for _ in range(100)) == list(range(100))


def fork_waiting(box: str) -> int:
    if (pid := os.fork()) == 0:
        here.origin.send("waits", os.getpid())
        take(box, None)
        os._exit(0)
    return pid


def kill_child(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_dead_child_takes_nothing(peer: Peer, peer_factory: Any) -> None:
    for _ in range(3):
        pid = peer.call(fork_waiting, "work")
        peer_factory.mailbox("waits").get(LONG)
        eventually(lambda pid=pid: "unix_stream" in wait_channel(pid), timeout=LONG)
        peer.call(kill_child, pid)
    waiting = peer.submit(lambda: [take("work") for _ in range(3)])
    for number in range(3):
        peer.send("work", number)
    assert waiting.result(LONG) == [0, 1, 2]


def wait_channel(pid: int | None) -> str:
    return Path(f"/proc/{pid}/wchan").read_text()


def fork_beside_a_wait(box: str) -> int:
    """Fork a process that forks another one while one of its threads waits for a message."""
    if (pid := os.fork()) == 0:
        thread = threading.Thread(target=take, args=(box, None), daemon=True)
        thread.start()
        eventually(lambda: "unix_stream" in wait_channel(thread.native_id), timeout=LONG)
        if os.fork() == 0:
            signal.pause()
        here.origin.send("waits", os.getpid())
        signal.pause()
    return pid


def test_dead_child_takes_nothing_although_its_own_lives(peer: Peer, peer_factory: Any) -> None:
    pid = peer.call(fork_beside_a_wait, "work")
    peer_factory.mailbox("waits").get(LONG)
    peer.call(kill_child, pid)
    peer.send("work", 1)
    peer.call(time.sleep, 0.1)  # it would go to the dead one by now
    assert peer.call(take, "work") == 1


def test_children_leave_nothing_in_the_peer(peer: Peer, peer_factory: Any) -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    peer.call(children.forked, send, "warm", "up")
    before = peer.call(held)
    for _ in range(5):
        pid = peer.call(fork_waiting, "nothing")
        peer_factory.mailbox("waits").get(LONG)
        peer.call(kill_child, pid)
    peer.call(children.forked, send, "last", "one")
    eventually(lambda: peer.call(held) == before, timeout=LONG)


def test_repr_in_a_child_counts_nothing(peer: Peer, peer_factory: Any) -> None:
    peer.send("full", 1)
    assert peer.call(lambda: repr(here.mailbox("full"))) == "<Mailbox 'full', 1 waiting>"
    peer.call(lambda: children.forked(lambda: send("repr", repr(here.mailbox("full")))))
    assert peer_factory.mailbox("repr").get(LONG) == "<Mailbox 'full'>"


def fail_to_get() -> None:
    with pytest.raises(TimeoutError, match=r"'empty' within 0.01 s; there are messages in 'full'"):
        here.mailbox("empty").get(0.01)
    with pytest.raises(EncodeError, match="the message"):
        here.origin.send("box", threading.Lock())
    with pytest.raises(TypeError, match="mailbox"):
        here.mailbox(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", [WAYS["fork"], WAYS["multiprocessing_spawn"]])
def test_errors_in_a_child_are_those_in_a_peer(peer: Peer, way: Way) -> None:
    peer.send("full", 1)
    peer.call(way, fail_to_get)


def send_with_short_limit(box: str) -> None:
    socket.setdefaulttimeout(0.001)
    send(box, bytes(5_000_000))
    assert take(box, LONG) == 1


def test_child_may_limit_its_sockets(peer: Peer, peer_factory: Any) -> None:
    call = peer.submit(children.forked, send_with_short_limit, "limits")
    assert peer_factory.mailbox("limits").get(LONG) == bytes(5_000_000)
    peer.send("limits", 1)
    call.result(LONG)


def send_without_files(box: str) -> None:
    with mock.patch("builtins.open", side_effect=AssertionError):
        children.forked(send, box, here.name)


def test_child_sends_where_open_is_patched(peer: Peer, peer_factory: Any) -> None:
    peer.call(send_without_files, "patched")
    assert peer_factory.mailbox("patched").get(LONG) == peer.name


def test_stranger_gets_no_answer(peer: Peer) -> None:
    names = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    own = f"-{peer.call(os.getppid)}"
    (name,) = {name for name in names if name.endswith(own) and name[0] == "@"}
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect("\0" + name[1:])
        stranger.settimeout(LONG)
        assert stranger.recv(1) == b""
