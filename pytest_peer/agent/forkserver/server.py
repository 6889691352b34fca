"""The fork server itself: it has started and imported everything, and forks a peer on request.

It has one thread and never runs code of the tests. All peers are below it, also those that execute
another program and share nothing with it; between them and it is a `reaper` for each. When one has
ended, the server reports to the origin, and keeps the zombie until the origin does not need its
process id any more. When the origin is gone, it kills everything and ends.

Forking and writing to a thousand pages for the first time takes longer than the rest of a boot,
so one child is made in advance: the *spare* waits for a request and becomes the peer.

Each request and each report is one marshalled tuple on a socket that keeps their boundaries. What
a peer is to have comes with a request: a file with a marshalled dictionary, then its descriptors.
"""

import contextlib
import errno
import fcntl
import gc
import importlib
import marshal
import os
import resource
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from ...launch import session
from ...launch.session import PEER, USER_HOLDER
from .. import dispatch, main
from . import child_setup, prewarm, reaper

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
        if request["failure"] is not None:
            raise request["failure"]
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
        self._spares: Any = {}  # kind: (socket, `reaper.Child`)
        self._coming: Any = None  # the socket and kind of a spare that the zygote is making
        self._waiting: list[Any] = []  # requests for which there is no spare yet
        # The kinds of which a spare is made in advance: once for each peer, so that spares which die
        # are not made again and again.
        self._wanted = [PEER]
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
        on_end = lambda *end: self.report("ended", *end)  # noqa: E731
        self._zygote = self._make_zygote()
        self._poll.register(self._zygote, select.EPOLLIN)
        # This holds two for each peer, and the origin may raise its own limit later. The zygote,
        # and so peers, keep the limit.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._children = reaper.Children(self._poll, on_end)
        self._wake = os.pipe()
        for fd in self._wake:
            os.set_blocking(fd, False)
        self._poll.register(self._wake[0], select.EPOLLIN)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The origin may have been started with it blocked, too.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        self.report("ready")
        while True:
            if self._wanted and self._coming is None and not self._poll.poll(_PAUSE, 1):
                with contextlib.suppress(OSError):  # the next request says so
                    self._have_spare_made(self._wanted[0])
            for fd, _ in self._poll.poll(self._children.tidy()):
                if fd == self._parent:
                    self.end(0)
                elif fd == self._zygote.fileno():  # it has ended, and so all peers end
                    os.write(2, b"something has ended its zygote, which makes the peers\n")
                    self.end(1)
                elif fd == self._origin.fileno():
                    self._serve()
                elif fd == self._wake[0]:
                    os.read(fd, _MOST_BYTES)
                elif self._coming is not None and fd == self._coming[0].fileno():
                    self._receive_spare()
                else:
                    child = self._children.ended(fd)
                    for kind, (connection, spare) in list(self._spares.items()):
                        if child is spare:
                            connection.close()
                            del self._spares[kind]

    def _serve(self):
        data, descriptors = receive(self._origin)
        if not data:
            self.end(0)
        what, number, *rest = marshal.loads(data)
        if what == "reap":
            self._children.release(number)
            self.report("reaped", number)
            return
        if what == "prepare":
            self._want(rest[0])
            return
        count, kind = rest
        request = number, data, descriptors, kind
        if len(descriptors) == count:
            self._waiting.append(request)
            self._serve_waiting()
        else:
            self._refuse(request, "no descriptors left; raise RLIMIT_NOFILE (ulimit -n)")

    def _serve_waiting(self):
        """Give the spare to a request, or have one made for it, which this does not wait for."""
        while self._waiting and self._coming is None:
            kind = self._waiting[0][3]
            if kind not in self._spares:
                try:
                    self._have_spare_made(kind)
                except OSError as exc:
                    self._refuse(self._waiting.pop(0), exc)
                continue
            number, data, descriptors, _ = self._waiting.pop(0)
            connection, child = self._spares.pop(kind)
            self._want(kind)
            child.number = number
            self.report("forked", number, child.pid)
            with connection, contextlib.suppress(OSError):  # it has died, which is reported
                socket.send_fds(connection, [data], descriptors)
            for fd in descriptors:
                os.close(fd)

    def _refuse(self, request, why):
        number, _, descriptors, _ = request
        self.report("refused", number, "cannot fork: %s" % why)
        for fd in descriptors:
            os.close(fd)

    def _want(self, kind):
        if kind not in self._wanted and kind not in self._spares:
            self._wanted.append(kind)

    def _have_spare_made(self, kind):
        if kind in self._wanted:
            self._wanted.remove(kind)
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs, contextlib.suppress(OSError):  # the zygote has ended, and so everything does
            socket.send_fds(self._zygote, [kind.encode()], [theirs.fileno()])
        self._poll.register(ours, select.EPOLLIN)
        self._coming = ours, kind

    def _receive_spare(self):
        (connection, kind), self._coming = self._coming, None
        self._poll.unregister(connection)
        try:
            parent, pid = map(int, connection.recv(_MOST_BYTES).split() or (0, -errno.ECHILD))
            if pid < 0:  # the last: somebody has killed the reaper
                raise OSError(-pid, os.strerror(-pid))
            self._spares[kind] = connection, self._children.add(parent, pid)
        except OSError as exc:
            connection.close()  # whose end ends the spare, and so the reaper
            if self._waiting:
                self._refuse(self._waiting.pop(0), exc)
        self._serve_waiting()

    def _make_zygote(self):
        """Fork it, and return a socket for it. `Forked` is raised in all peers."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            try:
                # As objects: their finalizers would close the numbers again, which may be those of
                # other files then.
                for each in (ours, self._poll, self._origin):
                    each.close()
                if self._parent >= 0:
                    os.close(self._parent)
                request = self._wait_for_request(
                    *reaper.fork_reapers(self._pid, theirs, self.lifeline, self._set_title)
                )
            except BaseException:
                os._exit(1)  # the code around this is the server's
            raise Forked(*request)
        theirs.close()
        return ours

    def _wait_for_request(self, kind, connection, parent, blocked):
        self._set_title("pytest-peer-spare")
        self.lifeline = child_setup.begin(parent, self.lifeline)
        signal.signal(signal.SIGCHLD, self._sigchld)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        failure = None
        if kind != PEER:
            try:
                child_setup.be_holder(kind == USER_HOLDER)
            except Exception as exc:
                failure = exc
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
        request["failure"] = failure
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
