"""Several interpreters, ``--peer-exec`` given several times: each test that uses peers runs once with each of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import pytest

from . import settings

__tracebackhide__ = True

#: The fixture on which all factories depend; it has one value for each interpreter.
FIXTURE = "_peer_exec"


def configure(config: pytest.Config) -> None:
    """Register what repeats the tests, if there is more than one interpreter."""
    programs = settings.programs(config)
    if len(programs) > 1:
        config.pluginmanager.register(_Repeating(programs), "peer-interpreters")


class _Repeating:
    """The hook, with the values: pytest keeps a fixture as long as the very same one is asked for."""

    def __init__(self, programs: Sequence[Sequence[str]]) -> None:
        from .program_ids import ids  # not at the top: nobody else pays for it

        self._programs = programs
        self._ids = ids(programs)

    @pytest.hookimpl(trylast=True)  # the interpreter's name comes last in the id
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize a test that uses peers and does not choose an interpreter itself."""
        body = _is_body_repeated(metafunc.definition)
        if not body and not _are_factories_repeated(metafunc):
            return
        if FIXTURE not in metafunc.fixturenames:  # the peer of `in_peer` is asked for later
            metafunc.fixturenames.append(FIXTURE)
        metafunc.parametrize(FIXTURE, self._programs, ids=self._ids, indirect=True, scope="session")


def _is_body_repeated(test: pytest.Item) -> bool:
    if test.get_closest_marker("in_peer") is None:
        return False
    return "exec" not in {**settings.marked(test), **settings.marked(test, "in_peer")}


def _are_factories_repeated(metafunc: pytest.Metafunc) -> bool:
    if FIXTURE not in metafunc.fixturenames:
        return False
    test = metafunc.definition
    #: Whose markers a factory obeys: those of its scope.
    nodes: Mapping[str, pytest.Item | pytest.Collector | None] = {
        "peer_factory": test,
        "class_peer_factory": test.getparent(pytest.Class) or test,
        "module_peer_factory": test.getparent(pytest.Module),
        "package_peer_factory": None,
        "session_peer_factory": None,
    }
    return any(
        node is None or "exec" not in settings.marked(node)
        for name, node in nodes.items()
        if name in metafunc.fixturenames
    )


def check_chosen(config: pytest.Config, options: Mapping[str, Any]) -> None:
    """Refuse to start a peer for which none of several interpreters has been chosen.

    :raises pytest.UsageError: that is so; says what to do.
    """
    if "exec" not in options and len(settings.programs(config)) > 1:
        raise pytest.UsageError(
            f"{settings.EXEC.flag} names several interpreters, and pytest has not seen that this test uses peers: name the "
            "fixture in the signature of the test or of one of its fixtures (`getfixturevalue` comes too late to run the test "
            "once with each), put the marker in_peer on the test itself, or give `exec`"
        )
