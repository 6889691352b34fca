"""A point replaces no attribute, and leaves functions and tools as it has found them."""

from __future__ import annotations

import inspect
import sys
import types

import held_store
import pytest
from held_store import Store, double
from pythons import NEWEST
from timeouts import LONG


def identities():
    return [id(double), id(held_store.alias), id(vars(Store)["commit"]), id(vars(Store)["size"])]


def parts():
    functions = [double, Store.commit, held_store.decorated, held_store.triple]
    return [
        (id(fn.__code__), sorted(vars(fn)), fn.__defaults__, fn.__closure__ and len(fn.__closure__))
        for fn in functions
    ]


TARGETS = [double, Store.commit, held_store.decorated, held_store.triple]


def test_attributes_stay_what_they_are(shared):
    before = shared.call(identities)
    with shared.hold_at(double, required=False), shared.hold_at(Store.size, required=False):
        assert shared.call(identities) == before
    assert shared.call(identities) == before


@pytest.mark.parametrize("target", TARGETS, ids=lambda fn: fn.__qualname__)
def test_functions_are_the_same_afterwards(shared, target):
    before = shared.call(parts)
    with shared.hold_at(target, required=False), shared.fail_at(target, KeyError, required=False):
        assert shared.call(parts) != before
    assert shared.call(parts) == before


def test_functions_are_the_same_when_blocks_end_out_of_order(shared):
    before = shared.call(parts)
    first, second = (shared.hold_at(double, required=False) for _ in range(2))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert shared.call(parts) != before
    second.__exit__(None, None, None)
    assert shared.call(parts) == before


def test_code_that_somebody_else_puts_there_stays(peer):
    with peer.hold_at(double, required=False):
        peer.call(reload_double)
        assert peer.call(double, 1) == -1
    assert peer.call(double, 1) == -1


def reload_double():
    def double(value, more=0):
        return -value

    held_store.double.__code__ = double.__code__


def test_point_in_a_function_with_a_new_code_is_one_in_that(peer):
    with peer.hold_at(double, required=False):
        peer.call(reload_double)
        with peer.hold_at(double) as point:
            held = peer.submit(double, 1)
            point.wait(LONG)
            point.release()
            assert held.result(LONG) == -1
    assert peer.call(double, 1) == -1


def test_source_and_signature_are_found_meanwhile(shared):
    with shared.hold_at(double, required=False):
        source, signature = shared.call(inspected)
    assert source == inspect.getsource(double)
    assert signature == "(value: 'int', more: 'int' = 0) -> 'int'"


def inspected():
    return inspect.getsource(double), str(inspect.signature(double))


@pytest.mark.parametrize("version", ["3.12", NEWEST])
def test_other_tools_of_monitoring_go_on(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    peer.call("held_store:use_all_tools")
    count, *events = peer.call("held_store:tool")
    with peer.hold_at("held_store:double") as point:
        held = peer.submit("held_store:double", 1)
        point.wait(LONG)
        assert peer.call("held_store:tool") == (count, *events)
        point.release()
        assert held.result(LONG) == 2
    assert peer.call("held_store:tool") == (count + 1, *events)
    assert peer.call("held_store:double", 1) == 2
    assert peer.call("held_store:tool") == (count + 2, *events)


def trace_double():
    """Return the names of the functions in this package's tests that a tracer sees."""
    seen = []

    def trace(frame: types.FrameType, _event: str, _arg: object) -> None:
        if frame.f_code.co_filename == held_store.__file__:
            seen.append((frame.f_code.co_name, frame.f_lineno))

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        double(1)
    finally:
        sys.settrace(before)
    return seen


def test_tracers_see_the_function_as_before(shared):
    before = shared.call(trace_double)
    with shared.hold_at(double, nth=2, required=False):
        assert shared.call(trace_double) == before
    assert [name for name, _ in before] == ["double"]
