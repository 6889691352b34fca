"""Several interpreters (``--peer-exec``): each test with peers runs once with each of them."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from . import settings
from .session import FACTORIES, NETWORK, PROGRAM

_MOST_CHARACTERS = 40  # of an id, which is shown in one line with the name of the test


def configure(config: pytest.Config) -> None:
    """Register the hook that repeats the tests, if there is more than one interpreter."""
    # Made once: pytest keeps a fixture as long as the very same value is asked for.
    programs = settings.programs(config)
    words = ids(programs)

    @pytest.hookimpl(trylast=True)  # the interpreter's name comes last in the id
    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        test = metafunc.definition
        chosen = {**settings.marked(test), **settings.marked(test, "in_peer")}
        body = test.get_closest_marker("in_peer") is not None and "exec" not in chosen
        if not body and not _are_factories_repeated(metafunc):
            return
        if PROGRAM not in metafunc.fixturenames:  # the test gets the fixture of `in_peer` later
            metafunc.fixturenames.append(PROGRAM)
        metafunc.parametrize(PROGRAM, programs, ids=words, indirect=True, scope="session")

    if len(programs) > 1:
        hooks = SimpleNamespace(pytest_generate_tests=pytest_generate_tests)
        config.pluginmanager.register(hooks, "peer-interpreters")


def ids(programs: Sequence[Sequence[str]]) -> list[str]:
    """Return a word for each program: its file name, or its path if another has that name."""
    short = [_word([word.rpartition("/")[2] or word for word in program]) for program in programs]
    return [
        word if short.count(word) == 1 else _word("/".join(program).split("/"))
        for word, program in zip(short, programs, strict=True)
    ]


def _word(parts: Sequence[str]) -> str:
    from ..core.names import slug

    words = (slug(part, _MOST_CHARACTERS) for part in parts)
    return slug("-".join(filter(None, words)), _MOST_CHARACTERS) or "program"


def _are_factories_repeated(metafunc: pytest.Metafunc) -> bool:
    if PROGRAM not in metafunc.fixturenames:
        return False
    test = metafunc.definition
    #: The nodes whose markers apply to the factories of a scope.
    nodes: Mapping[str, pytest.Item | pytest.Collector | None] = {
        "function": test,
        "class": test.getparent(pytest.Class) or test,
        "module": test.getparent(pytest.Module),
    }
    factories = {**FACTORIES, NETWORK: "function"}
    used = [nodes.get(scope) for name, scope in factories.items() if name in metafunc.fixturenames]
    return any(node is None or "exec" not in settings.marked(node) for node in used)


def check_chosen(config: pytest.Config, options: Mapping[str, Any]) -> None:
    """Refuse to start a peer for which none of several interpreters has been chosen."""
    if "exec" not in options and len(settings.programs(config)) > 1:
        raise pytest.UsageError(
            f"{settings.EXEC.flag} names several interpreters, and pytest has not seen that this "
            "test uses peers: name the fixture in the signature of the test or of one of its "
            "fixtures (`getfixturevalue` comes too late to run the test once with each), put the "
            "marker in_peer on the test itself, or give `exec`"
        )
