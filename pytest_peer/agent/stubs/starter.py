"""Who starts no peers has one set of mailboxes."""

from __future__ import annotations

from pytest_peer_agent.agent.stubs.package import __getattr__  # noqa: F401

from pytest_peer.here import mailbox  # noqa: F401 - it is here to be imported
