"""A link is made while the pipe is full of what was sent before it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from threading import Timer
from types import SimpleNamespace
from typing import IO

import pytest

from pytest_peer.link.gateway import Link


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], int]]:
    """A pipe without room for another byte; a link closes the end for writing."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_fd, bytes(4096))
    with open(read_fd, "rb", 0) as reader:
        yield reader, write_fd


def link_over(write_fd: int) -> Link:
    output = SimpleNamespace(descriptors=(), drain=bool, is_unshown=bool)
    ours, theirs = os.pipe()
    os.close(theirs)
    return Link(ours, write_fd, "peer", lambda *_: None, bool, output)


def test_link_waits_for_a_peer_that_reads_late(pipe: tuple[IO[bytes], int]) -> None:
    end, write_fd = pipe
    peer = Timer(0.2, end.read, (1 << 20,))
    peer.start()
    try:
        link = link_over(write_fd)
        assert b"pass" in end.read(4096)
    finally:
        peer.join()
    link.close()


def test_no_link_to_a_peer_that_ends_unread(pipe: tuple[IO[bytes], int]) -> None:
    end, write_fd = pipe
    peer = Timer(0.2, end.close)
    peer.start()
    try:
        with pytest.raises(OSError, match="closed"):
            link_over(write_fd)
    finally:
        peer.join()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(write_fd)
