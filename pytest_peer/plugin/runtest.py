"""Hooks around the phases of a test, registered for the first with peers: others pay nothing."""

import contextlib
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from types import FrameType

import pytest

from ..core.clock import sleep
from ..core.errors import PeerDown
from ..core.worker import start_thread
from ..link import soft_assertions
from ..link.protocol import reductions
from . import debugging, logs, sections, xdist
from .session import closed_key, interrupt_key, lives, retention_key, scopes_key
from .told import Told

#: Ignored by default (signal(7)): one that comes when our handler is gone does no harm.
_SIGNAL = signal.SIGURG
#: Functions of `link` that catch whatever the user's code raises, and so the exception of a crash.
#: They take milliseconds. What unpickles is not here: it may import, and wait, for long.
_CATCHING = frozenset({"pack", "dumps", "_ordinary", "_package_path"})
_AGAIN_SECONDS = 0.01  # after which a crash is looked at again
#: pytest shows no error without a frame. One in a peer's setup may have only that of a hook here.
__tracebackhide__ = False
_hooks = sys.modules[__name__]


def expect_peers(config: pytest.Config) -> None:
    """Register these hooks: there are, or will be, tests with peers."""
    if not config.pluginmanager.is_registered(_hooks):
        config.pluginmanager.register(_hooks, "peer-phases")
        sections.register(config)
        logs.expect(config)
        xdist.watch_controller(config)
        debugging.begin(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    config = item.config
    reductions.remember()
    if retention_key in config.stash:
        running = [life.record.artifacts.path for life in lives(config) if life.state != "down"]
        config.stash[retention_key].begin(item.nodeid, running)
    sections.begin(item, lives(config))
    return (yield)


@pytest.hookimpl(wrapper=True)  # within that of pytest-assume, which looks at the end
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    scopes = item.config.stash.get(scopes_key, ())
    if not scopes:
        return (yield)
    run = sections.of_run(item)
    try:
        run.in_body = True
        with _failing_at_once(item.config):
            result = yield
    finally:
        run.in_body = False
        soft_assertions.take(over=True)
    __tracebackhide__ = True  # the message says which line of the test it is about
    # Only after a body that passed: the report of a failing one shows its peers anyway.
    for scope in scopes:
        scope.raise_failures()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    # Of wider scopes; that of the test is closed, which warns too.
    for scope in item.config.stash.get(scopes_key, ()):
        scope.warn()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    config, run = item.config, sections.of_run(item)
    if soft := soft_assertions.left(call.when):
        if call.excinfo is None or call.excinfo.typename in ("Skipped", "SkipTest"):
            failed = pytest.CallInfo.from_call(lambda: pytest.fail(soft, pytrace=False), call.when)
            call.excinfo = failed.excinfo
        else:
            run.kept.append((f"soft assertions {call.when}", soft))
    made = yield
    every = list(lives(config))
    if (every or run.more) and made.failed:  # this is known only now; no peer has been stopped yet
        told = Told(
            call.excinfo and call.excinfo.value
        )  # unittest's hook has set that of a TestCase
        found = []
        for scope in config.stash.get(scopes_key, ()):
            scope.forget_deaths(told.death)
            found += [("unhandled exception", text) for text in scope.unhandled.texts()]
        # A time limit's signal may raise here, but the test has failed already.
        with contextlib.suppress(pytest.fail.Exception):
            if every:
                found += run.of_failure(every, told, f"{made.nodeid} failed in {made.when}")
        found += [each() for each in run.more]
        late = [(f"{title} {made.when}", text) for title, text in found]
        sections.add(item, made, late)
        if not run.in_body:
            run.once += ((f"Captured {title}", text) for title, text in late)
    if call.when == "teardown":
        config.stash[closed_key] = []
        sections.end(item)
    if retention_key in config.stash:
        crashes = config.stash[retention_key].phase_over(call.when, made.outcome)
        if crashes:
            vars(made)["peer_crashes"] = crashes  # xdist carries it to the controller
    return made


def _is_caught(frame: FrameType | None) -> bool:
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("pytest_peer.link.") and frame.f_code.co_name in _CATCHING:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _failing_at_once(config: pytest.Config) -> Iterator[None]:
    """Raise `PeerDown` in the main thread when a peer with ``peer_down="crash"`` crashes.

    Only a signal's handler gets into a blocked main thread: out of a sleep, a lock or a socket.
    Where the test runs on another thread, where C code does not return for a signal, or where the
    test catches the exception, the test fails when its body ends.
    """
    __tracebackhide__ = True
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    scopes = config.stash[scopes_key]
    raised: list[PeerDown] = []

    def again() -> None:
        sleep(_AGAIN_SECONDS)
        signal.pthread_kill(ident, _SIGNAL)

    def raise_crashes(_: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if _is_caught(frame):
            start_thread(again, "pytest-peer-crash")
            return
        if debugging.debugging_key in config.stash:
            config.stash[debugging.debugging_key].serve()
        for scope in list(scopes):
            try:
                scope.raise_crashes()
            except PeerDown as exc:
                raised.append(exc)
                raise

    previous = signal.signal(_SIGNAL, raise_crashes)  # ours, of a test that runs pytest
    ident = threading.get_ident()
    config.stash[interrupt_key] = lambda: signal.pthread_kill(ident, _SIGNAL)
    try:
        yield
    finally:
        del config.stash[interrupt_key]
        signal.signal(_SIGNAL, previous)
    if raised:  # a loop that retries, or an event loop, has caught it
        raise raised[0]
