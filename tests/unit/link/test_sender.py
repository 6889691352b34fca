"""Big messages are sent in turns, small ones between them, and what must keep its order keeps
it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timeouts import LONG

import pytest_peer
from pytest_peer.link.protocol import framing, messages, sender
from pytest_peer.link.protocol.receiver import Incoming
from pytest_peer.link.protocol.sender import MessageSender

BIG = b"b" * (3 * sender.CHUNK)


class Line:
    """Where a sender sends to."""

    def __init__(self) -> None:
        self.whole: list[tuple[int, int, bytes]] = []
        self.items: list[tuple[int, int]] = []
        self.threads: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)
        self.failure: Callable[[], OSError] | None = None
        self._incoming: dict[tuple[int, int], Incoming] = {}
        self.sender = MessageSender(self)  # type: ignore[arg-type]

    def wait_writable(self) -> None:
        self.open.wait(LONG)

    def write(self, data: bytes) -> None:
        self.write_parts([data[: framing.ITEM.size], data[framing.ITEM.size : -1], data[-1:]])

    def write_parts(self, parts: list[bytes]) -> None:
        head, part, stop = parts
        *_, kind, flag, ident = framing.ITEM.unpack(head)
        assert stop == framing.STOP
        self.send(kind, flag, ident, bytes(part))

    def send(self, kind: int, flag: int, ident: int, part: bytes) -> None:
        self.entered.release()
        assert self.open.wait(LONG)
        if self.failure is not None:
            raise self.failure()
        self.threads.append(threading.get_ident())
        self.items.append((kind, len(part)))
        if flag == messages.WHOLE:
            self.whole.append((kind, ident, part))
            return
        if flag == messages.TABLE:
            self._incoming[kind, ident] = Incoming(part)
            return
        incoming = self._incoming[kind, ident]
        with incoming.place(len(part)) as room:
            room[:] = part
        if not incoming.to_fill:
            self.whole.append((kind, ident, incoming.payload()))

    def block(self) -> None:
        """Hold every item, beginning with one of a big message, until `unblock`."""
        self.open.clear()
        self.sender.enqueue(messages.CALL, 1, BIG)
        assert self.entered.acquire(timeout=LONG)

    def unblock(self) -> list[int]:
        """Let everything go; the ids of the messages in the order in which they were complete."""
        self.open.set()
        assert self.sender.wait_idle(LONG)
        return [ident for _, ident, _ in self.whole]


@pytest.fixture
def line() -> Line:
    return Line()


def test_small_message_has_gone_when_post_returns(line: Line) -> None:
    line.sender.enqueue(messages.CALL, 1, b"x")
    assert line.whole == [(messages.CALL, 1, b"x")]
    assert line.threads == [threading.get_ident()]


def test_empty_message_is_a_message(line: Line) -> None:
    line.sender.enqueue(messages.READY, 0, b"")
    assert line.whole == [(messages.READY, 0, b"")]


def test_big_message_comes_whole(line: Line) -> None:
    line.sender.enqueue(messages.CALL, 1, BIG)
    assert line.sender.wait_idle(LONG)
    assert line.whole == [(messages.CALL, 1, BIG)]


def test_no_item_is_bigger_than_a_chunk(line: Line) -> None:
    line.sender.enqueue(messages.CALL, 1, BIG + b"x")
    assert line.sender.wait_idle(LONG)
    assert max(size for _, size in line.items) <= sender.CHUNK


def test_post_returns_before_a_big_message_has_gone(line: Line) -> None:
    line.block()
    assert not line.sender.wait_idle(0)
    assert line.unblock() == [1]


def test_big_message_delays_no_small_one(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.CALL, 2, b"x")
    assert line.unblock() == [2, 1]


def test_small_message_waits_for_one_chunk_at_most(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.CAST, 2, b"x")
    line.unblock()
    assert [kind for kind, _ in line.items].index(messages.CAST) == 1


def test_big_messages_take_turns(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.RESULT, 2, BIG)
    line.unblock()
    assert [kind for kind, _ in line.items] == [
        messages.CALL,
        messages.RESULT,
    ] * 4  # a table and 3 parts


def test_big_message_in_order_is_not_overtaken_by_one_in_order(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.MESSAGE, 2, BIG, in_order=True)
    line.sender.enqueue(messages.MESSAGE, 3, b"x", in_order=True)
    assert line.unblock() == [1, 2, 3]


def test_big_message_in_order_is_overtaken_by_others(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.MESSAGE, 2, BIG, in_order=True)
    line.sender.enqueue(messages.CALL, 3, b"x")
    assert line.unblock()[0] == 3


sizes = st.sampled_from([0, 1, 4, 5, 8, 9, 30])


@settings(deadline=None)  # it starts threads
@given(st.lists(st.tuples(sizes, st.booleans()), max_size=20))
def test_everything_arrives_and_what_is_in_order_stays_so(posts: list[tuple[int, bool]]) -> None:
    with mock.patch.multiple(sender, CHUNK=8, SMALL=4):
        line = Line()
        sent = []
        for ident, (size, in_order) in enumerate(posts):
            sent.append((messages.MESSAGE, ident, bytes([ident]) * size))
            line.sender.enqueue(*sent[-1], in_order=in_order)
        assert line.sender.wait_idle(LONG)
    assert sorted(line.whole) == sent
    ordered = {ident for ident, (_, in_order) in enumerate(posts) if in_order}
    assert [ident for _, ident, _ in line.whole if ident in ordered] == sorted(ordered)


def test_small_message_for_which_there_is_no_room_is_sent_later(line: Line) -> None:
    line.failure = BlockingIOError
    line.sender.enqueue(messages.CALL, 1, b"x")
    assert line.whole == []
    line.failure = None
    assert line.unblock() == [1]


def test_message_enqueued_during_a_send_of_its_thread_is_sent(line: Line) -> None:
    def send(kind: int, flag: int, ident: int, part: bytes) -> None:
        if kind == messages.CALL:
            line.sender.enqueue(messages.MESSAGE, 2, b"from a signal handler")
        send_on(kind, flag, ident, part)

    send_on = line.send
    line.send = send  # type: ignore[method-assign]
    line.sender.enqueue(messages.CALL, 1, b"x")
    assert line.unblock() == [2, 1]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_message_whose_thread_was_not_started_is_never_sent(
    line: Line, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    monkeypatch.setattr(sender._thread, "start_new_thread", mock.Mock(side_effect=failure))
    with pytest.raises(failure):
        line.sender.enqueue(messages.CALL, 1, BIG)
    monkeypatch.undo()
    assert line.sender.wait_idle(0)
    for ident in (2, 3, 4):
        line.sender.enqueue(messages.MESSAGE, ident, BIG, in_order=True)
    assert line.unblock() == [2, 3, 4]


def test_message_without_a_thread_lets_its_buffers_go(line: Line) -> None:
    released = mock.Mock()
    with (
        mock.patch.object(sender._thread, "start_new_thread", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
    ):
        line.sender.enqueue(messages.CALL, 1, BIG, on_copy=released)
    released.assert_called_once_with()


def test_interrupt_while_the_thread_starts_leaves_no_second_one(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = sender._thread.start_new_thread

    def start_and_interrupt(*args: Any) -> None:
        monkeypatch.undo()
        start(*args)
        assert line.entered.acquire(timeout=LONG)
        raise KeyboardInterrupt  # as a signal's handler may

    monkeypatch.setattr(sender._thread, "start_new_thread", start_and_interrupt)
    line.open.clear()
    with pytest.raises(KeyboardInterrupt):
        line.sender.enqueue(messages.CALL, 1, BIG)
    for ident in (2, 3, 4):
        line.sender.enqueue(messages.MESSAGE, ident, BIG, in_order=True)
    assert not line.entered.acquire(timeout=0.2)  # by a second thread
    ended = line.unblock()
    assert [ident for ident in ended if ident != 1] == [2, 3, 4]
    assert len(set(line.threads)) == 1


def test_message_of_a_finalizer_in_a_send_goes_before_its_end(line: Line) -> None:
    gone = threading.Event()

    class Collecting(bytes):
        def __len__(self) -> int:  # as any allocation, it may run a finalizer
            if not gone.is_set():
                line.sender.enqueue(messages.CALL, 3, b"x")
                line.open.set()
                pytest_peer.eventually(lambda: (messages.CALL, 3, b"x") in line.whole, LONG)
                gone.set()
            return super().__len__()

    line.block()
    segments = [(messages.AS_BYTES, Collecting(BIG))]
    line.sender.enqueue(messages.CALL, 2, messages.MultipartMessage(b"", segments))
    assert gone.is_set()
    assert sorted(line.unblock()) == [1, 2, 3]


def test_snapshot_between_the_look_at_a_part_and_its_copy(line: Line) -> None:
    """What is sent is what the buffers were when `snapshot` returned."""
    data = bytearray(b"a" * 10)
    segments = [(messages.AS_BYTES, memoryview(data))]
    message = messages.MultipartMessage(b"", segments)
    transmission = sender.Transmission(messages.CALL, 1, message, False, None)
    transmission.next_item()
    copy = sender._unchangeable

    def late(part: Any) -> Any:
        sender._unchangeable = copy
        transmission.snapshot()
        data[:] = b"b" * 10
        return copy(part)

    sender._unchangeable = late
    assert bytes(transmission.next_item()[1]) == b"a" * 10


def test_closed_link_is_an_error_at_once_for_a_small_message(line: Line) -> None:
    line.failure = BrokenPipeError
    with pytest.raises(BrokenPipeError):
        line.sender.enqueue(messages.CALL, 1, b"x")


def test_closed_link_ends_the_waiting(line: Line) -> None:
    line.block()
    line.sender.enqueue(messages.MESSAGE, 2, BIG, in_order=True)
    line.sender.enqueue(messages.MESSAGE, 3, BIG, in_order=True)
    line.failure = BrokenPipeError
    assert line.unblock() == []


def test_after_a_big_message_has_failed_a_small_one_is_an_error(line: Line) -> None:
    line.failure = BrokenPipeError
    line.sender.enqueue(messages.CALL, 1, BIG)
    assert line.sender.wait_idle(LONG)
    with pytest.raises(BrokenPipeError):
        line.sender.enqueue(messages.CALL, 2, b"x")


def test_idle_sender_does_not_wait(line: Line) -> None:
    assert line.sender.wait_idle(0)
