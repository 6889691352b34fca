"""Children that a peer forks while a point is set have it too; there is one count for all."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys

import pytest
from children import forked
from held_store import double, triple
from timeouts import LONG

from pytest_peer import eventually, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")

fork = multiprocessing.get_context("fork")


def fork_and_double(box):
    forked(double_and_send, box)


def double_and_send(box):
    print("begun", flush=True)
    here.origin.send(box, outcome())


def outcome():
    try:
        return double(4)
    except Exception as exc:
        return type(exc).__name__


def in_children(count):
    with fork.Pool(2) as pool:
        return pool.map(double, range(count), chunksize=1)


def triple_in_a_child(box):
    forked(send_triples, box)


def send_triples(box):
    async def main():
        other = asyncio.create_task(beside())
        return await triple(2), await other

    async def beside():
        await asyncio.sleep(0)
        here.origin.send(box, "the other goes on")

    here.origin.send(box, asyncio.run(main())[0])


def child_that_is_killed(box):
    process = fork.Process(target=double_and_send, args=(box,))
    process.start()
    process.join()
    return process.exitcode


def child_that_outlives_the_block(box):
    forked(double_twice, box)


def double_twice(box):
    here.origin.send(box, double(1))
    here.mailbox("go on").get(LONG)
    here.origin.send(box, (double(2), double.__code__.co_varnames))


def test_call_in_a_child_is_held(shared, module_peer_factory):
    with shared.hold_at(double) as point:
        held = shared.submit(fork_and_double, "doubled")
        assert point.wait(LONG) == "double(value=4)"
        assert not held.done()
        point.release()
        held.result(LONG)
    assert module_peer_factory.mailbox("doubled").get(LONG) == 8


def test_end_of_the_block_lets_a_child_go(shared, module_peer_factory):
    with shared.hold_at(double) as point:
        held = shared.submit(fork_and_double, "doubled")
        point.wait(LONG)
    held.result(LONG)
    assert module_peer_factory.mailbox("doubled").get(LONG) == 8


def test_held_child_fails_as_it_is_told(shared, module_peer_factory):
    with shared.hold_at(double) as point:
        held = shared.submit(fork_and_double, "doubled")
        point.wait(LONG)
        point.fail(OSError(28, "full"))
        held.result(LONG)
    assert module_peer_factory.mailbox("doubled").get(LONG) == "OSError"


def test_calls_of_all_children_are_counted_together(shared):
    with shared.hold_at(double, nth=4) as point:
        assert shared.call(double, 0) == 0
        held = shared.submit(in_children, 3)
        point.wait(LONG)
        point.release()
        assert held.result(LONG) == [0, 2, 4]


def test_function_fails_in_a_child(shared, module_peer_factory):
    with shared.fail_at(double, KeyError):
        shared.call(fork_and_double, "doubled")
    assert module_peer_factory.mailbox("doubled").get(LONG) == "KeyError"


def test_coroutine_of_a_child_is_held_without_its_loop(shared, module_peer_factory):
    with shared.hold_at(triple) as point:
        held = shared.submit(triple_in_a_child, "tripled")
        point.wait(LONG)
        assert module_peer_factory.mailbox("tripled").get(LONG) == "the other goes on"
        point.release()
        held.result(LONG)
    assert module_peer_factory.mailbox("tripled").get(LONG) == 6


def test_held_child_may_die(shared):
    with shared.hold_at(double) as point:
        held = shared.submit(child_that_is_killed, "unused")
        point.wait(LONG)
        shared.call(kill_children)
        assert held.result(LONG) == -signal.SIGKILL
        eventually(lambda: not point.holds, LONG)


def kill_children():
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)


def test_held_child_dies_with_its_peer(peer):
    with peer.hold_at(double) as point:
        peer.submit(fork_and_double, "unused")
        point.wait(LONG)
        peer.kill()


def test_child_that_outlives_the_block_has_no_point_then(shared, module_peer_factory):
    box = module_peer_factory.mailbox("outlives")
    with shared.hold_at(double, nth=9, required=False):
        ended = shared.submit(child_that_outlives_the_block, "outlives")
        assert box.get(LONG) == 2
    shared.send("go on", None)
    assert box.get(LONG) == (4, ("value", "more"))
    ended.result(LONG)
