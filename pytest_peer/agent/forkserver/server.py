"""The fork server itself: it has started and imported everything, and forks a peer on request.

It has one thread and never runs code of the tests. It is the parent of all peers, also of those
that execute another program and share nothing with it. When one ends, the server kills what that
has started, reports to the origin, and keeps the zombie until the origin does not need its
process id any more. When the origin is gone, it kills everything and ends.

Forking and writing to a thousand pages for the first time takes longer than the rest of a boot,
so one child is made in advance: the *spare* waits for a request and becomes the peer.

Each request and each report is one marshalled tuple on a socket that keeps their boundaries. What
a peer is to have comes with a request: a file with a marshalled dictionary, then its descriptors.
"""

import contextlib
import fcntl
import gc
import importlib
import marshal
import os
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from ...launch import session
from .. import dispatch, main
from . import child_setup, prewarm
from .subreaper import Subreaper

#: Of one request: a file, three standard streams, the link's two, a control socket.
_MOST_DESCRIPTORS = 7
#: The longest message; none has a text of users but a report of failure.
_MOST_BYTES = 1 << 16
#: Seconds between the use of a spare and the fork of the next: first the peer boots.
_PAUSE = 0.0015


def serve(reader, fd, config):
    """Serve until the origin is gone. Returns only in a peer whose interpreter ends normally."""
    sys.path[:] = config["path"]
    reader.close()
    lifeline = config["lifeline"]
    for each in (fd, lifeline):
        os.set_inheritable(each, False)
    template = Template(socket.socket(fileno=fd), lifeline)
    name = ""
    try:
        _check_threads("sitecustomize, a .pth file or a debugger")
        # Rare collections, as imports make many lasting objects; what they set is kept.
        usual, *rest = gc.get_threshold()
        gc.set_threshold(100 * usual, *rest)
        for name in config["preload"]:
            _preload(name)
        with contextlib.suppress(Exception):  # it only saves time
            for number in range(prewarm.ROUNDS):
                prewarm.boot_and_call(number)
        if gc.get_threshold() == (100 * usual, *rest):
            gc.set_threshold(usual, *rest)
        dispatch.flush()  # else every peer would print again what an import has printed
        gc.collect()
        gc.freeze()  # a collection in a peer does not touch, and so copy, the shared pages
    except BaseException as exc:
        template.report("failed", str(exc)[: _MOST_BYTES // 8], name)
        os._exit(1)
    # From now on the end of the origin is noticed, and not the kernel but this ends all peers.
    fcntl.fcntl(lifeline, fcntl.F_SETFL, 0)
    try:
        template.loop()
    except Forked as exc:
        request, descriptors = exc.args
    except BaseException:
        sys.excepthook(*sys.exc_info())
        template.end(1)
    try:
        child_setup.become(request, descriptors[:3])
        if "argv" in request:
            inherited = [*descriptors[3:], template.lifeline]
            child_setup.execute(request["argv"], request["environ"], inherited, request["numbers"])
    except BaseException as exc:
        text = "cannot become a peer: %s: %s\n" % (type(exc).__name__, exc)
        os.write(2, text.encode("utf-8", "backslashreplace"))
        os._exit(1)
    read_fd, write_fd = descriptors[3:]
    main.run(os.fdopen(read_fd, "rb"), write_fd, request["config"])


def _preload(name):
    try:
        importlib.import_module(name)
    except BaseException as exc:
        raise RuntimeError("cannot import %s: %s: %s" % (name, type(exc).__name__, exc)) from exc
    advice = "; take it out of peer_preload, or have it start none (numpy: OPENBLAS_NUM_THREADS=1)"
    _check_threads("the import of %s" % name, advice)


def _check_threads(what, advice=""):
    if len(os.listdir("/proc/self/task")) > 1:
        text = "%s started a thread, and a process with threads cannot be forked%s"
        raise RuntimeError(text % (what, advice))


class Forked(BaseException):
    """Raised in a peer, to leave the loop, with its request and its descriptors."""


class Template:
    """The event loop: requests of the origin, ends of peers."""

    def __init__(self, origin, lifeline):
        session.prctl(session.SUBREAPER, 1)
        self._origin = origin
        self._poll = select.epoll()
        self._poll.register(origin, select.EPOLLIN)
        # Usually the connection ends with the origin. Not if C code has forked the origin, which
        # runs none of Python's fork hooks.
        self._parent = -1
        with contextlib.suppress(OSError):  # it is outside this container
            self._parent = os.pidfd_open(os.getppid())
            self._poll.register(self._parent, select.EPOLLIN)
        self._set_title = child_setup.title_setter()
        self._pid = os.getpid()
        self._spare: Any = None  # (socket, process descriptor, pid)
        # Whether a spare may be made: once for each peer, so that spares which die are not made
        # again and again.
        self._may_prepare = True
        #: In a peer: its own descriptor.
        self.lifeline = lifeline
        # The origin may have been started with SIGCHLD ignored. Then the kernel would reap our
        # children.
        self._sigchld = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def report(self, *message):
        try:
            self._origin.send(marshal.dumps(message))
        except OSError:
            self.end(0)  # the origin is gone

    def loop(self) -> NoReturn:
        """Serve for ever. `Forked` is raised in a peer."""
        self._subreaper = Subreaper(self._poll, lambda *end: self.report("ended", *end))
        self.report("ready")
        while True:
            if self._spare is None and self._may_prepare and not self._poll.poll(_PAUSE, 1):
                self._may_prepare = False
                with contextlib.suppress(OSError):
                    self._make_spare()  # with no processes left, the next request says so
            for fd, _ in self._poll.poll(self._subreaper.tidy()):
                if fd == self._parent:
                    self.end(0)
                elif fd == self._origin.fileno():
                    self._serve()
                else:
                    if self._spare is not None and fd == self._spare[1]:
                        self._spare[0].close()
                        self._spare = None
                    self._subreaper.ended(fd)

    def _serve(self):
        data, descriptors = receive(self._origin)
        if not data:
            self.end(0)
        what, number, *rest = marshal.loads(data)
        if what == "reap":
            self._subreaper.release(number)
            self.report("reaped", number)
            return
        try:
            if len(descriptors) != rest[0]:
                raise OSError("no descriptors left; raise RLIMIT_NOFILE (ulimit -n)")
            self._fork(number, data, descriptors)
        except OSError as exc:
            self.report("refused", number, "cannot fork: %s" % exc)
        finally:  # also in a peer that is forked now, which gets them from the spare's socket
            for fd in descriptors:
                os.close(fd)

    def _fork(self, number, data, descriptors):
        if self._spare is None:
            self._make_spare()
        connection, fd, pid = self._spare
        self._spare, self._may_prepare = None, True
        self._subreaper.peers[fd][0] = number
        self.report("forked", number, pid)
        with connection, contextlib.suppress(OSError):  # it has died, which is reported
            socket.send_fds(connection, [data], descriptors)

    def _make_spare(self):
        """Fork. `Forked` is raised in the child, when it has got a request."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs, contextlib.ExitStack() as unless_made:
            unless_made.enter_context(ours)  # whose end ends the child
            pid = os.fork()
            if pid == 0:
                try:
                    ours.close()
                    request = self._wait_for_request(theirs)
                except BaseException:
                    os._exit(1)  # the code around this is the template's
                raise Forked(*request)
            self._spare = ours, self._subreaper.add(pid), pid
            unless_made.pop_all()

    def _wait_for_request(self, connection):
        # Closed as objects: their finalizers would close the numbers again, which may be those of
        # other files then.
        self._poll.close()
        self._origin.close()
        if self._parent >= 0:
            os.close(self._parent)
        for fd in self._subreaper.peers:
            os.close(fd)
        self._set_title("pytest-peer-spare")
        self.lifeline = child_setup.begin(self._pid, self.lifeline)
        signal.signal(signal.SIGCHLD, self._sigchld)
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if not poll.poll(0):  # else it is needed at once
            with contextlib.suppress(Exception):  # it only saves time
                prewarm.boot_and_call(1)
                gc.collect()  # now, and not during a call of the user's
        data, received = receive(connection)
        if not data:
            os._exit(0)  # the template has ended
        connection.close()
        file, *descriptors = received
        request = marshal.loads(os.pread(file, os.fstat(file).st_size, 0))
        os.close(file)
        self._set_title(request["node"])
        sys.orig_argv[-1] = request["node"]
        return request, descriptors

    def end(self, status) -> NoReturn:
        """End with all peers and everything that they have started."""
        session.kill_below()
        os._exit(status)


def receive(connection):
    """Return a message, which is empty at the end, and the descriptors that came with it."""
    data, descriptors, _, _ = socket.recv_fds(connection, _MOST_BYTES, _MOST_DESCRIPTORS)
    for fd in descriptors:
        os.set_inheritable(fd, False)  # `recv_fds` ignores a flag for it
    return data, descriptors
