"""A guard for all tests and examples: a test that leaves something behind fails."""

from __future__ import annotations

import contextlib
import ctypes  # noqa: F401 - before the first test: newer versions of libffi keep a file open then
import gc
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator

import psutil
import pytest

pytest_plugins = ["pytester"]

SECONDS_TO_SETTLE = 2.0  # links end and reapers reap soon after the test, not at the very moment
#: Their peers may outlive the test that asked for them.
WIDER_FACTORIES = {f"{scope}_peer_factory" for scope in ("class", "module", "package", "session")}

#: How the command lines end of a fork server, of its child that makes the reapers and of these,
#: and of what it keeps for the next peer.
#: Of a fork server: one for a peer, one for a network.
MOST_SPARES = 2
SERVER, REAPER, SPARE = "pytest-peer-forkserver", "pytest-peer-reaper", "pytest-peer-spare"

#: Many times faster than psutil, which looks at every process of the machine. Not in every kernel.
LISTS_CHILDREN = os.path.exists("/proc/thread-self/children")

# A shell that runs the tests in the background, or nohup, has let all processes ignore these.
for each, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(each) is signal.SIG_IGN:
        signal.signal(each, handler)

Resources = dict[tuple[str, object], str]  # the identity of each, and the words that name it
allowed_key = pytest.StashKey[Resources]()  # what may be there after the running test


def pytest_configure(config: pytest.Config) -> None:
    """Give this process a temporary directory of its own: other processes make files meanwhile."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # `tmp_path` stays there
    own = tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True)
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", own.name)
    patch.setattr(tempfile, "tempdir", own.name)
    config.add_cleanup(own.cleanup)
    config.add_cleanup(patch.undo)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the fork server before the first test, which would leave it behind otherwise."""
    gc.collect()
    gc.freeze()  # what is there now stays: no `gc.collect` of the tests needs to look at it again
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
    """Allow what a fixture of a wider scope sets up: the tests after this one use it, too."""
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
    """Return what is there beyond `allowed` and stays."""
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
    """Return all descendants; one that is dead and not waited for counts."""
    found: Resources = {}
    below = list(descendants(os.getpid()))
    parents = {pid: parent for pid, parent, _ in below}
    lines = {pid: command_line(pid) for pid in parents}
    parents_of_the_living = {parents[pid] for pid, words in lines.items() if words}
    spares: Counter[int | None] = Counter()
    for pid, parent, started in below:
        words = lines[pid]
        if REAPER in words and (pid in parents_of_the_living or SERVER in lines.get(parent, "")):
            continue  # its child counts; of the zygote, the server does
        maker = parents.get(parent)  # of its reaper
        if SPARE in words and spares[maker] < MOST_SPARES:
            spares[maker] += 1
            continue
        found["process", (pid, started)] = f"process {pid}: {words or 'dead, not waited for'}"
    return found


def descendants(pid: int) -> Iterator[tuple[int, int, object]]:
    """Yield the process id, the parent and the start of each descendant of a process."""
    if not LISTS_CHILDREN:
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                yield process.pid, process.ppid(), process.create_time()
        return
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return
    for thread in threads:
        for child in map(int, read(f"/proc/{pid}/task/{thread}/children").split()):
            if status := read(f"/proc/{child}/stat"):
                yield child, pid, status.rpartition(")")[2].split()[19]
                yield from descendants(child)


def command_line(pid: int) -> str:
    """Return the words of a process, empty if it is dead."""
    if LISTS_CHILDREN:
        return shlex.join(read(f"/proc/{pid}/cmdline").split("\0")[:-1])
    with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one
        return shlex.join(psutil.Process(pid).cmdline())
    return ""


def read(path: str) -> str:
    """Return the text of a file below ``/proc``, empty if its process has ended."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def threads() -> Resources:
    """Return the threads that run Python code, whether `threading` or execnet started them."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        ("thread", ident): f"thread {names.get(ident, 'without a name')!r}"
        f" in {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        for ident, frame in sys._current_frames().items()
    }


def descriptors() -> Resources:
    found: Resources = {}
    directory = "/proc/self/fd"
    for name in os.listdir(directory) if os.path.isdir(directory) else ():  # none on macOS
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            target = os.readlink(f"{directory}/{name}").removesuffix(" (deleted)")
            found["descriptor", (name, target)] = f"descriptor {name}: {target}"
    return found


def directories() -> Resources:
    place = tempfile.gettempdir()
    names = [name for name in os.listdir(place) if name.startswith("pytest-peer")]
    return {("directory", name): f"directory {os.path.join(place, name)}" for name in names}
