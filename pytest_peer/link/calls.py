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
    """One side of a conversation. What is said before the link is open waits for it; after its end all fails.

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
        #: Set when the agent listens, or will never.
        self.ready: Event = Event()
        self._lock = threading.RLock()
        self._pending = PendingCalls()
        self._link: Link | None = None
        self._opening: Link | None = None
        # What turned out not to be sendable when the peer had booted; the next who says something is told.
        self._late: PeerError | None = None
        self._by_value = ""
        self._request_handler: RequestHandler
        self._backlog: deque[Callable[[], object]] = deque()

    def open(self, link: Link, interpreter: Interpreter) -> None:
        """The peer listens: say what has waited, in order.

        :param interpreter: the peer's.
        """
        self._by_value = interpreter.by_value
        self._request_handler = RequestHandler(interpreter)
        while True:
            with self._lock:
                if not self._backlog:
                    self._link = link
                    return
                speak = self._backlog.popleft()
            self._opening = link
            try:
                speak()
            except PeerError as exc:  # it may not spoil the boot
                self._late = exc

    def end(self, error: Callable[[], PeerDown]) -> None:
        """The peer is down: what is pending fails now, what comes later when it is said."""
        with self._lock:
            self._pending.error = error
            self._backlog.clear()
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
        link = self._link
        if link is None:  # booting
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

        def encoded() -> Payload:
            return snapshot(encode_call(fn, args, kwargs, self._by_value))

        def failed(exc: Exception) -> None:
            if self._pending.take(ident) is not None:
                future.set_exception(exc)

        def speak() -> None:
            with self._lock:
                if self._pending.error is not None:
                    return  # `end` tells the future
                if not future.set_running_or_notify_cancel():
                    self.drop(future)
                    return
            try:
                self._post(messages.CALL, ident, self._again(first, encoded))
            except PeerDown:
                pass  # `end` tells the future
            except Exception as exc:
                failed(exc)

        try:
            self._pending.add(ident, future)
            try:
                first = encoded()
            except Exception as exc:
                failed(exc)
            else:
                self._say(speak)
        except BaseException:  # `wait_pending` is not to wait for what an interrupt left unsaid
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
        self._say_encoded(
            messages.CAST, lambda: snapshot(encode_call(fn, args, kwargs, self._by_value))
        )

    def send(self, mailbox: str, message: object) -> None:
        """Put `message` into a mailbox of the peer.

        :raises EncodeError: it cannot be sent.
        :raises PeerDown: the peer has ended.
        """
        if not isinstance(mailbox, str):
            raise TypeError(f"mailbox: expected a name, got {mailbox!r}")
        self._say_encoded(
            messages.MESSAGE,
            lambda: with_mailbox(mailbox, encode(message, self._by_value, "the message")),
        )

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
            link = self._link or self._opening
            assert link is not None
            return decoded_text(link.wait(waiting, ident, seconds)[1])
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

    def _say(self, speak: Callable[[], object]) -> None:
        with self._lock:
            if self._pending.error is not None:
                raise self._pending.error()
            if self._link is None:
                self._backlog.append(speak)
                return
            late, self._late = self._late, None
        if late is not None:
            raise late
        speak()

    def _say_encoded(self, kind: int, payload: Callable[[], Payload]) -> None:
        """What nobody waits for is encoded at once, for the caller to learn that it cannot be sent."""
        encoded = payload()

        def speak() -> None:
            self._post(kind, self._pending.number(), self._again(encoded, payload), True)

        self._say(speak)

    def _again(self, encoded: Payload, encode: Callable[[], Payload]) -> Payload:
        # While the peer booted nobody knew whether code can go to it by value.
        return encode() if self._by_value and self._link is None else encoded

    def _post(self, kind: int, ident: int, payload: Payload, in_order: bool = False) -> None:
        link = self._link or self._opening
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
        if (link := self._link or self._opening) is not None:  # nobody asks who was told nothing
            self._request_handler.respond(link.sender, ident, payload)

    def timed_out(self, limit: float) -> CallTimeout:
        """What a call raises that was not answered in time; looks where the peer is."""
        return CallTimeout(f"no answer from {self._whom()} within {limit:g} s", self._stacks())
