"""More records than the test can handle delay the thread that logs, and nothing else."""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from log_calls import DB, log
from timeouts import LONG, SOON

from pytest_peer import Peer, here

Caplog = pytest.LogCaptureFixture


def log_many(count: int, size: int = 0) -> None:
    for number in range(count):
        DB.warning("%d%s", number, " " * size)


def flood(box: str) -> None:
    """Log without a pause until the peer ends."""

    def pump() -> None:
        while True:
            DB.warning("flood")

    threading.Thread(target=pump, daemon=True).start()
    here.origin.send(box, "floods")


@pytest.fixture
def quiet_caplog(caplog: Caplog) -> Iterator[Caplog]:
    """Keeps nothing of what the flood logs, which would be a lot."""
    drop = logging.Filter("other")
    caplog.handler.addFilter(drop)
    yield caplog
    caplog.handler.removeFilter(drop)


def test_all_of_many_records_arrive(peer: Peer, caplog: Caplog) -> None:
    peer.call(log_many, 20_000)
    assert [int(message) for message in caplog.messages] == list(range(20_000))


def test_big_records_arrive(peer: Peer, caplog: Caplog) -> None:
    peer.call(log_many, 30, 300_000)
    assert [int(message) for message in caplog.messages] == list(range(30))


def test_big_record_behind_small_ones_arrives(peer: Peer, caplog: Caplog) -> None:
    def log_both() -> None:
        log_many(100, 150)
        log("x" * 500_000)

    peer.call(log_both)
    assert caplog.messages[100:] == ["x" * 500_000]


def test_calls_are_answered_in_a_flood(peer: Peer, peer_factory: Any, quiet_caplog: Caplog) -> None:
    peer.call(flood, "floods")
    begin = time.monotonic()
    for number in range(20):
        assert peer.call(abs, -number) == number
    assert time.monotonic() - begin < SOON


def start_pumps() -> None:
    """Log on three threads without a pause until `stop_pumps`."""

    def pump(name: str) -> None:
        while pumping.is_set():
            counts[name] += 1
            DB.warning("%s %d", name, counts[name])

    counts.update(dict.fromkeys("abc", 0))
    pumping.set()
    pumps.extend(threading.Thread(target=pump, args=(name,)) for name in counts)
    for each in pumps:
        each.start()


def stop_pumps() -> dict[str, int]:
    """Return how many records each thread has logged."""
    pumping.clear()
    for each in pumps:
        each.join()
    return counts


pumping = threading.Event()
pumps: list[threading.Thread] = []
counts: dict[str, int] = {}


class InOrder(logging.Handler):
    """Counts the records of each thread, and wants them in order."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = dict.fromkeys("abc", 0)

    def emit(self, record: logging.LogRecord) -> None:
        name, number = record.getMessage().split()
        self.counts[name] += 1
        assert int(number) == self.counts[name]


@pytest.fixture
def in_order(quiet_caplog: Caplog) -> Iterator[InOrder]:
    handler = InOrder()
    DB.addHandler(handler)
    yield handler
    DB.removeHandler(handler)


def test_no_record_of_a_flood_is_lost(peer: Peer, in_order: InOrder) -> None:
    peer.call(start_pumps)
    for _ in range(5):
        peer.call(abs, -1)
    assert peer.call(stop_pumps) == in_order.counts


def test_few_records_of_a_flood_wait_for_an_answer(peer: Peer, in_order: InOrder) -> None:
    peer.call(start_pumps)
    handled = []
    for _ in range(5):
        before = sum(in_order.counts.values())
        peer.call(abs, -1)
        handled.append(sum(in_order.counts.values()) - before)
    peer.call(stop_pumps)
    assert statistics.median(handled) < 1500  # each has some 250 bytes


def test_peer_ends_in_a_flood(peer: Peer, quiet_caplog: Caplog) -> None:
    peer.call(flood, "floods")
    begin = time.monotonic()
    peer.stop()
    assert time.monotonic() - begin < SOON


class Blocking(logging.Handler):
    """Handles nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entered.set()
        assert self.go.wait(LONG)
        self.messages.append(record.getMessage().strip())


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    handler = Blocking()
    loggers = [DB, logging.getLogger("pytest_peer")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    handler.go.set()
    for logger in loggers:
        logger.removeHandler(handler)


def log_and_print(count: int, size: int) -> None:
    log_many(count, size)
    print("logged")


def test_dropped_records_are_counted_and_said(peer: Peer, blocking: Blocking) -> None:
    call = peer.submit(log_and_print, 3000, 1000)
    assert blocking.entered.wait(LONG)
    peer.stdout.wait_for("logged", timeout=LONG)
    blocking.go.set()
    call.result(LONG)
    peer.call(log, "at last")
    kept = [message for message in blocking.messages if message.isdigit()]
    assert kept == [str(number) for number in range(len(kept))]
    said, count, last = blocking.messages[len(kept) :]
    assert said == "records of this peer are dropped: the test has handled none for 2 s"
    assert count == f"{3000 - len(kept)} records of this peer were dropped"
    assert last == "at last"


def test_call_is_answered_while_a_handler_blocks(peer: Peer, blocking: Blocking) -> None:
    peer.cast(log)
    assert blocking.entered.wait(LONG)
    assert peer.call_within(SOON, abs, -1) == 1  # it waits for the handler, but not for ever
    assert blocking.messages == []
    blocking.go.set()
