"""What keeps a peer busy, or from ending."""

from __future__ import annotations

import atexit
import ctypes
import threading

from gates import pass_gate


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
