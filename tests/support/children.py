"""Ways in which a peer starts a process that calls a function, and waits for its end."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from timeouts import LONG

from pytest_peer import here

#: Calls `module:function` with texts.
_PROGRAM = """
import importlib, sys
module, function, *args = sys.argv[1:]
getattr(importlib.import_module(module), function)(*args)
"""


def forked(fn: Callable[..., object], *args: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            fn(*args)
            os._exit(0)
        finally:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def by_multiprocessing(method: str, fn: Callable[..., object], *args: str) -> None:
    process: Any = multiprocessing.get_context(method).Process(target=fn, args=args)
    process.start()
    process.join()
    assert process.exitcode == 0


def in_pool(fn: Callable[..., object], *args: str) -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(fn, *args).result()


def command(fn: Callable[..., object], *args: str) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, fn.__module__, fn.__name__, *args]


def executed(fn: Callable[..., object], *args: str) -> None:
    subprocess.run(command(fn, *args), check=True, cwd=os.path.dirname(__file__))


def without_environment(fn: Callable[..., object], *args: str) -> None:
    subprocess.run(command(fn, *args), check=True, cwd=os.path.dirname(__file__), env={})


def orphaned(fn: Callable[..., object], *args: str) -> None:
    """Start it from a shell that ends at once."""
    words = ["sh", "-c", '"$@" &', "sh", *command(fn, *args)]
    subprocess.run(words, check=True, cwd=os.path.dirname(__file__))


def daemonized(fn: Callable[..., object], *args: str) -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir(os.path.dirname(__file__))
        os.execv(sys.executable, command(fn, *args))
    os.wait()


def from_a_child(fn: Callable[..., object], *args: str) -> None:
    forked(executed, fn, *args)  # type: ignore[arg-type]


def by_another_user(fn: Callable[..., object], *args: str) -> None:
    """Give up the rights of root, if it has them, as servers do for their workers."""

    def work() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        fn(*args)

    forked(work)


def send_name(box: str) -> None:
    here.origin.send(box, here.name)


def answer(questions: str, answers: str) -> None:
    from pytest_peer.here import name

    here.origin.send(answers, (name, here.name, here.mailbox(questions).get(LONG)))
