"""The life of a peer: set up, listen, run calls, end."""

from __future__ import annotations

import _thread
import atexit
import errno
import os
import sys

from ..link.protocol import framing
from ..link.protocol import messages
from ..link.protocol.messages import split_mailbox
from ..link.protocol.receiver import FrameReceiver
from ..link.protocol.sender import SMALL
from ..link.protocol.sender import MessageSender
from ..link.protocol.streams import stream_over
from . import assertions
from . import call_warnings
from . import dispatch
from . import fault_dumps
from . import runtime
from .imports import Modules
from .imports import place_of
from .requests import RequestSender

#: How a connection over a network ends, besides those that have a class of their own.
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)

#: What the origin's module `command` leaves in ``__main__``, secrets included.
_NAMES_OF_THE_COMMAND = ("a", "b", "f", "os", "r", "s", "sys", "w", "_socket")

_agent = None


def run(reader, write_fd, config):
    """Become a peer; on the main thread. Returns when the interpreter shall end normally."""
    prepare(reader, write_fd, config).live()


def prepare(reader, write_fd, config):
    """All of `run` that does not wait; returns the agent."""
    global _agent
    for fd in (reader.fileno(), write_fd):
        os.set_inheritable(fd, False)
    if config["lifeline"] >= 0:
        try:
            os.set_inheritable(config["lifeline"], False)
        except OSError:
            pass  # a launcher has closed it: the guardian is there, too
    fault_dumps.begin(config["evidence"])
    _set_up_paths(config)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                line_buffering=True
            )  # the last words before a crash are in the pipe, not in a buffer
    _agent = Agent(reader, write_fd, config)
    if config["stubs"]:
        from .stubs import finder  # not sent to all others

        finder.install(config["stubs"])  # behind what comes from the origin
    return _agent


def _set_up_paths(config):
    main = sys.modules["__main__"].__dict__
    for name in _NAMES_OF_THE_COMMAND:
        main.pop(name, None)
    sys.argv[:] = sys.argv[:1]
    if config["replace_path"]:
        sys.path[:] = config["path"]
    else:
        known = set(sys.path)
        # Not another directory that has the same name here.
        sys.path.extend(
            entry
            for entry, place in config["path"]
            if entry not in known and place is not None and place_of(entry) == place
        )


class Agent:
    """Connects the link with the dispatcher."""

    def __init__(self, reader, write_fd, config):
        # Not by an import statement, which would import the whole of execnet around it: 10 ms for nothing.
        self._execnet = sys.modules["execnet.gateway_base"]
        read_fd = reader.fileno()
        self._reader = reader
        self._stream = stream_over(read_fd, write_fd, self._execnet.get_execmodel("thread"))
        self._receiver = FrameReceiver(read_fd, framing.FIRST_CHANNEL, self._received, self._frame)
        self._own_files = frozenset(config["own_files"])
        self._runtime = runtime.runtime = runtime.Runtime(
            config["name"], config["by_value"], config["locals"]
        )
        self._dispatcher = dispatch.Dispatcher(self._runtime, self._own_files, self._read)
        self._requests = RequestSender(self._runtime, self._dispatcher.reading)
        assertions.ask = self._requests.ask
        place = config["environment"]
        self._modules = Modules(
            self._requests.ask, place is not None and place_of(place[0]) == place[1]
        )
        self._modules.install(config["replace_path"])
        calls = dispatch.Dispatcher
        call_warnings.begin(
            self._own_files, (calls._run, calls._drive), (calls._reply, calls._start_task)
        )
        self._sender = None
        self._pid = os.getpid()

    def live(self):
        os.register_at_fork(after_in_child=self._forked)
        self.open()
        finish = self._dispatcher.main_loop()
        finish()

    def open(self):
        """Begin the conversation with what has come already."""
        agent = self

        class Gateway(self._execnet.BaseGateway):
            """Of execnet's, what understands its messages: its own threads are not needed, nor is its way to run a task."""

            def _local_schedulexec(self, channel, sourcetask):  # noqa: ARG002 - it is ours to know
                agent.attach(channel)

        self._gateway = Gateway(self._stream, self._runtime.name)
        # What the reader has in its buffer; nothing else is read by it.
        self._receiver.chunks.append(self._reader.read(len(self._reader.peek())))
        self._stream.limit_reads()
        self._guarded(self._receiver.take)

    def prewarm(self):
        """Run the one call that has come, beside the main loop."""
        self.open()
        self._dispatcher.run_arrived()
        self._stream.close_write()

    def attach(self, channel):
        """The one task has come, and with it the channel, which lives as long as this process."""
        self._channel = channel
        sender = framing.Sender(self._stream, channel.id, SMALL)
        self._sender = MessageSender(sender.send, self._stream.wait_writable)
        self._runtime.enqueue = self._sender.enqueue
        self._sender.enqueue(messages.READY, 0, b"")

    def _read(self):
        self._guarded(self._receiver.pull)

    def _guarded(self, step):
        try:
            step()
        except BlockingIOError:
            pass  # see `limit_reads`
        except (EOFError, OSError) as exc:
            self._link_lost(exc)

    def _frame(self, code, channel, data):
        self._execnet.Message(code, channel, data).received(self._gateway)

    def _forked(self):
        # A child that keeps our ends open would hide our death from the origin, and the origin's from us.
        null = os.open(os.devnull, os.O_RDWR)
        self._stream.disown(null)
        os.close(null)

    def _received(self, kind, ident, payload):
        """Called by who reads the link: it neither waits, nor sends, nor raises."""
        if kind in (messages.CALL, messages.CAST):
            self._dispatcher.accept((kind, ident, payload))
        elif kind == messages.MESSAGE:
            name, payload = split_mailbox(payload)
            self._runtime.mailboxes[name].deliver(payload)
        elif kind == messages.RESPONSE:
            self._requests.received(ident, payload)
        elif kind == messages.MODULES:
            self._modules.announce(payload)
        elif kind == messages.STACKS:
            # Not here, as it imports: a finder holds the import lock while it waits for a response that is to be read here.
            try:
                _thread.start_new_thread(self._tell_stacks, (ident,))
            except RuntimeError:
                pass  # no more threads: the origin, which gets no reply, sends the signal
        elif kind == messages.SHUTDOWN:
            self._shut_down(payload)

    def _tell_stacks(self, ident):
        text = dispatch.stacks(self._own_files, self._dispatcher.main_busy())
        try:
            self._sender.enqueue(messages.STACKS, ident, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # the link is gone, and this process with it

    def _link_lost(self, error):
        # A peer does not outlive its control link, and neither does anything it started.
        if os.getpid() != self._pid:
            os._exit(0)  # a forked child that has returned from the call, and has no link
        if not isinstance(error, (EOFError, ConnectionError, TimeoutError)) and (
            error.errno not in _UNREACHABLE
        ):
            # Something here has closed our descriptor. The origin lives, ends the rest, and tells what this status means.
            os._exit(messages.LINK_LOST)
        if os.getpgrp() == self._pid:
            os.killpg(
                0, 9
            )  # SIGKILL; the module that has the name costs a millisecond of every boot
        os._exit(1)

    def _shut_down(self, how):
        if how == b"finish":
            self._dispatcher.retire()
            _thread.start_new_thread(self._finish, ())
        elif not self._dispatcher.end(_halt):
            _thread.start_new_thread(
                _halt, ()
            )  # the main thread is in a call, which is not waited for

    def _finish(self):
        self._dispatcher.wait_all_done()
        self._sender.wait_idle(None)
        self._dispatcher.end(
            lambda: None
        )  # the main thread returns: the interpreter ends as it always does


_halting = _thread.allocate_lock()


def _halt():
    """Flush, run the atexit callbacks, and be gone; no thread and no call is waited for."""
    _halting.acquire()  # whoever comes second waits for the end
    try:
        dispatch.flush()
        atexit._run_exitfuncs()
        dispatch.flush()
    finally:
        os._exit(0)
