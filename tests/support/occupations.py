"""Functions that keep a peer busy, or from ending. One that is about to wait prints ``waiting``."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from gates import pass_gate
from timeouts import AGES


def wait_forever() -> None:
    print("waiting")
    threading.Event().wait()


def pass_gate_and_answer(path: str) -> str:
    print("waiting")
    pass_gate(path)
    return "passed"


def start_thread_that_waits() -> None:
    threading.Thread(target=threading.Event().wait).start()


def hang_at_exit() -> None:
    atexit.register(threading.Event().wait)


def hold_the_gil(until: str = "sleep 600") -> None:
    """In C, which no signal ends, and with its word written when it does already.

    :param until: a shell command that ends when it shall.
    """
    ctypes.PyDLL(None).system(f"echo holding; exec {until}".encode())


# Busy


def loop() -> None:
    print("waiting")
    while True:
        pass


def sleep() -> None:
    print("waiting")
    time.sleep(AGES)


def await_signal() -> None:
    print("waiting")
    signal.pause()


def swallow_interrupts() -> None:
    print("waiting")
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(AGES)


def sleep_in_c() -> None:
    """With the GIL held."""
    print("waiting")
    ctypes.PyDLL(None).sleep(AGES)


# Not easily ended


def ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def start_executor_job() -> None:
    ThreadPoolExecutor().submit(threading.Event().wait)


# Children. Each returns the ids of the processes that it started.

_kept: list[object] = []  # what would complain, were it collected while its process runs


def start_subprocess() -> list[int]:
    """A child and a grandchild."""
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"sleep {AGES} & echo $!; wait"], stdout=subprocess.PIPE
    )
    _kept.append(shell)
    assert shell.stdout is not None
    return [shell.pid, int(shell.stdout.readline())]


def start_multiprocessing(method: str) -> list[int]:
    process = multiprocessing.get_context(method).Process(target=time.sleep, args=(AGES,))
    _kept.append(process)
    process.start()
    assert process.pid is not None
    return [process.pid]


def fork() -> list[int]:
    child = os.fork()
    if child == 0:
        time.sleep(AGES)
        os._exit(0)
    return [child]


def fork_unseen() -> list[int]:
    """Fork in C, which runs none of Python's fork hooks: the child has all descriptors."""
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        ctypes.PyDLL(None).sleep(AGES)
        os._exit(0)
    return [child]


def start_in_a_session_of_its_own() -> list[int]:
    child = subprocess.Popen(["sleep", str(AGES)], start_new_session=True)
    _kept.append(child)
    return [child.pid]


def start_daemon() -> list[int]:
    """A process with a session of its own, no descriptor of ours, and no parent that lives."""
    read, write = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        daemon = os.fork()
        if daemon == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            os.execvp("sleep", ["sleep", str(AGES)])
        os.write(write, b"%d" % daemon)
        os._exit(0)
    os.waitpid(middle, 0)
    daemon = int(os.read(read, 20))
    os.close(read)
    os.close(write)
    return [daemon]
