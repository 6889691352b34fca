"""`running` runs a function that must not end before its block; leaving cancels a coroutine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from inner_pytest import Inner
from timeouts import AGES, LONG

from pytest_peer import (
    EncodeError,
    Peer,
    PeerDown,
    ServiceEnded,
    UnhandledPeerException,
    eventually,
    here,
    still,
)


class OwnError(Exception):
    pass


def returns(value: object) -> object:
    return value


def fails(text: str) -> None:
    raise OwnError(text)


def ends_when_told(value: object = None) -> object:
    if here.mailbox("end").get(LONG) == "fail":
        raise OwnError("told")
    return value


def never() -> bool:
    return False


def say(*lines: str) -> None:
    for line in lines:
        print(line)
    time.sleep(AGES)


async def serve() -> None:
    print("ready")
    try:
        await asyncio.sleep(AGES)
    finally:
        print("closed")


class Server:
    """A callable that only shows when it is called that it makes a coroutine."""

    def __call__(self) -> Any:
        return serve()


# While it runs


def test_service_runs_beside_other_calls(peer: Peer) -> None:
    with peer.running(say, "ready") as service:
        service.wait_for("ready", LONG)
        assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_service_finds_text_on_both_streams(peer: Peer, stream: str) -> None:
    with peer.running(say) as service:
        peer.call(write, stream, "port 4711\n")
        match = service.wait_for(r"port (\d+)", LONG)
        assert isinstance(match, re.Match)
        assert match[1] == "4711"


def write(stream: str, text: str) -> None:
    getattr(sys, stream).write(text)


def test_service_expects_behind_what_it_has_found(peer: Peer) -> None:
    with peer.running(say, "one", "two", "one") as service:
        assert [service.expect("one|two", LONG)[0] for _ in range(3)] == ["one", "two", "one"]


def test_service_passes_over_what_was_written_before(peer: Peer) -> None:
    peer.call(print, "ready")
    with peer.running(say) as service, pytest.raises(TimeoutError):
        service.wait_for("ready", 0)


def test_failed_wait_of_a_service_shows_both_streams(peer: Peer) -> None:
    with peer.running(say) as service:
        peer.call(write, "stdout", "half ready\n")
        peer.call(write, "stderr", "no such host\n")
        with pytest.raises(TimeoutError, match=r"(?s)half ready.*no such host"):
            service.wait_for("listening", 0)


# What ends too early


def test_return_before_the_end_of_the_block_fails(peer: Peer) -> None:
    ended = pytest.raises(ServiceEnded, match="returns returned 3")
    with ended as caught, peer.running(returns, 3):
        eventually(never, LONG)
    assert (caught.value.fn, caught.value.value) == (returns, 3)
    assert peer.name in caught.value.__notes__[0]


def test_exception_is_raised_as_itself(peer: Peer) -> None:
    with pytest.raises(OwnError, match="no port"), peer.running(fails, "no port") as service:
        service.wait_for("ready", LONG)


WAITS: dict[str, Callable[[Any], object]] = {
    "wait_for": lambda of: of.service.wait_for("never", LONG),
    "expect": lambda of: of.service.expect("never", LONG),
    "stdout": lambda of: of.peer.stdout.wait_for("never", LONG),
    "stderr": lambda of: of.peer.stderr.expect("never", LONG),
    "mailbox": lambda of: of.factory.mailbox("never").get(LONG),
    "eventually": lambda _: eventually(never, LONG),
    "still": lambda _: still(lambda: True, LONG),
    "mark": lambda of: of.factory.wait_mark("never", LONG),
    "barrier": lambda of: of.factory.barrier("never", 2, LONG),
    "hold point": lambda of: reach(of.peer.hold_at("json:dumps")),
    "failpoint": lambda of: reach(of.peer.fail_at("json:dumps", OwnError("not this"))),
}


def reach(point: Any) -> None:
    with point:
        point.wait(LONG)


@pytest.mark.parametrize(("how", "raised"), [("return", ServiceEnded), ("fail", OwnError)])
@pytest.mark.parametrize("wait", WAITS)
def test_end_of_a_service_ends_each_wait(
    peer: Peer, peer_factory: Any, wait: str, how: str, raised: type[Exception]
) -> None:
    begun = time.monotonic()
    with pytest.raises(raised), peer.running(ends_when_told) as service:
        peer.send("end", how)
        WAITS[wait](SimpleNamespace(service=service, peer=peer, factory=peer_factory))
    assert time.monotonic() - begun < LONG / 2


def test_end_that_nobody_waited_for_fails_the_block(peer: Peer) -> None:
    with pytest.raises(OwnError), peer.running(ends_when_told):
        peer.send("end", "fail")
        with pytest.raises(OwnError):
            eventually(never, LONG)


def test_failure_of_the_block_tells_of_the_service(peer: Peer) -> None:
    with pytest.raises(ConnectionError) as caught, peer.running(fails, "no port"):
        with pytest.raises(OwnError):
            eventually(never, LONG)
        raise ConnectionError
    assert "OwnError: no port" in caught.value.__notes__[0]


def test_skip_does_not_hide_the_end_of_a_service(peer: Peer) -> None:
    with pytest.raises(OwnError), peer.running(fails, "no port"):
        with pytest.raises(OwnError):
            eventually(never, LONG)
        pytest.skip("nothing to see")


def test_unasked_death_ends_waits_with_the_reason(mortal: Peer) -> None:
    with pytest.raises(PeerDown) as caught, mortal.running(say) as service:
        mortal.cast(os._exit, 3)
        service.wait_for("never", LONG)
    assert caught.value.reason is not None
    assert caught.value.reason.exit_status == 3


@pytest.mark.parametrize("verb", ["kill", "stop", "restart"])
def test_end_of_the_peer_that_was_asked_for_is_no_failure(peer: Peer, verb: str) -> None:
    with peer.running(say):
        getattr(peer, verb)()


def test_expected_death_is_no_failure(peer: Peer) -> None:
    with peer.running(say), peer.expect_death(LONG):
        peer.cast(os.kill, peer.pid, signal.SIGKILL)


def test_other_peers_wait_on(peer: Peer, peer_factory: Any) -> None:
    other = peer_factory(name="other")
    with pytest.raises(OwnError), peer.running(fails, "no port"):
        with pytest.raises(OwnError):
            eventually(never, LONG)
        with pytest.raises(TimeoutError, match="not within 0 s"):
            other.stdout.wait_for("never", 0)


def test_waits_after_the_block_do_not_end(peer: Peer) -> None:
    with pytest.raises(OwnError), peer.running(fails, "no port"):
        eventually(never, LONG)
    with pytest.raises(TimeoutError):
        peer.stdout.wait_for("never", 0)
    assert still(lambda: True, 0)


# Leaving


@pytest.mark.parametrize("function", [serve, Server(), f"{__name__}:serve"])
def test_leaving_cancels_a_coroutine_and_waits(peer: Peer, function: Any) -> None:
    with peer.running(function) as service:
        service.wait_for("ready", LONG)
    assert "closed" in peer.stdout.text


def test_cleanup_that_fails_is_raised(peer: Peer) -> None:
    async def fails_at_its_end() -> None:
        print("ready")
        try:
            await asyncio.sleep(AGES)
        finally:
            raise OwnError("clean-up")

    with pytest.raises(OwnError, match="clean-up"), peer.running(fails_at_its_end) as service:
        service.wait_for("ready", LONG)


def test_function_goes_on_until_the_peer_ends(peer: Peer, peer_factory: Any) -> None:
    with peer.running(take_and_send) as service:
        service.wait_for("ready", LONG)
    peer.send("in", "late")
    assert peer_factory.mailbox("out").get(LONG) == "late"


def take_and_send() -> None:
    print("ready")
    here.origin.send("out", here.mailbox("in").get(LONG))


def test_coroutine_that_goes_on_is_told_of(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_peer.peers.choreography import running

    monkeypatch.setattr(running, "CANCELLED", 0.1)

    async def stays() -> None:
        print("ready")
        while True:
            try:
                await asyncio.sleep(AGES)
            except asyncio.CancelledError:
                print("no")

    with peer.running(stays) as service:
        service.wait_for("ready", LONG)
    with pytest.warns(UnhandledPeerException, match=r"stays was cancelled .* goes on after 0.1 s"):
        peer.lives.owner.warn(closed=True)


# What cannot begin


def test_what_cannot_be_called_is_refused(peer: Peer) -> None:
    with pytest.raises(TypeError, match="callable"):
        peer.running(3)  # type: ignore[arg-type]


def test_dead_peer_runs_nothing(dead: Peer) -> None:
    with pytest.raises(PeerDown), dead.running(say):
        raise AssertionError


def test_boot_that_fails_ends_the_waits(peer_factory: Any) -> None:
    peer = peer_factory(exec=[sys.executable, "-c", "raise SystemExit(3)"], wait_boot=False)
    with pytest.raises(PeerDown), peer.running(say) as service:
        service.wait_for("ready", LONG)


def test_call_that_cannot_be_sent_ends_the_waits(peer: Peer) -> None:
    lock: Any = threading.Lock()
    with pytest.raises(EncodeError), peer.running(say, lock) as service:
        service.wait_for("ready", LONG)


# In a run of pytest


def test_service_of_a_fixture_fails_the_test_that_waits(inner: Inner) -> None:
    inner.write("""
        from pytest_peer import eventually

        def serve():
            raise LookupError("no database")

        @pytest.fixture
        def server(peer):
            with peer.running(serve) as service:
                yield service

        def test_client(server):
            eventually(lambda: False, timeout=30)
        """)
    result = inner.run()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*eventually(lambda: False*", "*LookupError: no database*"])


@pytest.fixture(autouse=True)
def _leaves_no_service() -> Iterator[None]:
    from pytest_peer.core.services import everywhere

    yield
    assert everywhere.failure() is None
