"""Offers stopped peers to other terminals, where this process has none; never over the network."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.locks import Lock
from ..core.loop import Timer, loop
from ..core.worker import start_thread
from . import wire
from .console import Console, Hangup, Interrupted
from .stops import Stop, at_prompt

#: Between two looks whether a prompt has ended by itself.
_LOOK_SECONDS = 0.2
#: Seconds for the first message of a terminal.
_HELLO_SECONDS = 5.0
#: Seconds that a peer waits in a program without pytest.
_SECONDS = 60.0


class Offers:
    """The stops that wait for a terminal to attach.

    :param say: shows a text to the user; on any thread.
    :param seconds: for which they wait; ``None`` for no limit.
    """

    def __init__(self, say: Callable[[str], object], seconds: float | None) -> None:
        self._say = say
        self._seconds = seconds
        self._lock = Lock()
        self._timers: dict[Stop, Timer | None] = {}
        self._listener: socket.socket | None = None
        self._directory = ""
        self._attached = False

    def update(self, stop: Stop) -> None:
        """Offer a stop that has a prompt, or forget one that has none."""
        with self._lock:
            if not stop.open:
                if (timer := self._timers.pop(stop, None)) is not None:
                    loop.cancel(timer)
                if not (self._timers or self._attached):
                    self._close()
                return
            if stop in self._timers or self._attached or stop.prompt is None:
                return
            self._open()
            self._arm(stop)
        limit = "" if self._seconds is None else f" within {self._seconds:g} s"
        self._say(
            f"peer {stop.name} is stopped in {stop.where}; to debug it, type{limit}"
            f" in another terminal:\n    {_command(stop.name)}\n"
        )

    def close(self) -> None:
        """Offer nothing any more."""
        with self._lock:
            self._disarm()
            self._close()

    def _arm(self, stop: Stop) -> None:
        timer = None
        if self._seconds is not None:
            timer = loop.call_later(self._seconds, partial(self._expire, stop))
        self._timers[stop] = timer

    def _disarm(self) -> None:
        loop.cancel(*(timer for timer in self._timers.values() if timer is not None))
        self._timers.clear()

    def _open(self) -> None:
        if self._listener is None:
            self._directory = tempfile.mkdtemp(prefix=wire.PREFIX)
            self._listener = wire.listen_in(self._directory)
            loop.add(self._listener.fileno(), self._accept)

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            loop.remove(listener.fileno())
            listener.close()
            shutil.rmtree(self._directory, ignore_errors=True)

    def _expire(self, stop: Stop) -> None:
        with self._lock:
            if self._attached or not stop.open or stop.prompt is None:
                return
            self._timers.pop(stop, None)
            if not self._timers:
                self._close()
        stop.answer("c\n")
        self._say(f"nobody has attached to peer {stop.name} in {self._seconds:g} s: it goes on\n")

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:  # the other end has given up
            return
        start_thread(partial(self._serve, connection), "pytest-peer-attached")

    def _serve(self, connection: socket.socket) -> None:
        terminal = SocketTerminal(wire.Wire(connection))
        try:
            hello = terminal.wire.receive(_HELLO_SECONDS) if wire.is_ours(connection) else None
            name = (hello or {}).get("attach", "")
            with self._lock:
                waiting = [each for each in at_prompt() if name in ("", each.name)]
                free = hello is not None and bool(waiting) and not self._attached
                self._attached = self._attached or free
            if free:
                try:
                    Console(terminal).run(waiting[0])
                finally:
                    self._leave()
            terminal.wire.send(end=0 if free else 1)
        finally:
            terminal.wire.close()

    def _leave(self) -> None:
        """Wait for the next terminal, if somebody has gone without letting all go on."""
        with self._lock:
            self._attached = False
            left = [each for each in self._timers if each.prompt is not None]
            self._disarm()  # the time begins anew
            for each in left:
                self._arm(each)
            if not left:
                self._close()
        for each in at_prompt():
            self.update(each)


def on_stderr() -> Offers:
    """Return the offers of a program without pytest."""
    return Offers(lambda text: os.write(2, text.encode(errors="backslashreplace")), _SECONDS)


class SocketTerminal:
    """A `console.Terminal`, at the other end of a connection."""

    def __init__(self, wire: wire.Wire) -> None:
        self.wire = wire

    def write(self, text: str) -> None:
        self.wire.send(text=text)

    def read(
        self,
        prompt: str,
        complete: Callable[[str, str, int, int], list[str]],
        over: Callable[[], bool],
    ) -> str | None:
        self.wire.send(prompt=prompt)
        while not over():
            message = self._receive(_LOOK_SECONDS)
            if message is None:
                continue
            if "complete" in message:
                self.wire.send(matches=complete(*message["complete"]))
            elif "line" in message:
                line: str | None = message["line"]
                return line
            else:
                raise Interrupted
        self.wire.send(over=True)
        return None

    def interrupts(self) -> int:
        count = 0
        while (message := self._receive(0)) is not None:
            count += "interrupt" in message
        return count

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        message = self.wire.receive(timeout)
        if message is None and self.wire.ended:
            raise Hangup
        return message


def _command(name: str) -> str:
    place = tempfile.gettempdir()
    prefix = "" if place == "/tmp" else f"TMPDIR={place} "
    return f"{prefix}python -m pytest_peer attach {name}"
