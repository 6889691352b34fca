"""Warnings of a call are issued in the test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pythons import NEWEST
from timeouts import LONG
from unusual_exceptions import made_warning

from pytest_peer import Peer


class OwnWarning(UserWarning):
    """A warning that only this module has."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


class Worried(Exception):
    """Raised after a warning."""


class Thing:
    """What can be referred to weakly."""


def warn(text: str = "careful", category: type[Warning] = UserWarning) -> str:
    warnings.warn(text, category, stacklevel=1)
    return "done"


def warn_of_caller() -> None:
    warnings.warn("old", DeprecationWarning, stacklevel=2)


def warn_twice() -> None:
    warn_of_caller()
    warn_of_caller()


def warn_often(times: int) -> None:
    for number in range(times):
        warn("same")
        warn(f"number {number}")


def warn_and_fail() -> None:
    warn("before")
    raise Worried("after")


def warn_own() -> None:
    warnings.warn(OwnWarning("disk", 7), stacklevel=1)


def warn_in_thread() -> None:
    thread = threading.Thread(target=warn, args=("from a thread",))
    thread.start()
    thread.join()


def warn_as_error() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            warn()
        except UserWarning:
            return "caught"
    return "passed"


def record() -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("recorded")
    return [str(each.message) for each in caught]


def warn_after(filter: Callable[..., object], *args: object) -> None:
    with warnings.catch_warnings():
        filter(*args)
        warn()


def log_warnings() -> list[str]:
    logged: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())

    handler = Handler()
    logging.getLogger("py.warnings").addHandler(handler)
    logging.captureWarnings(True)
    warn("logged")
    logging.captureWarnings(False)
    logging.getLogger("py.warnings").removeHandler(handler)
    return logged


class Final:
    def __del__(self) -> None:
        warn("at the end")


def warn_at_the_end() -> str:
    Final()
    return "done"


def leave_open() -> str:
    open(os.devnull)  # noqa: SIM115 - that is what is warned of
    return "done"


def leave_unawaited() -> str:
    warn_later()  # type: ignore[unused-coroutine]
    return "done"


async def warn_later() -> None:
    await asyncio.sleep(0)
    warn("later")


async def warn_in_tasks() -> None:
    await asyncio.gather(warn_later(), asyncio.to_thread(warn, "in a thread of the loop"))


def keep_and_warn(thing: Thing) -> None:
    sys.modules[__name__].kept = weakref.ref(thing)  # type: ignore[attr-defined]
    warn()


def kept_lives() -> bool:
    gc.collect()
    return sys.modules[__name__].kept() is not None


def line_of(function: Callable[..., object], plus: int = 1) -> int:
    return function.__code__.co_firstlineno + plus


def texts(caught: Any) -> list[str]:
    return [str(each.message) for each in caught]


@contextlib.contextmanager
def heard() -> Iterator[list[warnings.WarningMessage]]:
    """Everything that is warned of in a block."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


VERBS = {
    "call": lambda peer, fn: peer.call(fn),
    "call_within": lambda peer, fn: peer.call_within(LONG, fn),
    "submit": lambda peer, fn: peer.submit(fn).result(LONG),
    "exception": lambda peer, fn: peer.submit(fn).exception(LONG),
    "map": lambda peer, fn: list(peer.map(fn, ["careful"])),
    "acall": lambda peer, fn: asyncio.run(peer.acall(fn)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_warning_of_a_call_is_the_test_s(shared: Peer, verb: str) -> None:
    with pytest.warns(UserWarning, match="careful") as caught:
        VERBS[verb](shared, warn)
    (warning,) = caught
    assert warning.category is UserWarning
    assert (warning.filename, warning.lineno) == (__file__, line_of(warn))


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


# Filters of the test


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "exception"])
def test_filter_makes_it_an_error_of_the_call(shared: Peer, verb: str) -> None:
    with pytest.raises(UserWarning, match="careful") as caught:
        VERBS[verb](shared, warn)
    assert shared.name in caught.value.__notes__[0]
    assert caught.traceback[-1].name == "warn"
    assert caught.traceback[-1].lineno + 1 == line_of(warn)


@pytest.mark.filterwarnings("error")
def test_error_is_the_future_s_each_time(shared: Peer) -> None:
    future = shared.submit(warn)
    assert isinstance(future.exception(LONG), UserWarning)
    for _ in range(2):
        with pytest.raises(UserWarning, match="careful"):
            future.result(LONG)


@pytest.mark.filterwarnings("error")
def test_error_has_what_the_call_raised_as_its_context(shared: Peer) -> None:
    with pytest.raises(UserWarning, match="before") as caught:
        shared.call(warn_and_fail)
    assert isinstance(caught.value.__context__, Worried)


@pytest.mark.parametrize("function", [leave_open, leave_unawaited, warn_at_the_end])
def test_what_a_finalizer_warns_of_is_not_raised(
    shared: Peer, function: Callable[[], object]
) -> None:
    with heard() as caught:
        warnings.simplefilter("error")
        assert shared.call(function) == "done"
    assert len(caught) == 1


@pytest.mark.filterwarnings("error", "ignore:careful")
def test_filter_by_text(shared: Peer) -> None:
    assert shared.call(warn) == "done"


@pytest.mark.filterwarnings("error", f"ignore:::{__name__}")
def test_filter_by_module(shared: Peer) -> None:
    assert shared.call(warn) == "done"


# Filters of the peer


def test_code_that_records_warnings_has_them_for_itself(shared: Peer) -> None:
    assert shared.call(record) == ["recorded"]


def test_code_that_makes_errors_of_warnings_gets_them(shared: Peer) -> None:
    assert shared.call(warn_as_error) == "caught"


def test_code_that_ignores_warnings_is_heeded(shared: Peer) -> None:
    shared.call(warn_after, warnings.simplefilter, "ignore")


def test_code_that_logs_warnings_gets_them(shared: Peer) -> None:
    (logged,) = shared.call(log_warnings)
    assert "logged" in logged


def test_code_that_resets_filters_still_warns(shared: Peer) -> None:
    with pytest.warns(UserWarning, match="careful"):
        shared.call(warn_after, warnings.resetwarnings)


def test_interpreter_s_own_filters_are_heeded(peer_factory: Any) -> None:
    peer = peer_factory(args=["-W", "ignore::UserWarning", "-W", "error::DeprecationWarning"])
    assert peer.call(warn) == "done"
    with pytest.raises(DeprecationWarning) as caught:
        peer.call(warn, category=DeprecationWarning)
    assert "raised in" in caught.value.__notes__[0]


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
    assert peer.stderr.text.startswith(f"{__file__}:{line_of(warn)}: UserWarning: from a thread\n")


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
