"""PyCharm's debugger, pydevd, in peers, with a server that does what PyCharm does.

Shows: the peers of a test that is debugged stop at breakpoints as well; a peer that connects to a
debugger itself.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import debugpy
import prices
import pytest

PYDEVD = Path(debugpy.__file__).with_name("_vendored") / "pydevd/pydevd.py"
BREAKPOINT = inspect.getsourcelines(prices.price)[1] + 2
RUNNER = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"  # PyCharm has one like it
TEST = """
import prices

def test_price(peer):
    assert peer.call(prices.price, 20) == 58
"""
SET_BREAKPOINT, RUN, SUSPENDED, GO_ON = 111, 101, 105, 106  # of the protocol


class Session(socketserver.StreamRequestHandler):
    """Debug a process that connects: let it stop at the breakpoint, and go on."""

    def handle(self):
        self.tell(501, "1.1\tUNIX\tID")
        self.tell(SET_BREAKPOINT, f"1\tpython-line\t{prices.__file__}\t{BREAKPOINT}" + 3 * "\tNone")
        self.tell(RUN, "")
        for line in self.rfile:
            if line.startswith(b"%d\t" % SUSPENDED):
                thread = re.search(r'thread id="([^"]+)".*?name="(\w+)"', line.decode())
                self.server.stopped.append(thread[2])
                self.tell(GO_ON, thread[1])

    def tell(self, command, text):
        self.wfile.write(f"{command}\t1\t{text}\n".encode())


@pytest.fixture
def ide():
    """Return the server, which collects the functions in which processes have stopped."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.stopped = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.timeout(180)
def test_debug(ide, tmp_path):
    (tmp_path / "runner.py").write_text(RUNNER)
    (tmp_path / "test_price.py").write_text(TEST)
    port = str(ide.server_address[1])
    command = [sys.executable, PYDEVD, "--multiprocess", "--client", "127.0.0.1", "--port", port]
    command += ["--file", "runner.py", "-p", "peer", "-p", "no:cacheprovider", "test_price.py"]
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # others make it slower
        "PYTHONPATH": os.path.dirname(prices.__file__),
    }
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=150)
    assert ide.stopped == ["price"]


def connect(port):
    sys.path.insert(0, str(PYDEVD.parent))  # PyCharm's users install `pydevd-pycharm`
    import pydevd

    pydevd.settrace("127.0.0.1", port=port, suspend=False)


def test_connect(ide, peer_factory):
    peer = peer_factory(setup=functools.partial(connect, ide.server_address[1]))
    assert peer.call(prices.price, 20) == 58
    assert ide.stopped == ["price"]
