"""Points in functions of every kind, on all versions of Python."""

from __future__ import annotations

import functools

import held_store
import pytest
from pythons import NEWEST
from timeouts import LONG

from pytest_peer import PointNotReached

KINDS = pytest.mark.parametrize("kind", held_store.KINDS)


@pytest.fixture(scope="module", params=["this", "3.8", "3.11", "3.12", NEWEST])
def old(request, module_peer_factory, requires_python):
    """A peer of each version."""
    exec_ = {} if request.param == "this" else {"exec": requires_python(request.param)}
    return module_peer_factory(**exec_)


def names(kind):
    target, caller = held_store.KINDS[kind]
    return f"held_store:{target}", f"held_store:{caller}"


@KINDS
def test_call_is_held_until_it_is_released(old, kind):
    target, caller = names(kind)
    expected = old.call(caller, 1)
    before = old.call(held_store.state, held_store.KINDS[kind][0])
    with old.hold_at(target) as point:
        held = old.submit(caller, 1)
        point.wait(LONG)
        assert old.call("builtins:abs", -1) == 1  # the peer goes on
        assert not held.done()
        point.release()
        assert held.result(LONG) == expected
    assert old.call(held_store.state, held_store.KINDS[kind][0]) == before


@KINDS
@pytest.mark.parametrize("at", ["entry", "return"])
def test_held_call_fails_as_it_is_told(old, kind, at):
    target, caller = names(kind)
    with old.hold_at(target, at=at) as point:
        held = old.submit(caller, 1)
        point.wait(LONG)
        point.fail(OSError(28, "full"))
        with pytest.raises(OSError, match="full") as caught:
            held.result(LONG)
    assert caught.value.errno == 28


@KINDS
def test_function_fails_where_it_is_to(old, kind):
    target, caller = names(kind)
    expected = old.call(caller, 1)
    with old.fail_at(target, ZeroDivisionError("on purpose"), nth=2):
        assert old.call(caller, 1) == expected
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            old.call(caller, 1)
        assert old.call(caller, 1) == expected


def test_functions_that_share_a_code_are_not_held(old):
    with old.hold_at("held_store:decorated", required=False) as point:
        assert old.call("held_store:neighbour", 1) == 21
        with pytest.raises(PointNotReached):
            point.wait(0)


def test_call_that_raises_is_held_where_it_does(old):
    with old.hold_at("held_store:broken", at="raise") as point:
        held = old.submit("held_store:broken", 5)
        assert point.wait(LONG) == "broken(value=5)"
        point.release()
        with pytest.raises(KeyError, match="5"):
            held.result(LONG)


def test_signature_of_a_function_with_a_point_is_its_own(old):
    with old.hold_at("held_store:double", required=False):
        assert old.call(held_store.state, "double")[2] == "(value: 'int', more: 'int' = 0) -> 'int'"


def test_wrong_arguments_are_the_error_that_they_were(old):
    with (
        old.hold_at("held_store:double", nth=2, required=False),
        pytest.raises(TypeError, match=r"double\(\) missing 1 required positional argument"),
    ):
        old.call("held_store:double")


def test_when_gets_what_the_function_gets(old):
    """Exactly: neither defaults that are not passed, nor names for what has none."""
    with old.hold_at("held_store:Store.commit", when=functools.partial(asked_for, 3)) as point:
        call = functools.partial(old.call, "held_store:STORE.commit")
        assert [call(2), call(2, 3), call(3, 3)] == [9, 10, 11]
        held = old.submit("held_store:STORE.commit", 3, sync=False)
        assert point.wait(LONG) == "Store.commit(self=Store(7), value=3, sync=False)"
        point.release()
        assert held.result(LONG) == 11


def asked_for(wanted, *args, **kwargs):
    return (*args[1:], kwargs) == (wanted, {"sync": False})
