"""The local end of a relay: to the origin it is the process of a peer, whatever carries that.

A program of its own on the origin's machine, with the arguments ``read write control cwd
heartbeat name *command``. Like a spawned peer, it has stdin, stdout, stderr, and the link's
descriptors `read` and `write`. It executes the launcher's command, which shares its process group
and its stderr, and passes everything on. It ends as the peer does.

`control` is a socket. The origin writes lines with a signal's number, 1 for the whole group, and a
ticket. This end answers with a line that has the launcher's process id and the facts about the
peer, and with the ticket of a SIGSTOP when the peer has stopped. The socket's end is the origin's.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import os
import resource
import select
import sys
import time

from . import frames
from .bootstrap import remote_end
from .frames import read

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` takes a third of the time that this needs to start
    from typing import NoReturn

#: As in `link.protocol.messages`: the exit status of a peer that has lost its link.
LINK_LOST = 113
#: Bytes that wait for the origin, beyond which the peer has to wait.
_BOUND = 1 << 20
#: Seconds for the launcher to end after the peer.
_LAUNCHER_SECONDS = 0.8
#: Seconds for output to arrive after the launcher's end, if something still holds its pipe.
_OUTPUT_SECONDS = 0.3


def main(words: list[str]) -> NoReturn:
    """Relay until the peer has ended, or its launcher."""
    read_fd, write_fd, control = map(int, words[:3])
    cwd, heartbeat, _, *command = words[3:]
    try:
        relay = Relay(read_fd, write_fd, control, cwd, command, heartbeat=bool(heartbeat))
        relay.run()
        status = relay.status()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        status = 1
    _end(status)


class Relay:
    """The launcher is started when this is made."""

    def __init__(
        self,
        link_in: int,
        link_out: int,
        control: int,
        cwd: str,
        command: list[str],
        *,
        heartbeat: bool,
    ) -> None:
        self._command = command
        self._heartbeat = heartbeat
        self._control = control
        self._heard = b""
        self._inputs = {frames.LINK: link_in, frames.STDIN: 0}
        self._under_way = dict.fromkeys(frames.WINDOWS, 0)
        descriptors = {frames.LINK: link_out, frames.STDOUT: 1, frames.STDERR: _reopened(2)}
        self._output = frames.Output(descriptors)
        self._frames = frames.Incoming()
        #: The banner's end, which may be the beginning of the magic; ``None`` after the magic.
        self._banner: bytes | None = b""
        self._exit: int | None = None
        self._launcher_status: int | None = None
        self._deadline: float | None = None
        self._wake, woken = os.pipe()
        for fd in (link_in, link_out, control, 0, 1, self._wake, woken):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        self._magic, loader = remote_end(cwd, heartbeat=heartbeat)
        self._launcher, self._incoming, write = _start(command)
        self._out = frames.Outgoing(write, loader)

    def run(self) -> None:
        """Relay until the peer has ended, or its launcher."""
        while not self._over():
            ready = self._ready()
            if self._wake in ready:
                read(self._wake)
                self._reap()
            if self._control in ready:
                self._hear()
            if self._incoming >= 0 and self._incoming in ready:
                self._take()
            for kind, fd in self._inputs.items():
                if fd >= 0 and fd in ready:
                    self._give(kind, fd)
            self._send()
            self._output.write()

    def _over(self) -> bool:
        if self._output.size:
            return False
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or (self._launcher_status is not None and self._incoming < 0)

    def _ready(self) -> set[int]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._control >= 0:
            poll.register(self._control, select.POLLIN)
        if self._incoming >= 0 and self._output.size < _BOUND:
            poll.register(self._incoming, select.POLLIN)
        if self._out.fd >= 0 and self._out.size:
            poll.register(self._out.fd, select.POLLOUT)
        if (fd := self._output.next_fd) >= 0:
            poll.register(fd, select.POLLOUT)
        if self._banner is None and self._exit is None:
            for kind, fd in self._inputs.items():
                if fd >= 0 and self._under_way[kind] < frames.WINDOWS[kind]:
                    poll.register(fd, select.POLLIN)
        milliseconds = None
        if self._heartbeat and self._banner is None:
            milliseconds = frames.HEARTBEAT_SECONDS * 1000
            if self._out.size == 0:
                self._out.add(frames.ALIVE)
        if self._deadline is not None and not self._output.size:
            milliseconds = max(0.0, self._deadline - time.monotonic()) * 1000
        return {fd for fd, _ in poll.poll(milliseconds)}

    def _reap(self) -> None:
        while self._launcher_status is None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == self._launcher:
                self._launcher_status = os.waitstatus_to_exitcode(status)
                self._end_within(_OUTPUT_SECONDS)

    def _end_within(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + seconds

    # From the origin

    def _hear(self) -> None:
        data = read(self._control)
        if data == b"":  # the origin has ended, and nothing outlives it
            os.killpg(0, _signal.SIGKILL)
        *lines, self._heard = (self._heard + (data or b"")).split(b"\n")
        for line in lines:
            numbers = list(map(int, line.split()))
            if self._banner is not None and numbers[0] == _signal.SIGKILL:
                os.killpg(0, _signal.SIGKILL)  # there is no peer yet
            self._out.add(frames.SIGNAL, frames.packed(*numbers), urgent=True)

    def _give(self, kind: bytes, fd: int) -> None:
        data = read(fd, min(frames.MOST, frames.WINDOWS[kind] - self._under_way[kind]))
        if data is None:
            return
        self._out.add(kind, data)
        self._under_way[kind] += len(data)
        if not data:
            os.close(fd)
            self._inputs[kind] = -1

    def _send(self) -> None:
        if self._out.fd < 0:
            return
        try:
            self._out.write()
        except OSError:
            self._close_out()  # the launcher has ended, or is about to

    def _close_out(self) -> None:
        if self._out.fd >= 0:
            os.close(self._out.fd)
        self._out.fd = -1
        self._out.size = 0

    # From the launcher

    def _take(self) -> None:
        data = read(self._incoming)
        if data is None:
            return
        if not data:
            self._close_incoming()
            if self._banner:
                self._output.add(frames.STDOUT, self._banner)
            if self._launcher_status is None:
                self._end_within(_LAUNCHER_SECONDS)
            return
        if self._banner is not None:
            data = self._skip_banner(data)
        if self._exit is not None:  # the launcher's output at its own end
            self._output.add(frames.STDOUT, data)
            return
        try:
            for kind, payload in self._frames.feed(data):
                self._received(kind, payload)
        except frames.Banner as exc:
            launcher = self._command[0]
            self._complain(f"{launcher} writes between what the peer writes: {exc.args[0]!r}")
            self._close_incoming()
            self._end_within(0)

    def _close_incoming(self) -> None:
        os.close(self._incoming)
        self._incoming = -1

    def _skip_banner(self, data: bytes) -> bytes:
        """Pass on as output what comes before the magic; return what comes after it."""
        assert self._banner is not None
        banner, found, rest = (self._banner + data).partition(self._magic)
        if found:
            self._banner = None
        else:
            # The end of it may be the beginning of the magic.
            keep = next(
                size
                for size in range(min(len(banner), len(self._magic) - 1), -1, -1)
                if banner.endswith(self._magic[:size])
            )
            banner, self._banner = banner[: len(banner) - keep], banner[len(banner) - keep :]
        if banner:
            self._output.add(frames.STDOUT, banner)
        return rest

    def _received(self, kind: bytes, payload: bytes) -> None:
        if kind == frames.TAKEN:
            self._under_way[payload[:1]] -= frames.number(payload[1:])
        elif kind == frames.BORN:
            self._answer(b"%d %s" % (self._launcher, payload))
        elif kind == frames.STOPPED:
            self._answer(b"%d" % frames.number(payload))
        elif kind == frames.EXIT:
            self._exit = int(payload)
            self._close_out()
            self._end_within(_LAUNCHER_SECONDS)
        else:
            self._output.add(kind, payload)

    def _answer(self, line: bytes) -> None:
        try:
            os.write(self._control, line + b"\n")
        except OSError:
            pass  # the origin has closed it

    def _complain(self, text: str) -> None:
        self._output.add(frames.STDERR, f"pytest-peer: {text}\n".encode())

    def status(self) -> int:
        """Return how to end."""
        if self._exit is not None:
            return self._exit
        if self._banner is not None:  # there never was a peer
            return 1 if self._launcher_status is None else self._launcher_status
        how = "its output has ended"
        if self._launcher_status is not None:
            how = f"it ended with status {self._launcher_status}"
            if self._launcher_status < 0:
                how = f"signal {-self._launcher_status} ended it"
        self._complain(f"the connection through {self._command[0]} is lost: {how}")
        self._flush()
        return LINK_LOST

    def _flush(self) -> None:
        deadline = time.monotonic() + _LAUNCHER_SECONDS
        self._output.write()
        while self._output.size and time.monotonic() < deadline:
            poll = select.poll()
            poll.register(self._output.next_fd, select.POLLOUT)
            poll.poll(50)
            self._output.write()


def _start(command: list[str]) -> tuple[int, int, int]:
    """Execute a command in this process group.

    :return: its process id, and non-blocking descriptors of its stdout and its stdin.
    """
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(theirs_in, 0)
            os.dup2(theirs_out, 1)
            os.closerange(3, 256)
            for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGCHLD):
                _signal.signal(number, _signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as exc:
            os.write(2, f"cannot run {command[0]!r}: {exc.strerror}\n".encode())
        finally:
            os._exit(127)
    os.close(theirs_in)
    os.close(theirs_out)
    os.set_blocking(ours_out, False)
    os.set_blocking(ours_in, False)
    return pid, ours_in, ours_out


def _reopened(fd: int) -> int:
    """Open the same pipe again, non-blocking; the launcher shares the status of the original."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no Linux, or no pipe
        return os.dup(fd)


def _end(status: int) -> NoReturn:
    """End as the peer did: with a status, or by a signal if negative, but without a core file."""
    if status < 0:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        # 0 is enough for a file, but a program that gets the cores is spared only by 1 (core(5)).
        resource.setrlimit(resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
        if status not in (-9, -19):
            _signal.signal(-status, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [-status])
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)
