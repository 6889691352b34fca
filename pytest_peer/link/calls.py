"""The origin's side of the link: calls and their replies, casts, messages."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import wait
from functools import partial
from typing import Any

from ..core.errors import CallTimeout, PeerDown, PeerError
from ..core.loop import loop
from ..core.sync import Event
from .futures import PeerFuture, ReplyWaiter
from .gateway import Link
from .interpreter import Interpreter
from .outcomes import outcome, value
from .pickling import decode, encode, encode_call
from .protocol import messages
from .protocol.mailbox import Mailboxes
from .protocol.messages import (
    MultipartMessage,
    Payload,
    decoded_text,
    snapshot,
    split_mailbox,
    with_mailbox,
)
from .requests import RequestHandler, request_worker

__tracebackhide__ = True

PendingCall = PeerFuture | ReplyWaiter
#: The kinds of messages that may refer to modules.
_REFERRING = frozenset({messages.CALL, messages.CAST, messages.MESSAGE})


class PendingCalls:
    """The calls without a reply, by their numbers; none after the end of the peer.

    It needs no lock: each operation is one of the dictionary's, and `add` and `fail` take two steps
    in opposite order, so that one of them finds a call that is added during the end.
    """

    def __init__(self) -> None:
        self._calls: dict[int, PendingCall] = {}
        #: Returns a new number.
        self.number: Callable[[], int] = itertools.count(1).__next__
        #: Makes the exception of a call after the end; ``None`` before.
        self.error: Callable[[], PeerDown] | None = None

    def add(self, ident: int, call: PendingCall) -> None:
        """Expect a reply with that number.

        :raises PeerDown: no reply will come.
        """
        self._calls[ident] = call
        if self.error is not None:
            self._calls.pop(ident, None)
            raise self.error()

    def take(self, ident: int) -> PendingCall | None:
        """Remove a call, to settle or drop it; ``None`` if another thread has removed it."""
        return self._calls.pop(ident, None)

    def get(self, ident: int) -> PendingCall | None:
        """Return a call, or ``None`` if it is not pending."""
        return self._calls.get(ident)

    def wait(self) -> None:
        """Wait until the futures among them are settled."""
        wait([each for each in list(self._calls.values()) if isinstance(each, PeerFuture)])

    def fail(self) -> None:
        """Let all fail with `error`, which is set."""
        assert self.error is not None
        for ident in list(self._calls):
            call = self._calls.pop(ident, None)  # the reader may have removed it
            if call is not None:
                call.fail(self.error())


class RpcClient:
    """The origin's side of the link: everything waits for the boot, and fails after the end.

    :param peer: returns the peer's name, for messages.
    :param mailboxes: for messages of the peer.
    :param stacks: returns where the peer's threads are, for a call that times out; never raises.
    """

    def __init__(
        self, peer: Callable[[], str], mailboxes: Mailboxes, stacks: Callable[[], str]
    ) -> None:
        self._peer = peer
        self._outcome = partial(outcome, peer)
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

        :param timeout: seconds, ``None`` for no limit.
        :raises CallTimeout: no reply in time; a late reply is dropped.
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
        waiter = ReplyWaiter()
        call = encode_call(fn, args, kwargs, self._by_value)
        ident = self._pending.number()  # before `add`: an interrupt leaves nothing there
        try:
            self._pending.add(ident, waiter)
            self._enqueue(messages.CALL, ident, call)
            if timeout == 0:
                raise TimeoutError  # at once, however fast the peer is
            kind, reply = link.wait(waiter, ident, timeout)
        except TimeoutError:
            assert timeout is not None
            raise self.timed_out(timeout) from None
        finally:
            self._pending.take(ident)
            if isinstance(call, MultipartMessage):  # the caller may change what is not yet sent
                link.sender.snapshot(messages.CALL, ident)
        if kind == messages.RESULT and waiter.warnings is None:
            return decode(reply)
        return value(self._peer, kind, reply, waiter.warnings)

    def submit(
        self, fn: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> PeerFuture:
        """Call `fn` without waiting; an `EncodeError` is the future's exception.

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
                self._enqueue(messages.CALL, ident, call)
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
        """Call `fn` in the peer without a reply.

        :raises EncodeError: it cannot be sent.
        :raises PeerDown: the peer has ended.
        """
        self._wait_open()
        call = snapshot(encode_call(fn, args, kwargs, self._by_value))
        self._enqueue(messages.CAST, self._pending.number(), call, True)

    def send(self, mailbox: str, message: object) -> None:
        """Put `message` into a mailbox of the peer.

        :raises EncodeError: it cannot be sent.
        :raises PeerDown: the peer has ended.
        """
        if not isinstance(mailbox, str):
            raise TypeError(f"mailbox: expected a name, got {mailbox!r}")
        self._wait_open()
        payload = with_mailbox(mailbox, encode(message, self._by_value, "the message"))
        self._enqueue(messages.MESSAGE, self._pending.number(), payload, True)

    def ask_stacks(self, seconds: float) -> str:
        """Return every thread's Python stack, as the peer formats it.

        :raises TimeoutError: no reply in so many seconds, or the peer boots.
        :raises PeerDown: the peer has ended.
        """
        waiter = ReplyWaiter()
        ident = self._pending.number()
        try:
            self._pending.add(ident, waiter)
            link = self._link
            if link is None:
                raise TimeoutError(f"{self._peer()} is still booting")
            self._enqueue(messages.STACKS, ident, b"")
            return decoded_text(link.wait(waiter, ident, seconds)[1])
        finally:
            self._pending.take(ident)

    def shut_down(self, how: str) -> None:
        """Ask the peer to end: ``"halt"`` or ``"finish"``. A peer that is down is left alone."""
        with contextlib.suppress(PeerDown):
            self._enqueue(messages.SHUTDOWN, self._pending.number(), how.encode())

    def received(self, kind: int, ident: int, payload: Payload) -> None:
        """Handle a message. The reader calls this, so it neither sends nor waits nor raises."""
        if kind == messages.READY:
            self.ready.set()
        elif kind == messages.REQUEST:
            request_worker.run(lambda: self._respond(ident, payload))
        elif kind == messages.MESSAGE:
            name, payload = split_mailbox(payload)
            self._mailboxes[name].deliver(payload)
        elif kind == messages.WARNING:
            call = self._pending.get(ident)
            if call is not None:
                call.warnings = [*(call.warnings or ()), payload]
        else:
            call = self._pending.take(ident)
            if call is not None:  # else it has timed out
                call.deliver((kind, payload))

    def successor(self) -> RpcClient:
        """Return a new client for a forked child, where no thread may release this one's locks."""
        return RpcClient(self._peer, self._mailboxes, self._stacks)

    def drop(self, future: PeerFuture) -> None:
        """Drop the reply when it comes."""
        self._pending.take(future.ident)

    def wait_pending(self) -> None:
        """Wait until all submitted calls are settled."""
        self._pending.wait()

    def _wait_open(self) -> None:
        """Wait for the end of the boot."""
        if not self._opened.is_set():
            if loop.runs_here():
                raise PeerError(
                    f"{self._peer()} is booting, and this finalizer must not wait for it"
                )
            self._opened.wait()
        if self._pending.error is not None:
            raise self._pending.error()

    def _enqueue(self, kind: int, ident: int, payload: Payload, in_order: bool = False) -> None:
        link = self._link
        assert link is not None
        try:
            if kind in _REFERRING:
                self._request_handler.send_updates(link.sender)
            link.sender.enqueue(kind, ident, payload, in_order)
        except OSError:
            # The link is closed, and a thread is about to notice its end, with which a pending call
            # fails.
            if self._pending.error is not None:
                raise self._pending.error() from None
            if kind in (messages.CAST, messages.MESSAGE):
                raise PeerDown(f"{self._peer()} is going down") from None

    def _respond(self, ident: int, payload: Payload) -> None:
        assert self._link is not None
        self._request_handler.respond(self._link.sender, ident, payload)

    def timed_out(self, limit: float) -> CallTimeout:
        """Make the exception of a call without a reply; finds out where the peer is."""
        return CallTimeout(f"no answer from {self._peer()} within {limit:g} s", self._stacks())
