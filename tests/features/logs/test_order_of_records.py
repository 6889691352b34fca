"""Records come in order, and before what the peer sends after them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

import children
import pytest
from log_calls import DB, log, log_later
from timeouts import LONG

from pytest_peer import Peer, PeerDown, eventually, here

Caplog = pytest.LogCaptureFixture


def log_many(count: int) -> None:
    for number in range(count):
        DB.warning("%d", number)


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("count", [3, 3000])
def test_records_are_there_when_a_call_returns(shared: Peer, caplog: Caplog, count: int) -> None:
    shared.call(log_many, count)
    assert caplog.messages == numbers(count)


def test_records_are_there_when_a_future_is_done(shared: Peer, caplog: Caplog) -> None:
    seen: list[int] = []
    future = shared.submit(log_many, 300)
    future.add_done_callback(lambda _: seen.append(len(caplog.records)))
    future.result(LONG)
    assert caplog.messages == numbers(300)
    eventually(lambda: seen == [300], timeout=LONG)


def test_records_of_a_coroutine(shared: Peer, caplog: Caplog) -> None:
    asyncio.run(shared.acall(log_later, "later"))
    assert caplog.messages == ["later"]


def test_records_of_a_call_that_fails(shared: Peer, caplog: Caplog) -> None:
    def fail() -> None:
        DB.warning("about to fail")
        raise KeyError("failed")

    with pytest.raises(KeyError):
        shared.call(fail)
    assert caplog.messages == ["about to fail"]


def log_and_send(box: str) -> None:
    log("before")
    here.origin.send(box, "sent")


def test_records_are_there_before_a_message(
    shared: Peer, module_peer_factory: Any, caplog: Caplog
) -> None:
    shared.cast(log_and_send, "box")
    assert module_peer_factory.mailbox("box").get(LONG) == "sent"
    assert caplog.messages == ["before"]


def test_messages_keep_their_order_beside_records(shared: Peer, module_peer_factory: Any) -> None:
    def send_many(box: str) -> None:
        for number in range(300):
            if not number % 7:
                log()
            here.origin.send(box, number)

    shared.cast(send_many, "numbers")
    box = module_peer_factory.mailbox("numbers")
    assert [box.get(LONG) for _ in range(300)] == list(range(300))


def test_record_comes_while_its_call_runs(shared: Peer, caplog: Caplog) -> None:
    def log_and_wait() -> None:
        log("waiting")
        here.mailbox("go").get(LONG)

    call = shared.submit(log_and_wait)
    eventually(lambda: caplog.messages == ["waiting"], timeout=LONG)
    assert not call.done()
    shared.send("go", None)
    call.result(LONG)


def test_records_of_a_cast_arrive(shared: Peer, caplog: Caplog) -> None:
    shared.cast(log, "cast")
    eventually(lambda: caplog.messages == ["cast"], timeout=LONG)


def test_last_words_of_a_peer_that_is_killed(mortal: Peer, caplog: Caplog) -> None:
    def die() -> None:
        log_many(50)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(PeerDown):
        mortal.call(die)
    assert caplog.messages == numbers(50)


class Slow(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        time.sleep(0.005)
        self.messages.append(record.getMessage())


def test_last_words_are_there_when_the_peer_is_down(mortal: Peer) -> None:
    def die() -> None:
        log_many(50)
        os._exit(3)

    handler = Slow()
    DB.addHandler(handler)
    try:
        mortal.cast(die)
        mortal.wait_down(LONG)
        assert handler.messages == numbers(50)
    finally:
        DB.removeHandler(handler)


@pytest.mark.parametrize("shutdown", ["halt", 10.0])
def test_last_words_of_a_peer_that_is_stopped(
    peer_factory: Any, caplog: Caplog, shutdown: object
) -> None:
    def register() -> None:
        import atexit

        atexit.register(log, "bye")

    peer = peer_factory(shutdown=shutdown)
    peer.call(register)
    peer.stop()
    assert caplog.messages == ["bye"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there children reach the peer")
def test_children_and_peer_keep_the_order(shared: Peer, caplog: Caplog) -> None:
    def take_turns() -> None:
        for number in range(6):
            if number % 2:
                log(str(number))
            else:
                children.forked(log, str(number))  # type: ignore[arg-type]

    shared.call(take_turns)
    assert caplog.messages == numbers(6)


class Calling(logging.Handler):
    """Asks the peer about each of its records."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer
        self.pids: list[int] = []

    def emit(self, _: logging.LogRecord) -> None:
        self.pids.append(self.peer.call(os.getpid))


def test_handler_may_call_the_peer(shared: Peer) -> None:
    handler = Calling(shared)
    DB.addHandler(handler)
    try:
        shared.call(log_many, 5)
        shared.submit(log_many, 5).result(LONG)
    finally:
        DB.removeHandler(handler)
    assert handler.pids == [shared.pid] * 10


def test_call_inside_of_a_handler_that_records_need(shared: Peer, caplog: Caplog) -> None:
    """The test logs something that calls the peer when it is rendered, with the handler's lock."""

    class Asks:
        def __str__(self) -> str:
            return str(shared.call(log, "asked") == shared.pid)

    DB.warning("asked: %s", Asks())
    assert {"asked", "asked: True"} <= set(caplog.messages)


def test_handler_that_raises_fails_no_call(inner: Any) -> None:
    inner.write(
        """
        import logging

        class Broken(logging.Handler):
            def emit(self, record):
                raise LookupError("the handler is broken")

        def test_it(peer):
            handler = Broken()
            logging.getLogger("broken").addHandler(handler)
            assert peer.call(logging.getLogger("broken").warning, "x") is None
            logging.getLogger("broken").removeHandler(handler)
            assert peer.call(os.getpid) == peer.pid
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LookupError: the handler is broken*"])


def test_records_of_threads_are_in_the_order_of_each(shared: Peer, caplog: Caplog) -> None:
    def log_on_threads() -> None:
        def pump(name: str) -> None:
            for number in range(200):
                logging.getLogger(name).warning("%d", number)

        threads = [threading.Thread(target=pump, args=(f"t{each}",)) for each in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    shared.call(log_on_threads)
    for each in range(4):
        assert [r.message for r in caplog.records if r.name == f"t{each}"] == numbers(200)
