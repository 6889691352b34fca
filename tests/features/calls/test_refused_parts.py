"""What cannot be sent is refused with the path of the part."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from pytest_peer import EncodeError, Peer


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


class Words(list[str]):
    guard: threading.Lock


def words_with(lock: threading.Lock) -> Words:
    words = Words("ab")
    words.guard = lock
    return words


def function_with(lock: threading.Lock) -> Callable[[], object]:
    def local() -> None: ...

    vars(local)["guard"] = lock
    return local


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
        (held_by(lambda lock: lambda x=lock: x), ".args[0].x"),
        (held_by(lambda lock: lambda *, x=lock: x), ".args[0].x"),
        (held_by(function_with), ".args[0].guard"),
        (held_by(words_with), ".args[0].guard"),
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
        "keyword-default",
        "attribute",
        "list-attribute",
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
