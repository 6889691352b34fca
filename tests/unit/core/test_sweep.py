"""Threads that seem to sleep, and those that have left the processor."""

from __future__ import annotations

import contextlib
import marshal
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from pytest_peer.agent import rest
from pytest_peer.core import threads
from pytest_peer.core.sweep import Moment, Root, Sweep, Thread

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")


@contextlib.contextmanager
def running(program: str) -> Iterator[tuple[Sweep, Thread]]:
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    with process, contextlib.closing(Sweep(lambda: [Root(process.pid)])) as sweep:
        try:
            yield sweep, Thread(process.pid, process.pid)
        finally:
            process.kill()


def test_thread_on_its_way_to_sleep_is_not_at_rest() -> None:
    with running("while True: pass") as (sweep, thread):
        # As a look finds it whose reading of the state fell between that and the processor.
        seeming = Moment(frozenset([thread]), {thread: threads.turns(*thread)})
        assert sweep.confirmed(seeming).awake == {thread}


def test_peer_elsewhere_confirms_its_rest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Sweep.look

    def seem_asleep(sweep: Sweep, meanwhile: Callable[[], object]) -> Moment:
        found = look(sweep, meanwhile)
        return Moment(found.known, {each: threads.turns(*each) for each in found.known})

    monkeypatch.setattr(Sweep, "look", seem_asleep)
    calls = SimpleNamespace(root=os.getpid(), reader=SimpleNamespace(busy=False, number=0))
    with running("while True: pass") as (_, thread):
        _, awake, _ = marshal.loads(rest.looked(calls, False))
        assert tuple(thread) in awake


def test_thread_that_sleeps_is_at_rest() -> None:
    with running("input()") as (sweep, thread):
        while thread not in (moment := sweep.look(lambda: None)).asleep:
            pass
        while sweep.confirmed(moment).awake:  # it slept for a moment while it imported
            moment = sweep.look(lambda: None)
        assert sweep.confirmed(moment) == moment


def test_child_that_has_ended_is_at_rest() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    thread = Thread(pid, pid)
    with contextlib.closing(Sweep(lambda: [Root(pid)])) as sweep:
        while sweep.confirmed(sweep.look(lambda: None)).awake:
            pass
        assert threads.state(*thread) == "Z"
    os.waitpid(pid, 0)
