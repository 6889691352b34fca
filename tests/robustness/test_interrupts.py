"""Ctrl-C, or the signal of pytest-timeout, at any moment: the peer is usable or gone, and
nothing is left."""

from __future__ import annotations

import gc
import operator
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from inner_pytest import load_only
from processes import assert_gone, is_running
from stopping import taking_less_than
from timeouts import AT_ONCE, LONG

import pytest_peer

BIG = bytes(64 << 20)
#: Moments of the sending of `BIG`: before, in the pickling, on the way, behind.
MOMENTS = [0.0, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2]


def wait_forever() -> None:
    print("waiting")
    threading.Event().wait()


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """SIGINT means KeyboardInterrupt, whatever runs this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(body: Callable[[], object], when: Callable[[], object]) -> None:
    """End `body` by a KeyboardInterrupt; the signal comes when `when` has returned, or after it."""
    main = threading.main_thread().ident
    assert main is not None

    def send() -> None:
        when()
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=send)
    gc.collect()
    gc.disable()  # what is raised in a finalizer gets lost
    try:
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            body()
            for _ in range(
                1000
            ):  # it was faster; a signal just before a wait does not end that wait
                threading.Event().wait(LONG / 1000)
    finally:
        gc.enable()
    thread.join()


def after(seconds: float) -> Callable[[], object]:
    return lambda: time.sleep(seconds)


def assert_usable(peer: pytest_peer.Peer) -> None:
    assert peer.call_within(LONG, operator.add, 1, 2) == 3


# In a call


def test_interrupted_call_leaves_the_peer_usable(peer):
    interrupt(lambda: peer.call(wait_forever), lambda: peer.stdout.wait_for("waiting", LONG))
    assert_usable(peer)


def test_interrupt_does_not_reach_the_peer(peer):
    interrupt(lambda: peer.call(wait_forever), lambda: peer.stdout.wait_for("waiting", LONG))
    assert peer.stderr.text == ""


def test_answer_of_an_interrupted_call_is_dropped(peer):
    interrupt(
        lambda: peer.call(exec, "print('ready'); input()"),
        lambda: peer.stdout.wait_for("ready", LONG),
    )
    peer.stdin.write("go on\n")
    assert_usable(peer)


@pytest.mark.parametrize("moment", [0.0, 0.0001, 0.0003, 0.001])
def test_interrupt_between_short_calls_leaves_the_peer_usable(peer, moment):
    def calls() -> None:
        while True:
            peer.call(operator.add, 1, 2)

    interrupt(calls, after(moment))
    assert_usable(peer)


def test_interrupted_calls_of_a_group_leave_it_usable(peer_factory):
    group = peer_factory.many(2)
    interrupt(
        lambda: group.call(wait_forever),
        lambda: [peer.stdout.wait_for("waiting", LONG) for peer in group],
    )
    assert group.call(operator.add, 1, 2) == [3, 3]


# In a boot


def test_interrupted_boot_leaves_nothing(peer_factory, gate, tmp_path):
    note = f'echo $$ >"{tmp_path}/pid"; exec "$0" "$@"'
    interrupt(
        lambda: peer_factory(name="db", exec=["/bin/sh", "-c", note, *gate.launcher()]),
        gate.wait_reached,
    )
    assert_gone([int((tmp_path / "pid").read_text())], within=0)


def test_interrupted_boot_frees_the_name(peer_factory, gate):
    interrupt(lambda: peer_factory(name="db", exec=gate.launcher()), gate.wait_reached)
    assert_usable(peer_factory(name="db"))


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.001, 0.005, 0.02, 0.05])
def test_interrupt_at_any_moment_of_a_boot_leaves_nothing(peer_factory, moment):
    interrupt(lambda: peer_factory(name="db"), after(moment))
    peer_factory.many(0)
    with pytest_peer.start(name=f"other-{os.getpid()}") as peer:
        assert_usable(peer)


def test_interrupted_boot_of_many_leaves_nothing(peer_factory, gate, tmp_path):
    """One of them hangs."""
    note = f'echo $$ >>"{tmp_path}/pids"; mkdir "{tmp_path}/first" && exec "$0" "$@"; shift 3; exec "$@"'
    interrupt(
        lambda: peer_factory.many(3, name="rank", exec=["/bin/sh", "-c", note, *gate.launcher()]),
        gate.wait_reached,
    )
    assert_gone(map(int, (tmp_path / "pids").read_text().split()), within=0)


# In the sending of a big message


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_big_argument_leaves_the_peer_usable(peer, moment):
    interrupt(lambda: peer.call(len, BIG), after(moment))
    assert_usable(peer)


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_big_message_leaves_the_peer_usable(peer, moment):
    interrupt(lambda: peer.send("mailbox", BIG), after(moment))
    assert_usable(peer)


def test_interrupted_big_argument_leaves_a_paused_peer_usable(peer):
    peer.pause()
    interrupt(lambda: peer.call(len, BIG), after(0.2))
    peer.resume()
    assert_usable(peer)


def test_interrupted_big_result_leaves_the_peer_usable(peer):
    interrupt(lambda: peer.call(bytes, len(BIG)), after(0.1))
    assert_usable(peer)


# In the end


def test_interrupted_stop_may_be_repeated(peer_factory):
    peer = peer_factory(shutdown=None)
    peer.cast(wait_forever)
    peer.stdout.wait_for("waiting", LONG)
    interrupt(lambda: peer.stop(), after(0.1))
    peer.kill()
    assert not is_running(peer.pid)


def test_interrupted_stop_kills_those_that_take_their_time(peer_factory):
    group = peer_factory.many(2, shutdown=LONG)
    group.cast(wait_forever)
    for peer in group:
        peer.stdout.wait_for("waiting", LONG)
    interrupt(group.stop, after(0.1))
    assert [peer.state for peer in group] == ["down", "down"]


def test_stop_interrupted_by_a_time_limit_waits_for_no_peer(peer_factory):
    """Also where that is an ordinary exception, and there are others to wait for."""
    group = peer_factory.many(2, shutdown=LONG)
    group.cast(wait_forever)
    for peer in group:
        peer.stdout.wait_for("waiting", LONG)

    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    try:
        with taking_less_than(AT_ONCE), pytest.raises(TimeoutError):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            group.stop()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [peer.state for peer in group] == ["down", "down"]


# pytest-timeout


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    load_only(monkeypatch, "peer", "timeout")
    return pytester


def test_call_interrupted_by_pytest_timeout_leaves_a_usable_peer(inner):
    inner.makepyfile(
        """
        import operator, time, pytest

        @pytest.fixture(scope="module")
        def shared(module_peer_factory):
            return module_peer_factory()

        @pytest.mark.timeout(4, method="signal", func_only=True)
        def test_hang(shared):
            shared.call(time.sleep, 600)

        def test_after(shared):
            assert shared.call(operator.add, 1, 2) == 3
        """
    )
    result = inner.runpytest_subprocess()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Timeout (>4.0s) from pytest-timeout*"])


def test_boot_that_pytest_timeout_interrupts_leaves_nothing(inner):
    inner.makepyfile(
        """
        import os, pathlib, pytest, signal, threading, time

        def end_the_limit_when_it_boots():
            while not (os.path.exists("pid") and pathlib.Path("pid").read_text()):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGALRM)

        @pytest.mark.timeout(60, method="signal")
        def test_hang(peer_factory):
            threading.Thread(target=end_the_limit_when_it_boots, daemon=True).start()
            peer_factory(exec=["/bin/sh", "-c", "echo $$ >pid; exec sleep 600"])
        """
    )
    inner.runpytest_subprocess().assert_outcomes(failed=1)
    assert_gone([int((inner.path / "pid").read_text())], within=0)


def test_send_interrupted_by_pytest_timeout_leaves_a_usable_peer(inner):
    inner.makepyfile(
        """
        import operator, pytest

        @pytest.fixture(scope="module")
        def shared(module_peer_factory):
            return module_peer_factory()

        @pytest.mark.timeout(4, method="signal", func_only=True)
        def test_hang(shared):
            shared.pause()
            shared.call(len, bytes(64 << 20))

        def test_after(shared):
            shared.resume()
            assert shared.call(operator.add, 1, 2) == 3
        """
    )
    inner.runpytest_subprocess().assert_outcomes(failed=1, passed=1)
