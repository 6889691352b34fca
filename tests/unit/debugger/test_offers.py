"""Offers of stopped peers, without peers."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_peer.core.loop import loop
from pytest_peer.debugger import attach, stops, wire


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A peer at a prompt."""
    client = SimpleNamespace(agent=None)
    stop = stops.Stop(client, 1, "db", "?", "", 0, 0)
    stop.prompt = "(Pdb db) "
    monkeypatch.setattr(stops, "stops", [stop])
    return stop


@pytest.fixture
def attached() -> Any:
    """A function that attaches; it returns the end of the terminal."""

    def attached() -> wire.Wire:
        (path,) = wire.found()
        connection = socket.socket(socket.AF_UNIX)
        assert wire.connected(connection, path)
        end = wire.Wire(connection)
        end.send(attach="db")
        return end

    return attached


class Timers:
    """The loop, which notes timers."""

    def __init__(self) -> None:
        self.alive: list[object] = []
        self.add, self.remove = loop.add, loop.remove

    def call_later(self, seconds: float, call: object) -> object:
        assert (seconds, callable(call)) == (60, True)
        self.alive.append(timer := object())
        return timer

    def cancel(self, *timers: object) -> None:
        for each in timers:
            self.alive.remove(each)


def test_time_begins_anew_when_a_terminal_has_gone(stop, attached, monkeypatch, request):
    timers = Timers()
    monkeypatch.setattr(attach, "loop", timers)
    said: list[str] = []
    again = stops.Event()
    offers = attach.Offers(said.append, 60)
    monkeypatch.setattr(offers, "update", lambda _: again.set())
    loop.start()  # as peers do
    request.addfinalizer(loop.leave)
    request.addfinalizer(offers.close)
    attach.Offers.update(offers, stop)
    (first,) = timers.alive
    terminal = attached()
    with contextlib.closing(terminal):
        while "prompt" not in (terminal.receive(20) or pytest.fail("no prompt")):
            pass
    assert again.wait(20)
    (second,) = timers.alive
    assert second is not first
    offers.close()
    assert not timers.alive


def test_a_socket_is_found_when_it_listens(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = []

    class Early(socket.socket):
        def listen(self, *_: int) -> None:
            found.append(wire.found())
            super().listen()

    monkeypatch.setattr(wire.socket, "socket", Early)
    directory = tempfile.mkdtemp(prefix=wire.PREFIX)
    with wire.listen_in(directory):
        assert found == [[]]
        assert [path.rpartition("/")[0] for path in wire.found()] == [directory]
