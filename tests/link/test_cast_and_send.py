"""The verbs that wait for nothing: `cast` and `send`; and mailboxes, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import operator
import os
import signal
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

import pytest_peer
from pytest_peer import DecodeError
from pytest_peer import EncodeError
from pytest_peer import Peer
from pytest_peer import here

LONG = 30.0  # for what has to come, on a busy machine too
BIG = 5 << 20


class OwnError(Exception):
    pass


class RefusesUnpickling:
    def __setstate__(self, state: object) -> None:
        raise LookupError("not rebuilt")

    def __init__(self) -> None:
        self.state = 1


def fail(text: str) -> None:
    raise OwnError(text)


async def fail_later(text: str) -> None:
    await asyncio.sleep(0)
    raise OwnError(text)


async def send_later(box: str, message: object) -> None:
    await asyncio.sleep(0)
    here.origin.send(box, message)


def take(box: str, timeout: float = LONG) -> Any:
    return here.mailbox(box).get(timeout)


def send(box: str, *messages: object) -> None:
    for message in messages:
        here.origin.send(box, message)


def send_payloads(box: str, sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        here.origin.send(box, (number, b"x" * size))


def take_numbers(box: str, count: int) -> list[int]:
    return [number for number, _ in itertools.islice(here.mailbox(box), count)]


def send_and_exit(box: str, message: object) -> None:
    here.origin.send(box, message)
    sys.exit(3)


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
    over, handled = threading.Event(), threading.Semaphore(0)

    def pester() -> None:
        while not over.is_set():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            handled.acquire(timeout=LONG)

    before = signal.signal(signal.SIGUSR1, lambda *_: (handler(), handled.release()))
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


def send_what_cannot_be_sent() -> str:
    try:
        here.origin.send("box", [1, threading.Lock()])
    except pytest_peer.EncodeError as exc:
        return str(exc)
    return "sent"


def take_what_cannot_be_rebuilt(box: str) -> tuple[str, Any]:
    try:
        take(box)
    except pytest_peer.DecodeError as exc:
        return str(exc), take(box)
    return "rebuilt", None


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    return module_peer_factory()


# cast


def test_cast_runs_the_function(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send, "done", 1)
    assert peer_factory.mailbox("done").get(LONG) == 1


def test_cast_returns_nothing_and_at_once(peer: Peer) -> None:
    assert peer.cast(take, "never") is None  # type: ignore[func-returns-value]
    assert peer.call(operator.add, 1, 2) == 3


def test_cast_of_a_coroutine_function(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_later, "done", 1)
    assert peer_factory.mailbox("done").get(LONG) == 1


def test_cast_of_a_named_function(peer: Peer) -> None:
    peer.cast("builtins:print", "named")
    peer.stdout.wait_for("named", LONG)


def test_cast_of_a_lambda(peer: Peer, peer_factory: Any) -> None:
    peer.cast(lambda: here.origin.send("done", here.name))
    assert peer_factory.mailbox("done").get(LONG) == peer.name


@pytest.mark.parametrize("function", [fail, fail_later])
def test_exception_of_a_cast_is_written_to_stderr(peer: Peer, function: Any) -> None:
    peer.cast(function, "cast away")
    peer.stderr.wait_for(r"OwnError: cast away\n", LONG)
    assert "Traceback" in peer.stderr.text
    assert f"in {function.__name__}" in peer.stderr.text


def test_exception_of_a_cast_does_not_end_the_peer(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_and_exit, "exits", 1)
    assert peer_factory.mailbox("exits").get(LONG) == 1
    peer.stderr.wait_for("SystemExit: 3", LONG)
    assert peer.call(os.getpid) == peer.pid


def test_cast_of_what_does_not_exist_is_written_to_stderr(peer: Peer) -> None:
    peer.cast("no_such_module:f")
    peer.stderr.wait_for("no_such_module", LONG)


def test_value_of_a_cast_is_not_wanted_and_never_encoded(peer: Peer) -> None:
    peer.cast(threading.Lock)
    peer.cast(fail, "the end")
    text = peer.stderr.wait_for("OwnError: the end", LONG).string
    assert "lock" not in text


def test_argument_of_a_cast_that_cannot_be_sent_is_an_error_at_once(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"argument 0.*lock"):
        shared.cast(repr, threading.Lock())


def test_cast_finds_the_message_sent_before_it(peer: Peer, peer_factory: Any) -> None:
    peer.send("box", b"x" * BIG)
    peer.cast(lambda: here.origin.send("found", len(here.mailbox("box").get(0))))
    assert peer_factory.mailbox("found").get(LONG) == BIG


def test_call_and_cast_are_side_by_side(peer: Peer) -> None:
    peer.cast(print, "printed")
    future = peer.submit(take, "box")
    peer.cast(print, "printed too")
    peer.stdout.wait_for("printed too", LONG)
    peer.send("box", 1)
    assert future.result(LONG) == 1


# Messages


@pytest.mark.parametrize(
    "message", [None, False, 0, "", "text", b"\0", {"a": [1, (2,)]}, KeyError, math.inf]
)
def test_any_message_arrives_and_comes_back(
    shared: Peer, module_peer_factory: Any, message: object
) -> None:
    shared.send("echo", message)
    shared.call(lambda: here.origin.send("echoed", here.mailbox("echo").get(LONG)))
    assert module_peer_factory.mailbox("echoed").get(LONG) == message


def test_function_as_a_message(shared: Peer) -> None:
    shared.send("function", lambda x: x + 1)
    assert shared.call(lambda: here.mailbox("function").get(LONG)(1)) == 2


def test_message_to_the_peer_waits_until_somebody_opens_the_box(shared: Peer) -> None:
    shared.send("nobody", 1)
    assert shared.call(take, "nobody", 0) == 1


def test_message_to_the_test_waits_until_somebody_opens_the_box(
    shared: Peer, module_peer_factory: Any
) -> None:
    shared.call(send, "nobody yet", 1)
    assert module_peer_factory.mailbox("nobody yet").get(0) == 1


def test_message_wakes_who_waits(shared: Peer) -> None:
    future = shared.submit(take, "wake")
    shared.send("wake", 1)
    assert future.result(LONG) == 1


def test_message_is_taken_once(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "once", 1)
    box = module_peer_factory.mailbox("once")
    assert box.get(LONG) == 1
    with pytest.raises(TimeoutError):
        box.get(0)


def test_message_sent_before_the_answer_is_there_with_the_answer(
    shared: Peer, module_peer_factory: Any
) -> None:
    box = module_peer_factory.mailbox("with the answer")
    for number in range(100):
        shared.call(send, "with the answer", number)
        assert box.get(0) == number


def test_boxes_are_kept_apart(shared: Peer) -> None:
    shared.send("left", 1)
    shared.send("right", 2)
    assert shared.call(take, "right", 0) == 2
    assert shared.call(take, "left", 0) == 1


@pytest.mark.parametrize("name", ["", "ü", "a b", "x" * 1000, "\udc80"])
def test_box_may_have_any_name(shared: Peer, module_peer_factory: Any, name: str) -> None:
    shared.send(name, 1)
    assert shared.call(take, name) == 1
    shared.call(send, name, 2)
    assert module_peer_factory.mailbox(name).get(LONG) == 2


@pytest.mark.parametrize("name", [None, 1, b"box"])
def test_name_of_a_box_is_a_str(shared: Peer, module_peer_factory: Any, name: Any) -> None:
    for use in (
        lambda: shared.send(name, 1),
        lambda: shared.call(send, name, 1),
        lambda: shared.call(take, name),
        lambda: module_peer_factory.mailbox(name),
    ):
        with pytest.raises(TypeError, match="mailbox"):
            use()


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


def test_message_from_a_coroutine(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send_later, "later", 1)
    assert module_peer_factory.mailbox("later").get(LONG) == 1


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


# What cannot be sent


def test_message_that_cannot_be_sent_is_an_error_at_once(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the message.*lock.* at \[1\]"):
        shared.send("box", [1, threading.Lock()])
    assert shared.call(os.getpid) == shared.pid


def test_message_of_the_peer_that_cannot_be_sent_is_an_error_there(shared: Peer) -> None:
    assert "the message" in (text := shared.call(send_what_cannot_be_sent))
    assert "[1]" in text


def test_message_of_the_peer_that_cannot_be_sent_says_so_here(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the message.*lock"):
        shared.call(lambda: here.origin.send("box", threading.Lock()))


def test_message_that_cannot_be_rebuilt_here(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(lambda: send("rebuilt", RefusesUnpickling(), 2))
    box = module_peer_factory.mailbox("rebuilt")
    with pytest.raises(DecodeError, match="not rebuilt"):
        box.get(LONG)
    assert box.get(LONG) == 2


def test_message_that_cannot_be_rebuilt_there(shared: Peer) -> None:
    shared.send("rebuilt", RefusesUnpickling())
    shared.send("rebuilt", 2)
    text, then = shared.call(take_what_cannot_be_rebuilt, "rebuilt")
    assert "not rebuilt" in text
    assert then == 2


# Limits


def box_here(shared: Peer, factory: Any) -> Callable[[float | None], Any]:
    return factory.mailbox("empty").get


def box_there(shared: Peer, factory: Any) -> Callable[[float | None], Any]:
    return lambda timeout: shared.call(take, "empty", timeout)


both_sides = pytest.mark.parametrize("side", [box_here, box_there])


@both_sides
@pytest.mark.parametrize("limit", [0, 0.01])
def test_get_beyond_the_limit_is_a_timeout_error(
    shared: Peer, module_peer_factory: Any, side: Any, limit: float
) -> None:
    with pytest.raises(TimeoutError, match=rf"'empty' within {limit:g} s"):
        side(shared, module_peer_factory)(limit)


@both_sides
@pytest.mark.parametrize("limit", [-1, -math.inf, math.nan])
def test_limit_that_is_none_is_refused(
    shared: Peer, module_peer_factory: Any, side: Any, limit: float
) -> None:
    with pytest.raises(ValueError, match=f"timeout: .*{limit!r}"):
        side(shared, module_peer_factory)(limit)


@both_sides
def test_limit_of_a_wrong_type_is_refused(
    shared: Peer, module_peer_factory: Any, side: Any
) -> None:
    with pytest.raises(TypeError):
        side(shared, module_peer_factory)("1")


@pytest.mark.parametrize("limit", [None, math.inf, 10**10])
def test_get_without_a_limit_worth_the_name(
    shared: Peer, module_peer_factory: Any, limit: float | None
) -> None:
    shared.call(send, "unlimited", 1)
    assert module_peer_factory.mailbox("unlimited").get(limit) == 1
    shared.send("unlimited", 2)
    assert shared.call(take, "unlimited", limit) == 2


# Iteration


def test_box_here_is_iterable(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "iterated", 1, 2, 3)
    assert list(itertools.islice(module_peer_factory.mailbox("iterated"), 3)) == [1, 2, 3]


def test_box_there_is_iterable(shared: Peer) -> None:
    future = shared.submit(take_numbers, "iterated", 3)
    for number in range(3):
        shared.send("iterated", (number, None))
    assert future.result(LONG) == [0, 1, 2]


def test_left_loop_leaves_the_rest_in_the_box(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "left loop", 1, 2)
    box = module_peer_factory.mailbox("left loop")
    for message in box:
        assert message == 1
        break
    assert box.get(LONG) == 2


# Whose boxes


def test_same_name_is_the_same_box(peer_factory: Any) -> None:
    assert peer_factory.mailbox("same") is peer_factory.mailbox("same")


def test_peers_of_a_factory_share_its_boxes(peer_factory: Any) -> None:
    group = peer_factory.many(2)
    group.call(lambda: here.origin.send("names", here.name))
    box = peer_factory.mailbox("names")
    assert {box.get(LONG), box.get(LONG)} == {peer.name for peer in group}


def test_peers_have_boxes_of_their_own(peer_factory: Any) -> None:
    one, other = peer_factory.many(2)
    one.send("own", 1)
    with pytest.raises(TimeoutError):
        other.call(take, "own", 0)
    assert one.call(take, "own", 0) == 1


def test_factories_have_boxes_of_their_own(
    shared: Peer, module_peer_factory: Any, peer_factory: Any
) -> None:
    shared.call(send, "scope", 1)
    with pytest.raises(TimeoutError):
        peer_factory.mailbox("scope").get(0)
    assert module_peer_factory.mailbox("scope").get(0) == 1


def test_peers_of_the_library_send_to_the_box_of_the_process() -> None:
    with pytest_peer.start() as peer:
        peer.call(send, "process", peer.name)
        assert pytest_peer.mailbox("process").get(LONG) == peer.name


def test_restarted_peer_has_empty_boxes(peer: Peer) -> None:
    peer.send("emptied", 1)
    peer.restart()
    with pytest.raises(TimeoutError):
        peer.call(take, "emptied", 0)


# here


def test_here_knows_the_name(shared: Peer) -> None:
    assert shared.call(lambda: here.name) == shared.name


def test_here_works_in_a_thread_of_the_peer(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(lambda: threading.Thread(target=send, args=("thread", 1)).start())
    assert module_peer_factory.mailbox("thread").get(LONG) == 1


@pytest.mark.parametrize(
    "use",
    [lambda: here.name, lambda: here.origin, lambda: here.mailbox("box")],
    ids=["name", "origin", "mailbox"],
)
def test_here_outside_of_a_peer_is_a_runtime_error(use: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="peer"):
        use()


def test_here_has_nothing_else(shared: Peer) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        here.nonsense
    with pytest.raises(AttributeError, match="nonsense"):
        shared.call(lambda: here.nonsense)
