"""Peers in which nothing is installed. They import this module, so they execute its top level."""

from __future__ import annotations

import sys
import types
from typing import Any, NoReturn, Optional

import pytest
from pythons import NEWEST
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
    eventually,
    here,
    mailbox,
    start,
)

KEY = pytest.StashKey[int]()
slow = pytest.mark.skipif(sys.version_info < (3, 0), reason="nothing is that old")

Annotation = Optional[pytest.Item]  # evaluated, as opposed to those below


class Visitor(pytest.Collector):
    """A subclass of something of pytest's."""


class Unwanted(pytest.PytestWarning):
    """A subclass of one of pytest's warnings."""


@pytest.fixture(
    scope="module",
    params=["3.8", "3.9", "3.12", NEWEST, pytest.param("-S", id="same without site-packages")],
)
def bare(request: pytest.FixtureRequest, module_peer_factory: Any, requires_python: Any) -> Peer:
    version = request.param
    command = [sys.executable, "-S"] if version == "-S" else [requires_python(version), "-I"]
    return module_peer_factory(exec=command)


@pytest.fixture(scope="module", params=["3.8", "3.9"])
def old(request: pytest.FixtureRequest, module_peer_factory: Any, requires_python: Any) -> Peer:
    """Too old for the origin's pytest, which the others get."""
    return module_peer_factory(exec=[requires_python(request.param), "-I"])


def importable(name: str) -> bool:
    from importlib import machinery

    return machinery.PathFinder.find_spec(name) is not None


def test_text_with_main_in_it_travels(bare: Peer) -> None:
    assert bare.call(list, ("__main__", "python -m __main__")) == ["__main__", "python -m __main__"]


def test_nothing_is_installed(bare: Peer) -> None:
    """Or the other tests show nothing."""
    assert [bare.call(importable, name) for name in ("pytest", "_pytest", "execnet")] == [False] * 3


# pytest


@pytest.fixture
def number() -> int:
    return 3


@slow
@pytest.mark.usefixtures("number")
@pytest.mark.parametrize("plus", [1, pytest.param(2, marks=[pytest.mark.xfail], id="two")])
@pytest.mark.parametrize("about", [pytest.approx(3)])
@pytest.hookimpl(tryfirst=True)
def add(a: int, plus: int, about: Any = None, config: pytest.Config | None = None) -> int:
    return a + plus


class Room:
    @pytest.mark.parametrize("n", [1])
    def double(self, n: int) -> int:
        return 2 * n


def test_marks_leave_what_they_decorate_as_it_is(bare: Peer) -> None:
    assert bare.call(add, 1, 2) == 3
    assert bare.call(Room.double, None, 2) == 4


def skip() -> NoReturn:
    pytest.skip("not here")


def skip_for_a_module() -> None:
    pytest.importorskip("no_such_module")


def skip_for_a_version() -> None:
    sys.modules["versioned"] = types.ModuleType("versioned")
    vars(sys.modules["versioned"])["__version__"] = "2.0"
    pytest.importorskip("versioned", minversion="100")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (skip, "not here"),
        (skip_for_a_module, "could not import 'no_such_module'"),
        (skip_for_a_version, "required is: '100'"),
    ],
)
def test_skip_is_the_tests_outcome(bare: Peer, function: Any, reason: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=reason):
        bare.call(function)


def fail() -> NoReturn:
    pytest.fail("it is broken")


def test_fail_is_the_tests_outcome(bare: Peer) -> None:
    with pytest.raises(pytest.fail.Exception, match="it is broken"):
        bare.call(fail)


def expect_failure() -> NoReturn:
    pytest.xfail("known")


def test_xfail_is_the_tests_outcome(bare: Peer) -> None:
    with pytest.raises(pytest.xfail.Exception, match="known"):
        bare.call(expect_failure)


def end_the_run() -> NoReturn:
    pytest.exit("enough", returncode=5)


def test_exit_is_the_runs_end(bare: Peer) -> None:
    with pytest.raises(pytest.exit.Exception, match="enough") as caught:
        bare.call(end_the_run)
    assert caught.value.returncode == 5


def catch(cls: type, text: str, match: str) -> tuple[str, str]:
    with pytest.raises(cls, match=match) as caught:
        raise ValueError(text)
    return caught.type.__name__, str(caught.value)


def test_raises_catches(bare: Peer) -> None:
    assert bare.call(catch, ValueError, "no number", "no .*r") == ("ValueError", "no number")


def test_raises_wants_the_text(bare: Peer) -> None:
    with pytest.raises(AssertionError, match="did not match"):
        bare.call(catch, ValueError, "no number", "a letter")


def test_raises_lets_others_pass(bare: Peer) -> None:
    with pytest.raises(ValueError, match="no number"):
        bare.call(catch, KeyError, "no number", "number")


def catch_from(function: Any, *args: Any) -> str:
    return str(pytest.raises(ValueError, function, *args).value)  # noqa: RUF061 - another form


def test_raises_calls(bare: Peer) -> None:
    assert "invalid literal" in bare.call(catch_from, int, "x")


def test_raises_fails_if_nothing_is_raised(bare: Peer) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        bare.call(catch_from, int, "1")


def compare() -> bool:
    return pytest.approx(1) == 1


def store() -> None:
    KEY.name


def visit() -> None:
    Visitor.from_parent(None)


def warn() -> None:
    pytest.warns(UserWarning)  # noqa: PT030 - it does not come to that


@pytest.mark.parametrize(
    ("function", "name"),
    [(compare, "approx"), (store, "StashKey"), (visit, "Visitor.from_parent"), (warn, "warns")],
)
def test_what_else_is_pytests_says_that_it_is_not_there(
    old: Peer, function: Any, name: str
) -> None:
    with pytest.raises(
        (RuntimeError, AttributeError), match=rf"{name} .*pytest is not installed there"
    ):
        old.call(function)


def tolerate() -> str:
    try:
        raise ValueError
    except pytest.UsageError:
        return "a UsageError"
    except ValueError:
        return "a ValueError"


def test_pytests_own_exceptions_can_be_named(bare: Peer) -> None:
    assert bare.call(tolerate) == "a ValueError"
    assert bare.call(issubclass, Unwanted, Warning)


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
