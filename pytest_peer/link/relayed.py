"""What a peer asks the origin to do, at another peer or itself; and what comes back.

Nothing here waits: the thread that reads the links relays. Payloads pass as bytes. Only the peers
decode them, each on the thread that asks.
"""

import contextlib
import marshal
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import PeerDown
from .futures import Reply
from .protocol import exceptions, messages
from .protocol.codec import PYTHON
from .protocol.messages import Payload
from .protocol.sender import WouldWait

if TYPE_CHECKING:
    from .calls import RpcClient


class Request:
    """One request of the peer of `client`; it is answered once, later answers are dropped."""

    __slots__ = (
        *("_warnings", "answered", "at_cancel", "at_late", "call", "client", "forget", "ident"),
        "python",
    )

    def __init__(self, client: "RpcClient", ident: int) -> None:
        self.client = client
        self.ident = ident
        self.answered: bool = False
        #: The call that was asked for: the client of the peer that runs it, and its number there.
        self.call: tuple[RpcClient, int] | None = None
        #: Called when the peer has given it up, or has ended.
        self.at_cancel: Callable[[], object] = lambda: None
        #: Called when its limit is over.
        self.at_late: Callable[[float], object] = lambda _: None
        #: The Python that gets the answer: of the peer, or of what that has started.
        self.python: tuple[str, int, int] = client.python
        #: Called when it is answered.
        self.forget: Callable[[], object] = lambda: None
        self._warnings: list[Payload] | None = None

    def answer(self, payload: Payload = b"") -> None:
        """Answer with what was asked for."""
        self.deliver((messages.RESULT, payload))

    def fail(self, error: BaseException) -> None:
        """Answer with an exception of ours; the peer raises it as its own."""
        self.deliver((messages.EXCEPTION, described(error)))

    def deliver(self, reply: Reply) -> None:
        """Answer with the reply of another peer."""
        if not self.answered:
            self.answered = True
            self.forget()
            self._send(*reply)

    @property
    def warnings(self) -> list[Payload] | None:
        """The warnings of the call so far, still encoded; they are passed on at once."""
        return self._warnings

    @warnings.setter
    def warnings(self, payloads: list[Payload]) -> None:
        self._warnings = []
        for each in payloads:
            self._send(messages.WARNING, each)

    def _send(self, kind: int, payload: Payload) -> None:
        with contextlib.suppress(PeerDown, WouldWait):  # nobody waits for it then
            self.client.enqueue(kind, self.ident, payload)


def described(error: BaseException) -> bytes:
    """Encode an exception of ours for a peer; without its frames, which are ours too."""
    description = exceptions.describe(error.with_traceback(None), "ours", frozenset(), "")
    return pickle.dumps(description | {"of_origin": True}, messages.PICKLE)


def call(client: "RpcClient", request: Request, payload: Payload) -> None:
    """Have the peer of `client` run the call of another peer when it has booted."""
    ident = client.number()

    def send() -> None:
        if request.answered:
            return
        request.at_cancel = lambda: client.cancel(ident)
        try:
            client.expect(ident, request)
            request.call = client, ident
            if request.python != PYTHON:  # it decides which code may come back
                client.enqueue(messages.CALLER, ident, marshal.dumps(request.python, 2))
            client.enqueue(messages.CALL, ident, payload)
        except BaseException as exc:
            client.pending.pop(ident, None)
            if not isinstance(exc, Exception):
                raise
            request.fail(exc)

    client.opened.after(request, send)


def cast(client: "RpcClient", request: Request, payload: Payload) -> None:
    """Have the peer of `client` run a call without a reply; the answer says that it was sent."""
    client.opened.after(request, lambda: _pass(client, request, messages.CAST, payload))


def send(client: "RpcClient", request: Request, mailbox: str, payload: Payload) -> None:
    """Put a message into a mailbox of the peer of `client`, as soon as its agent listens."""
    message = messages.with_mailbox(mailbox, payload)
    client.ready.after(request, lambda: _pass(client, request, messages.MESSAGE, message))


def _pass(client: "RpcClient", request: Request, kind: int, payload: Payload) -> None:
    try:
        client.check_up()
        client.enqueue(kind, client.number(), payload, True)
    except Exception as exc:  # it is down, or modules cannot be looked for
        request.fail(exc)
    else:
        request.answer()
