"""Many callers of one peer: each gets its own reply, and no call waits for another."""

from __future__ import annotations

import gc
import operator
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import CallTimeout, Peer, PeerError, here

THREADS = 8
CALLS = 200

order: list[int] = []


def note(number: int) -> bool:
    order.append(number)
    return threading.current_thread() is threading.main_thread()


def noted() -> list[int]:
    return order


def take(box: str) -> Any:
    return here.mailbox(box).get(LONG)


def tell(box: str, message: object) -> object:
    here.origin.send(box, message)
    return message


def tell_and_print(box: str, message: object) -> object:
    print(message)
    return tell(box, message)


def at_once(work: Callable[[int], object]) -> None:
    """Run it in several threads; what one raises is raised here."""
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


def test_every_thread_gets_its_own_answers(peer: Peer) -> None:
    def calls(index: int) -> None:
        for number in range(CALLS):
            value = index * CALLS + number
            assert peer.call_within(LONG, operator.add, value, 0) == value

    at_once(calls)


def test_threads_and_the_main_thread(peer: Peer) -> None:
    """The main thread reads in a way of its own."""
    stop = threading.Event()

    def calls(index: int) -> None:
        if index == 0:
            stop.wait(LONG)
        for number in range(CALLS if index == 0 else 10**6):
            assert peer.call_within(LONG, operator.mul, number, index) == number * index
            if index and stop.is_set():
                break

    thread = threading.Thread(target=at_once, args=(calls,))
    thread.start()
    for number in range(CALLS):
        assert peer.call_within(LONG, operator.neg, number) == -number
    stop.set()
    thread.join()


def test_answers_while_another_call_waits(peer: Peer) -> None:
    """The first waiting thread reads the link; both replies come, its own later."""
    waiting = threading.Thread(target=peer.call_within, args=(LONG, take, "box"))
    waiting.start()
    for number in range(CALLS):
        assert peer.call_within(LONG, operator.add, number, 1) == number + 1
    peer.send("box", None)
    waiting.join(LONG)
    assert not waiting.is_alive()


def test_reply_to_a_thread_while_the_main_thread_waits_too(peer: Peer) -> None:
    done = threading.Event()

    def calls() -> None:
        for number in range(CALLS):
            assert peer.call_within(LONG, operator.add, number, 1) == number + 1
        done.set()
        peer.send("box", "end")

    thread = threading.Thread(target=calls)
    thread.start()
    assert peer.call_within(LONG, take, "box") == "end"
    assert done.is_set()
    thread.join()


@pytest.mark.parametrize("talk", [tell, tell_and_print])
def test_messages_during_calls(peer: Peer, peer_factory, talk: Callable[..., object]) -> None:
    for number in range(CALLS):
        assert peer.call_within(LONG, talk, "box", number) == number
        assert peer_factory.mailbox("box").get(LONG) == number
    if talk is tell_and_print:
        assert peer.stdout.lines == [str(number) for number in range(CALLS)]


def test_message_of_an_idle_peer_arrives(peer: Peer, peer_factory) -> None:
    peer.cast(
        exec, "from pytest_peer import here; here.mailbox('go').get(30); here.origin.send('box', 1)"
    )
    peer.call(operator.add, 1, 2)
    peer.send("go", None)
    assert peer_factory.mailbox("box").get(LONG) == 1


def test_call_that_is_given_up_does_not_stop_the_others(peer: Peer) -> None:
    def calls(index: int) -> None:
        for number in range(20):
            if index % 2:
                with pytest.raises(CallTimeout):
                    peer.call_within(0.001, take, "nothing comes")
            else:
                assert peer.call_within(LONG, operator.add, number, index) == number + index

    at_once(calls)


def test_submitted_calls_run_in_order_on_the_main_thread(peer: Peer) -> None:
    """As long as none takes a moment, which the machine may make of any."""
    peer.call(note, -1)
    peer.pause()
    answers = [peer.submit(note, number) for number in range(CALLS)]
    peer.resume()
    on_main = {number for number, answer in enumerate(answers) if answer.result(LONG)}
    assert len(on_main) > CALLS / 2
    assert [number for number in peer.call(noted) if number in on_main] == sorted(on_main)


def test_call_behind_one_that_waits_is_run(peer: Peer) -> None:
    """Both were there before the first was begun."""
    peer.pause()
    first = peer.submit(take, "box")
    second = peer.submit(tell, "box", 1)
    peer.resume()
    assert second.result(LONG) == 1
    peer.send("box", 2)
    assert first.result(LONG) == 2


def test_first_call_after_a_long_one_runs_on_the_main_thread(peer: Peer) -> None:
    for _ in range(20):
        peer.call(time.sleep, 0.005)
        assert peer.call(note, 0)


def test_call_from_the_callback_of_a_future(peer: Peer, peer_factory) -> None:
    """It is run by the thread that reads all links."""
    other, called = peer_factory(), threading.Event()
    values: list[int] = []

    def call(_: object) -> None:
        values.append(other.call_within(LONG, operator.add, 1, 2))
        called.set()

    peer.submit(operator.add, 1, 2).add_done_callback(call)
    assert called.wait(LONG)
    assert values == [3]


# Threads


PROGRAM = """
import operator, selectors, sys, threading
selectors.DefaultSelector = getattr(selectors, sys.argv[1])
import pytest_peer

def calls():
    for number in range(300):
        assert peer.call(operator.neg, number) == -number

with pytest_peer.start() as peer:
    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads: thread.start()
    calls()
    for thread in threads: thread.join()
    assert [answer.result() for answer in [peer.submit(pow, 2, n) for n in range(9)]][8] == 256
    peer.call(print, "said")
    assert peer.stdout.text == "said\\n"
"""


@pytest.mark.parametrize("selector", ["DefaultSelector", "PollSelector"])
def test_program_with_several_threads(selector: str) -> None:
    """Also where there is no epoll."""
    subprocess.run([sys.executable, "-c", PROGRAM, selector], check=True, timeout=LONG)


def test_peers_need_no_threads_at_the_origin(peer: Peer, peer_factory) -> None:
    peer.call(operator.add, 1, 2)
    before = threading.active_count()
    group = peer_factory.many(3)
    group.call(operator.add, 1, 2)
    deadline = time.monotonic() + LONG
    while threading.active_count() > before:  # those that booted them end soon
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_idle_peer_has_three_threads(peer: Peer) -> None:
    """One reads the link, one stands by, and one listens to what the peer has started."""
    peer.call(operator.add, 1, 2)
    assert len(peer.call(os.listdir, "/proc/self/task")) == 3


def test_call_in_a_finalizer_hangs_nothing(peer: Peer) -> None:
    """It is answered, or refused where the thread that it has interrupted is the one that reads."""
    outcomes: list[str] = []
    inside = threading.local()

    class Finalized:
        def __init__(self) -> None:
            self.cycle = (
                self  # so that it is the collector that ends it, in any thread, at any moment
            )

        def __del__(self) -> None:
            if getattr(inside, "finalizer", False):
                return
            inside.finalizer = True
            try:
                peer.call_within(LONG, operator.add, 1, 1)
                outcomes.append("answered")
            except PeerError as exc:
                outcomes.append(type(exc).__name__)
            inside.finalizer = False

    def call() -> None:
        for number in range(200):
            Finalized()
            assert peer.call_within(LONG, operator.add, number, 1) == number + 1

    threshold = gc.get_threshold()
    gc.set_threshold(7)
    try:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(call), pool.submit(call)]:
                future.result(LONG)
    finally:
        gc.set_threshold(*threshold)
        gc.collect()
    assert outcomes
    assert "CallTimeout" not in outcomes


def test_call_in_a_finalizer_on_the_thread_that_sends(peer: Peer) -> None:
    """It is refused, or answered where the thread has nothing to send."""
    outcomes: list[str] = []

    class Finalized:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            known = {thread.ident for thread in threading.enumerate()}
            if threading.get_ident() in known:
                if not outcomes:
                    Finalized()  # for the thread that a big message has started
                return
            try:
                outcomes.append(f"answered {peer.call_within(LONG, int)}")
            except PeerError as exc:
                outcomes.append(type(exc).__name__)

    data, deadline = bytearray(3 << 20), time.monotonic() + LONG
    threshold = gc.get_threshold()
    Finalized()
    gc.set_threshold(1)
    try:
        while not outcomes and time.monotonic() < deadline:
            assert peer.call_within(LONG, len, data) == len(data)
    finally:
        gc.set_threshold(*threshold)
    assert outcomes
    assert set(outcomes) <= {"PeerError", "answered 0"}
