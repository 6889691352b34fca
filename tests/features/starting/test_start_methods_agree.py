"""Code in a forked peer finds what it finds in a spawned one, but for what the guide names."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are fork servers on Linux only"
)


def environment() -> dict[str, str]:
    return dict(os.environ)


def places() -> tuple[str, list[str], list[str], str]:
    return os.getcwd(), sys.argv, sys.path, sys.executable


def words_of_the_command_line() -> int:
    return len(Path("/proc/self/cmdline").read_bytes().split(b"\0"))


def signals() -> tuple[dict[int, object], set[int]]:
    handlers = {int(each): repr(signal.getsignal(each)) for each in signal.valid_signals()}
    handlers = {number: text.partition(" at 0x")[0] for number, text in handlers.items()}
    return handlers, set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))


def signals_of_the_kernel() -> list[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return [line for line in lines if line.startswith(("SigBlk", "SigIgn", "SigCgt"))]


def umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


def limits() -> dict[str, tuple[int, int]]:
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def scheduling() -> tuple[int, set[int], int]:
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0), os.sched_getscheduler(0)


def leads_its_session() -> tuple[bool, bool]:
    return os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()


def kinds_of_descriptors() -> list[tuple[int, str, int]]:
    """Number, kind and inheritability of the standard ones, kinds of the others."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # of the listing itself
        if os.path.basename(target).startswith("libffi"):
            continue  # its own, from the import of ctypes on
        number = int(name)
        kind = os.path.basename(target).partition(":")[0]
        found.append((number if number < 3 else 3, kind, os.get_inheritable(number)))
    return sorted(found)


def streams() -> list[tuple[Any, ...]]:
    return [
        (
            stream.name,
            stream.fileno(),
            stream.encoding,
            stream.errors,
            stream.line_buffering,
            stream.isatty(),
            stream.seekable(),
            stream is original,
        )
        for stream, original in (
            (sys.stdin, sys.__stdin__),
            (sys.stdout, sys.__stdout__),
            (sys.stderr, sys.__stderr__),
        )
    ]


def threads() -> tuple[str, bool, int, list[str]]:
    current = threading.current_thread()
    return (
        current.name,
        current is threading.main_thread(),
        current.native_id - os.getpid(),
        [thread.name for thread in threading.enumerate()],
    )


def interpreter() -> tuple[Any, ...]:
    return (
        tuple(sys.flags),
        sys._xoptions,
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        sys.version,
    )


def collector() -> tuple[bool, tuple[int, int, int]]:
    return gc.isenabled(), gc.get_threshold()


def names_of_main() -> set[str]:
    return set(vars(sys.modules["__main__"]))


def hooks() -> list[bool]:
    return [
        sys.excepthook is sys.__excepthook__,
        sys.displayhook is sys.__displayhook__,
        threading.excepthook is threading.__excepthook__,
        sys.gettrace() is None,
        sys.getprofile() is None,
    ]


def filters_of_warnings() -> list[str]:
    return list(map(repr, warnings.filters))


def time_zone() -> tuple[tuple[str, str], int]:
    return time.tzname, time.timezone


PROBES = [
    environment,
    places,
    words_of_the_command_line,
    signals,
    signals_of_the_kernel,
    umask,
    limits,
    scheduling,
    leads_its_session,
    kinds_of_descriptors,
    streams,
    threads,
    interpreter,
    collector,
    names_of_main,
    hooks,
    filters_of_warnings,
    time_zone,
]


def both(peer_factory: Any, probe: Callable[..., Any], **options: Any) -> tuple[Any, Any]:
    """What a forked and a spawned peer answer."""
    forked = peer_factory(start_method="forkserver", **options)
    spawned = peer_factory(start_method="spawn", **options)
    return forked.call(probe), spawned.call(probe)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_agree_on(peer_factory, probe):
    forked, spawned = both(peer_factory, probe)
    assert forked == spawned


# What the origin has changed since the fork server started


@pytest.fixture
def changed(monkeypatch, tmp_path) -> Iterator[None]:
    """An origin in which everything is different from what it was."""
    monkeypatch.setenv("ADDED", "yes")
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.delenv("PATH")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "added")
    old_umask = os.umask(0o027)
    old_limit = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, old_limit[1]))
    old_processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(old_processors)})
    old_handlers = [(each, signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGUSR2)]
    for number, _ in old_handlers:
        signal.signal(number, signal.SIG_IGN)
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
    for number, handler in old_handlers:
        signal.signal(number, handler)
    os.sched_setaffinity(0, old_processors)
    resource.setrlimit(resource.RLIMIT_CORE, old_limit)
    os.umask(old_umask)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_agree_when_the_origin_has_changed_on(peer_factory, changed, probe):
    forked, spawned = both(peer_factory, probe)
    assert forked == spawned


def test_change_of_the_origin_reaches_a_forked_peer(peer_factory, changed, tmp_path):
    peer = peer_factory(start_method="forkserver")
    assert peer.call(os.getenv, "ADDED") == "yes"
    assert peer.call(os.getenv, "PATH") is None
    assert peer.call(os.getcwd) == str(tmp_path)
    assert peer.call(umask) == 0o027
    assert peer.call(resource.getrlimit, resource.RLIMIT_CORE)[0] == 0
    assert len(peer.call(os.sched_getaffinity, 0)) == 1
    assert peer.call(signal.getsignal, signal.SIGUSR2) == signal.SIG_IGN
    assert signal.SIGUSR1 in peer.call(signal.pthread_sigmask, signal.SIG_BLOCK, [])
    assert peer.call(time_zone)[0][0] == "JST"


def test_options_are_stronger_than_what_is_inherited(peer_factory, changed, tmp_path):
    (tmp_path / "below").mkdir()
    options = {"env": {"ADDED": "no", "HOME": None}, "cwd": "below"}
    forked, spawned = both(peer_factory, environment, **options)
    assert forked == spawned
    assert (forked["ADDED"], "HOME" in forked) == ("no", False)
    forked, spawned = both(peer_factory, os.getcwd, **options)
    assert forked == spawned == str(tmp_path / "below")


def test_module_written_after_the_fork_server_started_is_found(peer_factory, changed, tmp_path):
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "fresh_module.py").write_text("def answer(): return 42")
    assert both(peer_factory, "fresh_module:answer") == (42, 42)


# What peers of one fork server do not have in common


def test_forked_peers_have_random_numbers_of_their_own(peer_factory):
    peers = peer_factory.many(3, start_method="forkserver")
    assert len(set(peers.call("random:random"))) == 3


def test_forked_peers_do_not_share_the_state_of_modules(peer_factory):
    first, second = peer_factory.many(2, start_method="forkserver")
    first.call("os:putenv", "A", "1")
    first.call(sys.path.insert, 0, "/nowhere")
    first.call(signal.signal, signal.SIGUSR1, signal.SIG_IGN)
    assert second.call(places)[2] == sys.path
    assert second.call(signal.getsignal, signal.SIGUSR1) == signal.SIG_DFL


def test_modules_of_the_tests_are_not_in_the_fork_server(peer_factory):
    peer_factory(start_method="forkserver").call(environment)  # imports this module there
    loaded = "list(__import__('sys').modules)"
    assert __name__ not in peer_factory(start_method="forkserver").call("builtins:eval", loaded)


# What is different


def test_command_line_ends_with_the_name(peer_factory):
    peer = peer_factory(start_method="forkserver", name="told-apart")
    words = Path(f"/proc/{peer.pid}/cmdline").read_text().split("\0")
    assert words[-2].strip() == peer.node
