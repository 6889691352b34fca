"""``python -m pytest_peer attach [NAME]``: a terminal for a peer that is stopped in another run."""

import queue
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

from ..core.clock import monotonic, sleep
from . import wire
from .console import Hangup, Interrupted
from .terminal import LOOK, LocalTerminal

#: Between two looks whether Ctrl-C has come.
_LOOK_SECONDS = 0.1
#: Seconds for the answer to the key TAB.
_COMPLETION_SECONDS = 2.0
#: Seconds for the answer of a run.
_HELLO_SECONDS = 10.0
#: Seconds for a killed run to be gone, and between two looks.
_KILLED_SECONDS = 2.0
_PAUSE_SECONDS = 0.01
#: In the place of the status with which a run says the end.
_LOST = "lost"


def main(arguments: Sequence[str]) -> int:
    """Attach; return the exit status: 0 when no peer waits any more.

    It is 1 when none has waited, or if the run has ended meanwhile.
    """
    if len(arguments) > 1 or any(each.startswith("-") for each in arguments):
        print("usage: python -m pytest_peer attach [NAME]", file=sys.stderr)
        return 2
    name = arguments[0] if arguments else ""
    for path in wire.found():
        with socket.socket(socket.AF_UNIX) as connection:
            if not wire.connected(connection, path):
                continue
            end = wire.Wire(connection)
            end.send(attach=name)
            first = end.receive(_HELLO_SECONDS)
            if first is None or first.get("end") == 1:
                continue
            session = _Session(end, first)
            status = session.run()
        if session.lost:
            print("\nthe run has ended", file=sys.stderr)
            _remove_left(path)
        return status
    print(f"no peer {name!r} waits" if name else "no peer waits", file=sys.stderr)
    return 1


def _remove_left(path: str) -> None:
    """Remove what a killed run has left; the kernel may close its sockets one after the other."""
    end = monotonic() + _KILLED_SECONDS
    while monotonic() < end:
        with socket.socket(socket.AF_UNIX) as connection:
            if not wire.connected(connection, path):
                return
        sleep(_PAUSE_SECONDS)


class _Session:
    def __init__(self, end: wire.Wire, first: dict[str, Any]) -> None:
        self._wire = end
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._messages.put(first)
        self._matches: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self._over = False
        #: Whether the run has ended without having said so.
        self.lost: bool = False

    def run(self) -> int:
        with LocalTerminal() as terminal:
            signal.signal(LOOK, lambda *_: terminal.look())
            threading.Thread(target=self._receive, daemon=True).start()
            while True:
                try:
                    message = self._messages.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    message = {}
                for _ in range(terminal.interrupts()):
                    self._wire.send(interrupt=True)
                if "text" in message:
                    terminal.write(message["text"])
                elif "prompt" in message and not self._prompt(terminal, message["prompt"]):
                    return 1
                elif "end" in message:
                    self.lost = message["end"] == _LOST
                    return int(self.lost)

    def _prompt(self, terminal: LocalTerminal, prompt: str) -> bool:
        """Send what the user types; return whether there is still a user."""
        self._over = False
        try:
            line = terminal.read(prompt, self._completed, lambda: self._over)
        except Interrupted:
            self._wire.send(interrupt=True)
        except Hangup:
            return False
        else:
            if not self._over:
                self._wire.send(line=line)
        return True

    def _receive(self) -> None:
        main = threading.main_thread().ident
        while (message := self._wire.receive(None)) is not None:
            if "matches" in message:
                self._matches.put(message["matches"])
            elif "over" in message:
                self._end_prompt(main)
            else:
                self._messages.put(message)
        self._end_prompt(main)
        self._messages.put({"end": _LOST})

    def _end_prompt(self, main: int | None) -> None:
        self._over = True
        signal.pthread_kill(main or 0, LOOK)

    def _completed(self, text: str, line: str, begin: int, end: int) -> list[str]:
        while not self._matches.empty():
            self._matches.get()
        self._wire.send(complete=[text, line, begin, end])
        try:
            return self._matches.get(timeout=_COMPLETION_SECONDS)
        except queue.Empty:
            return []
