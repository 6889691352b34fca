"""One peer of the soak: how it is started, called and ended at random, and what may happen then."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest_peer
from pytest_peer import BootError, DownReason, Peer, PeerDown

LONG = 60.0  # seconds, for what has to come
BIG = bytes(8_000_000)
HALT = 0.3


# In the peer


def start_child() -> int:
    return subprocess.Popen(["sleep", "600"]).pid


def wait() -> None:
    threading.Event().wait()


def loop() -> None:
    while True:
        pass


def hold_the_gil() -> None:
    ctypes.PyDLL(None).sleep(600)


def close_descriptors() -> None:
    os.closerange(3, 256)
    wait()


def segfault() -> None:
    ctypes.string_at(0)


#: Ways in which a peer ends itself, and the reasons for which it is down then.
DEATHS: dict[str, tuple[Callable[..., object], tuple[Any, ...], DownReason]] = {
    "os._exit(0)": (os._exit, (0,), DownReason("exited", 0)),
    "os._exit(3)": (os._exit, (3,), DownReason("exited", 3)),
    "abort": (os.abort, (), DownReason("signaled", None, signal.SIGABRT)),
    "segfault": (segfault, (), DownReason("signaled", None, signal.SIGSEGV)),
    "raise SIGTERM": (signal.raise_signal, (15,), DownReason("signaled", None, signal.SIGTERM)),
    "execute true": (os.execvp, ("true", ["true"]), DownReason("exited", 0)),
    "close descriptors": (close_descriptors, (), DownReason("link lost")),
}
OCCUPATIONS = [None, wait, wait, loop, time.sleep, hold_the_gil]
#: Ways in which the origin ends it.
ENDS = ["stop", "stop", "stop twice", "kill", "SIGTERM", "SIGKILL from outside", "pause and stop"]


class Case:
    """A peer. Only the seed and the number decide what happens to it."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = choose = random.Random(f"{seed} {number}")
        self.number = number
        self.booting = choose.random() < 0.3
        self.end = choose.choice([*ENDS, *DEATHS] if not self.booting else ENDS)
        self.occupation = choose.choice(OCCUPATIONS)
        self.moment = choose.choice([0.0, 0.0, choose.random() * 0.002, choose.random() * 0.03])
        self.big = choose.random() < 0.2
        self.child = not self.booting and choose.random() < 0.3
        self.options = {
            "start_method": choose.choice(["forkserver"] * 4 + ["spawn"]),
            "peer_down": choose.choice(["stop", "continue", "crash"]),
            "shutdown": choose.choice([("halt", HALT), HALT, ("halt", HALT), "close"]),
            "wait_boot": False if self.booting else LONG,
        }

    def __str__(self) -> str:
        facts = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        facts["occupation"] = getattr(self.occupation, "__name__", None)
        return str(facts)

    def run(self, directory: Path) -> str:
        """Run the case, and return the down reason.

        :raises AssertionError: the outcome is not a documented one.
        """
        place = directory / str(self.number)
        peer = pytest_peer.start(artifacts=place, **self.options)
        watched: list[int] = []
        try:
            answers = self._occupied(peer, watched)
            threading.Event().wait(self.moment)
            self._ended(peer)
            reason = peer.wait_down(LONG)
            self._check(peer, reason, answers)
            peer.stop()
            assert not _living(watched, LONG if self.options["shutdown"] == "close" else 0.0)
        finally:
            for fd in watched:
                os.close(fd)
            peer.kill()
            shutil.rmtree(place)
        return str(reason)

    def _occupied(self, peer: Peer, watched: list[int]) -> list[Future[Any]]:
        if self.child:
            watched.append(os.pidfd_open(peer.call(start_child)))
        answers = [peer.submit(os.getpid)]
        if self.occupation is not None:
            arguments = (600,) if self.occupation is time.sleep else ()
            answers.append(peer.submit(self.occupation, *arguments))
        if self.big:
            answers.append(peer.submit(len, BIG))
        return answers

    def _ended(self, peer: Peer) -> None:
        if self.end in DEATHS:
            function, arguments, _ = DEATHS[self.end]
            if self.occupation is hold_the_gil:  # then it is deaf
                os.kill(_pid(peer), signal.SIGKILL)
            else:
                with contextlib.suppress(PeerDown):
                    peer.cast(function, *arguments)
        elif self.end == "SIGTERM":
            peer.kill(signal.SIGTERM)
        elif self.end == "SIGKILL from outside" and peer.pid is not None:
            os.kill(peer.pid, signal.SIGKILL)
        elif self.end == "kill":
            peer.kill()
        else:
            if self.end == "pause and stop":
                peer.pause()
            peer.stop()
            if self.end == "stop twice":
                peer.stop()

    def _check(self, peer: Peer, reason: DownReason, answers: list[Future[Any]]) -> None:
        assert peer.state == "down"
        assert peer.down_reason == reason
        assert reason.kind in self._kinds(), reason
        if self.end in DEATHS and self.occupation is not hold_the_gil:
            expected = DEATHS[self.end][2]
            assert reason == expected or reason.kind == "link lost" == expected.kind, reason
        for answer in answers:
            error = answer.exception(LONG)
            assert error is None or isinstance(error, PeerDown), error
            assert error is None or error.reason == reason, error
        late: PeerDown | None = None
        try:
            peer.call(os.getpid)
        except PeerDown as exc:
            late = exc
        assert late is not None and late.reason == reason, late
        if self.booting and reason.kind == "boot failed":
            try:
                peer.wait_boot(0)
            except BootError:
                pass
            else:
                raise AssertionError("a boot that failed raises nothing")

    def _kinds(self) -> set[str]:
        if "stop" in self.end:
            return {"stopped"}
        if self.end in DEATHS:
            return {DEATHS[self.end][2].kind, "signaled"}
        # The peer had booted before the signal or not, so its process id was known or not.
        return {"signaled", *(["boot failed", "stopped"] if self.booting else [])}


def _pid(peer: Peer) -> int:
    assert peer.pid is not None
    return peer.pid


def _living(fds: list[int], seconds: float) -> list[int]:
    """Return the processes that are alive after so many seconds."""
    deadline = time.monotonic() + seconds
    living = []
    for fd in fds:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            living.append(fd)
    return living
