"""Warnings of a call are issued in the test."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from pythons import NEWEST
from timeouts import LONG
from unusual_exceptions import made_warning
from warning_calls import (
    VERBS,
    Worried,
    heard,
    line_of,
    texts,
    warn,
    warn_and_fail,
    warn_as_error,
    warn_later,
)

from pytest_peer import Peer


class OwnWarning(UserWarning):
    """A warning that only this module has."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


class Thing:
    """What can be referred to weakly."""


def warn_of_caller() -> None:
    warnings.warn("old", DeprecationWarning, stacklevel=2)


def warn_twice() -> None:
    warn_of_caller()
    warn_of_caller()


def warn_often(times: int) -> None:
    for number in range(times):
        warn("same")
        warn(f"number {number}")


def warn_own() -> None:
    warnings.warn(OwnWarning("disk", 7), stacklevel=1)


def warn_in_thread() -> None:
    thread = threading.Thread(target=warn, args=("from a thread",))
    thread.start()
    thread.join()


async def warn_in_tasks() -> None:
    await asyncio.gather(warn_later(), asyncio.to_thread(warn, "in a thread of the loop"))


def keep_and_warn(thing: Thing) -> None:
    sys.modules[__name__].kept = weakref.ref(thing)  # type: ignore[attr-defined]
    warn()


def kept_lives() -> bool:
    gc.collect()
    return sys.modules[__name__].kept() is not None


@pytest.mark.parametrize("verb", VERBS)
def test_warning_of_a_call_is_the_test_s(shared: Peer, verb: str) -> None:
    with pytest.warns(UserWarning, match="careful") as caught:
        VERBS[verb](shared, warn)
    (warning,) = caught
    assert warning.category is UserWarning
    assert (warning.filename, warning.lineno) == (warn.__code__.co_filename, line_of(warn))


def test_result_comes_with_a_warning(shared: Peer) -> None:
    with pytest.warns(UserWarning, match="careful"):
        assert shared.call(warn) == "done"


@pytest.mark.parametrize(
    "category", [DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning]
)
def test_what_python_ignores_is_not_lost(shared: Peer, category: type[Warning]) -> None:
    with pytest.warns(category, match="careful"):
        shared.call(warn, category=category)


def test_every_call_that_warns_is_heard(shared: Peer) -> None:
    with heard() as caught:
        for _ in range(3):
            shared.call(warn)
    assert texts(caught) == ["careful"] * 3


def test_warning_of_an_own_class_is_itself(shared: Peer) -> None:
    with pytest.warns(OwnWarning, match="disk: 7") as caught:
        shared.call(warn_own)
    (warning,) = caught
    assert warning.message.code == 7  # type: ignore[union-attr]


def test_warning_of_an_unknown_class_has_the_closest_builtin_one(shared: Peer) -> None:
    with heard() as caught:
        shared.call(made_warning, "only_for_a_warning")
    assert texts(caught) == ["only_for_a_warning.Old: too old"]


def test_caller_that_is_blamed_is_the_test(shared: Peer) -> None:
    with pytest.warns(DeprecationWarning, match="old") as caught:
        shared.call(warn_of_caller)
    (warning,) = caught
    here = line_of(test_caller_that_is_blamed_is_the_test, plus=2)
    assert (warning.filename, warning.lineno) == (__file__, here)


def test_caller_that_is_blamed_is_in_the_peer(shared: Peer) -> None:
    with heard() as caught:
        shared.call(warn_twice)
    assert [each.lineno for each in caught] == [line_of(warn_twice), line_of(warn_twice, 2)]


def test_warnings_of_a_call_are_bounded_and_each_comes_once(shared: Peer) -> None:
    with heard() as caught:
        shared.call_within(LONG, warn_often, 1100)
    assert len(caught) == 1000
    assert texts(caught)[:3] == ["same", "number 0", "number 1"]


def test_big_warning_comes_before_the_answer(shared: Peer) -> None:
    with heard() as caught:
        shared.call(warn, "x" * 5_000_000)
    (text,) = texts(caught)
    assert "xxx" in text
    assert len(text) < 20_000


def test_exception_comes_after_its_warnings(shared: Peer) -> None:
    with pytest.warns(UserWarning, match="before"), pytest.raises(Worried):
        shared.call(warn_and_fail)


# Coroutines, threads, casts


def test_warning_of_a_coroutine(shared: Peer) -> None:
    with pytest.warns(UserWarning, match="later") as caught:
        shared.call(warn_later)
    assert len(caught) == 1


def test_warnings_of_what_a_coroutine_starts(shared: Peer) -> None:
    with heard() as caught:
        shared.call(warn_in_tasks)
    assert sorted(texts(caught)) == ["in a thread of the loop", "later"]


def test_calls_at_the_same_time_have_their_own(shared: Peer) -> None:
    futures = [shared.submit(warn, f"number {number}") for number in range(20)]
    for number, future in enumerate(futures):
        with heard() as caught:
            future.result(LONG)
        assert texts(caught) == [f"number {number}"]


def test_warning_of_a_thread_is_in_stderr(peer: Peer) -> None:
    peer.call(warn_in_thread)
    place = f"{warn.__code__.co_filename}:{line_of(warn)}"
    assert peer.stderr.text.startswith(f"{place}: UserWarning: from a thread\n")


def test_warning_of_a_cast_is_in_stderr_once(peer: Peer) -> None:
    peer.cast(warn_often, 2)
    peer.stderr.wait_for("number 1", LONG)
    assert peer.stderr.text.count("UserWarning: same") == 1


def test_cast_does_not_hide_the_warning_of_a_call(peer: Peer) -> None:
    peer.cast(warn)
    peer.stderr.wait_for("careful", LONG)
    with pytest.warns(UserWarning, match="careful"):
        peer.call(warn)


def test_what_python_ignores_is_not_in_stderr(peer: Peer) -> None:
    peer.cast(warn, "ignored", DeprecationWarning)
    peer.cast(warn, "shown")
    peer.stderr.wait_for("shown", LONG)
    assert "ignored" not in peer.stderr.text


# No traces


def test_arguments_of_a_call_that_warns_do_not_live_on(shared: Peer) -> None:
    with pytest.warns(UserWarning, match="careful"):
        shared.call(keep_and_warn, Thing())
    assert not shared.call(kept_lives)


def test_late_warnings_are_dropped_with_the_answer(shared: Peer) -> None:
    future = shared.submit(warn, "never asked")
    assert shared.call(warn_as_error) == "caught"
    del future
    with heard() as caught:
        shared.call(warn, "asked")
    assert texts(caught) == ["asked"]


@pytest.mark.parametrize("version", ["3.8", NEWEST])
def test_warning_of_another_python(
    peer_factory: Any, requires_python: Callable[[str], str], version: str
) -> None:
    peer = peer_factory(exec=requires_python(version))
    with pytest.warns(DeprecationWarning, match="careful") as caught:
        peer.call("builtins:exec", "import warnings\nwarnings.warn('careful', DeprecationWarning)")
    assert caught[0].filename == "<string>"
    with pytest.warns(DeprecationWarning, match="too old"):
        peer.call("unusual_exceptions:made_warning", "only_for_an_old_python")


@pytest.mark.parametrize("version", [NEWEST])
def test_fork_beside_our_own_threads_is_nothing_to_warn_of(
    peer_factory: Any, requires_python: Callable[[str], str], version: str
) -> None:
    peer = peer_factory(exec=requires_python(version))
    code = "import os\npid = os.fork()\npid or os._exit(0)\nos.waitpid(pid, 0)"
    for _ in range(3):
        peer.call("builtins:exec", code)
    threaded = f"import threading\nthreading.Timer(60, print).start()\n{code}"
    with pytest.warns(DeprecationWarning, match="multi-threaded"):
        peer.call("builtins:exec", threaded)
