"""A chat server and two clients, each in a peer of its own: they talk, leave, and are killed.

Shows: coroutine functions on a peer's long-lived event loop; module globals that live on in a peer
(`chat.members`); a port that the peer chose; a call that waits for what another peer does
(`submit`); waiting for what a peer prints (`stdout.wait_for`); an exception that comes back as
itself.
"""

from __future__ import annotations

import chat
import pytest
from websockets.exceptions import ConnectionClosedError

from pytest_peer import Peer


@pytest.fixture
def server(peer_factory) -> Peer:
    return peer_factory(name="server", call_timeout=10)


@pytest.fixture
def clients(server, peer_factory) -> list[Peer]:
    """Ann and Bob, both in the room."""
    port = server.call(chat.open_room)
    ann, bob = (peer_factory(name=name, call_timeout=10) for name in ("ann", "bob"))
    assert ann.call(chat.join, port, "ann") == "ann joined"
    assert bob.call(chat.join, port, "bob") == "bob joined"
    assert ann.call(chat.hear) == "bob joined"
    return [ann, bob]


def test_what_one_says_is_heard_by_all(clients):
    ann, bob = clients
    heard = bob.submit(chat.hear)  # waits in the peer
    ann.call(chat.say, "hello")
    assert heard.result(timeout=10) == "ann: hello"
    assert ann.call(chat.hear) == "ann: hello"


def test_one_who_leaves_says_so(server, clients):
    ann, bob = clients
    bob.call(chat.leave)
    assert ann.call(chat.hear) == "bob left"
    assert server.call(chat.present) == ["ann"]


def test_one_who_is_killed_is_missed(server, clients):
    ann, bob = clients
    bob.kill()
    server.stdout.wait_for("bob was lost", timeout=10)
    assert server.call(chat.present) == ["ann"]
    assert ann.call(chat.hear) == "bob was lost"


def test_clients_notice_the_end_of_the_server(server, clients):
    ann, _ = clients
    server.kill()
    with pytest.raises(ConnectionClosedError, match="no close frame"):
        ann.call(chat.hear)
