"""What is sent to a new interpreter is more than a pipe holds."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import cast

from pytest_peer.launch import bootstrap
from pytest_peer.launch.connection import Pipes
from pytest_peer.link.interpreter import Interpreter

PIPE, PAGE = 1 << 16, 1 << 12
SLOW = 0.3  # seconds


class Source:
    """An interpreter that is sent source."""

    compiled = False


def take(fd: int, size: int) -> None:
    while size:
        size -= len(os.read(fd, size))


def test_gateway_has_room_when_the_agent_is_sent() -> None:
    size = len(bootstrap.peer(compiled=False, config={}))
    begin = -(-size // PAGE) * PAGE - PIPE  # of a full pipe with the end of it
    pipes, sent = Pipes(), threading.Event()
    reader = pipes.peer_ends[0]

    def read_slowly(wait: Callable[[float], object]) -> None:
        take(reader, begin)
        wait(SLOW)
        take(reader, size - begin)

    thread = threading.Thread(target=read_slowly, args=(sent.wait,))
    thread.start()
    try:
        pipes.send_agent(cast("Interpreter", Source), {})
        room = select.poll()
        room.register(pipes._write, select.POLLOUT)
        assert room.poll(0)
    finally:
        sent.set()
        thread.join()
        pipes.close_peer_ends()
        pipes.close()
