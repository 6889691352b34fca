"""Whether something is on its way through a link, at moments when it moves on."""

from __future__ import annotations

import os
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from test_framing import packed
from timeouts import LONG

from pytest_peer.link import gateway
from pytest_peer.link.protocol import messages


def test_reply_read_during_a_look_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    read_fd, write_fd = os.pipe()
    handling, go_on = Event(), Event()

    def handle(*_: object) -> None:
        handling.set()
        assert go_on.wait(LONG)

    output = SimpleNamespace(descriptors=(), drain=bool, is_unshown=bool)
    link = gateway.Link(ours, write_fd, "peer", handle, bool, output)
    reading = Thread(target=link.reader._ready)  # as the event loop does
    assert link.has_handled_all()
    look = gateway._unread

    def look_late(fd: int, request: int) -> int:
        os.write(theirs, packed(messages.RESULT, messages.WHOLE, 1, b""))
        reading.start()
        assert handling.wait(LONG)
        return look(fd, request)

    monkeypatch.setattr(gateway, "_unread", look_late)
    try:
        assert not link.has_handled_all()
    finally:
        go_on.set()
        reading.join()
        link.close()
        os.close(theirs)
        os.close(read_fd)
