"""The main program of a peer: set up, listen, run calls, end."""

import errno
import functools
import sys
from time import monotonic

from ..link.protocol import codec, messages, module_aliases, receiver, sender, streams
from ..link.protocol.unpatched import _thread, marshal, os, threading
from . import (
    assertions,
    breakpoints,
    call_warnings,
    coverage,
    dispatch,
    failures,
    fault_dumps,
    homes,
    runtime,
    soft_assertions,
    stacks,
)
from .imports import Modules

_POINTS = "%s.points" % __package__
_POOL_SECONDS = 0.2  # pools wait for jobs that run, and a halt does not
_CHILD_SECONDS = 1.0  # processes that were sent SIGTERM may ignore it


def run(reader, write_fd, config):
    """Become a peer, on the main thread, and return when the interpreter is to end normally."""
    Agent(reader, write_fd, config).live()


def _set_up_paths(config):
    main = sys.modules["__main__"].__dict__
    # The origin's module `launch.command` leaves these names there, secrets included.
    for name in ("a", "b", "f", "os", "r", "s", "sys", "w", "_socket"):
        main.pop(name, None)
    sys.argv[:] = sys.argv[:1]
    if config["replace_path"]:
        own = os.environ.get("PYTHONPATH")
        given = own.split(os.pathsep) if own and own != config["python_path"] else ()
        named = set(map(os.path.abspath, given))
        first = [entry for entry in sys.path if entry in named]
        sys.path[:] = first + [entry for entry in config["path"] if entry not in first]
    else:
        known = set(sys.path)
        # Only a directory that is the origin's, and not another one of the same name.
        sys.path.extend(
            entry
            for entry, place in config["path"]
            if entry not in known and place is not None and module_aliases.place_of(entry) == place
        )


class Agent:
    """Sets up the process, and connects the link with the dispatcher."""

    def __init__(self, reader, write_fd, config):
        read_fd = reader.fileno()
        for fd in (read_fd, write_fd, config["lifeline"]):
            try:
                os.set_inheritable(fd, False)
            except OSError:
                pass  # there is no lifeline, or a launcher has closed it
        fault_dumps.begin(config["evidence"])
        _set_up_paths(config)
        coverage.begin(config["coverage"])
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # So that the last output before a crash is in the pipe and not in a buffer.
                stream.reconfigure(line_buffering=True)
        self._reader = reader
        self._stream = streams.stream_over(read_fd, write_fd)
        self._sender = sender.MessageSender(self._stream)
        self._receiver = receiver.FrameReceiver(read_fd, self._received)
        self._own_files = frozenset(config["own_files"])
        self._runtime = runtime.runtime = runtime.Runtime(
            *(config[each] for each in ("name", "by_value", "call_timeout", "locals", "levels"))
        )
        self._runtime.keeps_frames = config["keeps_frames"]
        self._dispatcher = dispatch.Dispatcher(
            self._runtime, self._own_files, self._read, read_fd, self._receiver
        )
        self._runtime.reader = self._dispatcher.reader
        self._runtime.event_loop = self._dispatcher.event_loop
        self._runtime.runs_coroutine = self._dispatcher.event_loop.has
        self._runtime.relay = _relay
        self._runtime.make_exchange = _exchange
        assertions.ask = homes.ask = self._runtime.ask
        codec.find_home = homes.find
        place = config["environment"]
        self._modules = Modules(
            self._runtime.ask,
            config["replace_path"],
            place is not None and module_aliases.place_of(place[0]) == place[1],
            config["stubs"] or {},
            config["authkey"],
            config.get("later", {}),
        )
        call_warnings.install(self._own_files)
        failures.watch()
        breakpoints.install()
        soft_assertions.settings.update(config["settings"])
        self._parent_reaps = config["parent_reaps"]
        self._pid = os.getpid()

    def live(self):
        os.register_at_fork(after_in_child=self._forked)
        self.open()
        try:
            # While the origin prepares its first call.
            self._dispatcher.reader.start()
            self._runtime.listen(self._parent_reaps)
            self._dispatcher.main_loop()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # of a signal handler; the interpreter would wait for threads
            sys.excepthook(*sys.exc_info())
            dispatch.end(lambda: None, 1)

    def open(self):
        """Start to talk to the origin, with the data that has arrived already."""
        # The buffered reader reads no more: this is what it has in its buffer.
        self._receiver.chunks.append(self._reader.read(len(self._reader.peek())))
        self._read(self._begin)

    def _begin(self):
        self._runtime.enqueue = self._sender.enqueue
        self._sender.enqueue(messages.READY, 0, coverage.measures())
        self._receiver.take()

    def rehearse(self):
        """Run the one call that has come, beside the main loop."""
        self.open()
        self._dispatcher.run_arrived()
        self._stream.close_write()

    def _read(self, step=None):
        try:
            (step or self._receive)()
        except (EOFError, OSError) as exc:
            self._link_lost(exc)

    def _receive(self):
        if self._receiver.chunks:  # a call that waits for an answer has found something else
            self._receiver.take()
        else:
            self._receiver.pull()

    def _forked(self):
        # A child that kept the link open would hide our death from the origin, and its from us.
        null = os.open(os.devnull, os.O_RDWR)
        self._stream.disown(null)
        os.close(null)
        self._dispatcher.event_loop.leave_sigint()
        # A child that a signal handler has forked may come back to the main loop.
        self._dispatcher.reader.handed.put(lambda: None)

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
        elif kind == messages.LEVELS:
            self._runtime.take_levels(payload)
        elif kind == messages.CANCEL:
            self._dispatcher.event_loop.cancel(ident)
        elif kind == messages.COVERAGE:
            coverage.received(self._sender.enqueue, ident, payload)
        elif kind == messages.STACKS:
            # On another thread, because it imports: a finder holds the import lock while it waits
            # for a reply that this thread has to read.
            try:
                _thread.start_new_thread(self._send_stacks, (ident, payload))
            except RuntimeError:
                pass  # no more threads: the origin gets no reply, and sends the signal
        elif kind == messages.DEBUG:
            breakpoints.received(payload)
        elif kind in (messages.RESULT, messages.EXCEPTION, messages.WARNING):
            self._runtime.exchange.received(kind, ident, payload)
        elif kind == messages.CALLER:
            self._runtime.callers[ident] = marshal.loads(payload)
        elif kind == messages.POINT:  # it has been imported: a call has set the point
            sys.modules[_POINTS].received(ident, payload)
        elif kind == messages.SHUTDOWN:
            self._shut_down(payload)

    def _send_stacks(self, ident, what):
        try:
            if what.startswith((b"call ", b"own", b"rest", b"begun")):
                from . import blocked  # not at the top: most peers need it not

                found = blocked.asked(what, self._dispatcher, self._own_files)
                self._sender.enqueue(messages.STACKS, ident, found)
                return
            if what:
                text = stacks.debugger()
            else:
                text = stacks.written(self._own_files, self._dispatcher.reader.busy)
            self._sender.enqueue(messages.STACKS, ident, text.encode("utf-8", "backslashreplace"))
        except Exception:
            pass  # the link is gone, or a test has patched `os.stat`: the origin sends the signal

    def _link_lost(self, error):
        # A peer does not outlive its control link, and neither does anything it started.
        if os.getpid() != self._pid:
            raise SystemExit(0)  # a child, forked by a signal handler while no call ran
        lost = isinstance(error, (EOFError, ConnectionError, TimeoutError))
        if not lost and error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            # Code here has closed it. The origin lives, ends the others, and knows this status.
            os._exit(messages.LINK_LOST)
        # A reaper does it too, and gives resource trackers their time.
        if not self._parent_reaps and os.getpgrp() == self._pid:
            os.killpg(0, 9)  # SIGKILL; the import of `signal` takes a millisecond of every boot
        os._exit(1)

    def _shut_down(self, how):
        if how == b"finish":
            self._dispatcher.reader.retired = True
            _thread.start_new_thread(self._finish, ())
        elif not self._dispatcher.reader.end(self._halt):
            # The main thread is in a call, and this does not wait for calls.
            _thread.start_new_thread(*coverage.traced(self._halt, ()))

    def _finish(self):
        dispatch.attempt(coverage.save)
        self._dispatcher.wait_all_done()
        dispatch.attempt(soft_assertions.collect, failures.report_tasks, self._runtime.report)
        self._sender.wait_idle(None)
        # The main thread returns, and the interpreter ends normally.
        self._dispatcher.event_loop.leave()
        self._dispatcher.reader.end(lambda: None)

    def _halt(self):
        """Flush, run the atexit callbacks and exit, without waiting for threads and calls."""
        _halting.acquire()  # never released: a second thread waits for the exit
        self._dispatcher.wait_begun()
        steps = soft_assertions.collect, failures.report_tasks, self._runtime.report
        dispatch.attempt(coverage.save, *steps)
        failures.ending = True
        dispatch.end(_end_work, 0, lambda: self._sender.wait_idle(dispatch.LAST_SECONDS))


_halting = _thread.allocate_lock()


def _end_work():
    """Tell pools that this is the end, and let `multiprocessing` terminate its processes.

    Its ``atexit`` does so to daemons, when managers have ended, and waits for them.
    """
    steps = getattr(threading, "_threading_atexits", ())
    if steps:
        ended = _thread.allocate_lock()
        ended.acquire()
        _thread.start_new_thread(dispatch.attempt, (*reversed(steps), ended.release))
        ended.acquire(True, _POOL_SECONDS)
    process, until = sys.modules.get("multiprocessing.process"), []
    for child in process.active_children() if process else ():
        child._config["daemon"] = True
        popen = child._popen
        popen.terminate = functools.partial(_terminate, popen.terminate, child, until)


def _relay(record):
    from . import log_window  # not at the top: most peers have no child that logs

    log_window.window.send(record)


def _exchange(runtime):
    from .exchange import Exchange  # not at the top: most peers have none

    return Exchange(runtime)


def _terminate(terminate, child, until):
    terminate()
    child.join = functools.partial(_join, child.join, until)


def _join(join, until, timeout=None):
    """Wait for a child that was sent SIGTERM; without a time, a moment for all together."""
    if timeout is None:
        until.append(monotonic() + _CHILD_SECONDS)
        timeout = max(0.0, until[0] - monotonic())
    return join(timeout)
