"""Test modules run in peers without pytest: marks, fixtures, outcomes and `raises` work there.

These peers import this module, so they execute its top level.
"""

from __future__ import annotations

import sys
import types
from typing import Any, NoReturn, Optional

import pytest

from pytest_peer import Peer

KEY = pytest.StashKey[int]()
slow = pytest.mark.skipif(sys.version_info < (3, 0), reason="nothing is that old")

Annotation = Optional[pytest.Item]  # evaluated, as opposed to those below


class Visitor(pytest.Collector):
    """A subclass of something of pytest's."""


class Unwanted(pytest.PytestWarning):
    """A subclass of one of pytest's warnings."""


@pytest.fixture(scope="module", params=["3.8", "3.9"])
def old(request: pytest.FixtureRequest, module_peer_factory: Any, requires_python: Any) -> Peer:
    """Too old for the origin's pytest, which the others get."""
    return module_peer_factory(exec=[requires_python(request.param), "-I"])


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
