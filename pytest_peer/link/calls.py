"""The origin's side of the link: calls and their replies, casts, messages."""

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import wait
from functools import partial
from typing import Any

from ..core.clock import Periods, monotonic
from ..core.errors import CallTimeout, PeerDown, PeerError, StillBooting
from ..core.loop import loop
from .agent import Agent
from .futures import PeerFuture, Reply, outcome
from .gate import Gate
from .gateway import Link
from .interpreter import Interpreter
from .log_levels import LevelFeed, NoRecords, RecordSink
from .pickling import Function, decode, encode, encode_call
from .protocol import messages
from .protocol.mailbox import Mailboxes
from .protocol.messages import MultipartMessage, Payload, snapshot, split_mailbox, with_mailbox
from .protocol.sender import WouldWait
from .reader import ReplyWaiter
from .relayed import Request
from .requests import RequestHandler
from .soft_assertions import collected
from .unhandled import Unhandled

_INTERRUPTED = (
    "a finalizer or signal handler makes a call on the thread that would send it or read the reply; "
    "use `cast` or `submit`"
)


class RpcClient:
    """The origin's side of the link: everything waits for the boot, and fails after the end.

    It takes no lock, for the reason that `Gate` has.

    All that sends raises `PeerDown` when the peer has ended, and `EncodeError` for what cannot be
    sent. When a call times out, `held` tells whether a debugger holds the peer, so that it goes on,
    and `stacks` where the peer's threads are.
    """

    def __init__(
        self,
        whom: Callable[[], str],
        mailboxes: Mailboxes,
        stacks: Callable[[], str],
        held: Callable[[], bool],
    ) -> None:
        self._whom = whom
        self._stacks = stacks
        self._held = held
        self._mailboxes = mailboxes
        #: The failures that nobody has seen; a supervisor has them.
        self.unhandled: Unhandled = Unhandled()
        #: Waits until a call is blocked; a life does.
        self.wait_blocked: Callable[[PeerFuture, float | None], Any] = lambda *_: None
        #: Takes its log records, and what tells it of their levels.
        self.logs: RecordSink = NoRecords()
        self.levels: LevelFeed = LevelFeed()
        #: Takes what debuggers in the peer say; a supervisor does. It neither sends nor waits.
        self.debugged: Callable[[RpcClient, Payload], object] = lambda _client, _payload: None
        self.agent: Agent = Agent(self)
        #: Called when the peer is down; none of them waits.
        self.at_end: list[Callable[[], object]] = []
        #: Takes what the peer asks to be done; a supervisor does. It neither waits nor raises.
        self.relay: Callable[[RpcClient, int, int, Payload], object] = lambda *_: None
        #: Set when the agent listens, or never will.
        self.ready: Gate = Gate()
        #: Set when everything may be sent, or never will be.
        self.opened: Gate = Gate()
        # Makes the exception of a call after the end; `None` before.
        self._error: Callable[[], PeerDown] | None = None
        #: Gives a message its number.
        self.number: Callable[[], int] = itertools.count(1).__next__
        #: The calls without a reply, by their numbers; the reply of one that is removed is dropped.
        self.pending: dict[int, PeerFuture | ReplyWaiter | Request] = {}
        self._link: Link | None = None
        #: Why code cannot travel by value to it; and its Python, as `code_refusal` compares it.
        self.by_value: str = ""
        self.python: tuple[str, int, int] = ("", 0, 0)
        self._request_handler: RequestHandler

    def attach(self, link: Link, interpreter: Interpreter) -> None:
        """Use this link, before it listens, to a peer with that interpreter."""
        self.by_value, self.python = interpreter.by_value, interpreter.python
        self._request_handler = RequestHandler(interpreter)
        self._link = link
        self.levels.open(partial(self.enqueue, messages.LEVELS, 0))

    def open(self) -> None:
        """Send the calls that were submitted meanwhile, in order: the agent listens."""
        self.opened.set()

    def end(self, error: Callable[[], PeerDown]) -> None:
        """Let all pending calls fail with `error`, and from now on all others: the peer is down."""
        self._error = error
        self.opened.set()
        self.ready.set()
        for each in self.at_end:
            each()
        for ident in list(self.pending):
            call = self.pending.pop(ident, None)  # the reader may have removed it
            if call is not None:
                call.fail(error())

    def call(
        self,
        fn: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None,
        in_boot: bool = False,
    ) -> Any:
        """Call `fn` in the peer, wait for the value or raise the exception.

        :param timeout: seconds, ``None`` for no limit.
        :param in_boot: call it before everything that waits for `open`.
        :raises CallTimeout: no reply in time; a late reply is dropped.
        """
        left = timeout
        try:
            if not (in_boot or self.opened.is_set()):
                begin = monotonic()
                self._wait_open(timeout)
                if timeout:
                    left = begin + timeout - monotonic()
                    if left <= 0:  # a debugger has held the boot: the limit begins anew
                        left = timeout
            call = encode_call(fn, args, kwargs, self.by_value)
            (kind, reply), warnings = self.ask(messages.CALL, call, left)
        except TimeoutError as late:
            if late.args or timeout is None:  # not ours, but a signal handler's
                raise
            raise self._make_timeout_error(timeout) from None
        if self.logs.behind:
            self.logs.catch_up()
        if kind == messages.RESULT and warnings is None and not collected:
            return decode(reply)  # what `outcome` would do, without its cost
        result, exc = outcome(self._whom, kind, reply, warnings)
        if exc is None:
            return result
        try:
            raise exc
        finally:
            del exc  # a cycle through this frame would keep the test's local variables alive

    def submit(self, fn: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PeerFuture:
        """Call `fn` without waiting; an `EncodeError` is the future's exception."""
        future = PeerFuture(self._whom, self._make_timeout_error, self._held)
        future.unhandled = self.unhandled
        ident = future.ident = self.number()
        future.until_blocked = self.wait_blocked
        future.cancel_in_peer = partial(self.cancel, ident)

        def send() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                self.expect(ident, future)
                call = snapshot(encode_call(fn, args, kwargs, self.by_value))
                with contextlib.suppress(PeerDown):  # `end` sets the future's exception
                    self.enqueue(messages.CALL, ident, call)
            except BaseException as exc:  # `wait_pending` must not wait for what was not sent
                waits = self.pending.pop(ident, None) is not None
                if isinstance(exc, PeerDown) or not isinstance(exc, Exception):
                    raise
                if waits:
                    future.lost(exc)
                    future.set_exception(exc)

        self.opened.after(future, send)
        return future

    def cancel(self, ident: int) -> None:
        """Cancel the coroutine of a call, if it has one."""
        with contextlib.suppress(PeerDown):
            self.enqueue(messages.CANCEL, ident, b"")

    def cast(self, fn: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Call `fn` in the peer without a reply; waits for the boot."""
        self._wait_open(None)
        call = snapshot(encode_call(fn, args, kwargs, self.by_value))
        self.enqueue(messages.CAST, self.number(), call, True)

    def send(self, mailbox: str, message: object) -> None:
        """Put `message` into a mailbox of the peer; waits for the agent, whose `setup` may wait."""
        self._wait_open(None, self.ready)
        payload = with_mailbox(mailbox, encode(message, self.by_value, "the message"))
        self.enqueue(messages.MESSAGE, self.number(), payload, True)

    def let_others_read(self) -> None:
        """Read no more in the main thread, which a signal handler is about to keep."""
        if self._link is not None:
            self._link.reader.leave()

    def ask(
        self, kind: int, payload: Payload, timeout: float | None
    ) -> tuple[Reply, list[Payload] | None]:
        """Send a message, and return its reply and the warnings before; or raise TimeoutError."""
        waiter = ReplyWaiter()
        ident = self.number()  # before `expect`: an interrupt leaves nothing there
        try:
            self.expect(ident, waiter)
            if self._link is None or not self.ready.is_set():
                raise StillBooting(f"{self._whom()} is still booting")
            if loop.runs_here():
                raise PeerError(_INTERRUPTED)
            try:
                self.enqueue(kind, ident, payload, awaited=True)
            except WouldWait:
                raise PeerError(_INTERRUPTED) from None
            if timeout == 0:
                raise TimeoutError  # at once, however fast the peer is
            for limit in Periods(timeout, self._held) if kind == messages.CALL else (timeout,):
                try:
                    reply = self._link.reader.wait(waiter, ident, limit)
                    self.agent.replied(ident)  # the main thread has read it itself, perhaps
                    return reply, waiter.warnings
                except TimeoutError as late:
                    if late.args:  # not ours, but a signal handler's
                        raise
            raise TimeoutError
        finally:
            self.pending.pop(ident, None)
            if isinstance(payload, MultipartMessage) and self._link is not None:
                # The caller may change what is not yet sent.
                self._link.sender.snapshot(kind, ident)

    def received(self, kind: int, ident: int, payload: Payload) -> None:
        """Handle a message. The reader calls this, so it neither sends nor waits nor raises."""
        if kind == messages.RESULT:  # first: it comes most often
            self._replied(ident, (kind, payload))
        elif kind == messages.READY:
            self.agent.measures = bool(payload)
            self.ready.set()
        elif kind == messages.REQUEST:
            assert self._link is not None
            self._request_handler.accept(self._link.sender, ident, payload)
        elif kind == messages.MESSAGE:
            name, payload = split_mailbox(payload)
            self._after_logs(partial(self._mailboxes[name].deliver, payload))
        elif kind == messages.RECORD:
            assert isinstance(payload, bytes)
            self.logs.add(payload)
        elif kind == messages.FAILURE:
            assert isinstance(payload, bytes)
            text = f"{self._whom()}: {payload.decode()}"
            if ident or not self.unhandled.closing:
                self.unhandled.add(lambda: text)
        elif kind == messages.DEBUG:
            self.debugged(self, payload)
        elif kind in (messages.RELAY, messages.CANCEL):
            self.relay(self, kind, ident, payload)
        elif kind == messages.WARNING:
            call = self.pending.get(ident)
            if call is not None:
                call.warnings = [*(call.warnings or ()), payload]
        else:
            self._replied(ident, (kind, payload))

    def _replied(self, ident: int, reply: Reply) -> None:
        self.agent.replied(ident)
        if self.logs.behind and isinstance(self.pending.get(ident), (PeerFuture, Request)):
            self.logs.after(partial(self._settle, ident, reply))
        else:  # a caller that waits handles the records
            self._settle(ident, reply)

    def _settle(self, ident: int, reply: Reply) -> None:
        call = self.pending.pop(ident, None)
        if call is not None:  # else it has timed out
            call.deliver(reply)

    def _after_logs(self, deliver: Callable[[], object]) -> None:
        """Deliver what comes after log records when these are handled."""
        if self.logs.behind:
            self.logs.after(deliver)
        else:
            deliver()

    def is_quiet(self) -> bool:
        """Return whether nothing is on its way in either direction, or waits to be."""
        link = self._link
        if link is None:
            return True
        # In the order of the way that a request and its answer take: one that moves on meanwhile
        # is seen at its next place.
        handled = link.has_handled_all() and not self._request_handler.asked
        return handled and link.has_sent_all()

    def wait_pending(self) -> None:
        """Wait until all submitted calls are settled."""
        if self.opened.waiting or self._link is not None:
            self.opened.wait()
        submitted = [each for each in list(self.pending.values()) if isinstance(each, PeerFuture)]
        wait([each for each in submitted if not each.abandoned])

    def _wait_open(self, timeout: float | None, opened: Gate | None = None) -> None:
        opened = opened or self.opened
        if not opened.is_set():
            if loop.runs_here():
                raise PeerError(f"{self._whom()} is booting; this finalizer must not wait for it")
            if not any(map(opened.wait, Periods(timeout, self._held))):
                raise TimeoutError
        self.check_up()

    def check_up(self) -> None:
        """Raise `PeerDown` if the peer has ended."""
        if self._error is not None:
            raise self._error()

    def expect(self, ident: int, call: PeerFuture | ReplyWaiter | Request) -> None:
        """Let `call` have the reply to the message of that number."""
        self.pending[ident] = call  # the callers remove it
        self.check_up()

    def enqueue(
        self,
        kind: int,
        ident: int,
        payload: Payload,
        in_order: bool = False,
        awaited: bool = False,
    ) -> None:
        """Send a message; see `MessageSender.enqueue`. The end of the link is that of the peer."""
        assert self._link is not None
        sender = self._link.sender
        try:
            if kind in (messages.CALL, messages.CAST):
                self.agent.sends(kind, ident)
            if kind in messages.WITH_CODE:
                self._request_handler.send_updates(sender)
                if self.agent.measures:
                    self.agent.send_context()
            sender.enqueue(kind, ident, payload, in_order, awaited=awaited)
        except OSError as exc:
            if isinstance(exc, TimeoutError) and exc.errno is None:
                raise  # a signal handler's
            # The link is closed. A thread is about to notice that, and lets a pending call fail.
            if self._error is not None:
                raise self._error() from None
            if kind in (messages.CAST, messages.MESSAGE):
                raise PeerDown(f"{self._whom()} is going down") from None

    def _make_timeout_error(self, limit: float) -> CallTimeout:
        return CallTimeout(f"no answer from {self._whom()} within {limit:g} s", self._stacks())
