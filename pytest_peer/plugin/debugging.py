"""The debugger of peers in pytest: at its terminal, with its capture suspended, and for ``--pdb``.

The main thread serves the prompts, in the handler of a signal: wherever it is, it stands still
meanwhile, and Ctrl-C is an exception at the prompt, as at pdb's own.
"""

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from ..core.clock import standstill
from ..core.down_reason import PeerState
from ..core.loop import Timer, loop
from ..core.worker import start_thread
from ..link import debugging as told
from . import settings

if TYPE_CHECKING:
    from ..debugger.attach import Offers
    from ..debugger.stops import Stop
    from ..debugger.terminal import LocalTerminal
    from ..link.calls import RpcClient
    from ..link.protocol.messages import Payload

#: Ignored by default, see `runtest`, which uses it too.
SIGNAL = signal.SIGURG

#: Seconds for the main thread to see a prompt: C code of the user's may keep it for ever.
_STUCK_SECONDS = 5.0

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
    # Most runs never need them. The handler must not import them: it may interrupt itself.
    from ..debugger import attach, console, stops, terminal  # noqa: F401

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
        self._offers: Offers | None = None
        self._texts: deque[str] = deque()  # that are to be shown
        self._timers: dict[Stop, Timer] = {}  # for when the main thread is stuck
        self._waits = False  # for another terminal
        self._noticed = self._wanted = self._serves = False
        self._still = False  # what peers know of the limits

    def pytest_enter_pdb(self) -> None:
        standstill.begin(self)
        self._still = True
        _tell_peers(True)

    def pytest_leave_pdb(self) -> None:
        standstill.end(self)
        if self._still:
            self._still = False
            _tell_peers(False)

    pytest_runtest_logfinish = pytest_leave_pdb  # who has quit has not left

    def notice(self, stop: "Stop") -> None:
        """Have the main thread look at the prompts; on a thread that must not wait."""
        self._noticed = True
        if stop.open:
            again = partial(start_thread, self._offer, "pytest-peer-offer")
            self._timers.setdefault(stop, loop.call_later(_STUCK_SECONDS, again))
        else:
            if (timer := self._timers.pop(stop, None)) is not None:
                loop.cancel(timer)
            if self._offers is not None:
                self._offers.update(stop)
        self._wake()

    def _wake(self) -> None:
        ident = threading.main_thread().ident
        assert ident is not None
        signal.pthread_kill(ident, SIGNAL)

    def handle(self, _: int, __: FrameType | None) -> None:
        self.serve()

    def serve(self) -> None:
        """Serve the prompts that there are; what comes meanwhile, a handler leaves to this."""
        self._wanted = self._noticed
        if self._terminal is not None:
            self._terminal.look()
            return
        while self._wanted and not self._serves:
            self._serves = True
            try:
                self._wanted = False
                self._serve_all()
            finally:
                self._serves = False

    def _serve_all(self) -> None:
        from ..debugger import stops

        self._show_texts()
        if self._waits and not stops.stops:
            self._waits = False
            self._config.hook.pytest_leave_pdb(config=self._config, pdb=None)
        while any(not each.kept for each in stops.at_prompt()):
            if not self._serve():
                self._offer()
                return

    def _offer(self) -> None:
        """Let other terminals attach to the peers that have a prompt, unless it is at ours."""
        from ..debugger import stops
        from ..debugger.attach import Offers

        if self._terminal is not None or not stops.at_prompt():
            return
        if not self._waits:
            self._waits = True  # pytest-timeout and faulthandler give the test no limit then
            self._config.hook.pytest_enter_pdb(config=self._config, pdb=None)

        if self._offers is None:
            offers = Offers(self._say, settings.debug_timeout(self._config))
            self._offers = offers
            self._config.add_cleanup(offers.close)
        for stop in stops.at_prompt():
            self._offers.update(stop)
        self._show_texts()

    def _say(self, text: str) -> None:
        """Have a text shown: pytest's capture belongs to the main thread."""
        self._texts.append(text)
        self._wake()

    def _show_texts(self) -> None:
        with contextlib.suppress(IndexError):  # another thread, or a handler, was faster
            while self._texts:
                text = self._texts.popleft()
                with suspended(self._config):
                    os.write(2, f"\n{text}".encode(errors="backslashreplace"))

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
        with suspended(config) as captures:
            has_terminal = not hasattr(config, "workerinput") and (
                report is not None or (sys.stdin is not None and sys.stdin.isatty())
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


def _tell_peers(still: bool) -> None:
    """Have the limits stand still of what waits in peers, or pass again."""
    from ..peers.supervisor import living

    for life in living():
        if life.state is PeerState.RUNNING:
            life.client.agent.debug("standstill", still)


@contextlib.contextmanager
def suspended(config: pytest.Config) -> Iterator[bool]:
    """Suspend pytest's capture; give whether it captures. On the main thread."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    captures = capture is not None and bool(capture.is_capturing())
    if capture is not None:
        capture.suspend(in_=True)
    try:
        yield captures
    finally:
        if capture is not None:
            capture.resume()
