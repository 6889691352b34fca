"""Daemons that launchers need."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from timeouts import LONG
from ways import Missing, found

LOCALHOST = "127.0.0.1"


def free_port(address: str = LOCALHOST) -> int:
    with socket.socket() as listener:
        try:
            listener.bind((address, 0))
        except OSError as exc:  # macOS has only one address of the loopback range
            raise Missing(f"no address {address} on this machine") from exc
        return listener.getsockname()[1]


@contextlib.contextmanager
def daemon(argv: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A process that runs meanwhile; it is not entered before `ready`."""
    with log.open("wb") as output:
        tied = [found("setpriv"), "--pdeathsig", "TERM", *argv]  # also when this process is killed
        process = subprocess.Popen(
            tied, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + LONG
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} does not serve:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def listens(port: int, address: str = LOCALHOST) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def succeeds(*argv: str, **options: object) -> bool:
    return subprocess.run(argv, capture_output=True, check=False, **options).returncode == 0
