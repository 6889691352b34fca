"""`Peer.expect_death` excuses a death that the test causes from inside the peer."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from gates import pass_gate
from occupations import wait_forever
from timeouts import LONG

import pytest_peer

MODES = pytest.mark.parametrize("mode", ["stop", "continue", "crash"])


def exit_after(path: str) -> None:
    pass_gate(path)
    os._exit(3)


@MODES
def test_death_in_the_block_counts_as_asked_for(peer_factory, mode):
    peer = peer_factory(peer_down=mode)
    with peer.expect_death():
        peer.cast(os._exit, 3)
    assert peer.down_reason.exit_status == 3


@MODES
def test_call_that_the_death_interrupts_raises(peer_factory, mode):
    peer = peer_factory(peer_down=mode)
    with peer.expect_death(), pytest.raises(pytest_peer.PeerDown, match="SIGSEGV"):
        peer.call(signal.raise_signal, signal.SIGSEGV)


def test_death_is_excused_when_an_exception_leaves_the_block(peer):
    with pytest.raises(pytest_peer.PeerDown), peer.expect_death():
        peer.call(os._exit, 3)


def test_death_is_excused_when_a_group_error_leaves_the_block(peer_factory):
    group = peer_factory.many(2)
    with pytest.raises(ExceptionGroup), group[0].expect_death(), group[1].expect_death():
        group.call(os._exit, 3)


def test_death_that_a_cast_is_the_first_to_see_is_excused(peer):
    with pytest.raises(pytest_peer.PeerDown), peer.expect_death():
        peer.cast(os._exit, 3)
        while True:
            peer.cast(os.getpid)


def test_other_exceptions_do_not_wait_for_the_death(peer):
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), peer.expect_death(timeout=60):
        raise ZeroDivisionError
    assert time.monotonic() - began < 30
    assert peer.state == "running"


def test_end_of_the_block_waits_for_the_death(peer, gate):
    with peer.expect_death(timeout=LONG):
        peer.cast(exit_after, gate.path)
        gate.open()
    assert peer.state == "down"


def test_peer_is_down_after_the_block_however_the_moments_fall(peer):
    for _ in range(20):
        with peer.expect_death():
            peer.cast(os._exit, 3)
        assert peer.state == "down"
        peer.restart()


def test_gives_the_peer(peer):
    with peer.expect_death() as dying:
        dying.cast(os._exit, 3)
    assert dying is peer


def test_peer_that_lives_on_times_out_with_its_stacks(peer):
    peer.cast(wait_forever)
    peer.stdout.wait_for("waiting")
    told = f"(?s){re.escape(peer.name)}.*still runs after 0.1 s.*in wait_forever"
    with pytest.raises(TimeoutError, match=told), peer.expect_death(timeout=0.1):
        pass


def test_peer_that_gives_no_stacks_times_out_as_well(peer):
    peer.pause()
    with pytest.raises(TimeoutError, match="still runs"), peer.expect_death(timeout=0):
        pass
    peer.resume()


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_limit_that_is_none_is_refused(peer, timeout):
    with pytest.raises(ValueError, match="timeout"), peer.expect_death(timeout):
        pass


def test_peer_that_is_down_already_is_refused_with_the_reason(peer_factory):
    peer = peer_factory(peer_down="continue")
    peer.cast(os._exit, 3)
    peer.wait_down(LONG)
    with pytest.raises(pytest_peer.PeerDown, match="exited with status 3"), peer.expect_death():
        pytest.fail("the block is entered")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_end_by_the_test_is_a_death_too(peer, end):
    with peer.expect_death():
        getattr(peer, end)()


def test_nested_blocks_excuse_the_same_death(peer):
    with peer.expect_death(), peer.expect_death():
        peer.cast(os._exit, 3)


def test_outer_block_excuses_what_the_inner_one_has_not_seen(peer):
    with peer.expect_death():
        with pytest.raises(TimeoutError), peer.expect_death(timeout=0):
            pass
        peer.cast(os._exit, 3)


def test_restart_after_the_death_fulfils_the_block(peer):
    with peer.expect_death():
        peer.cast(os._exit, 3)
        peer.wait_down(LONG)
        peer.restart()
    assert peer.state == "running"


def test_next_life_may_be_the_one_that_dies(peer):
    with peer.expect_death():
        peer.restart()
        peer.cast(os._exit, 3)
    assert peer.down_reason.exit_status == 3


def test_restart_alone_is_no_death(peer):
    with pytest.raises(TimeoutError), peer.expect_death(timeout=0.1):
        peer.restart()


@pytest.mark.parametrize("life", ["same", "next"])
def test_death_after_the_block_is_not_excused(inner, life):
    inner.write(
        f"""
        @pytest.mark.peer(peer_down="crash")
        def test_it(peer):
            with pytest.raises(TimeoutError), peer.expect_death(timeout=0):
                pass
            if {life!r} == "next":
                peer.restart()
            peer.cast(os._exit, 3)
            peer.wait_down(20)
        """
    )
    inner.run().assert_outcomes(failed=1)


def test_death_of_another_peer_is_not_excused(inner):
    inner.write(
        """
        def test_it(peer_factory):
            first, second = peer_factory.many(2)
            with first.expect_death():
                first.cast(os._exit, 3)
                second.cast(os._exit, 4)
                second.wait_down(20)
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*PeerDownWarning*exited with status 4*"])
