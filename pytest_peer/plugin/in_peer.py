"""The marker ``in_peer``: the body of a test runs in a fresh peer, its setup and teardown here.

This module is registered when the first such test is found. So its hook comes before those of other
plugins, one of which might run the body here.
"""

import contextlib
import functools
import inspect
import itertools
import linecache
import sys
import traceback
import types
import unittest
import warnings
from collections.abc import Callable
from typing import Any, cast

import pytest

from ..core.errors import DecodeError, EncodeError, PeerError
from ..link.pickling import encode
from ..link.protocol import tracebacks
from ..peers.group import PeerGroup
from ..peers.peer import Peer
from . import settings
from .factory import PeerFactory

MARKER = "in_peer"
#: The fixture that starts the peer. The last: it knows the others' values, and ends before them.
FIXTURE = "_in_peer"
#: Calls a function for ``--trace``.
_TRACED = "pytest_peer_agent.agent.breakpoints:traced"
#: Types of use only here; some of their values can be pickled.
_OF_THE_ORIGIN = (
    Peer,
    PeerFactory,
    PeerGroup,
    pytest.Cache,
    pytest.CaptureFixture,
    pytest.Config,
    pytest.FixtureRequest,
    pytest.LogCaptureFixture,
    pytest.Pytester,
    pytest.WarningsRecorder,
)


_hooks = sys.modules[__name__]


def prepare(item: pytest.Item) -> None:
    """Prepare for a test with the marker."""
    plugins = item.config.pluginmanager
    if not plugins.is_registered(_hooks):
        plugins.register(_hooks, "peer-in-peer")
    if isinstance(item, pytest.Function) and FIXTURE not in item.fixturenames:
        # Not in place: the tests of a parametrized function share the list.
        item.fixturenames = [*item.fixturenames, FIXTURE]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker(MARKER) is None:
        return
    if not isinstance(item, pytest.Function):
        why = f"only test functions and methods can run in a peer, not a {type(item).__name__}"
    elif item.cls is not None and issubclass(item.cls, unittest.TestCase):
        why = "unittest runs a TestCase's methods; a class without that base can run in a peer"
    else:
        return
    pytest.fail(f"{item.nodeid}: {MARKER} marker: {why}", pytrace=False)


@pytest.fixture
def _in_peer(request: pytest.FixtureRequest, peer_factory: PeerFactory) -> Callable[[], object]:
    item = request.node
    own = settings.marked(item, MARKER)
    settings.check_marked(own, MARKER)
    if "peer_down" not in {**own, **settings.marked(item)}:
        own["peer_down"] = "continue"  # the outcome of the test shows a death
    body = _Body(item)
    body.check()
    peer = peer_factory(**own)
    peer.wait_boot(peer.options.call_timeout)  # the factory may not, as the option says
    body.check(peer)
    return lambda: body.run(peer)


class _Body:
    """The function of a test with its arguments."""

    def __init__(self, test: pytest.Function) -> None:
        self._test = test
        self._function = test.obj
        self._instance: tuple[object, ...] = ()
        bound_to = getattr(test.obj, "__self__", None)
        if inspect.ismethod(test.obj) and not inspect.isclass(bound_to):
            # Not a bound method: it would travel by its name, which a decorator may have changed.
            self._function, self._instance = test.function, (bound_to,)
        whole = test.function
        while isinstance(whole, functools.partial):
            whole = whole.func
        self._code: types.CodeType | None = getattr(inspect.unwrap(whole), "__code__", None)
        self._values = {
            name: test.funcargs[name]
            for name, parameter in inspect.signature(test.obj).parameters.items()
            if name in test.funcargs and parameter.default is parameter.empty
        }

        # What runs a coroutine where it is not asyncio without options, as the agent does.
        self._runner: Callable[..., object] | str | None = None
        self._options: dict[str, Any] = {}
        if inspect.iscoroutinefunction(test.obj):
            chosen: Any = test.funcargs.get("anyio_backend", "asyncio")  # of anyio's plugin
            name, options = (chosen, {}) if isinstance(chosen, str) else chosen
            if name != "asyncio" or options:
                self._runner = "anyio:run"
                self._options = {"backend": name, "backend_options": options}
            elif test.get_closest_marker("trio") is not None:  # of pytest-trio
                self._runner = _chosen_by_pytest_trio(test)
                if (trio := sys.modules.get("trio")) is not None:  # its clock is a fixture's value
                    clocks = [x for x in self._values.values() if isinstance(x, trio.abc.Clock)]
                    self._options = {"clock": clocks[0]} if clocks else {}

    def check(self, peer: Peer | None = None) -> None:
        """Check that all of it can be sent, and with a `peer` that its arguments can arrive there.

        :raises EncodeError: a part cannot; names it, and says what to do.
        """
        interpreter = peer.life.process.interpreter if peer is not None else None
        by_value = interpreter.by_value if interpreter is not None else ""
        parts = [("the test function", self._function)]
        parts += [(f"the instance of {type(each).__qualname__}", each) for each in self._instance]
        parts += [(f"the fixture {name!r}", value) for name, value in self._values.items()]
        if callable(self._runner):
            parts.append(("the function that runs the test", self._runner))
        for what, part in parts:
            try:
                if isinstance(part, _OF_THE_ORIGIN):
                    raise EncodeError(f"{what} is of use only in the process in which pytest runs")
                encode(part, by_value, what)
                if peer is not None and part is not self._function:
                    peer.call("builtins:id", part)
            except (EncodeError, DecodeError) as exc:
                why = str(exc).replace("the call ", f"{what} ", isinstance(exc, DecodeError))
                error = EncodeError(
                    f"{why}\n{self._test.nodeid} runs in a peer, so its arguments have to be sent "
                    "there: let fixtures return plain values, or make other values in the body of "
                    "the test; or leave out the marker, and use the fixture `peer`"
                )
                raise self._at_the_test(error) from None

        if peer is not None and isinstance(self._runner, str):
            module = self._runner.partition(":")[0]
            for name in (module, self._options.get("backend", module)):
                peer.call("importlib:import_module", name)

    def run(self, peer: Peer) -> object:
        """Run the body in the peer; its outcome is that of the test."""
        try:
            if self._runner is not None:
                body = functools.partial(self._function, *self._instance, **self._values)
                return peer.call(self._runner, body, **self._options)
            traced = [_TRACED, self._function] if self._test.config.getoption("trace") else None
            fn, *first = traced or [self._function]
            return peer.call(fn, *first, *self._instance, **self._values)
        except PeerError as exc:
            files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(exc.__traceback__)]
            if self._code is not None and self._code.co_filename in files:  # raised in the body
                raise
            raise self._at_the_test(exc) from exc.__cause__

    def _at_the_test(self, exc: PeerError) -> PeerError:
        """Return the error with a traceback that ends at the test, and not in our own code."""
        if self._code is None:  # the test is not written in Python
            return exc
        filename, first = self._code.co_filename, self._code.co_firstlineno
        decorators = itertools.takewhile(
            lambda line: not line.lstrip().startswith(("def ", "async def ")),
            linecache.getlines(filename)[first - 1 :],
        )
        place = {"file": filename, "first": first, "line": first + len(list(decorators))}
        unknown = {"place": None, "module": "", "hidden": False, "locals": None}
        frame = {"name": self._code.co_name, **place, **unknown}
        return exc.with_traceback(tracebacks.build([frame], {}))


def _chosen_by_pytest_trio(test: pytest.Function) -> Any:
    """Return what runs the test: a function, or its name."""
    for mark in test.iter_markers("trio"):
        if (run := mark.kwargs.get("run")) is not None:  # always with the ini option trio_mode
            return run
    with contextlib.suppress(ValueError):  # the plugin is not there
        return f"{test.config.getini('trio_run')}:run"
    return "trio:run"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    if pyfuncitem.get_closest_marker(MARKER) is None:
        return None
    if FIXTURE not in pyfuncitem.funcargs:
        pytest.fail(
            f"the marker {MARKER} was added after the setup of the test had begun:"
            " too late for a peer",
            pytrace=False,
        )
    result = cast("Callable[[], object]", pyfuncitem.funcargs[FIXTURE])()
    if result is not None:
        words = f"Test functions should return None, but {pyfuncitem.nodeid} returned {result!r}"
        warnings.warn(pytest.PytestReturnNotNoneWarning(words), stacklevel=1)
    return True
