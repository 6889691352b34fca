"""The fork server's side over there: a process that has started and imported everything, and forks a peer on request.

It has one thread, runs nothing of the tests, and is the parent of its peers: it tells the origin of their ends, and keeps the
dead until the origin has done with their numbers. When the origin is gone, it kills them, and ends.

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

from . import afresh
from . import main

LENGTH = struct.Struct("!I")
_DESCRIPTORS = 5  # stdin, stdout, stderr, and the link's two


def serve(reader, fd, config):
    """Serve until the origin is gone. Returns only in a peer, when its interpreter shall end normally."""
    os.set_inheritable(fd, False)
    sys.path[:] = config["path"]
    template = Template(socket.socket(fileno=fd), reader)
    try:
        for name in config["preload"]:
            _preload(name)
        # Not earlier: of a library that is loaded already, an import is free.
        gc.collect()
        gc.freeze()  # a collection in a peer does not touch, and so copy, what it has in common with the others
    except BaseException as exc:
        template.report("failed", str(exc))
        os._exit(1)
    template.report("ready")
    request, descriptors = template.loop()
    try:
        afresh.set_up(request)
    except BaseException as exc:
        os.write(
            2, b"cannot become a peer: %s: %s\n" % (type(exc).__name__.encode(), str(exc).encode())
        )
        os._exit(1)
    read_fd, write_fd = descriptors
    main.run(os.fdopen(read_fd, "rb"), write_fd, request["config"])


def _preload(name):
    try:
        importlib.import_module(name)
    except BaseException as exc:
        raise RuntimeError("cannot import %s: %s: %s" % (name, type(exc).__name__, exc)) from exc
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError(
            "the import of %s started a thread, and a process with threads cannot be forked" % name
        )


class Template:
    """The loop: requests of the origin, ends of peers."""

    def __init__(self, origin, reader):
        self._origin = origin
        self._reader = reader  # has the same descriptor, which its finalizer closes
        self._poll = select.epoll()
        self._poll.register(origin, select.EPOLLIN)
        self._title = afresh.Title()
        self._pid = os.getpid()
        self._peers = {}  # process descriptor: (number of the request, pid)

    def report(self, *message):
        data = marshal.dumps(message)
        self._origin.sendall(LENGTH.pack(len(data)) + data)

    def loop(self):
        """Serve; returns in a peer, with its request and the link's descriptors."""
        while True:
            for fd, _ in self._poll.poll():
                if fd != self._origin.fileno():
                    self._ended(fd)
                    continue
                message, descriptors = self._received()
                if message[0] == "fork":
                    link = self._fork(message[1], message[2], descriptors)
                    if link is not None:
                        return message[2], link
                else:
                    os.waitpid(message[1], 0)

    def _fork(self, number, request, descriptors):
        try:
            pid = os.fork()
        except OSError as exc:
            pid = -1
            self.report("refused", number, "cannot fork: %s" % exc)
        if pid == 0:
            # By their objects, whose finalizers would else close the numbers again, of whatever has them by then.
            self._poll.close()
            self._origin.detach()
            self._reader.close()
            for fd in self._peers:
                os.close(fd)
            afresh.begin(self._pid, descriptors[:3])
            self._title.set(request["node"])
            sys.orig_argv[-1] = request["node"]
            return descriptors[3:]
        for fd in descriptors:
            os.close(fd)
        if pid > 0:
            fd = os.pidfd_open(pid)
            self._peers[fd] = number, pid
            self._poll.register(fd, select.EPOLLIN)
            self.report("forked", number, pid)
        return None

    def _ended(self, fd):
        number, pid = self._peers.pop(fd)
        self._poll.unregister(fd)
        os.close(fd)
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        by_signal = end.si_code != os.CLD_EXITED
        self.report("ended", number, -end.si_status if by_signal else end.si_status)

    def _received(self):
        data, ancillary, _, _ = self._origin.recvmsg(
            LENGTH.size, socket.CMSG_SPACE(4 * _DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
        )
        descriptors = array.array("i")
        for _, _, sent in ancillary:
            descriptors.frombytes(sent)
        data += self._exactly(LENGTH.size - len(data)) if data else b""
        if not data:
            self._origin_gone()
        return marshal.loads(self._exactly(*LENGTH.unpack(data))), list(descriptors)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            part = self._origin.recv(size - len(data))
            if not part:
                self._origin_gone()
            data += part
        return data

    def _origin_gone(self):
        for _, pid in self._peers.values():
            try:
                os.killpg(pid, signal.SIGKILL)
            except (
                OSError
            ):  # it is just being born, and is no leader of a group yet: it ends with us
                pass
        os._exit(0)
