"""Exceptions of any class come back as they were; those that cannot come as a `RemoteError`."""

from __future__ import annotations

import json
import os
import threading
import traceback
from typing import Any

import pytest
from unusual_exceptions import (
    CodedExit,
    CodedOSError,
    Formatting,
    Frozen,
    KeywordsOnly,
    ManyErrors,
    NoArguments,
    ReducedToAnother,
    Slotted,
    Speechless,
    TwoArguments,
    made_here,
)

from pytest_peer import Peer, RemoteError


class OwnError(Exception):
    """An exception that only this module has."""


def innermost(exc: BaseException) -> None:
    raise exc


def outer(exc: BaseException) -> None:
    innermost(exc)


def with_lock_inside() -> None:
    exc = OwnError("no")
    exc.lock = threading.Lock()  # type: ignore[attr-defined]
    exc.code = 7  # type: ignore[attr-defined]
    raise exc


def with_lock_as_argument() -> None:
    raise OwnError("no", threading.Lock())


def raise_made_here(name: str) -> None:
    raise made_here(name)("only here")


def remote_frames(exc: BaseException) -> list[str]:
    """The functions of this file in the traceback, without the test's."""
    frames = traceback.extract_tb(exc.__traceback__)
    return [frame.name for frame in frames if frame.filename == __file__][1:]


def is_usable(peer: Peer) -> bool:
    return peer.call(os.getpid) == peer.pid


# Exceptions that travel


@pytest.mark.parametrize(
    ("cls", "args", "kwargs"),
    [
        (TwoArguments, ("disk", 5), {}),
        (KeywordsOnly, (), {"path": "a/b"}),
        (NoArguments, (), {}),
        (Formatting, ("disk",), {}),
        (CodedOSError, (2,), {}),
        (CodedExit, ("disk", 5), {}),
        (Slotted, (5, "slots"), {}),
        (Frozen, (5,), {}),
        (FileNotFoundError, (2, "gone", "some/file"), {}),
        (ImportError, ("no module",), {"name": "db", "path": "some/file"}),
        (UnicodeDecodeError, ("utf-8", b"\xff", 0, 1, "bad"), {}),
        (KeyError, ("key",), {}),
        (StopIteration, (1,), {}),
        (json.JSONDecodeError, ("bad", "{", 1), {}),
    ],
)
def test_exception_of_any_class_comes_back_as_it_was(
    shared: Peer, cls: type[BaseException], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    def fail() -> None:
        raise cls(*args, **kwargs)

    local = cls(*args, **kwargs)
    with pytest.raises(cls) as caught:
        shared.call(fail)
    assert type(caught.value) is cls
    assert (str(caught.value), caught.value.args) == (str(local), local.args)
    for name in ("name", "code", "path", "errno", "filename", "reason", "value", "pos"):
        assert getattr(caught.value, name, None) == getattr(local, name, None)


def test_exception_that_is_pickled_as_another_is_itself(shared: Peer) -> None:
    with pytest.raises(ReducedToAnother, match="itself"):
        shared.call(lambda: innermost(ReducedToAnother("itself")))


def test_exception_without_repr_and_str_is_itself(shared: Peer) -> None:
    with pytest.raises(Speechless):
        shared.call(lambda: innermost(Speechless()))
    assert is_usable(shared)


@pytest.mark.parametrize("kind", [list, tuple], ids=["list", "tuple"])
def test_exception_with_an_attribute_exceptions_is_no_group(shared: Peer, kind: type) -> None:
    with pytest.raises(ManyErrors, match="several") as caught:
        shared.call(lambda: innermost(ManyErrors("several", kind([KeyError("k")]))))
    assert type(caught.value.exceptions) is kind
    assert caught.value.exceptions[0].args == ("k",)


def test_exception_of_a_local_class_of_the_test(shared: Peer) -> None:
    class LocalError(Exception):
        pass

    def fail() -> None:
        raise LocalError("local")

    with pytest.raises(LocalError, match="local"):
        shared.call(fail)


def test_class_of_this_module_is_the_same_for_code_by_value(shared: Peer) -> None:
    def fail() -> None:
        try:
            outer(OwnError("caught"))
        except OwnError as exc:
            raise KeyError("it was") from exc

    with pytest.raises(KeyError, match="it was"):
        shared.call(fail)


@pytest.mark.parametrize("outcome", [pytest.skip, pytest.fail, pytest.xfail])
def test_outcome_of_pytest_is_the_test_s(peer: Peer, outcome: Any) -> None:
    with pytest.raises(outcome.Exception) as caught:
        peer.call(outcome, "because")
    assert caught.value.msg == "because"


# Exceptions that cannot


def test_exception_of_a_class_that_is_not_here_is_a_remote_error(shared: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        shared.call(raise_made_here, "only_for_an_exception")
    assert caught.value.type_name == "only_for_an_exception.Here"
    assert caught.value.original_repr == "Here('only here')"
    assert "in raise_made_here" in caught.value.remote_traceback
    assert "Here('only here')" in str(caught.value)
    assert is_usable(shared)


def test_remote_error_has_the_peer_s_frames(shared: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        shared.call(raise_made_here, "only_for_frames")
    assert remote_frames(caught.value) == ["raise_made_here"]


def test_exception_with_an_unsendable_argument_keeps_its_class(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_lock_as_argument)
    assert caught.value.args[0] == "no"
    note = "\n".join(caught.value.__notes__)
    assert "could not travel: args[1]" in note
    assert "OwnError('no', <unlocked _thread.lock object" in note
    assert is_usable(shared)


def test_attribute_that_cannot_be_sent_is_left_out_and_noted(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_lock_inside)
    assert caught.value.args == ("no",)
    assert vars(caught.value)["code"] == 7
    assert not hasattr(caught.value, "lock")
    assert any("lock" in note for note in caught.value.__notes__)
