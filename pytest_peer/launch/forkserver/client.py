"""The fork server's side at the origin: starts the template process, asks it for peers, hears of their ends.

One for every set of preloaded modules, started when first wanted, and ended with the origin. Its own death is survived: the
peers that it forked go down with it, and who starts one next gets a new server.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from ...core.clock import Thread
from ...core.clock import monotonic
from ...core.loop import watcher
from ...core.states import ExitStatus
from ...core.sync import Event
from ...core.unraisable import attempt
from .. import lifeline
from ..reaping import UNHEARD
from ..reaping import reap
from .child import ForkedChild
from .child import ForkError
from .complaints import ServerLog
from .inheritance import Inheritance
from .messages import Broken
from .messages import send
from .messages import whole

#: The last word of its command line. A peer writes its own name over it.
_TITLE = "pytest-peer-forkserver".ljust(100)
#: After a request that was not answered in time, before the server is taken for stuck.
_STUCK_SECONDS = 5.0
#: Before another try to send what nobody waits for.
_AGAIN_SECONDS = 0.01
#: For the server to end when its origin has closed the connection, before it is killed.
_END_SECONDS = 2.0


class ForkServer:
    """One template process and the connection with it.

    :param program: what to execute, given the number of the descriptor that the server inherits.
    :param code: what the program reads from it first, given the number of that of the lifeline.
    """

    def __init__(
        self, program: Callable[[int], Sequence[str]], code: Callable[[int], bytes]
    ) -> None:
        self._code = code
        #: What the server has, and so what a peer has that changes nothing.
        self.inheritance: Inheritance = Inheritance.now()
        #: Its first line: which interpreter it is.
        self.hello: bytes = b""
        #: Why it is of no use any more; empty while it is.
        self.dead: str = ""
        self._numbers = itertools.count(1)
        self._children: dict[int, ForkedChild] = {}  # until they are reaped
        self._lock = threading.Lock()  # of the register of children; held for a moment
        self._sending = threading.Lock()
        self._errands: deque[tuple[Any, ...]] = deque()  # that nobody waits for
        self._ready = Event()
        self._was_ready = False
        self._received = bytearray()
        self._lifeline = lifeline.open_end()
        self._socket, theirs = socket.socketpair()
        with theirs, lifeline.closing(self._lifeline):
            #: Its command line, less the last word, which a peer replaces by its name.
            self.argv: list[str] = list(program(theirs.fileno()))
            self._popen = subprocess.Popen(
                [*self.argv, _TITLE],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[fd for fd in (theirs.fileno(), self._lifeline) if fd >= 0],
                start_new_session=True,  # Ctrl-C in the terminal is for the origin
            )
        # As in a peer: a pipe, and nothing in it.
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._popen.stdin.close()
        try:
            self._complaints = ServerLog(self._popen.stdout)
            Thread(target=self._begin, name="pytest-peer-forkserver", daemon=True).start()
        except BaseException:  # nobody gets to know it, if a signal's handler has raised
            self._popen.kill()
            raise

    def _begin(self) -> None:
        """On a thread: the code may not fit into the socket before the other side reads."""
        try:
            self._socket.sendall(self._code(self._lifeline))
        except OSError:
            pass  # it has ended, and that is noticed below
        self._socket.setblocking(False)
        try:
            self._complaints.watch()
            watcher.add(self._socket.fileno(), self._readable)
        except (OSError, RuntimeError) as exc:  # no more descriptors, or threads
            self.dead = f"the fork server cannot be watched: {exc}"
            self._was_ready = True  # nothing is wrong with it: another one may do
            self.kill()
            self._bury()

    def wait_ready(self, limit: float) -> None:
        """Wait until it has started; after `limit` seconds, no more.

        :raises NotForked: it has not, or it died.
        """
        if not self._ready.wait(limit):
            raise ForkError(
                "the fork server is still starting" + self._complaints.told(), late=True
            )
        if self.dead:
            raise ForkError(self.dead, lost=self._was_ready)

    @property
    def unfit(self) -> bool:
        """Whether it could not start, and another one could not either."""
        return bool(self.dead) and not self._was_ready

    def fork(
        self,
        what: str,
        request: dict[str, Any],
        descriptors: Sequence[int],
        limit: float,
    ) -> ForkedChild:
        """Make a peer.

        :param what: ``"fork"``, or ``"execute"`` for one that is a program, ``"execute_unlinked"`` for one that connects, ``"relay"``
            for one with a control socket.
        :param request: for the agent's module `template`.
        :param descriptors: stdin, stdout, stderr, and the link's for reading and writing, as the peer has them, if it has.
        :param limit: seconds.
        :raises NotForked: it was not possible, or not in time.
        """
        deadline = monotonic() + limit
        with self._lock:
            if self.dead:
                raise ForkError(self.dead, lost=True)
            number = next(self._numbers)
            child = self._children[number] = ForkedChild(self, number)
        try:
            if not self._sending.acquire(timeout=max(0.0, limit)):
                raise TimeoutError
            try:
                self._say((what, number, request), descriptors, deadline)
            finally:
                self._sending.release()
        except TimeoutError:
            with self._lock:
                self._children.pop(number, None)
            raise ForkError("the fork server does not read", late=True) from None
        except OSError:
            pass  # it is dying, and the child is told
        self._send_errands()
        child.wait_born(deadline)
        return child

    def suspect(self, answered: Event) -> None:
        """It did not answer in time: if it does not for a good while, it is stuck, and killed with all its peers."""

        def judge() -> None:
            if not answered.is_set():
                self.kill()

        watcher.call_later(_STUCK_SECONDS, judge)

    def reap(self, number: int) -> None:
        """Let the server reap a child that has ended."""
        self._errands.append(("reap", number))
        self._send_errands()

    def signal(self, number: int, signal_number: int) -> None:
        """Let the server send a signal to the group of a child."""
        self._errands.append(("signal", number, int(signal_number)))
        # Not here, on the main thread perhaps: an interrupt must not keep the right to send.
        watcher.call_later(0, self._send_errands)

    def _send_errands(self) -> None:
        # On the watcher's thread, for which the server may be waiting itself: this waits for nobody, and comes back instead.
        while self._errands and self._sending.acquire(blocking=False):
            try:
                while self._errands:
                    # So short that it goes whole or not at all.
                    self._say(self._errands[0], (), monotonic())
                    self._errands.popleft()
            except TimeoutError:
                watcher.call_later(_AGAIN_SECONDS, self._send_errands)
                return
            except OSError:
                self._errands.clear()  # it is dying, and its dead are init's
            finally:
                self._sending.release()

    def _say(self, message: tuple[Any, ...], descriptors: Sequence[int], deadline: float) -> None:
        try:
            send(self._socket, message, descriptors, deadline)
        except Broken:
            self.kill()
            raise

    # On the watcher's thread

    def _readable(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            watcher.remove(self._socket.fileno())
            self._gone()
            return
        self._received += data
        if not self.hello:
            line, found, rest = bytes(self._received).partition(b"\n")
            if not found:
                return
            self.hello, self._received = line, bytearray(rest)
        for message in whole(self._received):
            self._told(*message)

    def _told(self, what: str, *rest: Any) -> None:
        if what == "ready":
            self._was_ready = True
            self._ready.set()
            return
        if what == "failed":
            self.dead = f"the fork server did not start: {rest[0]}"
            return  # it ends now
        child = self._children.get(rest[0])
        if child is None:
            return
        if what == "forked":
            child.answered(rest[1], "")
        elif what == "refused":
            del self._children[rest[0]]
            child.answered(-1, f"the fork server: {rest[1]}")
        elif what == "ended":
            child.end(ExitStatus.from_returncode(rest[1]))
        else:
            del self._children[rest[0]]
            child.gone()

    def _gone(self) -> None:
        try:
            Thread(target=self._bury, name="pytest-peer-forkserver", daemon=True).start()
        except RuntimeError:  # the interpreter is ending, or the system has no more threads for us
            self._bury()

    def _bury(self) -> None:
        how = "it closed the connection"
        try:
            how = str(reap(self._popen, _END_SECONDS) or UNHEARD)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            # A kernel may wait for something.
            with contextlib.suppress(subprocess.TimeoutExpired):
                reap(self._popen, _END_SECONDS)
        with self._lock:
            attempt(self._complaints.close)
            self.dead = (self.dead or f"the fork server died ({how})") + self._complaints.told()
            self._ready.set()
            children, self._children = list(self._children.values()), {}
        with self._sending:
            self._socket.close()
        for child in children:
            child.end(None, self.dead)
            child.answered(child.pid, self.dead)

    # Its end

    def kill(self) -> None:
        """Kill the template; its peers go down with it, and who starts one from now on gets another server."""
        with self._lock:
            self.dead = self.dead or "the fork server was killed, because it did not answer"
        with contextlib.suppress(ProcessLookupError):
            self._popen.kill()

    def close(self) -> None:
        """End it; for the end of the origin, when it has no peers any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            reap(self._popen, _END_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                reap(self._popen, _END_SECONDS)

    def disown(self) -> None:
        """In a forked child: the server is the parent's, and must not live on for a connection that is open here."""
        self.dead = "the fork server belongs to the process that this one was forked from"
        self._popen.returncode = 0  # else its finalizer would complain of a process that still runs
        self._socket.close()
        self._complaints.disown()
