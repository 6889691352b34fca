"""Messages keep their order, also those that threads and signal handlers send."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from mailbox_calls import take
from timeouts import LONG

from pytest_peer import Peer, here

BIG = 5 << 20


def send_payloads(box: str, sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        here.origin.send(box, (number, b"x" * size))


def take_numbers(box: str, count: int) -> list[int]:
    return [number for number, _ in itertools.islice(here.mailbox(box), count)]


def from_threads(box: str, threads: int, each: int) -> None:
    def work(thread: int) -> None:
        for number in range(each):
            here.origin.send(box, (thread, number))

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@contextlib.contextmanager
def signals(handler: Callable[[], object]) -> Iterator[None]:
    """Have `handler` called on the main thread, at any moment, again and again."""
    over = threading.Event()
    sent = handled = 0

    def on_signal(*_: object) -> None:
        nonlocal handled
        handler()
        handled += 1  # last: each signal that comes earlier would start another handler

    def pester() -> None:
        nonlocal sent
        while not over.is_set():
            sent += 1
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            while handled < sent and not over.is_set():
                time.sleep(0)  # the main thread's turn

    before = signal.signal(signal.SIGUSR1, on_signal)
    thread = threading.Thread(target=pester)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def send_while_signals_come(count: int) -> int:
    handled = itertools.count()
    with signals(lambda: here.origin.send("handler", next(handled))):
        for number in range(count):
            here.origin.send("main", number)
    return next(handled)


SIZES = [0, BIG, 1, 2, 3000, BIG, 5000, 0, 1, 100_000, 0] + [10] * 200 + [BIG, 1]


def test_messages_to_the_peer_keep_their_order(shared: Peer) -> None:
    for number, size in enumerate(SIZES):
        shared.send("order", (number, b"x" * size))
    assert shared.call(take_numbers, "order", len(SIZES)) == list(range(len(SIZES)))


def test_messages_to_the_test_keep_their_order(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send_payloads, "order", SIZES)
    box = module_peer_factory.mailbox("order")
    assert [box.get(LONG)[0] for _ in SIZES] == list(range(len(SIZES)))


def test_messages_to_several_boxes_keep_their_order(shared: Peer) -> None:
    shared.send("big", b"x" * BIG)
    shared.send("small", 1)
    assert shared.call(take, "small") == 1
    assert len(shared.call(take, "big", 0)) == BIG


def test_messages_of_many_threads_all_arrive(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(from_threads, "threads", 8, 50)
    box = module_peer_factory.mailbox("threads")
    taken = [box.get(LONG) for _ in range(400)]
    assert sorted(taken) == [(thread, number) for thread in range(8) for number in range(50)]
    for thread in range(8):
        assert [number for sender, number in taken if sender == thread] == list(range(50))


def test_signal_handler_of_the_peer_may_send_at_any_moment(peer: Peer, peer_factory: Any) -> None:
    handled = peer.call_within(LONG, send_while_signals_come, 2000)
    box = peer_factory.mailbox("main")
    assert [box.get(LONG) for _ in range(2000)] == list(range(2000))
    box = peer_factory.mailbox("handler")
    assert sorted(box.get(LONG) for _ in range(handled)) == list(range(handled))


def test_signal_handler_of_the_test_may_send_at_any_moment(peer: Peer) -> None:
    handled = itertools.count()
    with signals(lambda: peer.send("handler", (next(handled), None))):
        for number in range(2000):
            peer.send("main", (number, None))
    assert peer.call(take_numbers, "main", 2000) == list(range(2000))
    count = next(handled)
    assert sorted(peer.call(take_numbers, "handler", count)) == list(range(count))
