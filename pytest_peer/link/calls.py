"""What is said over a link: calls and their answers, casts, messages."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.errors import CallTimeout
from ..core.errors import PeerDown
from ..core.errors import PeerError
from ..core.loop import loop
from ..core.sync import Event
from .futures import PeerFuture
from .futures import ReplyWaiter
from .gateway import Link
from .interpreter import Interpreter
from .outcomes import outcome
from .outcomes import value
from .pending import PendingCalls
from .pickling import decode
from .pickling import encode
from .pickling import encode_call
from .protocol import messages
from .protocol.mailbox import Mailboxes
from .protocol.messages import MultipartMessage
from .protocol.messages import Payload
from .protocol.messages import decoded_text
from .protocol.messages import snapshot
from .protocol.messages import split_mailbox
from .protocol.messages import with_mailbox
from .requests import RequestHandler
from .requests import request_worker

__tracebackhide__ = True


#: What may refer to modules.
_SAID = frozenset({messages.CALL, messages.CAST, messages.MESSAGE})


class RpcClient:
    """The origin's side of the link. While the peer boots, everything waits; after its end all fails.

    :param whom: names the peer, for messages.
    :param mailboxes: where messages of the peer go.
    :param stacks: tells where its threads are, for a call that was not answered in time; never raises.
    """

    def __init__(
        self, whom: Callable[[], str], mailboxes: Mailboxes, stacks: Callable[[], str]
    ) -> None:
        self._whom = whom
        self._outcome = partial(outcome, whom)
        self._stacks = stacks
        self._mailboxes = mailboxes
        #: Set when the agent listens, or never will.
        self.ready: Event = Event()
        # Set when everything may be sent, or never will be.
        self._opened = Event()
        self._lock = threading.RLock()
        self._pending = PendingCalls()
        self._link: Link | None = None
        # The same, when everything may be sent.
        self._open_link: Link | None = None
        self._by_value = ""
        self._request_handler: RequestHandler
        # The calls that were submitted while the peer boots.
        self._submitted: deque[Callable[[], object]] = deque()

    def attach(self, link: Link, interpreter: Interpreter) -> None:
        """Use this link, before it listens, to a peer with that interpreter."""
        self._by_value = interpreter.by_value
        self._request_handler = RequestHandler(interpreter)
        self._link = link

    def open(self) -> None:
        """Send the calls that were submitted meanwhile, in order: the agent listens."""
        while True:
            with self._lock:
                if not self._submitted:
                    self._open_link = self._link
                    self._opened.set()
                    return
                send = self._submitted.popleft()
            send()

    def end(self, error: Callable[[], PeerDown]) -> None:
        """Let all pending calls fail with `error`, and from now on all others: the peer is down."""
        with self._lock:
            self._pending.error = error
            self._submitted.clear()
            self._opened.set()
        self.ready.set()
        self._pending.fail()

    def call(
        self,
        fn: Callable[..., Any] | str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None,
    ) -> Any:
        """Call `fn` in the peer, wait for the value or raise the exception.

        :raises CallTimeout: no answer in `timeout` seconds; it is dropped when it comes.
        :raises PeerDown: the peer has ended.
        :raises EncodeError: the call or its result cannot be sent.
        """
        link = self._open_link
        if link is None:  # the peer boots
            future = self.submit(fn, args, kwargs)
            try:
                if timeout == 0:
                    raise self.timed_out(timeout)
                return future.result(timeout)
            finally:
                self.drop(future)
        waiting = ReplyWaiter()
        asked = encode_call(fn, args, kwargs, self._by_value)
        ident = self._pending.number()  # before `add`: an interrupt leaves nothing there
        try:
            self._pending.add(ident, waiting)
            self._post(messages.CALL, ident, asked)
            if timeout == 0:
                raise TimeoutError  # at once, however fast the peer is
            kind, reply = link.wait(waiting, ident, timeout)
        except TimeoutError:
            assert timeout is not None
            raise self.timed_out(timeout) from None
        finally:
            self._pending.take(ident)
            if isinstance(
                asked, MultipartMessage
            ):  # the caller goes on, and may change what was not yet sent
                link.sender.snapshot(messages.CALL, ident)
        if kind == messages.RESULT and waiting.warnings is None:
            return decode(reply)
        return value(self._whom, kind, reply, waiting.warnings)

    def submit(
        self, fn: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> PeerFuture:
        """`call` without waiting; what cannot be encoded is the future's exception.

        :raises PeerDown: the peer has ended.
        """
        future = PeerFuture(self._outcome, self.timed_out)
        ident = future.ident = self._pending.number()

        def send() -> None:
            with self._lock:
                if self._pending.error is not None:
                    return  # `end` sets the future's exception
                if not future.set_running_or_notify_cancel():
                    self.drop(future)
                    return
            try:
                call = snapshot(encode_call(fn, args, kwargs, self._by_value))
                self._post(messages.CALL, ident, call)
            except PeerDown:
                pass  # `end` sets the future's exception
            except Exception as exc:
                if self._pending.take(ident) is not None:
                    future.set_exception(exc)

        try:
            self._pending.add(ident, future)
            with self._lock:
                if waits := not self._opened.is_set():
                    self._submitted.append(send)
            if not waits:
                send()
        except BaseException:  # `wait_pending` does not wait for what an interrupt left unsent
            self._pending.take(ident)
            raise
        return future

    def cast(
        self, fn: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Call `fn` in the peer and expect no answer.

        :raises EncodeError: it cannot be sent.
        :raises PeerDown: the peer has ended.
        """
        self._wait_open()
        call = snapshot(encode_call(fn, args, kwargs, self._by_value))
        self._post(messages.CAST, self._pending.number(), call, True)

    def send(self, mailbox: str, message: object) -> None:
        """Put `message` into a mailbox of the peer.

        :raises EncodeError: it cannot be sent.
        :raises PeerDown: the peer has ended.
        """
        if not isinstance(mailbox, str):
            raise TypeError(f"mailbox: expected a name, got {mailbox!r}")
        self._wait_open()
        encoded = encode(message, self._by_value, "the message")
        self._post(messages.MESSAGE, self._pending.number(), with_mailbox(mailbox, encoded), True)

    def ask_stacks(self, seconds: float) -> str:
        """Every thread's Python stack, as the peer itself tells it.

        :raises TimeoutError: no answer in so many seconds.
        :raises PeerDown: the peer has ended.
        """
        waiting = ReplyWaiter()
        ident = self._pending.number()
        try:
            self._pending.add(ident, waiting)
            self._post(messages.STACKS, ident, b"")
            assert self._link is not None
            return decoded_text(self._link.wait(waiting, ident, seconds)[1])
        finally:
            self._pending.take(ident)

    def shut_down(self, how: str) -> None:
        """Tell the peer to end: ``"halt"`` or ``"finish"``; one that is at its end already needs no word."""
        with contextlib.suppress(PeerDown):
            self._post(messages.SHUTDOWN, self._pending.number(), how.encode())

    def received(self, kind: int, ident: int, payload: Payload) -> None:
        """A message has come; called by whoever reads the link, so this neither sends nor waits nor raises."""
        if kind == messages.READY:
            self.ready.set()
        elif kind == messages.REQUEST:
            request_worker.run(lambda: self._respond(ident, payload))
        elif kind == messages.MESSAGE:
            name, payload = split_mailbox(payload)
            self._mailboxes[name].deliver(payload)
        elif kind == messages.WARNING:
            future = self._pending.look_at(ident)
            if future is not None:
                future.warnings = [*(future.warnings or ()), payload]
        else:
            self._replied(kind, ident, payload)

    def successor(self) -> RpcClient:
        """One with nothing pending, and locks of its own: in a forked child a thread that is not there may hold these."""
        return RpcClient(self._whom, self._mailboxes, self._stacks)

    def _replied(self, kind: int, ident: int, payload: Payload) -> None:
        # One that nobody waits for is dropped.
        future = self._pending.take(ident)
        if future is not None:
            future.deliver((kind, payload))

    def drop(self, future: PeerFuture) -> None:
        """Nobody waits for this answer any more."""
        self._pending.take(future.ident)

    def wait_pending(self) -> None:
        """Wait until the calls that were submitted have their answers."""
        self._pending.wait()

    def _wait_open(self) -> None:
        """Wait for the end of the boot."""
        if not self._opened.is_set():
            if loop.runs_here():
                raise PeerError(
                    f"{self._whom()} is booting, and this finalizer must not wait for it"
                )
            self._opened.wait()
        if self._pending.error is not None:
            raise self._pending.error()

    def _post(self, kind: int, ident: int, payload: Payload, in_order: bool = False) -> None:
        link = self._link
        if link is None:
            raise TimeoutError(f"{self._whom()} is still booting")
        try:
            if kind in _SAID:
                self._request_handler.send_updates(link.sender)
            link.sender.enqueue(kind, ident, payload, in_order)
        except OSError:
            # The link is closed, and its end is about to be noticed. A pending call learns it there, with the reason.
            if self._pending.error is not None:
                raise self._pending.error() from None
            if kind in (messages.CAST, messages.MESSAGE):
                raise PeerDown(f"{self._whom()} is going down") from None

    def _respond(self, ident: int, payload: Payload) -> None:
        assert self._link is not None
        self._request_handler.respond(self._link.sender, ident, payload)

    def timed_out(self, limit: float) -> CallTimeout:
        """What a call raises that was not answered in time; looks where the peer is."""
        return CallTimeout(f"no answer from {self._whom()} within {limit:g} s", self._stacks())
