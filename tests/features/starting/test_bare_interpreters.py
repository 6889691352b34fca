"""Peers in which nothing is installed. They import this module, so they execute its top level."""

from __future__ import annotations

from typing import Any

import pytest
from timeouts import LONG

import pytest_peer
from pytest_peer import (
    Mailbox,
    Peer,
    PeerDown,
    PeerError,
    PeerGroup,
    PeerState,
    RemoteError,
    aeventually,
    eventually,
    here,
    mailbox,
    start,
    still,
)


def importable(name: str) -> bool:
    from importlib import machinery

    return machinery.PathFinder.find_spec(name) is not None


def test_text_with_main_in_it_travels(bare: Peer) -> None:
    assert bare.call(list, ("__main__", "python -m __main__")) == ["__main__", "python -m __main__"]


def test_nothing_is_installed(bare: Peer) -> None:
    """Or the other tests show nothing."""
    assert [bare.call(importable, name) for name in ("pytest", "_pytest", "execnet")] == [False] * 3


# pytest_peer


def test_here_and_mailboxes_work(bare: Peer, module_peer_factory: Any) -> None:
    assert bare.call(double) == "Mailbox"
    bare.send("numbers", 21)
    assert module_peer_factory.mailbox("doubled").get(LONG) == (bare.name, 42)


def double() -> str:
    import threading

    def work() -> None:
        here.origin.send("doubled", (here.name, 2 * here.mailbox("numbers").get(LONG)))

    threading.Thread(target=work).start()
    return next(cls for cls in type(mailbox("numbers")).__mro__ if cls is Mailbox).__name__


def wait(path: Any) -> str:
    return eventually(path.read_text, timeout=LONG)


def test_eventually_waits(bare: Peer, tmp_path: Any) -> None:
    path = tmp_path / "there"
    answer = bare.submit(wait, path)
    path.write_text("yes")
    assert answer.result(LONG) == "yes"


def give_up() -> None:
    eventually(lambda: [][0], timeout=0)


def test_error_of_eventually_says_how_long_it_waited(bare: Peer) -> None:
    with pytest.raises(IndexError) as caught:
        bare.call(give_up)
    assert "still so after 0 s and 1 attempts" in caught.value.__notes__


def keep() -> int:
    return still(lambda: 7, for_=0.01)


def lose() -> None:
    empty: list[int] = []
    still(lambda: empty, for_=0)


async def await_value() -> int:
    async def seven() -> int:
        return 7

    return await aeventually(seven, 5)


def test_still_and_aeventually_work(bare: Peer) -> None:
    assert bare.call(keep) == 7
    assert bare.call(await_value) == 7


def test_error_of_still_shows_the_lambda(bare: Peer) -> None:
    with pytest.raises(AssertionError, match=r"lambda: empty "):
        bare.call(lose)


def catch_timeout() -> str:
    try:
        here.mailbox("nothing").get(timeout=0)
    except TimeoutError as exc:
        raise PeerDown("it is gone", last_output="farewell") from exc
    return "a message"


def test_errors_are_those_of_the_origin(bare: Peer) -> None:
    with pytest.raises(PeerDown, match="it is gone") as caught:
        bare.call(catch_timeout)
    assert caught.value.last_output == "farewell"
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_errors_can_be_sent(bare: Peer) -> None:
    assert bare.call(lineage, RemoteError("a", "b")) == [
        "RemoteError",
        "PeerError",
        "RuntimeError",
    ]


def lineage(exc: PeerError) -> list[str]:
    return [cls.__name__ for cls in type(exc).__mro__[:3]]


def send_what_cannot_travel() -> str:
    try:
        here.origin.send("doubled", (number for number in range(3)))
    except pytest_peer.EncodeError as exc:
        return str(exc)
    return "sent"


def test_errors_of_the_link_are_ours(bare: Peer) -> None:
    assert "the message cannot be pickled" in bare.call(send_what_cannot_travel)


def test_states_are_words_there_too(bare: Peer) -> None:
    assert bare.call(str.upper, bare.state) == "RUNNING"
    assert bare.call(is_running, bare.state)


def is_running(state: PeerState) -> bool:
    return state is PeerState.RUNNING


def public_names() -> list[str]:
    return [name for name in pytest_peer.__all__ if getattr(pytest_peer, name) is None]


def test_every_public_name_can_be_imported(bare: Peer) -> None:
    assert bare.call(public_names) == []


def start_peer() -> Peer:
    return start()


def make_group() -> PeerGroup:
    return PeerGroup([])


@pytest.mark.parametrize("function", [start_peer, make_group])
def test_what_starts_peers_says_that_it_works_elsewhere(bare: Peer, function: Any) -> None:
    with pytest.raises(RuntimeError, match="has no pytest_peer installed"):
        bare.call(function)


def misspelt() -> None:
    from pytest_peer import evntually  # noqa: F401


def test_what_does_not_exist_cannot_be_imported(bare: Peer) -> None:
    with pytest.raises(ImportError, match="evntually"):
        bare.call(misspelt)


# What is installed


@pytest.mark.parametrize("name", ["pytest", "pytest_peer"])
def test_what_is_installed_in_the_peer_wins(
    peer_factory: Any, requires_python: Any, tmp_path: Any, name: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f"{name}.py").write_text("def whose():\n    return 'its own'\n")
    peer = peer_factory(exec=requires_python("3.9"), env={"PYTHONPATH": str(tmp_path / "own")})
    assert peer.call(f"{name}:whose") == "its own"


def test_stubs_are_for_other_environments(bare: Peer, peer_factory: Any) -> None:
    assert bare.call(is_stub)
    assert not peer_factory(start_method="spawn").call(is_stub)


def is_stub() -> bool:
    return "pytest_peer_agent" in type(pytest_peer.__spec__.loader).__module__
