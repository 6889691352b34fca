"""Arguments and results: which values travel, and the error for each that does not."""

from __future__ import annotations

import collections
import dataclasses
import functools
import operator
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest
from timeouts import LONG
from unusual_exceptions import made_here

from pytest_peer import DecodeError, EncodeError, Peer

MEGABYTE = 1 << 20


class RefusesPickling:
    def __reduce__(self) -> Any:
        raise LookupError("this one stays")


class RefusesUnpickling:
    def __init__(self, place: str) -> None:
        self.place = place

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise LookupError(f"not in {state['place']}")


class EndsProgramsWhenUnpickled:
    def __setstate__(self, state: object) -> None:
        raise SystemExit(3)

    def __init__(self) -> None:
        self.state = 1


def instance_made_here(name: str) -> Any:
    return made_here(name)("only here")


def deep_list(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def is_usable(peer: Peer) -> bool:
    return peer.call(os.getpid) == peer.pid


# Arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "where"),
    [
        ((threading.Lock(),), {}, "argument 0"),
        ((1, threading.Lock()), {}, "argument 1"),
        ((), {"a": 1, "b": threading.Lock()}, "argument 'b'"),
        (({"a": [0, threading.Lock()]},), {}, "['a'][1]"),
    ],
)
def test_argument_that_cannot_be_sent_is_named(
    shared: Peer, args: tuple[Any, ...], kwargs: dict[str, Any], where: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(repr, *args, **kwargs)
    assert where in str(caught.value)
    assert "lock" in str(caught.value)
    assert is_usable(shared)


def test_attribute_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"lock.* at \.inner\.deep"):
        shared.call(repr, types.SimpleNamespace(inner=types.SimpleNamespace(deep=threading.Lock())))


def test_function_that_cannot_be_sent_is_named(shared: Peer) -> None:
    lock = threading.Lock()
    with pytest.raises(EncodeError, match=r"the function.*lock"):
        shared.call(lambda: lock)


def test_argument_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"RefusesPickling.*this one stays"):
        shared.call(repr, RefusesPickling())


def test_argument_that_cannot_be_rebuilt_in_the_peer(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the peer"):
        shared.call(repr, RefusesUnpickling("the peer"))
    assert is_usable(shared)


def test_argument_that_ends_programs_when_rebuilt(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="SystemExit"):
        shared.call(repr, EndsProgramsWhenUnpickled())
    assert is_usable(shared)


def test_argument_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="argument 0"):
        shared.call(len, deep_list(100_000))
    assert is_usable(shared)


def test_argument_is_a_copy(shared: Peer) -> None:
    items = [1]
    assert shared.call(operator.iadd, items, [2]) == [1, 2]
    assert items == [1]


def test_argument_of_64_megabytes(shared: Peer) -> None:
    assert shared.call(len, b"\xab" * (64 * MEGABYTE)) == 64 * MEGABYTE


# Results


def test_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the result.*lock"):
        shared.call(threading.Lock)
    assert is_usable(shared)


def test_part_of_a_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(lambda: {"a": [0, threading.Lock()]})
    assert "['a'][1]" in str(caught.value)


def test_result_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="this one stays"):
        shared.call(RefusesPickling)
    assert is_usable(shared)


def test_result_that_cannot_be_rebuilt_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the test") as caught:
        shared.call(RefusesUnpickling, "the test")
    assert isinstance(caught.value.__cause__, LookupError)
    assert is_usable(shared)


@pytest.mark.parametrize(
    "verb", [Peer.call, lambda peer, *args: peer.submit(*args).result(LONG)], ids=["call", "submit"]
)
def test_result_that_ends_programs_when_rebuilt(shared: Peer, verb: Callable[..., Any]) -> None:
    with pytest.raises(DecodeError, match="SystemExit"):
        verb(shared, EndsProgramsWhenUnpickled)
    assert is_usable(shared)


def test_result_of_a_class_that_is_not_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="only_for_a_result") as caught:
        shared.call(instance_made_here, "only_for_a_result")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_result_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="the result"):
        shared.call(deep_list, 100_000)
    assert is_usable(shared)


def test_result_of_200_megabytes(shared: Peer) -> None:
    result = shared.call(operator.mul, b"\xab\xcd", 100 * MEGABYTE)
    assert len(result) == 200 * MEGABYTE
    assert result.startswith(b"\xab\xcd\xab")
    assert result.endswith(b"\xcd\xab\xcd")


def test_small_calls_return_while_a_big_result_is_on_its_way(shared: Peer) -> None:
    big = shared.submit(operator.mul, b"x", 50 * MEGABYTE)
    assert [shared.call(operator.neg, number) for number in range(50)] == [-n for n in range(50)]
    assert len(big.result(LONG)) == 50 * MEGABYTE


def test_instance_of_a_class_of_this_module(shared: Peer) -> None:
    assert type(shared.call(RefusesUnpickling.__new__, RefusesUnpickling)) is RefusesUnpickling


def test_instance_of_a_local_class_of_the_test(shared: Peer) -> None:
    class Local:
        def __init__(self, value: int) -> None:
            self.value = value

    result = shared.call(Local, 5)
    assert type(result) is Local
    assert result.value == 5


def test_instance_of_a_local_class_of_the_peer(shared: Peer) -> None:
    def make() -> Any:
        class Point:
            def __init__(self, x: int) -> None:
                self.x = x

            def twice(self) -> int:
                return 2 * self.x

        return Point(4)

    assert shared.call(make).twice() == 8


def test_lambda_as_a_result(shared: Peer) -> None:
    assert shared.call(lambda: lambda x: x + 1)(1) == 2


class Service:
    def __init__(self) -> None:
        self.guard = threading.Lock()

    def run(self) -> None: ...


@dataclasses.dataclass(slots=True)
class Slotted:
    part: object


def with_closure() -> Callable[[], object]:
    lock = threading.Lock()
    return lambda: lock


class Node:
    """It and its parent refer to each other."""

    def __init__(self, parent: Node | None = None) -> None:
        self.children = [Node(self)] if parent is None else []
        self.parent = parent or self
        self.lock = threading.Lock() if parent is None else None


def class_with_lock() -> Any:
    class Local:
        lock = threading.Lock()

        def show(self) -> str:
            return super().__repr__()

    return Local


def held_by(make: Callable[[threading.Lock], object]) -> Callable[[], object]:
    return functools.partial(repr, make(threading.Lock()))


@pytest.mark.parametrize(
    ("fn", "path"),
    [
        (Service().run, "Service().run.__self__.guard"),
        (functools.partial(repr, Service()), "partial().args[0].guard"),
        (with_closure(), "with_closure.<locals>.<lambda>.lock"),
        (held_by(lambda lock: {"a": [Slotted(lock)]}), ".args[0]['a'][0].part"),
        (functools.partial(repr, Node()), ".args[0].lock"),
        (class_with_lock(), "Local.lock"),
        (class_with_lock()().show, "__class__.lock"),
        (held_by(lambda lock: lambda x=lock: x), ".args[0].__defaults__[0]"),
        (held_by(lambda lock: collections.deque([1, lock])), ".args[0][1]"),
        (held_by(lambda lock: collections.defaultdict(lambda: lock)), "[0].default_factory.lock"),
        (held_by(lambda lock: OSError(1, lock)), ".args[0].args[1]"),
        (held_by(lambda lock: types.MappingProxyType({"a": lock})), ".args[0]['a']"),
    ],
    ids=[
        "method",
        "partial",
        "closure",
        "slot",
        "cycle",
        "class",
        "instance",
        "default",
        "deque",
        "factory",
        "error",
        "proxy",
    ],
)
def test_error_names_the_path_of_the_part(
    shared: Peer, fn: Callable[[], object], path: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(fn)
    assert f"{path} (TypeError: cannot pickle '_thread.lock' object)" in str(caught.value)


HANDLE = "a peer's handle cannot be sent to another process; send its name, or values"


def closure_over(value: object) -> Callable[[], object]:
    return lambda: value


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda peer: (repr, peer), "argument 0 cannot be pickled: {peer!r} of type Peer"),
        (lambda peer: (repr, [peer]), "{peer!r} of type Peer at [0]"),
        (
            lambda peer: (closure_over(peer),),
            "{peer!r} of type Peer at closure_over.<locals>.<lambda>.value",
        ),
        (lambda peer: (peer.call,), "{peer!r} of type Peer at Peer().call.__self__"),
    ],
    ids=["argument", "list", "closure", "method"],
)
def test_handle_that_is_sent_is_named_with_what_to_do(
    shared: Peer, call: Callable[[Peer], Any], where: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(*call(shared))
    assert f"{where.format(peer=shared)} (TypeError: {HANDLE}" in str(caught.value)


def test_group_or_mailbox_that_is_sent_says_what_to_do(shared: Peer, peer_factory: Any) -> None:
    with pytest.raises(
        EncodeError, match=r"PeerGroup \(TypeError: a group of peers cannot be sent"
    ):
        shared.call(repr, peer_factory.many(0))
    with pytest.raises(EncodeError, match=r"Mailbox \(TypeError: a mailbox cannot be sent"):
        shared.call(repr, peer_factory.mailbox("box"))


class Guarded:
    """Refuses itself, and has a part that cannot be pickled."""

    def __init__(self) -> None:
        self.guard = threading.Lock()

    def __reduce__(self) -> Any:
        raise LookupError("this one stays")


def test_object_that_refuses_itself_is_named_and_no_part(shared: Peer) -> None:
    with pytest.raises(
        EncodeError, match=r"of type Guarded at \[0\] \(LookupError: this one stays"
    ):
        shared.call(repr, [Guarded()])


def test_error_shows_no_frame_of_a_pickler(shared: Peer) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(repr, Service())
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__traceback__ is None
    assert caught.value.__cause__.__context__ is None


def test_closure_with_an_unassigned_variable_is_refused(shared: Peer) -> None:
    lock = threading.Lock()

    def uses_both() -> object:
        return lock, later

    with pytest.raises(EncodeError, match="the function cannot be pickled"):
        shared.call(uses_both)
    later = 1
