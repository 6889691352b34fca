"""`settle` returns at a moment at which peers, and what they have started, were at rest."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gates import Gate, pass_gate
from occupations import loop, start_daemon
from processes import start
from timeouts import AGES, LONG

from pytest_peer import NotSettled, Peer, here
from pytest_peer.core import threads
from pytest_peer.core.sweep import Moment, Sweep

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")

look = Sweep.look
#: Works for a moment of processor time, and says so.
WORK = "import sys,time\nwhile time.process_time() < 0.3: pass\nopen(sys.argv[1], 'w').close()"


def work(path: Path) -> None:
    """In this process."""
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    path.touch()


def have_a_child_work(path: Path) -> None:
    subprocess.Popen([sys.executable, "-c", WORK, str(path)]).wait()


def have_an_orphan_work(path: Path) -> None:
    """A process with no parent that lives, and with a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", WORK, str(path)])
        os._exit(0)
    os.wait()


@pytest.mark.parametrize("function", [work, have_a_child_work, have_an_orphan_work])
def test_all_that_works_is_waited_for(peer: Peer, tmp_path: Path, function: Any) -> None:
    future = peer.submit(function, tmp_path / "done")
    peer.settle(LONG)
    assert (tmp_path / "done").exists()
    assert future.done()


def test_peer_that_waits_for_a_call_is_at_rest(shared: Peer) -> None:
    shared.settle(LONG)
    shared.settle(LONG, ignore_timers=False)


def test_call_that_waits_is_at_rest(peer: Peer, gate: Gate) -> None:
    future = peer.submit(pass_gate, gate.path)
    peer.settle(LONG)
    assert not future.done()
    gate.open()
    future.result(LONG)


def test_process_that_goes_on_and_waits_is_at_rest(peer: Peer) -> None:
    peer.call(start_daemon)
    peer.settle(LONG)


def test_thread_that_keeps_running_is_named(peer: Peer) -> None:
    peer.cast(loop)
    peer.stdout.wait_for("waiting", LONG)
    with pytest.raises(NotSettled, match=r"not at rest within 0\.3 s") as caught:
        peer.settle(0.3)
    error = caught.value
    assert isinstance(error, TimeoutError)
    assert f"peer {peer.name!r} (pid {peer.pid}): thread {peer.pid} (" in error.busy[0]
    assert "in loop" in error.stacks
    assert error.stacks in str(error)
    assert error.busy[0] in str(error)


def test_process_of_a_peer_that_keeps_running_is_named(peer: Peer) -> None:
    child = peer.call(start_a_loop)
    with pytest.raises(NotSettled) as caught:
        peer.settle(0.3)
    assert f"{peer.name!r} (pid {peer.pid}), its process {child}: thread {child} (" in str(
        caught.value
    )


def test_what_ran_for_a_moment_is_not_named(peer_factory: Any) -> None:
    brief, busy = peer_factory.many(2)
    busy.cast(loop)
    busy.stdout.wait_for("waiting", LONG)
    brief.call(work_for, 0)  # the import of this module would take longer
    brief.cast(work_for, 0.005)
    with pytest.raises(NotSettled) as caught:
        peer_factory.settle(1)
    (line,) = caught.value.busy
    assert f"peer {busy.name!r} (pid {busy.pid}): thread {busy.pid} (" in line
    assert brief.name not in str(caught.value)


def seem_asleep(sweep: Sweep, meanwhile: Callable[[], object]) -> Moment:
    """Find all asleep, as a look at a moment at which all are on their way to sleep."""
    found = look(sweep, meanwhile)
    return Moment(found.known, {each: threads.turns(*each) for each in found.known})


def test_rest_is_confirmed_by_system_calls(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    peer.cast(loop)
    peer.stdout.wait_for("waiting", LONG)
    monkeypatch.setattr(Sweep, "look", seem_asleep)
    with pytest.raises(NotSettled):
        peer.settle(0.3)


def test_calls_that_have_begun_are_not_named(peer: Peer) -> None:
    futures = [peer.submit(time.sleep, AGES) for _ in range(2)]
    for each in futures:
        each.wait_blocked(LONG)
    with pytest.raises(NotSettled) as caught:
        peer.settle(0.3, ignore_timers=False)
    assert len(caught.value.busy) == 2
    assert "has not begun" not in str(caught.value)
    peer.kill()


def start_a_loop() -> int:
    return start(sys.executable, "-c", "while True: pass").pid


# Timers


def test_sleep_is_rest_unless_timers_count(peer: Peer) -> None:
    future = peer.submit(time.sleep, 0.5)
    future.wait_blocked(LONG)
    peer.settle(LONG)
    assert not future.done()
    peer.settle(LONG, ignore_timers=False)
    assert future.done()


def take(limit: float | None) -> object:
    return here.mailbox("orders").get(limit)


@pytest.mark.parametrize("limit", [None, AGES])
def test_our_own_waits_are_no_timers(peer: Peer, limit: float | None) -> None:
    future = peer.submit(take, limit)
    future.wait_blocked(LONG)
    peer.settle(LONG, ignore_timers=False)
    assert not future.done()
    peer.send("orders", 1)
    assert future.result(LONG) == 1


# Links


def test_message_on_its_way_is_waited_for(peer: Peer) -> None:
    future = peer.submit(take, None)
    future.wait_blocked(LONG)
    for _ in range(20):
        peer.send("orders", bytes(20_000_000))
        peer.settle(LONG)
        assert future.done()
        future = peer.submit(take, None)


def test_answer_on_its_way_is_waited_for(peer: Peer) -> None:
    for _ in range(20):
        future = peer.submit(bytes, 20_000_000)
        peer.settle(LONG)
        assert future.done()


# Several


def test_peer_of_another_connection_settles(peer_factory: Any, tmp_path: Path) -> None:
    peer = peer_factory(connection=0)
    for turn in range(20):
        future = peer.submit(work_for, 0.001 * turn)
        peer.settle(LONG)
        assert future.done()


def work_for(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def listen() -> int:
    global _server
    _server = socket.create_server(("127.0.0.1", 0))
    port: int = _server.getsockname()[1]
    return port


_server: socket.socket


def pass_on(port: int, first: bool, path: Path) -> None:
    """Pass a token on, as often as it says."""
    following = socket.create_connection(("127.0.0.1", port))
    following.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if first:
        following.sendall(bytes([200]))
    incoming, _ = _server.accept()
    while left := incoming.recv(1)[0]:
        following.sendall(bytes([left - 1]))
    path.touch()
    incoming.recv(1)


def test_peers_settle_when_they_have_stopped_talking(peer_factory: Any, tmp_path: Path) -> None:
    group = peer_factory.many(3)
    ports = group.call(listen)
    for peer, port in zip(group, [*ports[1:], ports[0]], strict=True):
        peer.submit(pass_on, port, peer is group[0], tmp_path / "done")
    group.settle(LONG)
    assert (tmp_path / "done").exists()


def test_factory_settles_all_its_peers(peer_factory: Any, tmp_path: Path) -> None:
    peer_factory(), peer_factory().submit(work, tmp_path / "done")
    peer_factory.settle(LONG)
    assert (tmp_path / "done").exists()


def test_group_settles_only_its_members(peer_factory: Any) -> None:
    group = peer_factory.many(3)
    group[2].cast(loop)
    group[2].stdout.wait_for("waiting", LONG)
    group[:2].settle(LONG)
    with pytest.raises(NotSettled):
        group.settle(0.1)


def test_server_of_the_test_is_watched(peer_factory: Any, tmp_path: Path) -> None:
    peer_factory()
    path = tmp_path / "done"
    with subprocess.Popen([sys.executable, "-c", WORK, str(path)]) as server:
        peer_factory.settle(LONG, watch=[server.pid])
        assert path.exists()
    with pytest.raises(ValueError, match=f"watch: there is no process {server.pid}"):
        peer_factory.settle(LONG, watch=[server.pid])


# Lives


def test_boot_is_waited_for(peer_factory: Any) -> None:
    peer = peer_factory(wait_boot=False)
    peer.settle(LONG)
    assert peer.state == "running"


def test_dead_and_paused_peers_are_at_rest(peer_factory: Any) -> None:
    dead, paused = peer_factory(), peer_factory()
    dead.kill()
    paused.cast(loop)
    paused.stdout.wait_for("waiting", LONG)
    paused.pause()
    dead.settle(LONG)
    paused.settle(LONG)


@pytest.mark.parametrize("limit", [-1, float("nan")])
def test_limit_of_settle_is_checked(shared: Peer, limit: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        shared.settle(limit)


def test_calls_that_came_together_have_begun(peer: Peer) -> None:
    """The first one waits on the main thread, and a moment later another one runs the second."""
    for number in range(100):
        first, second = peer.submit(take, LONG), peer.submit(os.getpid)
        peer.settle(LONG)
        assert second.done()
        assert not first.done()
        peer.send("orders", number)
        assert first.result(LONG) == number


async def answer_at_once(number: int) -> int:
    await asyncio.sleep(0)
    return number


def test_coroutines_that_came_together_have_begun(peer: Peer) -> None:
    """The event loop changes threads, and rests for a moment before it does."""
    for _ in range(100):
        futures = [peer.submit(answer_at_once, number) for number in range(3)]
        peer.settle(LONG)
        assert [future.done() for future in futures] == [True] * 3


def tell_number(number: int) -> None:
    here.origin.send("numbers", number)


def test_casts_have_begun(peer_factory: Any) -> None:
    peer, numbers = peer_factory(), peer_factory.mailbox("numbers")
    for number in range(100):
        busy = peer.submit(take, LONG)
        peer.cast(tell_number, number)
        peer.settle(LONG)
        assert numbers.get(0) == number
        peer.send("orders", number)
        busy.result(LONG)


def test_timers_that_end_during_a_look(peer: Peer) -> None:
    """The thread is awake then, and has not run yet."""
    for _ in range(50):
        future = peer.submit(time.sleep, 0.01)
        peer.settle(LONG, ignore_timers=False)
        assert future.done()


def test_paused_peer_that_looks_at_itself_is_at_rest(peer_factory: Any) -> None:
    far = peer_factory(connection=0)
    far.pause()
    far.settle(LONG)


def test_peer_whose_calls_have_replies_is_not_asked_for_them(peer: Peer) -> None:
    for _ in range(10):
        peer.call(os.getpid)
    assert not peer.life.client.agent.may_lag
