"""Five members of a Raft cluster are parted, the leader among the fewer: only the majority goes on.

Shows: peers that are hosts of a network of the test's own (`peer_network`), all with the same port;
`partition`, which is healed at the end of its block; a call that cannot end before that (`submit`);
verbs of a group and of its slices.

Connections find out about lost packets by timers of the kernel; `tcp="fast"` makes these short.
"""

from __future__ import annotations

import kvstore
import pytest
from pysyncobj import FAIL_REASON, SyncObjException

from pytest_peer import Peer, PeerGroup, eventually

SOON = 20.0  # seconds
PORT = 4321


@pytest.fixture
def members(peer_network, tmp_path) -> PeerGroup:
    members = peer_network.many(5, name="member", tcp="fast", call_timeout=10)
    addresses = [f"{member.host}:{PORT}" for member in members]
    rest = addresses, tmp_path, 1.0  # seconds: nobody else becomes a leader on a busy machine
    members.map(kvstore.start, addresses, *([each] * 5 for each in rest))
    return members


def elected(members: PeerGroup) -> Peer:
    """Wait until members agree on one of them as the leader, and return it."""

    def agreed() -> Peer:
        (address,) = set(members.call(kvstore.leader))
        (found,) = [member for member in members if address == f"{member.host}:{PORT}"]
        return found

    return eventually(agreed, SOON)


def write(members: PeerGroup, value: str) -> None:
    """Write, repeatedly: a write fails when the leader changes meanwhile."""
    eventually(lambda: members[0].call(kvstore.put, "colour", value), SOON)


def colours(members: PeerGroup) -> set[str | None]:
    return set(members.call(kvstore.get, "colour"))


def test_only_the_majority_goes_on(members, peer_network):
    write(members, "white")
    old = elected(members)
    others = members - old
    minority, majority = members.only(old.name, others[0].name), others[1:]

    with peer_network.partition(minority, majority):
        lost = old.submit(kvstore.put, "colour", "red", timeout=None)
        elected(majority)
        write(majority, "blue")
        assert old.call(kvstore.leader) == f"{old.host}:{PORT}"  # two leaders, but
        assert not lost.done()
        eventually(lambda: colours(majority) == {"blue"}, SOON)
        assert colours(minority) == {"white"}

    with pytest.raises(SyncObjException) as refusal:
        lost.result(SOON)
    assert refusal.value.errorCode == FAIL_REASON.DISCARDED
    assert elected(members) != old
    eventually(lambda: colours(members) == {"blue"}, SOON)
