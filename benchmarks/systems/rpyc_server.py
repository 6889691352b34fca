"""RPyC: a threaded server in a process of its own, a connection for each caller."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import metadata

from rounds import Missing
from systems.system import Line, System

SERVER = """
import threading
import time
import rpyc
from rpyc.utils.server import ThreadedServer

class Adder(rpyc.Service):
    def exposed_add(self, a, b):
        return a + b

server = ThreadedServer(Adder, hostname="127.0.0.1", port=0)
serving = threading.Thread(target=server.start)
serving.start()
while not server.active:
    time.sleep(0.001)
print(server.port, flush=True)
"""


class Rpyc(System):
    name = "rpyc"
    offers = frozenset(["trips", "together"])

    def version(self) -> str:
        try:
            return f"rpyc {metadata.version('rpyc')}"
        except metadata.PackageNotFoundError:
            return ""

    @contextmanager
    def line(self) -> Iterator[Line]:
        try:
            import rpyc
        except ImportError:
            raise Missing("not installed") from None
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with ExitStack() as connections:

                def connect() -> Callable[[], object]:
                    connection = rpyc.connect("127.0.0.1", port)
                    connections.callback(connection.close)
                    return partial(connection.root.add, 1, 2)

                yield _Line(process.pid, connect)
        finally:
            process.kill()
            process.communicate()


class _Line(Line):
    def __init__(self, pid: int, connect: Callable[[], Callable[[], object]]) -> None:
        self.pids = [pid]
        self._connect = connect
        self._add = connect()

    def trip(self) -> object:
        return self._add()

    def caller(self) -> Callable[[], object]:
        return self._connect()
