"""What `pytest_peer.here` shows in a peer and in the processes that the peer has started."""

from __future__ import annotations

import _socket
import functools
import itertools
import types
from collections import deque
from typing import Any, Iterator

from ...core.clock import sleep
from ...core.sync import Event
from . import children, codec, exceptions, messages
from .mailbox import Mailbox, Mailboxes
from .messages import Payload
from .unpatched import _thread, marshal, os, queue, select

#: Seconds until a peer that had no descriptors or threads left accepts the next connection.
_PAUSE = 0.05


class Here:
    """Mailboxes of the peer with that process id, and the way to those of the origin."""

    enqueue: Any = None  # set in the peer when the link is up
    relay: Any = None  # there sends the log record of a child
    exchange: Any  # there asks the origin
    visited: Any = None  # there answers a child whose call has come to a point

    def __init__(
        self, pid: int, name: str, by_value: str, call_timeout: float | None = None
    ) -> None:
        self.pid = pid
        self.name = name
        self.by_value = by_value
        self.call_timeout = call_timeout
        self.ids: Iterator[int] = itertools.count(1)
        self.mail: Event = Event()  # of all mailboxes
        self.mailboxes: Any = Mailboxes(
            lambda name, boxes: _PeerMailbox(name, boxes, self), lambda: self.call_timeout
        )
        self.origin: Any = types.SimpleNamespace(send=self._send)
        self.root: int = pid  # all that it has started is below this process
        self._siblings: Any = None

    @property
    def siblings(self) -> Any:
        """Return what `here` knows of the other peers; see `Siblings`."""
        if self._siblings is None:
            from .siblings import Siblings  # not at the top: most peers need none

            self._siblings = Siblings(self)
        return self._siblings

    def asking(self) -> Any:
        """Return how this process asks the origin."""
        from .asking import OfChild

        return OfChild(self.root)

    def _send(self, mailbox: str, message: object) -> None:
        """Put `message` into the origin's mailbox of that name."""
        try:
            packed = codec.pack(message, self.by_value, codec.big_buffers((message,)))
        except codec.CannotEncode as exc:
            error = exceptions.public("EncodeError", codec.CannotEncode)
            raise error("the message %s" % exc) from exc.__cause__
        data = messages.with_mailbox(mailbox, messages.snapshot(packed))
        if os.getpid() == self.pid:
            self.enqueue(messages.MESSAGE, next(self.ids), data, True)
        else:
            children.ask(self.root, messages.MESSAGE, data)

    def listen(self, parent_reaps: bool) -> None:
        """Serve the processes that the peer starts; not where the system has no such sockets.

        `parent_reaps` says whether its parent gets their orphans.
        """
        if parent_reaps:
            self.root = os.getppid()
        runs = _thread.allocate_lock()
        runs.acquire()
        try:
            listener = children.opened(_socket.AF_UNIX)
            listener.bind(children.address(self.root))
            listener.listen(128)
            _thread.start_new_thread(self._accept, (listener, runs))
            runs.acquire()  # a crash before has no stacks, see `LinkReader.start`
        except (OSError, RuntimeError):
            children.close_all()

    def _accept(self, listener: Any, runs: Any) -> None:
        runs.release()
        while True:
            sock = None
            try:
                sock = children.opened(fileno=listener._accept()[0])
                _thread.start_new_thread(self._serve, (sock,))
            except (OSError, RuntimeError):
                if sock is not None:
                    children.close(sock)  # the other end gets an error
                sleep(_PAUSE)
            self.mail.wake()  # who has waited for a message may have ended

    def _serve(self, sock: Any) -> None:
        try:
            if self.root not in children.lineage(children.other_end(sock)):
                return
            kind, payload = next(children.received(sock))
            if kind == messages.MESSAGE:
                self.enqueue(kind, next(self.ids), payload, True)
                children.send(sock, messages.RESPONSE, b"")
            elif kind == messages.RELAY:
                self.exchange.serve(sock, payload)
            elif kind == messages.RECORD:
                self.relay(payload)
                children.send(sock, messages.RESPONSE, b"")
            elif kind == messages.POINT:
                children.send(sock, messages.RESPONSE, self.visited(sock, payload))
            elif payload:
                name, what = marshal.loads(payload)
                if what == "close":
                    self.mailboxes[name].close()
                    children.send(sock, messages.RESPONSE, b"")
                else:
                    self.mailboxes[name].hand_over(sock, what)
            else:
                about = self.name, self.by_value, self.call_timeout, codec.PYTHON
                children.send(sock, messages.RESPONSE, marshal.dumps(about, 2))
        except Exception:
            pass  # it has ended, or is of another version; it gets no answer
        finally:
            children.close(sock)


class _PeerMailbox(Mailbox):
    def __init__(self, name: str, boxes: Mailboxes, here: Here) -> None:
        super().__init__(name, _rebuilt, boxes, here.mail)
        self._here = here
        # By a task that was cancelled, in the process with that number.
        self._kept: deque[tuple[int, Payload]] = deque()

    def _take(self, timeout: float | None) -> Any:
        if os.getpid() == self._here.pid:
            return super()._take(timeout)
        return self._of_answer(*self._ask(timeout))

    async def _atake(self, timeout: float | None) -> Any:
        if os.getpid() == self._here.pid:
            return await super()._atake(timeout)
        kept = self._of_this_process()
        if kept:
            return kept[0]
        from . import awaiting  # not at the top: most peers need none

        connection, arrival = children.Connection(self._here.root), awaiting.Arrival()

        def run() -> None:
            try:
                with connection as sock:
                    children.send(sock, messages.REQUEST, self._wanted(timeout))
                    arrival.bring(next(children.received(sock)))
            except OSError as exc:
                arrival.bring((None, exc))

        _thread.start_new_thread(run, ())
        try:
            await arrival.wait(iter([None]))
        except BaseException:
            connection.hang_up()
            arrival.keep(self._keep)
            raise
        return self._of_answer(*arrival.value)

    def close(self) -> None:
        if os.getpid() == self._here.pid:
            super().close()
        else:
            children.ask(self._here.root, messages.REQUEST, self._wanted("close"))

    def _ask(self, what: Any) -> tuple[Any, Any]:
        kept = self._of_this_process()
        if kept:
            return messages.MESSAGE, kept[0]
        return children.ask(self._here.root, messages.REQUEST, self._wanted(what))

    def _wanted(self, what: Any) -> bytes:
        return marshal.dumps((self.name, what), 2)

    def _keep(self, answer: tuple[Any, Any]) -> None:
        if answer[0] == messages.MESSAGE:
            self._kept.append((os.getpid(), answer[1]))

    def _of_this_process(self) -> list[Payload]:
        """Take the oldest that was kept here."""
        found = [each for each in list(self._kept) if each[0] == os.getpid()][:1]
        for each in found:
            self._kept.remove(each)
        return [payload for _, payload in found]

    def _of_answer(self, kind: Any, payload: Any) -> Any:
        if kind == messages.MESSAGE:
            return payload
        if kind is None:
            raise payload
        self.closed, hints = marshal.loads(payload)
        raise self._end(hints) if self.closed else queue.Empty(hints)

    def __repr__(self) -> str:
        return super().__repr__() if os.getpid() == self._here.pid else "<Mailbox %r>" % self.name

    def hand_over(self, sock: Any, timeout: float | None) -> None:
        """Send the oldest message to a process while it waits, or why there is none."""
        closed = select.poll()
        closed.register(sock.fileno(), 0)  # it always tells that the other end is closed
        taken: list[Payload] = []
        self._wait(lambda: bool(closed.poll(0)) or self._pop(taken) or self.closed, timeout)
        if not taken:
            answer = marshal.dumps((self.closed, self._hints()), 2)
            children.send(sock, messages.RESPONSE, answer)
        try:
            for payload in taken:
                children.send(sock, messages.MESSAGE, payload)
        except Exception:  # it has just ended
            self._payloads.extendleft(taken)
            self._mail.wake()


@functools.lru_cache(maxsize=None)
def found() -> Here:
    """Return what is here in a process that its peer has not forked."""
    # A process outside of this container is number 0: no peer of this one.
    for pid in filter(None, children.lineage(os.getpid())):
        try:
            _, about = children.ask(pid, messages.REQUEST, b"")
        except ConnectionRefusedError:
            continue
        name, by_value, call_timeout, python = marshal.loads(about)
        if python != codec.PYTHON:
            by_value = "code cannot travel by value from a Python that is not the peer's"
        return Here(pid, name, by_value, call_timeout)
    raise RuntimeError("pytest_peer.here works only in a peer, and in what it has started")


def _rebuilt(payload: Payload) -> Any:
    try:
        return codec.loads(payload)
    except Exception as exc:
        text = "the message cannot be rebuilt in the peer: %s: %s" % (type(exc).__name__, exc)
        raise exceptions.public("DecodeError", codec.CannotDecode)(text) from exc
