"""Named queues of messages on either side of the link, and all that `here` shows in a peer.

The processes that a peer has started ask it for their part, each time by a new connection, which a
forked child closes. It listens on a socket that is no file. In the name is its process id, or its
parent's if that gets its orphans (see `agent.forkserver.reaper`): they find it among their parents
and the leaders of their sessions. The kernel says who is at the other end.
"""

from __future__ import annotations

import _socket
import functools
import itertools
import struct
import sys
import types
from collections import deque
from io import FileIO
from typing import Any, Callable, Dict, Iterator

from ...core.clock import Periods, sleep
from ...core.sync import Event
from . import codec, framing, messages
from .messages import Payload
from .receiver import FrameReceiver
from .sender import Transmission
from .unpatched import _thread, marshal, os, queue, select

#: Seconds until a peer that had no descriptors or threads left accepts the next connection.
_PAUSE = 0.05
#: Only between the same two does code travel by value.
_PYTHON = (sys.implementation.name, *sys.version_info[:2])
#: Sockets of this process that are open; a copy in a forked child would hide its end.
_sockets: set[Any] = set()


class Mailbox:
    """Messages in the order in which they were sent; a message that comes early waits here."""

    def __init__(
        self, name: str, decode: Callable[[Payload], Any], boxes: Mailboxes, mail: Event
    ) -> None:
        self.name = name
        self._decode = decode
        self._boxes = boxes
        self._payloads: deque[Payload] = deque()
        self._mail = mail  # is woken when a message has come

    def deliver(self, payload: Payload) -> None:
        """Put an encoded message in; `get` decodes it."""
        self._payloads.append(payload)
        self._mail.wake()

    def get(self, timeout: float | None = None) -> Any:
        """Take the oldest message out.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: no message came in time.
        :raises PeerDown: in the test, when all peers that could send one are down.
        :raises OSError: in a process that a peer has started, when the peer is down.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout: seconds must not be negative or NaN, got %r" % (timeout,))
        try:
            payload = self._take(timeout)
        except queue.Empty as hints:
            text = "no message in mailbox %r within %s s%s" % (self.name, timeout, hints)
            raise TimeoutError(text) from None
        return self._decode(payload)

    def _take(self, timeout: float | None) -> Payload:
        taken: list[Payload] = []
        if not self._wait(lambda: self._pop(taken), timeout):
            raise queue.Empty(self._hints())
        return taken[0]

    def _wait(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        wait = functools.partial(self._mail.wait_for, reached)
        return any(map(wait, Periods(timeout, bool)))

    def _pop(self, taken: list[Payload]) -> bool:
        """Move the oldest message to `taken`, once; return whether it is there."""
        if not taken and self._payloads:
            try:
                taken.append(self._payloads.popleft())
            except IndexError:
                pass  # another thread was faster
        return bool(taken)

    def _hints(self) -> str:
        """Return what else a reader of the error should know: perhaps a name was misspelt."""
        holding = [box.name for box in list(self._boxes.values()) if box._payloads]
        return "; there are messages in %s" % ", ".join(map(repr, holding)) if holding else ""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.get()

    def __repr__(self) -> str:
        return "<Mailbox %r, %d waiting>" % (self.name, len(self._payloads))

    def __reduce__(self) -> Any:
        raise TypeError("a mailbox cannot be sent to another process; send its name")


class Mailboxes(Dict[str, Mailbox]):
    """All mailboxes of one owner; each is created when it is first named."""

    def __init__(self, make: Callable[[str, Mailboxes], Mailbox]) -> None:
        self._make = make

    def __missing__(self, name: str) -> Mailbox:
        if not isinstance(name, str):
            raise TypeError("mailbox: expected a name, got %r" % (name,))
        return self.setdefault(name, self._make(name, self))


class Here:
    """Mailboxes of the peer with that process id, and the way to those of the origin."""

    enqueue: Any = None  # set in the peer when the link is up
    relay: Any = None  # there sends the log record of a child
    visited: Any = None  # there answers a child whose call has come to a point

    def __init__(self, pid: int, name: str, by_value: str) -> None:
        self.pid = pid
        self.name = name
        self.by_value = by_value
        self.ids: Iterator[int] = itertools.count(1)
        self.mail: Event = Event()  # of all mailboxes
        self.mailboxes: Any = Mailboxes(lambda name, boxes: _PeerMailbox(name, boxes, self))
        self.origin: Any = types.SimpleNamespace(send=self._send)
        self.root: int = pid  # all that it has started is below this process

    def _send(self, mailbox: str, message: object) -> None:
        """Put `message` into the origin's mailbox of that name."""
        try:
            packed = codec.pack(message, self.by_value, codec.big_buffers((message,)))
        except codec.CannotEncode as exc:
            error = public("EncodeError", codec.CannotEncode)
            raise error("the message %s" % exc) from exc.__cause__
        data = messages.with_mailbox(mailbox, messages.snapshot(packed))
        if os.getpid() == self.pid:
            self.enqueue(messages.MESSAGE, next(self.ids), data, True)
        else:
            ask(self.root, messages.MESSAGE, data)

    def listen(self, parent_reaps: bool) -> None:
        """Serve the processes that the peer starts; not where the system has no such sockets.

        `parent_reaps` says whether its parent gets their orphans.
        """
        if parent_reaps:
            self.root = os.getppid()
        runs = _thread.allocate_lock()
        runs.acquire()
        try:
            listener = _opened(_socket.AF_UNIX)
            listener.bind(_address(self.root))
            listener.listen(128)
            _thread.start_new_thread(self._accept, (listener, runs))
            runs.acquire()  # a crash before has no stacks, see `LinkReader.start`
        except (OSError, RuntimeError):
            _close_all()

    def _accept(self, listener: Any, runs: Any) -> None:
        runs.release()
        while True:
            sock = None
            try:
                sock = _opened(fileno=listener._accept()[0])
                _thread.start_new_thread(self._serve, (sock,))
            except (OSError, RuntimeError):
                if sock is not None:
                    _close(sock)  # the other end gets an error
                sleep(_PAUSE)
            self.mail.wake()  # who has waited for a message may have ended

    def _serve(self, sock: Any) -> None:
        try:
            if self.root not in _lineage(_other_end(sock)):
                return
            kind, payload = _receive(sock)
            if kind == messages.MESSAGE:
                self.enqueue(kind, next(self.ids), payload, True)
                _send(sock, messages.RESPONSE, b"")
            elif kind == messages.RECORD:
                self.relay(payload)
                _send(sock, messages.RESPONSE, b"")
            elif kind == messages.POINT:
                _send(sock, messages.RESPONSE, self.visited(sock, payload))
            elif payload:
                name, timeout = marshal.loads(payload)
                self.mailboxes[name].hand_over(sock, timeout)
            else:
                about = self.name, self.by_value, _PYTHON
                _send(sock, messages.RESPONSE, marshal.dumps(about, 2))
        except Exception:
            pass  # it has ended, or is of another version; it gets no answer
        finally:
            _close(sock)


class _PeerMailbox(Mailbox):
    def __init__(self, name: str, boxes: Mailboxes, here: Here) -> None:
        super().__init__(name, _rebuilt, boxes, here.mail)
        self._here = here

    def _take(self, timeout: float | None) -> Any:
        if os.getpid() == self._here.pid:
            return super()._take(timeout)
        wanted = marshal.dumps((self.name, timeout and float(timeout)), 2)
        kind, payload = ask(self._here.root, messages.REQUEST, wanted)
        if kind == messages.RESPONSE:
            raise queue.Empty(marshal.loads(payload))
        return payload

    def __repr__(self) -> str:
        return super().__repr__() if os.getpid() == self._here.pid else "<Mailbox %r>" % self.name

    def hand_over(self, sock: Any, timeout: float | None) -> None:
        """Send the oldest message to a process while it waits, or why there is none."""
        closed = select.poll()
        closed.register(sock.fileno(), 0)  # it always tells that the other end is closed
        taken: list[Payload] = []
        if not self._wait(lambda: bool(closed.poll(0)) or self._pop(taken), timeout):
            _send(sock, messages.RESPONSE, marshal.dumps(self._hints(), 2))
        try:
            for payload in taken:
                _send(sock, messages.MESSAGE, payload)
        except Exception:  # it has just ended
            self._payloads.extendleft(taken)
            self._mail.wake()


@functools.lru_cache(maxsize=None)
def found() -> Here:
    """Return what is here in a process that its peer has not forked."""
    # A process outside of this container is number 0: no peer of this one.
    for pid in filter(None, _lineage(os.getpid())):
        try:
            _, about = ask(pid, messages.REQUEST, b"")
        except ConnectionRefusedError:
            continue
        name, by_value, python = marshal.loads(about)
        if python != _PYTHON:
            by_value = "code cannot travel by value from a Python that is not the peer's"
        return Here(pid, name, by_value)
    raise RuntimeError("pytest_peer.here works only in a peer, and in what it has started")


def _lineage(pid: int) -> Iterator[int]:
    """Yield a process, its parents, and the leaders of their sessions, the nearest first."""
    child = gone = 0
    while pid > 0 and pid != gone:
        try:
            with FileIO("/proc/%d/stat" % pid) as file:  # tests patch `open`
                _, parent, _, session, *_ = file.readall().rpartition(b")")[2].split()
        except OSError:
            pid, child, gone = child, 0, pid  # the child has got another parent then
            continue
        yield from (pid, int(session))
        pid, child = int(parent), pid


def ask(pid: int, kind: int, payload: Payload, limit: float = 0.0) -> tuple[int, Any]:
    """Return the kind and payload of the peer's answer, or raise OSError.

    :param limit: seconds for the connection and for each part of both; 0 is no limit.
    """
    sock = _opened(_socket.AF_UNIX)
    try:
        for option in (_socket.SO_SNDTIMEO, _socket.SO_RCVTIMEO) if limit else ():
            sock.setsockopt(_socket.SOL_SOCKET, option, struct.pack("ll", int(limit), 0))
        if sock.connect_ex(_address(pid)) or pid not in _lineage(_other_end(sock)):
            raise ConnectionRefusedError("the peer, process %d, is gone or out of reach" % pid)
        _send(sock, kind, payload)
        return _receive(sock)
    except (EOFError, BrokenPipeError, ConnectionResetError, FileNotFoundError) as exc:
        # The last where there is no Linux.
        raise ConnectionAbortedError("the peer gives this process no answer") from exc
    finally:
        _close(sock)


def _opened(*args: Any, **kwargs: Any) -> Any:
    sock = _socket.socket(*args, **kwargs)
    _sockets.add(sock)
    sock.settimeout(None)  # whatever `socket.setdefaulttimeout` says
    return sock


def _close(sock: Any) -> None:
    _sockets.discard(sock)
    sock.close()


def _close_all() -> None:
    while _sockets:
        _sockets.pop().close()


os.register_at_fork(after_in_child=_close_all)


def _address(pid: int) -> str:
    # Containers can share a network, and with it these names, but not the process ids.
    return "\0pytest-peer-%d-%d" % (os.stat("/proc/self/ns/pid").st_ino, pid)


def _other_end(sock: Any) -> Any:
    """Return the id of the process that has connected, or of the one that listens."""
    return sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED)  # its first member


def _send(sock: Any, kind: int, payload: Payload) -> None:
    message = Transmission(kind, 0, payload, True, None)
    while message.left:
        flag, part = message.next_item()
        for piece in (framing.head(kind, flag, 0, len(part)), part, framing.STOP):
            sock.sendall(piece, _socket.MSG_NOSIGNAL)


def _receive(sock: Any) -> tuple[int, Any]:
    got: list[tuple[int, Any]] = []
    receiver = FrameReceiver(sock.fileno(), lambda kind, _, payload: got.append((kind, payload)))
    while not got:
        receiver.pull()
    return got[0]


def public(name: str, otherwise: type[Exception]) -> Any:
    """Return our public error of that name, or `otherwise` if this package cannot be imported."""
    try:
        from pytest_peer.core import errors
    except ImportError:
        return otherwise
    return getattr(errors, name)


def _rebuilt(payload: Payload) -> Any:
    try:
        return codec.loads(payload)
    except Exception as exc:
        text = "the message cannot be rebuilt in the peer: %s: %s" % (type(exc).__name__, exc)
        raise public("DecodeError", codec.CannotDecode)(text) from exc
