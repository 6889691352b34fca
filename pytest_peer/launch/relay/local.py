"""The local end of a relay: to the origin it is the process of a peer, whatever carries that.

A program of its own on the origin's machine, with the arguments ``read write control cwd
heartbeat name *command``. Like a spawned peer, it has stdin, stdout, stderr, and the link's
descriptors `read` and `write`. It executes the launcher's command, which shares its process group
and its stderr, and passes everything on. It ends as the peer does.

`control` is a socket. The origin writes a byte for each signal, as the data of a frame SIGNAL. This
end answers with a line that has the launcher's process id and the facts about the peer, and with an
empty line when a SIGSTOP has stopped the peer. The socket's end is the origin's.
"""

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import marshal
import os
import resource
import time

from . import frames
from .frames import Writer, frame, read

#: As in `link.protocol.messages`: the exit status of a peer that has lost its link.
LINK_LOST = 113
#: Bytes that wait for the origin, or for the launcher. Beyond that, who writes them has to wait,
#: and a signal waits for no more than these.
_BOUND = 1 << 16
#: Seconds for the launcher to end after the peer.
_LAUNCHER_SECONDS = 0.8
#: Seconds for output to arrive after the launcher's end, if something still holds its pipe.
_OUTPUT_SECONDS = 0.3

#: Below this package, in the order in which they are loaded.
_MODULES = ("launch.procfs", "launch.session", "launch.relay.frames", "launch.relay.remote")
#: The beginning of what the launched interpreter is sent. Interpreters that are too old can run it.
_CHECK = """\
import sys
if sys.version_info < (3, 8):
    sys.stderr.write("Python %d.%d.%d (%s) is too old: a peer needs 3.8 or newer\\n"
                     % (sys.version_info[:3] + (sys.executable,)))
    sys.exit(1)
"""


def main(words: list[str]) -> None:
    """Relay, and end as the peer did: with a status, or by a signal, but without a core file."""
    status = Relay(words).run()
    if status < 0:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        # 0 is enough for a file, but a program that gets the cores is spared only by 1 (core(5)).
        resource.setrlimit(resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
        if status not in (-9, -19):
            _signal.signal(-status, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [-status])
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


class Relay:
    """The launcher is started when this is made."""

    def __init__(self, words: list[str]) -> None:
        link_in, link_out, self._control = map(int, words[:3])
        cwd, self._heartbeat, _, *self._command = words[3:]
        self._inputs = {frames.LINK: link_in, frames.STDIN: 0}
        self._outputs = {frames.LINK: link_out, frames.STDOUT: 1, frames.STDERR: _reopened(2)}
        self._to_origin, self._to_launcher = Writer(), Writer()
        self._unparsed = bytearray()
        #: Whether the remote end has answered. All before that is a banner.
        self._found = False
        self._exit: int | None = None
        self._launcher_status: int | None = None
        self._next_alive = 0.0
        self._deadline: float | None = None
        self._wake, woken = os.pipe()
        for fd in (link_in, link_out, self._control):
            os.set_inheritable(fd, False)
        for fd in (link_in, link_out, self._control, 0, 1, self._wake, woken):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        self._magic, loader = _remote_end(cwd, heartbeat=bool(self._heartbeat))
        self._launcher, self._incoming, self._outgoing = _start(self._command)
        self._to_launcher.add(self._outgoing, loader)

    def run(self) -> int:
        """Relay until the peer has ended, or its launcher; return a status, or minus a signal."""
        while not self._over():
            self._relay()
        if self._exit is not None:
            return self._exit
        status = self._launcher_status
        if not self._found:  # there never was a peer
            return 1 if status is None else status
        how = "its output has ended" if status is None else f"it ended with status {status}"
        if status is not None and status < 0:
            how = f"signal {-status} ended it"
        self._complain(f"the connection through {self._command[0]} is lost: {how}")
        while self._to_origin.size:
            self._relay()
        return LINK_LOST

    def _relay(self) -> None:
        ready = self._wait()
        if self._wake in ready:
            read(self._wake)
            self._reap()
        if self._control in ready:
            self._pass_signals()
        if self._incoming in ready:
            self._take()
        for kind, fd in self._inputs.items():
            data = read(fd) if fd in ready else None
            if data is not None:
                self._send(kind, data)
            if data == b"":
                os.close(fd)
                self._inputs[kind] = -1
        self._to_launcher.write()
        self._to_origin.write()

    def _over(self) -> bool:
        if self._to_origin.size:
            return False
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or (self._launcher_status is not None and self._incoming < 0)

    def _wait(self) -> set[int]:
        readers, seconds = [self._wake, self._control], None
        if self._to_origin.size < _BOUND:
            readers.append(self._incoming)
        if self._found and self._exit is None and self._to_launcher.size < _BOUND:
            readers += self._inputs.values()
        if self._heartbeat and self._found:
            seconds = self._next_alive - time.monotonic()
            if seconds <= 0:
                seconds = frames.HEARTBEAT_SECONDS
                self._next_alive = time.monotonic() + seconds
                self._send(frames.ALIVE)
        if self._deadline is not None and not self._to_origin.size:
            seconds = max(0.0, self._deadline - time.monotonic())
        return frames.wait(readers, (self._to_launcher, self._to_origin), seconds)

    def _reap(self) -> None:
        if self._launcher_status is None:
            pid, status = os.waitpid(self._launcher, os.WNOHANG)
            if pid:
                self._launcher_status = os.waitstatus_to_exitcode(status)
                self._end_within(_OUTPUT_SECONDS)

    def _end_within(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + seconds

    def _pass_signals(self) -> None:
        data = read(self._control)
        if data == b"":  # the origin has ended, and nothing outlives it
            os.killpg(0, _signal.SIGKILL)
        for byte in data or b"":
            if not self._found and byte == _signal.SIGKILL:
                os.killpg(0, _signal.SIGKILL)  # there is no peer yet
            self._send(frames.SIGNAL, bytes([byte]))

    def _send(self, kind: bytes, data: bytes = b"") -> None:
        self._to_launcher.add(self._outgoing, frame(kind, data))

    def _take(self) -> None:
        data = read(self._incoming)
        self._unparsed += data or b""
        if not self._found:
            self._skip_banner(ended=data == b"")
        try:
            while self._found and self._exit is None and (found := frames.parse(self._unparsed)):
                self._received(*found)
        except ValueError as exc:
            launcher = self._command[0]
            self._complain(f"{launcher} writes between what the peer writes: {exc.args[0]!r}")
            data = b""
            self._end_within(0)
        if self._exit is not None:  # the launcher's output at its own end
            self._print(self._unparsed)
            self._unparsed.clear()
        if data == b"":
            os.close(self._incoming)
            self._incoming = -1
            self._end_within(_LAUNCHER_SECONDS)

    def _skip_banner(self, *, ended: bool) -> None:
        """Pass on as output what comes before the magic."""
        magic = self._magic
        banner, found, rest = self._unparsed.partition(magic)
        self._found = bool(found)
        if not found and not ended:  # the end of it may be the beginning of the magic
            keep = max(size for size in range(len(magic)) if banner.endswith(magic[:size]))
            banner, rest = banner[: len(banner) - keep], banner[len(banner) - keep :]
        self._print(banner)
        self._unparsed = rest

    def _print(self, data: bytes | bytearray) -> None:
        if data:
            self._to_origin.add(1, bytes(data))

    def _received(self, kind: bytes, payload: bytes) -> None:
        if kind == frames.BORN:
            self._to_origin.add(self._control, b"%d %s\n" % (self._launcher, payload))
        elif kind == frames.STOPPED:
            self._to_origin.add(self._control, b"\n")
        elif kind == frames.EXIT:
            self._exit = int(payload)
            self._to_launcher.add(self._outgoing)
            self._end_within(_LAUNCHER_SECONDS)
        else:
            self._to_origin.add(self._outputs[kind], payload)

    def _complain(self, text: str) -> None:
        self._to_origin.add(self._outputs[frames.STDERR], f"pytest-peer: {text}\n".encode())


def _remote_end(cwd: str, *, heartbeat: bool) -> tuple[bytes, bytes]:
    """Return the remote end's first output, and what it is sent: code and data, each by its size."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    sources = []
    for name in ("agent.loader", *_MODULES):
        path = os.path.join(root, *name.split(".")) + ".py"
        with open(path, encoding="utf-8") as file:
            sources.append((f"pytest_peer_agent.{name}", path, file.read()))
    (_, _, loader), *modules = sources
    magic = f"pytest-peer {os.urandom(12).hex()}\n".encode()
    # It gets that backwards, so that a launcher which shows its input does not write it. Every
    # Python that is new enough reads version 2 of marshal.
    data = (modules, "launch.relay.remote:begin"), (magic[::-1], cwd, heartbeat)
    parts = [(_CHECK + loader).encode(), *(marshal.dumps(each, 2) for each in data)]
    return magic, b"".join(b"%d\n%s" % (len(part), part) for part in parts)


def _start(command: list[str]) -> tuple[int, int, int]:
    """Execute a command in our group; return its pid, and our ends of its stdout and stdin."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    for fd in range(3, 256):  # the lifeline, and what this process has inherited itself
        try:
            os.set_inheritable(fd, False)
        except OSError:  # not open; `contextlib` would take a millisecond of every boot
            pass
    actions = [(os.POSIX_SPAWN_DUP2, theirs_in, 0), (os.POSIX_SPAWN_DUP2, theirs_out, 1)]
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=actions,
            setsigdef=[_signal.SIGPIPE, _signal.SIGXFSZ],  # which Python ignores
        )
    except OSError as exc:
        os.write(2, f"cannot run {command[0]!r}: {exc.strerror}\n".encode())
        os._exit(127)
    for fd in (theirs_in, theirs_out):
        os.close(fd)
    for fd in (ours_in, ours_out):
        os.set_blocking(fd, False)
    return pid, ours_in, ours_out


def _reopened(fd: int) -> int:
    """Open the same pipe again, non-blocking; the launcher shares the status of the original."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no Linux, or no pipe
        return os.dup(fd)
