"""Filters of the test decide about the warnings of calls, and filters of the peer before them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from timeouts import LONG
from warning_calls import (
    VERBS,
    Worried,
    heard,
    line_of,
    warn,
    warn_and_fail,
    warn_as_error,
    warn_later,
)

from pytest_peer import Peer


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


@pytest.mark.filterwarnings("error", f"ignore:::{warn.__module__}")
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
