"""The fork server's side over there: a process that has started and imported everything, and forks a peer on request.

It has one thread, runs nothing of the tests, and is the parent and guardian of its peers, also of those that execute another
program and have nothing of its memory. When one ends, it kills what that has started and tells the origin, and keeps the dead
until the origin has done with their numbers. When the origin is gone, it kills all, and ends.

A fork and the first touch of a thousand pages take longer than all the rest of a boot, so one is made ahead: the *spare* waits
for the request and becomes the peer.

A request and a report are four bytes of length and a marshalled tuple; descriptors come with a request's first byte.
"""

from __future__ import annotations

import array
import gc
import importlib
import marshal
import os
import select
import signal
import socket
import struct
import sys

from .. import dispatch
from .. import main
from . import child_setup
from . import prewarm
from .subreaper import Subreaper

LENGTH = struct.Struct("!I")
#: stdin, stdout, stderr, and the link's two, unless it connects; for a program one more, on which to say why it cannot be executed, and
#: for the near end of a relay before that its control socket.
_DESCRIPTORS = {"fork": 5, "execute": 6, "execute_unlinked": 4, "relay": 7}
#: After a spare was used and before the next is made: the boot of the peer needs the processors more.
_PAUSE = 0.003


def serve(reader, fd, config):
    """Serve until the origin is gone. Returns only in a peer, when its interpreter shall end normally."""
    sys.path[:] = config["path"]
    for each in (fd, config["lifeline"]):
        if each >= 0:
            os.set_inheritable(each, False)
    template = Template(socket.socket(fileno=fd), reader, config["lifeline"])
    try:
        if _threads() > 1:
            raise RuntimeError(
                "the interpreter has more than one thread from its start (sitecustomize, or a .pth file); "
                "use start_method='spawn'"
            )
        for name in config["preload"]:
            _preload(name)
        dispatch.flush()  # what an import has printed is not for every peer to say again
        gc.collect()
        gc.freeze()  # a collection in a peer does not touch, and so copy, what it has in common with the others
    except BaseException as exc:
        template.report("failed", str(exc))
        os._exit(1)
    template.ready()
    try:
        request, descriptors = template.loop()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        template.end(1)
    try:
        if "argv" in request:
            _execute(request, descriptors, template.lifeline)
        child_setup.become(request, descriptors[:3])
    except BaseException as exc:
        text = "cannot become a peer: %s: %s\n" % (type(exc).__name__, exc)
        os.write(2, text.encode("utf-8", "backslashreplace"))
        os._exit(1)
    read_fd, write_fd = descriptors[3:]
    main.run(os.fdopen(read_fd, "rb"), write_fd, request["config"])


def _execute(request, descriptors, lifeline):
    *link, failed = descriptors[3:]
    (failed,) = child_setup.above(request["numbers"], [failed])
    if lifeline >= 0:
        link.append(lifeline)
    try:
        child_setup.become(request, descriptors[:3])
        child_setup.execute(request["argv"], request["environ"], link, request["numbers"])
    except BaseException as exc:
        errno = getattr(exc, "errno", None) or 0
        os.write(failed, marshal.dumps((errno, str(exc))))
        os._exit(1)


def _preload(name):
    try:
        importlib.import_module(name)
    except BaseException as exc:
        raise RuntimeError("cannot import %s: %s: %s" % (name, type(exc).__name__, exc)) from exc
    if _threads() > 1:
        raise RuntimeError(
            "the import of %s started a thread, and a process with threads cannot be forked; take it out of "
            "peer_preload, or have it start none (numpy: OPENBLAS_NUM_THREADS=1)" % name
        )


def _threads():
    return len(os.listdir("/proc/self/task"))


class Template:
    """The loop: requests of the origin, ends of peers."""

    def __init__(self, origin, reader, lifeline):
        self._origin = origin
        self._reader = reader  # has the same descriptor, which its finalizer closes
        self._poll = select.epoll()
        self._poll.register(origin, select.EPOLLIN)
        # The connection's end is the origin's, unless C code has forked that, which runs no hooks of Python's.
        self._parent = _parent()
        if self._parent >= 0:
            self._poll.register(self._parent, select.EPOLLIN)
        self._title = child_setup.Title()
        self._pid = os.getpid()
        self._spare = None  # (socket, process descriptor, pid)
        self._ahead = True  # whether one may be made; once for each peer, lest one that dies be made again and again
        self._guardian = Subreaper(self._poll, lambda *end: self.report("ended", *end))
        #: A peer's own, in a peer.
        self.lifeline = lifeline
        # Ignored, as whoever started the origin may have it, it would have the kernel reap our children.
        self._sigchld = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def report(self, *message):
        data = marshal.dumps(message)
        try:
            self._origin.sendall(LENGTH.pack(len(data)) + data)
        except OSError:
            self.end(0)  # the origin is gone

    def ready(self):
        self._guardian.tolerate_children()  # an import may have started them, for all peers
        self.report("ready")

    def loop(self):
        """Serve; returns in a peer, with its request and its descriptors."""
        while True:
            if self._spare is None and self._ahead and not self._poll.poll(_PAUSE, 1):
                self._ahead = False
                try:
                    received = self._make_spare()
                    if received is not None:
                        return received
                except OSError:
                    pass  # no more processes or descriptors just now; who asks for a peer is told
            for fd, _ in self._poll.poll(self._guardian.patience()):
                if fd == self._parent:
                    self.end(0)
                if fd != self._origin.fileno():
                    self._ended(fd)
                    continue
                received = receive(self._origin)
                if received is None:
                    self.end(0)
                data, descriptors = received
                what, number, *rest = marshal.loads(data)
                if what == "signal":
                    self._guardian.signal(number, *rest)
                    continue
                if what == "reap":
                    self._guardian.let_go(number)
                    self.report("reaped", number)
                    continue
                if len(descriptors) != _DESCRIPTORS[what]:
                    for each in descriptors:
                        os.close(each)
                    self.report(
                        "refused", number, "no descriptors left; raise RLIMIT_NOFILE (ulimit -n)"
                    )
                    continue
                received = self._fork(number, data, descriptors)
                if received is not None:
                    return received

    def _fork(self, number, data, descriptors):
        """Make a peer of the spare; of one that is made now, if there is none. Returns something in a peer only."""
        if self._spare is None:
            try:
                received = self._make_spare()
                if received is not None:
                    return received
            except OSError as exc:
                self.report("refused", number, "cannot fork: %s" % exc)
        if self._spare is not None:
            connection, fd, pid = self._spare
            self._spare = None
            self._ahead = True
            self._guardian.name(fd, number, pid)
            self.report("forked", number, pid)
            try:
                socket.send_fds(connection, [LENGTH.pack(len(data)) + data], descriptors)
            except OSError:
                pass  # it has died, and that is told like any peer's end
            connection.close()
        for fd in descriptors:
            os.close(fd)
        return None

    def _make_spare(self):
        """Fork. Returns something in the child only, when it is asked to become a peer."""
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            try:
                ours.close()
                return self._wait_for_request(theirs)
            except BaseException:
                os._exit(1)  # not as the template, whose code is around this
        theirs.close()
        try:
            fd = self._guardian.add(pid)
        except OSError:
            ours.close()  # which ends it
            self._guardian.forget(-1, pid)
            raise
        self._spare = ours, fd, pid
        return None

    def _wait_for_request(self, connection):
        # By their objects, whose finalizers would else close the numbers again, of whatever has them by then.
        self._poll.close()
        self._origin.detach()
        self._reader.close()
        if self._parent >= 0:
            os.close(self._parent)
        self._guardian.close_descriptors()
        self._title.set("pytest-peer-spare")
        self.lifeline = child_setup.begin(self._pid, self.lifeline)
        signal.signal(signal.SIGCHLD, self._sigchld)
        try:
            prewarm.run()
        except Exception:
            pass  # what it saves is time, and nothing else depends on it
        received = receive(connection)
        if received is None:
            os._exit(0)  # the template has ended
        connection.close()
        data, descriptors = received
        request = marshal.loads(data)[2]
        self._title.set(request["node"])
        sys.orig_argv[-1] = request["node"]
        return request, descriptors

    def _ended(self, fd):
        if self._spare is None or fd != self._spare[1]:
            self._guardian.ended(fd)
            return
        connection, _, pid = self._spare
        self._spare = None
        connection.close()
        self._guardian.forget(fd, pid)

    def end(self, status):
        """End with all peers and all that they have started."""
        self._guardian.end_all()
        os._exit(status)


def _parent():
    """A process descriptor of it; -1 where it has no number here."""
    pid = os.getppid()
    try:
        return os.pidfd_open(pid) if pid > 1 else -1
    except OSError:
        return -1


def receive(connection):
    """A message and the descriptors that came with it; ``None`` at the end of the connection."""
    data, ancillary, _, _ = connection.recvmsg(
        LENGTH.size, socket.CMSG_SPACE(4 * max(_DESCRIPTORS.values())), socket.MSG_CMSG_CLOEXEC
    )
    descriptors = array.array("i")
    for _, _, sent in ancillary:
        descriptors.frombytes(sent)
    try:
        data += _exactly(connection, LENGTH.size - len(data))
        return _exactly(connection, *LENGTH.unpack(data)), list(descriptors)
    except EOFError:
        return None


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
