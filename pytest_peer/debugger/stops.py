"""The debuggers in peers that have a prompt, or had one and step on: the origin's view of them."""

import marshal
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.clock import standstill
from ..core.sync import Event
from ..core.worker import start_thread
from ..link.calls import RpcClient
from ..link.protocol.messages import Payload

#: Seconds for the answer to the key TAB; milliseconds mostly.
_COMPLETION_SECONDS = 1.0


class Stop:
    """One session of a debugger, from its first prompt until the code goes on freely."""

    def __init__(
        self,
        client: RpcClient,
        number: int,
        name: str,
        where: str,
        header: str,
        kept: int,
        asked: int,
    ) -> None:
        self.name = name
        #: ``function (file:line)``
        self.where: str = where
        self.header: str = header
        #: The number of the exception whose frames these are; 0 for code that is stopped.
        self.kept: int = kept
        #: The number of the request that it answers; 0 if there was none.
        self.asked: int = asked
        #: What it waits with for a line; ``None`` while it does not.
        self.prompt: str | None = None
        #: Whether the code of the user's runs, until the next stop.
        self.steps: bool = False
        #: Whether the code does not yet go on freely.
        self.open: bool = True
        #: Whether the user has left it by ``q``.
        self.quit: bool = False
        #: Whether it has ended with its peer.
        self.gone: bool = False
        self.client = client
        self.number = number
        self._text: list[str] = []
        self._matches: list[list[str]] = []

    def take_text(self) -> str:
        """Return what it has said since the last time."""
        text = ""
        while self._text:
            text += self._text.pop(0)
        return text

    def answer(self, line: str) -> None:
        """Answer the prompt by a line with its end, or by an empty text for the end of file."""
        self.prompt = None
        self.client.agent.debug("line", self.number, line)

    def interrupt(self) -> None:
        """Interrupt what runs there, as Ctrl-C does."""
        self.client.agent.debug("interrupt", self.number)

    def complete(self, text: str, line: str, begin: int, end: int) -> list[str]:
        """Return how the word `text` of a line might go on, by what is there."""
        if self.prompt is None:
            return []
        self._matches.clear()
        self.client.agent.debug("complete", self.number, text, line, begin, end)
        changed.wait_for(lambda: bool(self._matches) or not self.open, _COMPLETION_SECONDS)
        return self._matches[-1] if self._matches else []

    def said(self, what: str, more: list[Any]) -> None:
        if what == "text":
            self._text += more
        elif what == "prompt":
            self.prompt, self.steps = more[0], False
        elif what == "at":
            self.where = more[0]
        elif what == "running":
            self.steps = True
        elif what == "matches":
            self._matches += more
        elif what == "left":
            self.end(*more)

    def end(self, quit: bool = False) -> None:
        self.open, self.quit, self.prompt = False, quit, None
        standstill.end(self)
        if self in stops:
            stops.remove(self)
        changed.wake()


#: Those that are open, in the order in which they have come.
stops: list[Stop] = []
#: Woken when one has changed.
changed: Event = Event()
#: The requests to stop, by their numbers; and what has come of them: a stop, or why there is none.
asked: dict[int, Stop | str | None] = {}
#: Called when one has got a prompt, or has ended; the last is in charge. It neither waits nor sends.
listeners: list[Callable[[Stop], object]] = []


def received(client: RpcClient, payload: Payload) -> None:
    """Take what a debugger says; on a thread that must not wait."""
    assert isinstance(payload, bytes)
    what, number, *more = marshal.loads(payload)
    if what == "refused":
        if number in asked:
            asked[number] = more[0]
            changed.wake()
        return
    found = [each for each in stops if each.client is client and each.number == number]
    if what == "stopped":
        stop = Stop(client, number, *more)
        if stop.asked:
            if stop.asked not in asked:  # too late: nobody waits for it
                start_thread(partial(stop.answer, "c\n"), "pytest-peer-late-stop")
                return
            asked[stop.asked] = stop
        if not any(each.client is client for each in stops):
            client.at_end.append(partial(_end_all, client))
        standstill.begin(stop)
        stops.append(stop)
        changed.wake()
        return
    for stop in found:
        stop.said(what, more)
        changed.wake()
        if what in ("prompt", "left") and not stop.kept:
            _notify(stop)


def _notify(stop: Stop) -> None:
    if listeners:
        listeners[-1](stop)


def _end_all(client: RpcClient) -> None:
    for stop in [each for each in stops if each.client is client]:
        stop.gone = True
        stop.end()
        _notify(stop)


def at_prompt() -> list[Stop]:
    """Return those that wait for a line."""
    return [each for each in list(stops) if each.prompt is not None]
