"""The class of the peer's own mailboxes."""

from __future__ import annotations

from pytest_peer_agent.link.protocol.mailbox import Mailbox  # noqa: F401 - it is here to be imported
