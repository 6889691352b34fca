"""The option `setup` and the hook `pytest_peer_setup` run in a peer before anything else."""

from __future__ import annotations

import os
import sys
import threading
import traceback

import pytest
from timeouts import AT_ONCE, LONG

import pytest_peer
from pytest_peer import BootError, BootTimeout, PeerDown, here

steps: list[str] = []


def first() -> None:
    steps.append("first")


def second() -> None:
    steps.append("second")


def refuse() -> None:
    raise LookupError("no database")


def hang() -> None:
    threading.Event().wait()


def end() -> None:
    print("last words", flush=True)
    os._exit(3)


async def on_the_loop() -> None:
    steps.append("coroutine")


def say() -> None:
    here.origin.send("said", here.name)


def taken() -> list[str]:
    return steps


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_it_runs_before_the_first_call_and_in_each_life(peer_factory, start_method):
    peer = peer_factory(setup=first, start_method=start_method)
    assert peer.call(taken) == ["first"]
    assert peer.restart().call(taken) == ["first"]
    assert peer.restart(setup=[first, second]).call(taken) == ["first", "second"]
    assert peer.restart(setup=None).call(taken) == []


def test_calls_that_were_made_while_booting_come_after_it(peer_factory):
    peer = peer_factory(setup=first, wait_boot=False)
    assert peer.submit(taken).result(LONG) == ["first"]


@pytest.mark.peer(setup=first)
def test_the_marker_has_it_too(peer):
    assert peer.call(taken) == ["first"]


@pytest.mark.in_peer(setup=lambda: os.environ.update(SET_UP="1"))
def test_it_runs_before_the_body_in_a_peer():
    assert os.environ["SET_UP"] == "1"


def test_a_coroutine_function_runs_on_the_loop(peer_factory):
    assert peer_factory(setup=on_the_loop).call(taken) == ["coroutine"]


def test_messages_work_in_it(peer_factory):
    peer = peer_factory(setup=say)
    assert peer_factory.mailbox("said").get(LONG) == peer.name


def test_members_of_a_group_have_it(peer_factory):
    assert peer_factory.many(2, setup=first).call(taken) == [["first"], ["first"]]


def test_what_it_raises_is_the_cause_of_a_boot_error(peer_factory):
    with pytest.raises(BootError, match="its setup raised LookupError: no database") as caught:
        peer_factory(setup=refuse)
    cause = caught.value.__cause__
    assert isinstance(cause, LookupError)
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "refuse"
    assert caught.value.argv[0] == sys.executable


def test_a_boot_that_nobody_awaits_fails_its_calls(peer_factory):
    peer = peer_factory(setup=refuse, wait_boot=False, peer_down="continue")
    with pytest.raises(PeerDown) as caught:
        peer.call(taken)
    assert isinstance(caught.value.__cause__, BootError)
    assert peer.down_reason.kind == "boot failed"


def test_a_process_that_ends_in_it_did_not_boot(peer_factory):
    with pytest.raises(BootError, match="exited with status 3") as caught:
        peer_factory(setup=end)
    assert "last words" in caught.value.output


def test_its_time_is_part_of_the_boots(peer_factory):
    with pytest.raises(BootTimeout) as caught:
        peer_factory(setup=hang, wait_boot=AT_ONCE)
    assert "in hang" in caught.value.stacks
    assert f"within {AT_ONCE:g} s (option wait_boot) and was killed: its setup did not end" in str(
        caught.value
    )


def test_what_cannot_be_sent_is_a_boot_error(peer_factory):
    lock = threading.Lock()
    with pytest.raises(BootError, match=r"setup raised EncodeError.*lock"):
        peer_factory(setup=lambda: lock)


@pytest.mark.parametrize("wrong", [1, "os:getpid", [first, None]])
def test_only_callables_are_taken(wrong):
    with pytest.raises(TypeError, match="setup: expected a callable"):
        pytest_peer.start(setup=wrong)


# The hook.


def test_hooks_run_from_the_outer_conftest_to_the_option(inner):
    inner.pytester.makeconftest("""
import sys

def outer():
    sys.steps = ["outer"]

def pytest_peer_setup():
    return outer
""")
    inner.write(
        """
import sys
assert not hasattr(sys, "steps") or sys.steps == ["outer", "inner", "also"]

def last():
    sys.steps.append("last")

def taken():
    return sys.steps

def test_peer(peer_factory):
    peer = peer_factory(setup=last)
    assert peer.call(taken) == ["outer", "inner", "also", "last"]
    assert peer.restart().call(taken) == ["outer", "inner", "also", "last"]
    assert peer.restart(setup=None).call(taken) == ["outer", "inner", "also"]
    assert peer.restart(setup=[last, last]).call(taken)[2:] == ["also", "last", "last"]

@pytest.mark.in_peer
def test_in_peer():
    assert sys.steps == ["outer", "inner", "also"]
""",
        name="inside/test_inside.py",
    )
    (inner.path / "inside" / "conftest.py").write_text("""
import sys

def inner():
    sys.steps.append("inner")

def also():
    sys.steps.append("also")

def pytest_peer_setup(config, options):
    assert options["name"]
    return [inner, also] if config.option else None
""")
    inner.run().assert_outcomes(passed=2)


def wait_for_a_word() -> None:
    steps.append(here.mailbox("words").get(LONG))


def test_the_test_can_send_to_a_peer_in_its_setup(peer_factory):
    peer = peer_factory(setup=wait_for_a_word, wait_boot=False)
    peer.send("words", "go")
    assert peer.call(taken) == ["go"]
