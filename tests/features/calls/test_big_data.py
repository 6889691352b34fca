"""Big buffers: they arrive unchanged, cost little memory, and hold up no other call."""

from __future__ import annotations

import operator
import os
import random
import threading
from typing import Any

import numpy
import psutil
import pytest
from timeouts import LONG

from pytest_peer import CallTimeout, DecodeError, EncodeError, Peer, eventually, here

MIB = 1 << 20
NOISE = random.Random(0).randbytes(MIB + 1)
BIG = NOISE * 5  # several items, the last one not full


def same(value: Any) -> Any:
    return value


def kind_and_bytes(value: Any) -> tuple[str, bytes]:
    return type(value).__name__, bytes(value)


def take(box: str) -> Any:
    return here.mailbox(box).get(LONG)


kept: dict[str, Any] = {}


def keep(name: str, value: Any) -> None:
    kept[name] = value


def kept_one(name: str) -> Any:
    return kept[name]


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@pytest.fixture(scope="module")
def shared(module_peer_factory) -> Peer:
    return module_peer_factory()


SIZES = [0, 1, (1 << 16) - 1, 1 << 16, MIB - 1, MIB, MIB + 1, 2 * MIB, len(BIG)]


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", SIZES)
def test_buffer_arrives_as_what_it_was(shared: Peer, make: type, size: int) -> None:
    assert shared.call(kind_and_bytes, make(BIG[:size])) == (make.__name__, BIG[:size])


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", SIZES)
def test_buffer_comes_back_as_what_it_was(shared: Peer, make: type, size: int) -> None:
    back = shared.call(same, make(BIG[:size]))
    assert type(back) is make
    assert bytes(back) == BIG[:size]


def test_array_comes_back(shared: Peer) -> None:
    array = numpy.arange(300_000, dtype="int32").reshape(300, 1000)
    back = shared.call(same, array)
    assert back.dtype == array.dtype
    assert (back == array).all()
    back[0, 0] = 1  # it is its owner's


def test_array_is_computed_with(shared: Peer) -> None:
    array = numpy.ones((1000, 300))
    assert (shared.call(operator.add, array, array) == 2).all()


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("size", [10, MIB])
def test_view_stays_read_only_or_not(shared: Peer, size: int, read_only: bool) -> None:
    view = memoryview(bytearray(size))
    assert shared.call(same, view.toreadonly() if read_only else view).readonly is read_only


@pytest.mark.parametrize("size", [16, MIB])
def test_view_keeps_its_format_and_shape(shared: Peer, size: int) -> None:
    view = memoryview(bytes(range(256)) * (size // 16)).cast("I", (4, size))
    back = shared.call(same, view)
    assert (back.format, back.shape) == ("I", (4, size))
    assert back == view


@pytest.mark.parametrize("size", [20, 2 * MIB])
def test_view_with_gaps_is_sent_without_them(shared: Peer, size: int) -> None:
    assert shared.call(bytes, memoryview(BIG)[:size:2]) == BIG[:size:2]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: [data, 1],
        lambda data: (1, data),
        lambda data: {"key": data},
        lambda data: [[[data]]],
        lambda data: [0] * 1000 + [data],
    ],
    ids=["list", "tuple", "dict", "deep", "many"],
)
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_buffer_in_a_container(shared: Peer, wrap: Any, make: type) -> None:
    assert shared.call(same, wrap(make(BIG))) == wrap(make(BIG))


def test_keyword_argument(shared: Peer) -> None:
    assert shared.call(dict, data=BIG, array=bytearray(BIG)) == {"data": BIG, "array": BIG}


def test_object_that_is_given_twice_is_one(shared: Peer) -> None:
    array = bytearray(BIG)
    assert shared.call(operator.is_, array, array)
    first, [second] = shared.call(same, (array, [array]))
    assert first is second


def test_buffer_for_a_function_that_goes_by_value(shared: Peer) -> None:
    size = len(BIG)
    assert (
        shared.call(lambda data, view: len(data) + len(view) - size, BIG, memoryview(BIG)) == size
    )


def test_buffer_in_a_closure(shared: Peer) -> None:
    array = bytearray(BIG)
    assert shared.call(lambda: bytes(array)) == BIG


def test_bytearray_that_came_back_can_grow(shared: Peer) -> None:
    back = shared.call(same, bytearray(BIG))
    back.append(1)
    assert len(back) == len(BIG) + 1


def test_long_text_and_long_list(shared: Peer) -> None:
    text, numbers = "ü" * MIB, list(range(MIB))
    assert shared.call(same, (text, numbers)) == (text, numbers)


def test_messages_both_ways(peer: Peer, peer_factory) -> None:
    peer.send("in", [bytearray(BIG), BIG])
    peer.cast(lambda: here.origin.send("out", here.mailbox("in").get(30)))
    assert peer_factory.mailbox("out").get(LONG) == [BIG, BIG]


def test_part_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"argument 1 cannot be pickled.*lock"):
        shared.call(same, BIG, threading.Lock())
    with pytest.raises(EncodeError, match=r"at \[1\]"):
        shared.call(lambda: [bytes(1 << 20), threading.Lock()])


def test_what_cannot_be_rebuilt_beside_a_big_buffer(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="no_such_module"):
        shared.call(exec, MIB * b" ", Unbuildable())
    assert shared.call(operator.add, 1, 2) == 3


class Unbuildable:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("no_such_module",)


# What is changed later


@pytest.mark.parametrize("verb", ["submit", "cast", "send"])
@pytest.mark.parametrize(
    "make", [bytearray, numpy.array, memoryview], ids=lambda make: make.__name__
)
def test_what_is_changed_behind_a_verb_that_does_not_wait(peer: Peer, verb: str, make: Any) -> None:
    source = bytearray(BIG)
    buffer = source if make is bytearray else numpy.frombuffer(source, "uint8")
    buffer = memoryview(source) if make is memoryview else buffer
    peer.pause()
    if verb == "send":
        peer.send("box", buffer)
    else:
        getattr(peer, verb)(keep, "sent", buffer)
    source[:] = bytes(len(source))
    peer.resume()
    arrived = peer.call_within(
        LONG, *((take, "box") if verb == "send" else (wait_for_kept, "sent"))
    )
    assert bytes(arrived) == BIG


def test_what_is_changed_after_a_call_that_was_given_up(peer: Peer) -> None:
    buffer = bytearray(BIG)
    peer.pause()
    with pytest.raises(CallTimeout):
        peer.call_within(0.05, keep, "given up", buffer)
    buffer[:] = bytes(len(buffer))
    peer.resume()
    assert peer.call_within(LONG, wait_for_kept, "given up") == BIG


def wait_for_kept(name: str) -> Any:
    while name not in kept:
        threading.Event().wait(0.001)
    return kept[name]


def test_calls_after_a_big_result_run_on_the_main_thread(shared: Peer) -> None:
    shared.call(keep, "array", bytearray(BIG))
    for _ in range(20):
        shared.call(kept_one, "array")
        assert shared.call(on_main_thread)


# What it costs


def memory_of(pid: int) -> int:
    """The most that it ever had, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


def reset(pid: int) -> int:
    """Forget the past; what it has now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
    return memory_of(pid)


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("way", ["there", "back"])
def test_memory(peer: Peer, way: str) -> None:
    """The buffer itself on both sides, and not twice that."""
    size = 50 * MIB
    peer.call(len, bytes(MIB))
    pids = [os.getpid(), peer.pid]
    before = [reset(pid) for pid in pids]
    if way == "there":
        assert peer.call(len, b"\1" * size) == size
    else:
        assert len(peer.call(operator.mul, b"\1", size)) == size
    grown = [memory_of(pid) - had for pid, had in zip(pids, before, strict=True)]
    assert max(grown) < 1.2 * size


@pytest.mark.parametrize("way", ["there", "back"])
def test_small_calls_are_answered_while_a_big_one_is_on_its_way(peer: Peer, way: str) -> None:
    size = 300 * MIB
    big = peer.submit(len, bytes(size)) if way == "there" else peer.submit(bytes, size)
    answered = 0
    while not big.done():
        assert peer.call_within(LONG, operator.add, answered, 1) == answered + 1
        answered += 1
    assert answered > 3
    assert big.result(LONG) == (size if way == "there" else bytes(size))


def test_big_argument_is_gone_when_the_call_is_over(peer: Peer) -> None:
    assert peer.call(len, bytes(64 << 20)) == 64 << 20
    # Not only with the next call: so nothing is asked of the peer.
    eventually(lambda: psutil.Process(peer.pid).memory_info().rss < 48 << 20, LONG)
