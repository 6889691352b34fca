"""Ways for a peer to die, and moments at which it does."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from occupations import wait_forever
from timeouts import LONG

if TYPE_CHECKING:  # an interpreter that dies while it starts imports this file
    from concurrent.futures import Future

    from pytest_peer import Peer

    Answer = Future[Any]

BIG = bytes(100_000_000)


@dataclass(frozen=True)
class Way:
    #: Called in the peer; it does not come back.
    die: Callable[[], object]
    #: What is known of it afterwards.
    kind: str
    exit_status: int | None = None
    signal: signal.Signals | None = None


def send_myself(number: int) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait()


def close_descriptors() -> None:
    os.closerange(3, 256)
    threading.Event().wait()


WAYS = {
    "os._exit-0": Way(lambda: os._exit(0), "exited", 0),
    "os._exit-3": Way(lambda: os._exit(3), "exited", 3),
    "exit_of_C": Way(lambda: ctypes.CDLL(None).exit(4), "exited", 4),
    "abort": Way(os.abort, "signaled", signal=signal.SIGABRT),
    "segfault": Way(lambda: ctypes.string_at(0), "signaled", signal=signal.SIGSEGV),
    "SIGKILL": Way(lambda: send_myself(signal.SIGKILL), "signaled", signal=signal.SIGKILL),
    "SIGTERM": Way(lambda: send_myself(signal.SIGTERM), "signaled", signal=signal.SIGTERM),
    "kills_its_group": Way(lambda: os.killpg(0, signal.SIGKILL), "signaled", signal=signal.SIGKILL),
    "executes_true": Way(lambda: os.execvp("true", ["true"]), "exited", 0),
    # These live on, and are killed for it.
    "executes_sleep": Way(lambda: os.execvp("sleep", ["sleep", "600"]), "link lost"),
    "closes_descriptors": Way(close_descriptors, "link lost"),
}


# In the peer


def die(way: str) -> None:
    WAYS[way].die()


def die_when_told(way: str) -> None:
    """A line on stdin tells."""
    print("waiting")
    sys.stdin.readline()
    die(way)


def die_when_told_on_a_thread(way: str) -> None:
    threading.Thread(target=die_when_told, args=(way,), daemon=True).start()


def die_when_told_in_c(way: str) -> None:
    """Meanwhile no other thread runs in the peer, not even the reader of the link."""
    print("waiting")
    ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), 1)
    die(way)


def die_at_exit(way: str) -> None:
    atexit.register(die, way)


# In the test: a peer is made to die, at a moment. Each returns the calls that were not over.


def idle(peer: Peer, way: str) -> list[Answer]:
    peer.call(die_when_told_on_a_thread, way)
    return _told_to_die(peer)


def in_a_call(peer: Peer, way: str) -> list[Answer]:
    answers = [peer.submit(die_when_told, way), peer.submit(wait_forever)]
    return answers + _told_to_die(peer)


def in_a_cast(peer: Peer, way: str) -> list[Answer]:
    peer.cast(die_when_told, way)
    return _told_to_die(peer)


def sending(peer: Peer, way: str) -> list[Answer]:
    """A big argument is on its way, and will never come all the way."""
    peer.cast(die_when_told_in_c, way)
    peer.stdout.wait_for("waiting", LONG)
    return [peer.submit(len, BIG), *_told_to_die(peer)]


def stopping(peer: Peer, way: str) -> list[Answer]:
    answer = peer.submit(wait_forever)
    peer.call(die_at_exit, way)
    peer.stop()
    return [answer]


def twice(peer: Peer, way: str) -> list[Answer]:
    """Use a dead peer: the reason stays the same; after a restart, the next death is reported."""
    in_a_call(peer, way)
    reason = peer.wait_down(LONG)
    peer.kill()
    peer.stop()
    assert peer.down_reason == reason
    peer.restart()
    return in_a_call(peer, way)


def _told_to_die(peer: Peer) -> list[Answer]:
    peer.stdout.wait_for("waiting", LONG)
    with contextlib.suppress(BrokenPipeError):
        peer.stdin.write("now\n")
    return []


MOMENTS = {
    "idle": idle,
    "in_a_call": in_a_call,
    "in_a_cast": in_a_cast,
    "sending": sending,
    "stopping": stopping,
    "twice": twice,
}

#: Both take a second, after which such a peer is killed, whatever it was doing.
LEFT_OUT = {
    (way, moment)
    for way in ("executes_sleep", "closes_descriptors")
    for moment in ("idle", "in_a_cast", "sending", "twice")
}
