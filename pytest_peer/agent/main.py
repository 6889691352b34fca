"""The main program of a peer: set up, listen, run calls, end."""

import _thread
import atexit
import errno
import os
import sys
from typing import Any

from ..link.protocol import framing, messages, module_aliases, receiver, sender, streams
from . import assertions, call_warnings, dispatch, failures, fault_dumps, runtime
from .imports import Modules

#: Execnet's code of the message that asks for a task.
CHANNEL_EXEC = 3


def run(reader, write_fd, config):
    """Become a peer, on the main thread, and return when the interpreter is to end normally."""
    prepare(reader, write_fd, config).live()


def prepare(reader, write_fd, config):
    """Do all of `run` that does not wait, and return the agent."""
    for fd in (reader.fileno(), write_fd, config["lifeline"]):
        try:
            os.set_inheritable(fd, False)
        except OSError:
            pass  # there is no lifeline, or a launcher has closed it
    fault_dumps.begin(config["evidence"])
    _set_up_paths(config)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # So that the last output before a crash is in the pipe and not in a buffer.
            stream.reconfigure(line_buffering=True)
    return Agent(reader, write_fd, config)


def _set_up_paths(config):
    main = sys.modules["__main__"].__dict__
    # The origin's module `launch.command` leaves these names there, secrets included.
    for name in ("a", "b", "f", "os", "r", "s", "sys", "w", "_socket"):
        main.pop(name, None)
    sys.argv[:] = sys.argv[:1]
    if config["replace_path"]:
        sys.path[:] = config["path"]
    else:
        known = set(sys.path)
        # Only a directory that is the origin's, and not another one of the same name.
        sys.path.extend(
            entry
            for entry, place in config["path"]
            if entry not in known and place is not None and module_aliases.place_of(entry) == place
        )


class Agent:
    """Connects the link with the dispatcher."""

    def __init__(self, reader, write_fd, config):
        read_fd = reader.fileno()
        self._reader = reader
        self._stream = streams.stream_over(read_fd, write_fd)
        self._receiver = receiver.FrameReceiver(
            read_fd, framing.FIRST_CHANNEL, self._received, self._frame
        )
        self._own_files = frozenset(config["own_files"])
        self._runtime = runtime.runtime = runtime.Runtime(
            config["name"], config["by_value"], config["locals"]
        )
        self._dispatcher = dispatch.Dispatcher(self._runtime, self._own_files, self._read)
        self._runtime.reader = self._dispatcher.reader
        assertions.ask = self._runtime.ask
        place = config["environment"]
        self._modules = Modules(
            self._runtime.ask,
            config["replace_path"],
            place is not None and module_aliases.place_of(place[0]) == place[1],
            config["stubs"] or {},
        )
        call_warnings.install(self._own_files)
        failures.watch()
        self._sender: Any = None
        self._pid = os.getpid()

    def live(self):
        os.register_at_fork(after_in_child=self._forked)
        self.open()
        self._dispatcher.main_loop()

    def open(self):
        """Start to talk to the origin, with the data that has arrived already."""
        # The buffered reader reads no more: this is what it has in its buffer.
        self._receiver.chunks.append(self._reader.read(len(self._reader.peek())))
        self._stream.limit_reads()
        self._read(self._receiver.take)

    def rehearse(self):
        """Run the one call that has come, beside the main loop."""
        self.open()
        self._dispatcher.run_arrived()
        self._stream.close_write()

    def _frame(self, code, channel, _data):
        """Take the channel of the only task. Execnet sends nothing else that matters here."""
        if code == CHANNEL_EXEC:
            self._sender = sender.MessageSender(self._stream, channel)
            self._runtime.enqueue = self._sender.enqueue
            self._sender.enqueue(messages.READY, 0, b"")

    def _read(self, step=None):
        try:
            (step or self._receiver.pull)()
        except BlockingIOError:
            pass  # see `limit_reads`
        except (EOFError, OSError) as exc:
            self._link_lost(exc)

    def _forked(self):
        # A child that kept our ends of the link open would hide our death from the origin, and
        # the origin's from us.
        null = os.open(os.devnull, os.O_RDWR)
        self._stream.disown(null)
        os.close(null)

    def _received(self, kind, ident, payload):
        """Handle a message, on the thread that reads; must not wait, send or raise."""
        if kind in (messages.CALL, messages.CAST):
            self._dispatcher.accept((kind, ident, payload))
        elif kind == messages.MESSAGE:
            name, payload = messages.split_mailbox(payload)
            self._runtime.mailboxes[name].deliver(payload)
        elif kind == messages.RESPONSE:
            self._runtime.responded(ident, payload)
        elif kind == messages.MODULES:
            self._modules.update(payload)
        elif kind == messages.STACKS:
            # On another thread, because it imports: a finder holds the import lock while it waits
            # for a reply that this thread has to read.
            try:
                _thread.start_new_thread(self._send_stacks, (ident,))
            except RuntimeError:
                pass  # no more threads: the origin gets no reply, and sends the signal
        elif kind == messages.SHUTDOWN:
            self._shut_down(payload)

    def _send_stacks(self, ident):
        text = dispatch.stacks(self._own_files, self._dispatcher.reader.busy)
        try:
            self._sender.enqueue(messages.STACKS, ident, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # the link is gone, and this process with it

    def _link_lost(self, error):
        # A peer does not outlive its control link, and neither does anything it started.
        if os.getpid() != self._pid:
            os._exit(0)  # a forked child, without a link, that has returned from the call
        lost = isinstance(error, (EOFError, ConnectionError, TimeoutError))
        if not lost and error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            # Code in this process has closed the descriptor. The origin lives, ends the other
            # processes, and knows this status.
            os._exit(messages.LINK_LOST)
        if os.getpgrp() == self._pid:
            os.killpg(0, 9)  # SIGKILL; the import of `signal` takes a millisecond of every boot
        os._exit(1)

    def _shut_down(self, how):
        if how == b"finish":
            self._dispatcher.reader.retired = True
            _thread.start_new_thread(self._finish, ())
        elif not self._dispatcher.reader.end(self._halt):
            # The main thread is in a call, and this does not wait for calls.
            _thread.start_new_thread(self._halt, ())

    def _finish(self):
        self._dispatcher.wait_all_done()
        failures.report_tasks()
        self._sender.wait_idle(None)
        # The main thread returns, and the interpreter ends normally.
        self._dispatcher.reader.end(lambda: None)

    def _halt(self):
        """Flush, run the atexit callbacks and exit, without waiting for threads and calls."""
        _halting.acquire()  # never released: a second thread waits for the exit
        try:
            self._dispatcher.wait_begun()
            dispatch.flush()
            atexit._run_exitfuncs()
            dispatch.flush()
            failures.report_tasks()
            self._sender.wait_idle(dispatch.LAST_SECONDS)
        finally:
            os._exit(0)


_halting = _thread.allocate_lock()
