"""The debugger of peers in pytest: at its terminal, with its capture suspended, and for ``--pdb``.

The main thread serves the prompts, in the handler of a signal: wherever it is, it stands still
meanwhile, and Ctrl-C is an exception at the prompt, as at pdb's own.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from ..core.clock import standstill
from ..link import debugging as told

if TYPE_CHECKING:
    from ..debugger.stops import Stop
    from ..debugger.terminal import LocalTerminal
    from ..link.calls import RpcClient
    from ..link.protocol.messages import Payload

#: Ignored by default, see `runtest`, which uses it too.
SIGNAL = signal.SIGURG
#: After which the prompt is tried again that could not be served.
_AGAIN_SECONDS = 0.01

debugging_key: "pytest.StashKey[Debugging]" = pytest.StashKey()


def begin(config: pytest.Config) -> None:
    """Serve the debuggers in peers of this run from now on; on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    found = config.stash[debugging_key] = Debugging(config)
    previous = signal.signal(SIGNAL, found.handle)
    config.add_cleanup(lambda: _put_back(previous))
    config.pluginmanager.register(found, "peer-debugging")
    told.pdb_class = ":".join(config.getoption("usepdb_cls", None) or ())
    if config.getoption("usepdb", False):
        from .post_mortem import take_over

        take_over(config, found)


def _put_back(previous: Any) -> None:
    signal.signal(SIGNAL, previous)


def received(config: pytest.Config, client: "RpcClient", payload: "Payload") -> None:
    """Take what a debugger in a peer says, on a thread that must not wait."""
    from ..debugger import stops  # most runs never need it

    found = config.stash.get(debugging_key, None)
    if found is not None and found.notice not in stops.listeners:
        stops.listeners.append(found.notice)
        config.add_cleanup(partial(stops.listeners.remove, found.notice))
    stops.received(client, payload)


class Debugging:
    """Of one run; a plugin, to see pytest's own debugger."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._terminal: LocalTerminal | None = None

    def pytest_enter_pdb(self) -> None:
        standstill.begin(self)

    def pytest_leave_pdb(self) -> None:
        standstill.end(self)

    pytest_runtest_logfinish = pytest_leave_pdb  # who has quit has not left

    def notice(self, _: "Stop") -> None:
        """Have the main thread look at the prompts."""
        ident = threading.main_thread().ident
        assert ident is not None
        signal.pthread_kill(ident, SIGNAL)

    def handle(self, _: int, __: FrameType | None) -> None:
        self.serve()

    def serve(self) -> None:
        """Serve the prompts that there are, unless that has begun."""
        from ..debugger import stops

        if self._terminal is not None:
            self._terminal.look()
            return
        while any(not each.kept for each in stops.at_prompt()):  # what has come meanwhile, too
            if not self._serve():
                return

    def _serve(self, first: "Stop | None" = None, report: Any = None) -> bool:
        """Serve at the terminal; return whether there is one."""
        from ..debugger.console import Console
        from ..debugger.terminal import LocalTerminal
        from ..peers.supervisor import living

        for life in living():
            life.client.let_others_read()
        with self._uncaptured(report) as has_terminal:
            if not has_terminal:
                return False
            console = Console(terminal := LocalTerminal())
            self._terminal = terminal
            try:
                with terminal:
                    console.run(first)
            finally:
                self._terminal = None
        if console.interrupted:
            raise KeyboardInterrupt
        if console.quits:
            pytest.exit("Quitting debugger")
        return True

    def post_mortem(self, stops: "list[Stop]", report: Any) -> None:
        """Show a report, and let the user look at these frames; the first has the prompt."""
        self._serve(stops[0], report)
        for each in stops:
            if each.open:
                each.answer("c\n")

    @contextlib.contextmanager
    def _uncaptured(self, report: Any) -> Iterator[bool]:
        """Suspend pytest's capture, show the report; give whether there is a terminal."""
        config = self._config
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        captures = capture is not None and capture.is_capturing()
        if capture is not None:
            capture.suspend(in_=True)
        try:
            has_terminal = not hasattr(config, "workerinput") and (
                report is not None or sys.stdin.isatty()
            )
            writer = config.get_terminal_writer()
            if has_terminal:
                writer.line()
                if report is not None:
                    writer.sep(">", "traceback")
                    report.toterminal(writer)
                off = " (IO-capturing turned off)" if captures else ""
                writer.sep(">", f"PDB of peers{off}")
                config.hook.pytest_enter_pdb(config=config, pdb=None)
            yield has_terminal
            if has_terminal:
                on = " (IO-capturing resumed)" if captures else ""
                writer.sep(">", f"PDB continue{on}")
                config.hook.pytest_leave_pdb(config=config, pdb=None)
        finally:
            if capture is not None:
                capture.resume()
