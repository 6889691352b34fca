"""A tracing function that the test has set for all threads ends threads of the library."""

from __future__ import annotations

import threading
from unittest import mock

import pytest

#: A function for `threading.settrace` or `setprofile` that fails in a thread as soon as that runs code of a module.
RAISING = """
threading.excepthook = lambda args: None
where = ""
def failing(frame, event, arg):
    if frame.f_globals.get("__name__", "").endswith(where):
        raise ZeroDivisionError
    return None
"""


@pytest.mark.parametrize("which", ["settrace", "setprofile"])
@pytest.mark.parametrize("where", ["", "pytest_peer.peers.lifecycle"])
def test_start_fails_where_a_tracing_function_raises_in_threads(run, which, where):
    said = run(
        RAISING,
        f"""
        where = {where!r}
        threading.{which}(failing)
        print(told(lambda: start(name="db")))
        threading.{which}(None)
        with start(name="db") as peer:
            print(peer.call_within(20, int))
        """,
    )
    assert "BootError(" in said[0]
    assert "'db'" in said[0]
    assert f"threading.{which}" in said[0]
    assert said[-1] == "0"  # an error has several lines


@pytest.mark.parametrize("which", ["settrace", "setprofile"])
def test_death_is_reported_though_tracing_raises_in_new_threads(run, which):
    said = run(
        "peer = start()",
        RAISING,
        f"""
        threading.{which}(failing)
        print(told(peer.call_within, 20, die))
        """,
    )
    assert "PeerDown" in said[0]
    assert "killed by SIGKILL" in said[0]


def test_event_loop_ended_by_a_tracing_function_is_replaced(run):
    said = run(
        RAISING,
        """
        from pytest_peer.core.loop import watcher
        where = "pytest_peer.core.loop"
        threading.settrace(failing)
        watcher.add(os.pipe()[0], print)
        threading.settrace(None)
        for thread in threading.enumerate():
            if thread.name == "pytest-peer-loop":
                thread.join()
        with start(wait_boot=20) as peer:
            print(peer.call_within(20, int))
        """,
    )
    assert said == ["0"]


def test_a_living_thread_of_ours_is_never_taken_for_dead(peer_factory):
    """As `threading` does for ever with one for which an interrupt comes in `is_alive`."""
    with mock.patch("threading.Thread.is_alive", return_value=False):
        peer = peer_factory()
        called = threading.Event()
        peer.submit(int).add_done_callback(lambda _: called.set())
        assert called.wait(20)
        peer_factory().stop()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("pytest-peer-loop") == 1
