"""The near end of a relay: is to the origin the process of a peer, whatever carries it.

A program of its own, on the origin's machine: ``near.main([read, write, control, cwd, pulse, name, *command])``. It has what a spawned peer has: stdin,
stdout, stderr, and the descriptors `read` and `write` of the control link. It executes the launcher's command, which shares its
process group and its stderr, and passes everything on. It ends as the peer does.

`control` is a socket. The origin writes lines with a signal's number, 1 for the whole group, and a ticket; this answers with what `BORN`
says, a line, and with the ticket of a SIGSTOP when the peer has stopped. The end of it is the end of the origin.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself costs a millisecond of every boot
import os
import select
import sys
import time

from . import frames
from .bootstrap import remote_end
from .ends import end
from .ends import start
from .output import Output
from .output import own

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes a third of the time that this needs to start
    from typing import NoReturn

#: As in `link.wire`: the end of a peer that has lost its link.
LINK_LOST = 113
#: Bytes on their way to the origin, beyond which the peer has to wait.
_BOUND = 1 << 20
#: After the peer's end: for the launcher to end, too.
_LAUNCHER_SECONDS = 0.8
#: After the launcher's end: for what it has said to arrive, although something still holds its end of the pipe.
_SAID_SECONDS = 0.3


def main(words: list[str]) -> NoReturn:
    """Carry until the peer has ended, or its launcher."""
    read, write, control = map(int, words[:3])
    cwd, pulse, _, *command = words[3:]
    try:
        near = Near(read, write, control, cwd, command, pulse=bool(pulse))
        near.run()
        status = near.status()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        status = 1
    end(status)


class Near:
    """The launcher is started when this is made."""

    def __init__(
        self,
        link_in: int,
        link_out: int,
        control: int,
        cwd: str,
        command: list[str],
        *,
        pulse: bool,
    ) -> None:
        self._command = command
        self._pulse = pulse
        self._control = control
        self._heard = b""
        self._inputs = {frames.LINK: link_in, frames.STDIN: 0}
        self._under_way = dict.fromkeys(frames.WINDOWS, 0)
        self._output = Output({frames.LINK: link_out, frames.STDOUT: 1, frames.STDERR: own(2)})
        self._frames = frames.Incoming()
        self._noise: bytes | None = (
            b""  # what may be the beginning of the magic; none when that has come
        )
        self._exit: int | None = None
        self._launcher_status: int | None = None
        self._deadline: float | None = None
        self._wake, woken = os.pipe()
        for fd in (link_in, link_out, control, 0, 1, self._wake, woken):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        self._magic, loader = remote_end(cwd, pulse=pulse)
        self._launcher, self._said, write = start(command)
        self._out = frames.Outgoing(write)
        self._loader = frames.BufferedPipe(write)
        self._loader.add(loader)

    def run(self) -> None:
        """Until the peer has ended, or its launcher."""
        while not self._over():
            ready = self._ready()
            if self._wake in ready:
                _read(self._wake)
                self._reap()
            if self._control in ready:
                self._hear()
            if self._said >= 0 and self._said in ready:
                self._take()
            for kind, fd in self._inputs.items():
                if fd >= 0 and fd in ready:
                    self._give(kind, fd)
            self._loader.write()
            if not self._loader.waits:
                self._send()
            self._output.write()

    def _over(self) -> bool:
        """Whether everything is said that there is to say."""
        if self._output.size:
            return False
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or (self._launcher_status is not None and self._said < 0)

    def _ready(self) -> set[int]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._control >= 0:
            poll.register(self._control, select.POLLIN)
        if self._said >= 0 and self._output.size < _BOUND:
            poll.register(self._said, select.POLLIN)
        if self._out.fd >= 0 and (self._loader.waits or self._out.size):
            poll.register(self._out.fd, select.POLLOUT)
        if (fd := self._output.next_fd) >= 0:
            poll.register(fd, select.POLLOUT)
        if self._noise is None and self._exit is None:
            for kind, fd in self._inputs.items():
                if fd >= 0 and self._under_way[kind] < frames.WINDOWS[kind]:
                    poll.register(fd, select.POLLIN)
        patience = None
        if self._pulse and self._noise is None:
            patience = frames.PULSE_SECONDS * 1000
            if self._out.size == 0:
                self._out.add(frames.ALIVE)
        if self._deadline is not None and not self._output.size:
            patience = max(0.0, self._deadline - time.monotonic()) * 1000
        return {fd for fd, _ in poll.poll(patience)}

    def _reap(self) -> None:
        while self._launcher_status is None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == self._launcher:
                self._launcher_status = os.waitstatus_to_exitcode(status)
                self._hurry(_SAID_SECONDS)

    def _hurry(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + seconds

    # From the origin

    def _hear(self) -> None:
        data = _read(self._control)
        if data == b"":  # the origin has ended, and nothing outlives it
            os.killpg(0, _signal.SIGKILL)
        *lines, self._heard = (self._heard + (data or b"")).split(b"\n")
        for line in lines:
            numbers = list(map(int, line.split()))
            if self._noise is not None and numbers[0] == _signal.SIGKILL:
                os.killpg(0, _signal.SIGKILL)  # there is no peer yet to be killed
            self._out.add(frames.SIGNAL, frames.packed(*numbers), urgent=True)

    def _give(self, kind: bytes, fd: int) -> None:
        data = _read(fd, min(frames.MOST, frames.WINDOWS[kind] - self._under_way[kind]))
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
            self._close_out()  # the launcher has ended, or will

    def _close_out(self) -> None:
        if self._out.fd >= 0:
            os.close(self._out.fd)
        self._out.fd = self._loader.fd = -1
        self._out.size = 0

    # From the launcher

    def _take(self) -> None:
        data = _read(self._said, frames.MOST)
        if data is None:
            return
        if not data:
            os.close(self._said)
            self._said = -1
            if self._noise:
                self._output.add(frames.STDOUT, self._noise)
            if self._launcher_status is None:
                self._hurry(_LAUNCHER_SECONDS)
            return
        if self._noise is not None:
            data = self._skip(data)
        if self._exit is not None:  # the launcher's, at its own end
            self._output.add(frames.STDOUT, data)
            return
        try:
            for kind, payload in self._frames.feed(data):
                self._received(kind, payload)
        except frames.Noise as exc:
            self._tell(
                f"{self._command[0]} says something between what the peer says: {exc.args[0]!r}"
            )
            os.close(self._said)
            self._said = -1
            self._hurry(0)

    def _skip(self, data: bytes) -> bytes:
        """Before the magic it is somebody else's: shown as output."""
        assert self._noise is not None
        noise, found, rest = (self._noise + data).partition(self._magic)
        if found:
            self._noise = None
        else:
            # The end of it may be the beginning of the magic.
            keep = next(
                size
                for size in range(min(len(noise), len(self._magic) - 1), -1, -1)
                if noise.endswith(self._magic[:size])
            )
            noise, self._noise = noise[: len(noise) - keep], noise[len(noise) - keep :]
        if noise:
            self._output.add(frames.STDOUT, noise)
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
            self._hurry(_LAUNCHER_SECONDS)
        else:
            self._output.add(kind, payload)

    def _answer(self, line: bytes) -> None:
        try:
            os.write(self._control, line + b"\n")
        except OSError:
            pass  # nobody asks any more

    def _tell(self, text: str) -> None:
        self._output.add(frames.STDERR, f"pytest-peer: {text}\n".encode())

    def status(self) -> int:
        """How to end."""
        if self._exit is not None:
            return self._exit
        if self._noise is not None:  # there never was a peer
            return 1 if self._launcher_status is None else self._launcher_status
        how = "its output has ended"
        if self._launcher_status is not None:
            how = f"it ended with status {self._launcher_status}"
            if self._launcher_status < 0:
                how = f"signal {-self._launcher_status} ended it"
        self._tell(f"the connection through {self._command[0]} is lost: {how}")
        self._flush()
        return LINK_LOST

    def _flush(self) -> None:
        """The origin reads all the time, unless it cannot."""
        deadline = time.monotonic() + _LAUNCHER_SECONDS
        self._output.write()
        while self._output.size and time.monotonic() < deadline:
            poll = select.poll()
            poll.register(self._output.next_fd, select.POLLOUT)
            poll.poll(50)
            self._output.write()


def _read(fd: int, size: int = frames.MOST) -> bytes | None:
    """What is there; ``None`` for nothing, empty at the end."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""
