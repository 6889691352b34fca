"""Whether a peer's main thread reads the answers itself that it waits for."""

from __future__ import annotations

from pytest_peer import here

ANSWERS = 200


def tries_to_read(in_time):
    """Ask the origin often; return how often the main thread has waited for the answer itself."""
    from pytest_peer_agent.agent import reader

    tries, read = [], reader.LinkReader._read_answer

    def tried(*args):
        tries.append(args)
        return read(*args) if in_time else None

    reader._ANSWER_MS = 10_000
    reader.LinkReader._read_answer = tried
    for _ in range(ANSWERS):
        here.mark("asked")
    return len(tries)


def test_answers_that_come_soon_are_read(peer):
    assert peer.call(tries_to_read, True) > ANSWERS / 2


def test_answers_that_come_late_are_left(peer):
    """As at a barrier: each try would pass the link to another thread and back."""
    assert peer.call(tries_to_read, False) < ANSWERS / 10
