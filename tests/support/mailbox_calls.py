"""Functions that use mailboxes in a peer."""

from __future__ import annotations

from typing import Any

from timeouts import LONG

from pytest_peer import here


def take(box: str, timeout: float | None = LONG) -> Any:
    """Wait for a message: how a test keeps a call running."""
    return here.mailbox(box).get(timeout)


def send(box: str, *messages: object) -> None:
    for message in messages:
        here.origin.send(box, message)


def report_and_take(box: str) -> Any:
    """`take`, and tell the test that it runs, and that it went on."""
    here.origin.send("runs", box)
    message = take(box)
    here.origin.send("went on", message)
    return message
