"""`start_link`: the peer ends with the thread that started it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import assert_gone
from timeouts import LONG

import pytest_peer


def start_linked() -> pytest_peer.Peer:
    peer = pytest_peer.start_link()
    assert peer.call(os.getpid) == peer.pid
    return peer


def test_linked_peer_ends_with_its_thread():
    started = []
    thread = threading.Thread(target=lambda: started.append(start_linked().pid))
    thread.start()
    thread.join()
    assert_gone(started)


def test_linked_peer_ends_with_its_thread_despite_a_kept_handle():
    started = []
    thread = threading.Thread(target=lambda: started.append(start_linked()))
    thread.start()
    thread.join()
    assert started[0].wait_down(LONG).kind == "stopped"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_linked_peer_ends_with_its_thread_that_failed():
    started = []

    def work() -> None:
        started.append(start_linked().pid)
        raise ZeroDivisionError

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_gone(started)


def test_linked_peer_lives_as_long_as_its_thread():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(start_linked).result()
        assert peer.call(os.getpid) == peer.pid
    assert_gone([peer.pid])


def test_peer_that_is_not_linked_lives_on_after_its_thread():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(pytest_peer.start).result()
    with peer:
        assert peer.call(os.getpid) == peer.pid


def test_linked_peer_may_be_stopped_before():
    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(start_linked).result()
        peer.stop()
    assert peer.down_reason.kind == "stopped"
