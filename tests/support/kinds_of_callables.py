"""A test module with every kind of callable; test_callables_and_outcomes runs it. Python 3.8.

The part above the line is copied to other places, which get a function for each outcome from it.
"""

# ruff: noqa: E402 - the imports are below it

visits = []


class Refused(Exception):
    pass


def act(outcome):
    if outcome == "exception":
        raise Refused("not today")
    if outcome == "skip":
        import pytest

        pytest.skip("not today")
    if outcome == "assert":
        found = [1, 2, 4]
        assert found == [1, 2, 3]
    visits.append(outcome)
    return __name__, __file__, len(visits)


# ---

import functools
import sys
import types

import hooked
import onpath
import pthed
import spaced.part
import zipped
import zippedpkg.part
from beside_it import part as beside

here = sys.modules[__name__]


class Actor:
    static = staticmethod(act)

    @classmethod
    def of_class(cls, outcome):
        return act(outcome)

    def bound(self, outcome):
        return act(outcome)

    def __call__(self, outcome):
        return act(outcome)


async def act_later(outcome):
    return act(outcome)


def closure():
    offset = 0

    def act(outcome):
        name, file, visits = here.act(outcome)
        return name, file, visits + offset

    return act


def local_function():
    def local(outcome):
        if outcome == "assert":
            found = [1, 2, 4]
            assert found == [1, 2, 3]
        return act(outcome)

    return local


def local_class():
    class Local:
        def __call__(self, outcome):
            return act(outcome)

    return Local()


def of_main():
    main = types.ModuleType("__main__")
    main.__file__ = onpath.__file__
    exec(compile(onpath.__loader__.get_source("onpath"), onpath.__file__, "exec"), vars(main))
    return main


main = of_main()

KINDS = {
    "test_module": (act, here),
    "static_method": (Actor.static, here),
    "class_method": (Actor.of_class, here),
    "bound_method": (Actor().bound, here),
    "instance": (Actor(), here),
    "partial": (functools.partial(act), here),
    "coroutine_function": (act_later, here),
    "lambda": (lambda outcome: act(outcome), here),
    "closure": (closure(), here),
    "local_function": (local_function(), here),
    "local_class": (local_class(), here),
    "main": (main.act, main),
    "beside": (beside.act, beside),
    "pythonpath": (onpath.act, onpath),
    "namespace_package": (spaced.part.act, spaced.part),
    "import_hook": (hooked.act, hooked),
    "pth": (pthed.act, pthed),
    "zip": (zipped.act, zipped),
    "zipped_package": (zippedpkg.part.act, zippedpkg.part),
    "conftest": None,
    "outer_conftest": None,
}


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS)


def found(kind, request):
    if KINDS[kind]:
        return KINDS[kind]
    module = request.getfixturevalue(kind)
    return module.act, module


def test_value(peer, kind, request):
    fn, module = found(kind, request)
    name, file, visits = peer.call(fn, "value")
    assert (name, file) == (module.__name__, module.__file__)
    if kind != "main":
        assert peer.call(fn, "value") == (name, file, visits + 1)
    assert module.visits == []


def test_exception(peer, kind, request):
    fn, module = found(kind, request)
    raised = None
    try:
        peer.call(fn, "exception")
    except module.Refused as exc:
        raised = exc
    assert str(raised) == "not today"


def test_skip(peer, kind, request):
    fn, _ = found(kind, request)
    peer.call(fn, "skip")


def test_assert(peer, kind, request):
    fn, module = found(kind, request)
    try:
        peer.call(fn, "assert")
    except AssertionError as exc:
        exc.add_note("rewritten by pytest: %s" % ("@pytest_ar" in vars(module)))
        raise
