"""What `here` knows of the other peers: their handles, barriers with them, marks for the test."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from ...core.clock import CALL_TIMEOUT, seconds
from . import codec, exceptions, messages, rebuilding
from .asking import Answer, Asking, Limit
from .messages import Payload
from .unpatched import marshal

if TYPE_CHECKING:
    from .here import Here

#: Encodes something; is given why code cannot travel by value.
_Pack = Callable[[str], Payload]


class Siblings:
    """The other peers, as the process sees them to which `here` belongs."""

    def __init__(self, here: Here) -> None:
        self.here = here
        self._index: tuple[int | None] | None = None

    def peer(self, name: str) -> Sibling:
        """Return the handle of the living peer of that name."""
        if not isinstance(name, str):
            raise TypeError("peer: expected a name, got %r" % (name,))
        key, limit, python = marshal.loads(self.value(self.here.asking().ask(("peer", name))))
        return Sibling(self, name, key, limit, python)

    def handle(self, *parts: Any) -> Sibling:
        """Return the handle of a peer that has come from another process."""
        return Sibling(self, *parts)

    @property
    def index(self) -> int | None:
        """Return the place of this peer in its group."""
        if self._index is None:
            self._index = (marshal.loads(self.value(self.here.asking().ask(("index",)))),)
        return self._index[0]

    def barrier(self, name: str, parties: int, timeout: Any) -> None:
        """Wait at a barrier; see `here.barrier`."""
        self.value(self.here.asking().ask(*self._at_barrier(name, parties, timeout)))

    async def abarrier(self, name: str, parties: int, timeout: Any) -> None:
        """Do the same in a task."""
        self.value(await self.here.asking().aask(*self._at_barrier(name, parties, timeout)))

    def mark(self, name: str, fields: dict[str, Any]) -> None:
        """Tell the test; see `here.mark`."""
        if not isinstance(name, str):
            raise TypeError("mark: expected a name, got %r" % (name,))
        data = encoded(partial(codec.pack_named, "the mark", fields), self.here.by_value)
        self.value(self.here.asking().ask(("mark", name), data))

    def _at_barrier(self, name: str, parties: int, timeout: Any) -> tuple[Any, bytes, Limit]:
        parties_of(name, parties)
        return ("barrier", name, parties), b"", (self.limit(timeout), "", "barrier %s" % name)

    def limit(self, timeout: Any) -> float | None:
        """Return a limit in seconds; ``"call_timeout"`` stands for that option of the peer."""
        chosen = self.here.call_timeout if timeout == CALL_TIMEOUT else timeout
        return seconds("timeout", chosen)

    def value(self, answer: Answer, whom: str = "") -> Any:
        """Return the payload of an answer, or raise its exception."""
        kind, payload, warned = answer
        for each in warned:
            _warn(each)
        if kind == messages.RESULT:
            return payload
        if not kind:  # of a process that the peer has started
            raise ConnectionAbortedError(bytes(payload).decode())  # type: ignore[arg-type]
        me = "peer %r" % self.here.name
        raise rebuilding.rebuilt(codec.loads(payload), whom, exceptions.errors(), me)


class Sibling:
    """The handle of another peer, in a peer or in what that has started."""

    def __init__(
        self,
        siblings: Siblings,
        name: str,
        key: str,
        call_timeout: float | None,
        python: tuple[Any, ...] | None = None,
    ) -> None:
        self._siblings = siblings
        self._name = name
        self._key = key
        #: Its option ``call_timeout``.
        self.call_timeout = call_timeout
        # Of the other end, when it is needed: it may be booting.
        self._python = python

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def __repr__(self) -> str:
        return "<Sibling %s>" % self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sibling) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> Any:
        return codec.resolved("pytest_peer.here:_handle"), (
            self._name,
            self._key,
            self.call_timeout,
        )

    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``fn(*args, **kwargs)`` in that peer, and return or raise the outcome."""
        head, payload = self._called(fn, args, kwargs)
        return self.result(self._asking().ask(head, payload, self._limit()))

    async def acall(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Do the same in a task of asyncio or trio; a cancellation cancels a coroutine there."""
        head, payload = self._called(fn, args, kwargs)
        return self.result(await self._asking().aask(head, payload, self._limit()))

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Call without waiting, and return a ``concurrent.futures.Future``."""
        from .sibling_futures import submitted  # `concurrent.futures` imports a lot

        head, payload = self._called(fn, args, kwargs)
        return submitted(self, self._siblings.here.asking(), head, payload)

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` in that peer, and wait for no answer."""
        head, payload = self._called(fn, args, kwargs)
        self._siblings.value(self._asking().ask(("cast", *head[1:2]), payload))

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into a mailbox of that peer."""
        messages.with_mailbox(mailbox, b"")  # refuses what is no name
        data = self._encoded(partial(codec.pack_named, "the message", message))
        self._siblings.value(self._asking().ask(("send", self._key, mailbox), data))

    def _called(self, fn: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], Payload]:
        codec.check_callable(fn)
        payload = self._encoded(partial(codec.pack_call, fn, args, kwargs))
        return ("call", self._key, codec.PYTHON), payload

    def _encoded(self, pack: _Pack) -> Payload:
        if self._python is None:
            try:
                return messages.snapshot(pack("by value"))
            except codec.CannotEncode:  # perhaps it can travel by value, between these two
                answer = self._asking().ask(("about", self._key))
                self._python = marshal.loads(self._siblings.value(answer))
        return encoded(pack, codec.code_refusal(codec.PYTHON, self._python))

    def _limit(self) -> Limit:
        return self.call_timeout, self._key, self.word

    @property
    def word(self) -> str:
        """What a wait for a call of it is called; see `Waiting`."""
        return "call %s" % self._name

    def _asking(self) -> Asking:
        found: Asking = self._siblings.here.asking()
        return found

    def result(self, answer: Answer) -> Any:
        """Return the value of a call's answer, or raise its exception."""
        return result(self._siblings.value(answer, "peer %r" % self._name))

    def held(self, asking: Asking) -> bool:
        """Return whether a debugger holds it; see `Periods`."""
        return bool(self._siblings.value(asking.ask(("held", self._key))))

    def late(self, limit: float, asking: Asking, request: int) -> Exception:
        """Return the error for a future without an outcome; with the number of its request."""
        answer = asking.ask(("stacks", self._key, request), b"", (None, "", self.word))
        stacks = self._siblings.value(answer).decode()
        text = "no answer from peer %r within %g s" % (self._name, limit)
        error: Exception = exceptions.errors().CallTimeout(text, stacks)
        return error


def encoded(pack: _Pack, refusal: str) -> Payload:
    """Encode what is to travel, or raise an EncodeError."""
    try:
        return messages.snapshot(pack(refusal))
    except codec.CannotEncode as exc:
        raise exceptions.errors().EncodeError(str(exc)) from exc.__cause__


def result(payload: Payload) -> Any:
    """Decode a result, or raise a DecodeError."""
    try:
        return codec.loads(payload)
    except Exception as exc:
        text = "the result cannot be rebuilt here: %s: %s" % (type(exc).__name__, exc)
        raise exceptions.errors().DecodeError(text) from exc


def parties_of(name: object, parties: object) -> None:
    """Raise TypeError or ValueError for what is no barrier."""
    if not isinstance(name, str):
        raise TypeError("barrier: expected a name, got %r" % (name,))
    if isinstance(parties, bool) or not isinstance(parties, int):
        raise TypeError("parties: expected a number, got %r" % (parties,))
    if parties < 1:
        raise ValueError("parties: expected 1 or more, got %r" % (parties,))


def _warn(payload: Payload) -> None:
    """Issue a warning of a call to another peer here, for the call in which this is."""
    described = codec.loads(payload)
    message = rebuilding.rebuilt_warning(described, exceptions.errors())
    # Without a module nothing would be shown.
    place = described["file"], described["line"], described["module"] or described["file"]
    warnings.warn_explicit(message, type(message), *place, registry={})
