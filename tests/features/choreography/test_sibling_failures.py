"""What goes wrong between peers: deaths, limits, cancellation, what cannot travel."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from typing import Any

import pytest
import sibling_calls
from inner_pytest import Inner
from timeouts import LONG

from pytest_peer import (
    CallTimeout,
    EncodeError,
    PeerDown,
    PeerGroup,
    PeerInterrupted,
    eventually,
    here,
)


@pytest.fixture
def pair(peer_factory: Any) -> PeerGroup:
    group: PeerGroup = peer_factory.many(2, name="sibling")
    return group


def test_traceback_names_both_peers_and_shows_their_frames(inner: Inner) -> None:
    inner.write(
        """
        from pytest_peer import here

        def inside():
            raise ValueError("deep")

        def outside():
            here.peer("two-1").call(inside)

        def test_fails(peer_factory):
            peer_factory.many(2, name="two")[0].call(outside)
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines_random(
        [
            r'>? +here\.peer\("two-1"\)\.call\(inside\)',
            r'>? +raise ValueError\("deep"\)',
            r"E +ValueError: deep",
            r"E +raised in peer 'two-1', which peer 'two-0' has called",
        ]
    )
    assert "siblings.py" not in result.stdout.str()


@pytest.mark.parametrize("verb", [sibling_calls.call, sibling_calls.submit, sibling_calls.acall])
def test_death_of_one_fails_the_call_of_the_other(
    pair: PeerGroup, peer_factory: Any, verb: Any
) -> None:
    future = pair[0].submit(verb, pair[1].name, sibling_calls.report_and_wait, "never")
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[1].kill()
    with pytest.raises(PeerDown, match="killed by SIGKILL") as caught:
        future.result(LONG)
    assert pair[1].name in str(caught.value)
    assert caught.value.reason == pair[1].down_reason


@pytest.mark.parametrize("verb", ["call", "cast", "send"])
def test_dead_peer_takes_nothing(pair: PeerGroup, verb: str) -> None:
    def use(handle: Any) -> None:
        getattr(handle, verb)("os:getpid", *["x"][: verb == "send"])

    pair[1].kill()
    with pytest.raises(PeerDown, match="killed by SIGKILL"):
        pair[0].call(use, pair[1])


def test_death_of_the_caller_cancels_its_coroutine(pair: PeerGroup, peer_factory: Any) -> None:
    pair[0].cast(sibling_calls.call, pair[1].name, sibling_calls.wait_for_ages)
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[0].kill()
    assert peer_factory.mailbox("ended").get(LONG) == pair[1].name


def test_option_call_timeout_of_the_callee_counts(peer_factory: Any) -> None:
    caller = peer_factory(name="caller")
    slow = peer_factory(name="slow", call_timeout=0.2)
    for each in (caller, slow):
        each.call_within(LONG, sibling_calls.about)  # which imports
    with pytest.raises(CallTimeout, match=r"no answer from peer 'slow' .*within 0.2 s") as caught:
        caller.call(sibling_calls.call, "slow", time.sleep, 1000)
    assert "blocked on sleep" in caught.value.stacks
    assert slow.call_within(LONG, sibling_calls.about)[0] == "slow"


def test_future_may_be_asked_again_after_its_limit(pair: PeerGroup, peer_factory: Any) -> None:
    def ask(handle: Any) -> Any:
        future = handle.submit(sibling_calls.report_and_wait, "late")
        here.mailbox("go").get(LONG)
        with pytest.raises(CallTimeout, match=r"within 0.1 s\n(?s:.*)report_and_wait"):
            future.result(0.1)
        handle.send("late", "came")
        return future.result(LONG)

    future = pair[0].submit(ask, pair[1])
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[0].send("go", None)
    assert future.result(LONG) == "came"


def test_cancelled_acall_cancels_the_coroutine_there(pair: PeerGroup, peer_factory: Any) -> None:
    async def give_up(handle: Any) -> str:
        task = asyncio.ensure_future(handle.acall(sibling_calls.wait_for_ages))
        await asyncio.get_running_loop().run_in_executor(None, here.mailbox("go").get, LONG)
        task.cancel()
        return "cancelled" if (await asyncio.wait([task])) and task.cancelled() else "not"

    future = pair[0].submit(give_up, pair[1])
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[0].send("go", None)
    assert future.result(LONG) == "cancelled"
    assert peer_factory.mailbox("ended").get(LONG) == pair[1].name
    assert pair[0].call(sibling_calls.call, pair[1].name, sibling_calls.about)[0] == pair[1].name


def test_cancelled_future_ends_when_the_coroutine_has(pair: PeerGroup, peer_factory: Any) -> None:
    def give_up(handle: Any) -> bool:
        future = handle.submit(sibling_calls.wait_for_ages)
        here.mailbox("go").get(LONG)
        assert not future.cancel()
        eventually(future.cancelled, LONG)
        return True

    future = pair[0].submit(give_up, pair[1])
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[0].send("go", None)
    assert future.result(LONG)
    assert peer_factory.mailbox("ended").get(LONG) == pair[1].name


def test_interrupt_there_does_not_interrupt_here(pair: PeerGroup) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(PeerInterrupted):
        pair[0].call(sibling_calls.call, pair[1].name, interrupt)


def test_what_cannot_travel_is_named(pair: PeerGroup) -> None:
    def call_with_a_lock(handle: Any) -> None:
        handle.call(print, [threading.Lock()])

    with pytest.raises(EncodeError, match=r"argument 0 cannot be pickled: .* at \[0\]"):
        pair[0].call(call_with_a_lock, pair[1])
    with pytest.raises(EncodeError, match="the result cannot be pickled"):
        pair[0].call(sibling_calls.call, pair[1].name, threading.Lock)


def test_skip_of_a_sibling_is_the_tests(inner: Inner) -> None:
    inner.write(
        """
        def test_skips(peer_factory):
            one, other = peer_factory.many(2)
            one.call(lambda peer: peer.call(pytest.skip, "not here"), other)
        """
    )
    inner.run("-rs").assert_outcomes(skipped=1)


def test_warning_of_a_sibling_is_the_tests(pair: PeerGroup) -> None:
    def warn() -> int:
        warnings.warn("look out", UserWarning, stacklevel=1)
        return 1

    with pytest.warns(UserWarning, match="look out"):
        assert pair[0].call(sibling_calls.call, pair[1].name, warn) == 1


def test_failure_that_nobody_asked_for_is_a_warning(inner: Inner) -> None:
    inner.write(
        """
        import sibling_calls
        from pytest_peer import eventually, here

        def submit(name):
            future = here.peer(name).submit(sibling_calls.fail, "unseen")
            eventually(future.done)  # which asks for no outcome

        def test_submits(peer_factory):
            one, other = peer_factory.many(2, name="lost")
            one.call(submit, other.name)
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["*UnhandledPeerException: peer 'lost-0' * that nobody asked for:"])
