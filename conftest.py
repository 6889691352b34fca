"""A guard for all tests, the examples' too: one that leaves something behind fails."""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

pytest_plugins = ["pytester"]

SECONDS_TO_SETTLE = 2.0  # links end and reapers reap soon after the test, not at the very moment
#: What these start may outlive the test that asked for it.
WIDER_FACTORIES = {f"{scope}_peer_factory" for scope in ("class", "module", "package", "session")}

#: How the command line of a process ends that will be a peer one day.
SPARE = "pytest-peer-spare"

Resources = dict[tuple[str, object], str]  # identity, to the words that name it
allowed_key = pytest.StashKey[Resources]()  # what may be there after the running test


def pytest_configure(config: pytest.Config) -> None:
    """What another worker or another run makes at the same time is no leak of this one."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # `tmp_path` stays there
    own = tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True)
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", own.name)
    patch.setattr(tempfile, "tempdir", own.name)
    config.add_cleanup(own.cleanup)
    config.add_cleanup(patch.undo)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The fork server lives as long as this process; started now, it is no leak of the test that is the first to use it."""
    with_peers = session.config.pluginmanager.has_plugin("peer")
    collects = session.items and not session.config.option.collectonly
    if with_peers and collects and sys.platform == "linux":
        from pytest_peer.launch.forkserver import registry

        registry.running().wait_ready(30)


# Hooks rather than an autouse fixture: they enclose the fixtures of plugins too.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.config.stash[allowed_key] = resources()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """What a fixture of a wider scope sets up is there for the tests after this one, too."""
    if fixturedef.scope == "function":
        return (yield)
    before = resources()
    try:
        return (yield)
    finally:
        request.config.stash[allowed_key] |= added_since(before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    wider = not WIDER_FACTORIES.isdisjoint(getattr(item, "fixturenames", ()))
    if not wider and (leaks := settled(item.config.stash[allowed_key])):
        pytest.fail("\n  ".join(["left behind by the test:", *leaks.values()]), pytrace=False)
    return result


def settled(allowed: Resources) -> Resources:
    """What is there beyond `allowed`, and stays."""
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while (leaks := added_since(allowed)) and time.monotonic() < deadline:
        gc.collect()  # a descriptor in a reference cycle
        time.sleep(0.02)
    return leaks


def added_since(before: Resources) -> Resources:
    return {key: words for key, words in resources().items() if key not in before}


def resources() -> Resources:
    return {**processes(), **threads(), **descriptors(), **directories()}


def processes() -> Resources:
    """All descendants; one that is dead and not waited for counts."""
    found: Resources = {}
    for process in psutil.Process().children(recursive=True):
        words = "dead, not waited for"
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one
            words = shlex.join(process.cmdline())
        if SPARE in words:
            continue  # the fork server's, which has made it for whoever comes next
        found["process", process] = f"process {process.pid}: {words}"
    return found


def threads() -> Resources:
    """Those that run Python code, started by `threading` or below it, as execnet's are."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        ("thread", ident): f"thread {names.get(ident, 'without a name')!r}"
        f" in {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        for ident, frame in sys._current_frames().items()
    }


def descriptors() -> Resources:
    found: Resources = {}
    for link in Path("/proc/self/fd").glob("*"):  # none on macOS
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            target = os.readlink(link).removesuffix(" (deleted)")
            found["descriptor", (link.name, target)] = f"descriptor {link.name}: {target}"
    return found


def directories() -> Resources:
    found = Path(tempfile.gettempdir()).glob("pytest-peer*")
    return {("directory", path): f"directory {path}" for path in found}
