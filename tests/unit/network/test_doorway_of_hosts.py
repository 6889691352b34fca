"""The thread that gives sockets of hosts goes on, whatever who asks does."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from types import SimpleNamespace

import pytest

from pytest_peer.network.holder import doorway, sockets


class Door(socket.socket):
    """Has no descriptor for the first that ask, and ends its thread behind the last."""

    asks = 1
    failures = 0

    def accept(self):
        if not self.asks:
            raise LastAsked
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.asks -= 1
        return super().accept()


@pytest.fixture
def door(tmp_path, monkeypatch):
    places = SimpleNamespace(place_of=lambda number: number)
    monkeypatch.setattr(sockets, "held", lambda: places)
    monkeypatch.setattr(sockets.netlink, "own", lambda _: 0)
    monkeypatch.setattr(sockets, "_made", lambda _, __, *kind: socket.socket(*kind))
    with Door(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        with doorway.entry(str(tmp_path)) as path:
            made.bind(path)
        made.listen()
        yield made


class LastAsked(Exception):
    pass


@contextlib.contextmanager
def serving(door):
    def serve():
        with contextlib.suppress(LastAsked):
            sockets._serve(door)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


def assert_answers(directory):
    kind = socket.AF_INET, socket.SOCK_DGRAM, 0
    with socket.socket(fileno=doorway.descriptor(str(directory), 1, *kind)) as made:
        assert (made.family, made.type) == kind[:2]


@pytest.mark.parametrize("text", [b"", b"short"])
def test_asker_that_hangs_up_early(door, tmp_path, text):
    door.asks = 2
    with serving(door):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            with doorway.entry(str(tmp_path)) as path:
                client.connect(path)
            if text:
                client.send(text)
        assert_answers(tmp_path)


def test_descriptors_that_ran_out_for_a_while(door, tmp_path):
    door.failures = 2
    with serving(door):
        assert_answers(tmp_path)
