"""One life of a peer, from the process's start to its end; `restart` gives a peer another.

Two threads have a part in it: the boot thread, which ends with the boot, and the watcher, which reports the end of the process and
that of the link. The end is dealt with once, in `_finish`, on a thread that is started for it and may wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..core.clock import Thread
from ..core.end import End
from ..core.errors import BootError
from ..core.errors import PeerDown
from ..core.loop import watcher
from ..core.options import PeerOptions
from ..core.states import DownReason
from ..core.states import PeerState
from ..core.sync import Event
from ..core.timers import Timers
from ..core.unraisable import attempt
from ..evidence.artifacts import Artifacts
from ..evidence.stacks import Stacks
from ..link.calls import RpcClient
from ..link.protocol import messages
from ..link.protocol.mailbox import Mailboxes
from . import failure
from .boot_limit import BootLimit
from .process import KILLED
from .process import SAME_END
from .process import PeerProcess
from .record import Record

if TYPE_CHECKING:
    from .expecting import ExpectedExit

__tracebackhide__ = True

#: For a peer to notice that its link was cut, before it is killed.
_NOTICE = 5.0


class PeerInstance:
    """Nothing is done before `start`.

    :param prepare: takes the name and makes the directory of the artifacts; called once, just before the process is started.
    :param on_down: called with this object when it is down after it was prepared; again, if a signal's handler has raised in it.
    """

    def __init__(
        self,
        options: PeerOptions,
        prepare: Callable[[], Artifacts],
        mailboxes: Mailboxes,
        on_down: Callable[[PeerInstance], object],
    ) -> None:
        self.options = options
        self._prepare = prepare
        self._on_down = on_down
        self.state: PeerState = PeerState.BOOTING
        self.body: PeerProcess = PeerProcess(options, self._process_ended)
        self.record: Record = Record(options, self.body)
        self.calls: RpcClient = RpcClient(
            self.record.whom, mailboxes, lambda: self.stacks.told("a call timed out")
        )
        self.stacks: Stacks = Stacks(self.calls.ask_stacks, self.body.local_pid)
        #: Whether its end was asked for, by `stop` or a signal of ours, or expected.
        self.asked: bool = False
        #: Whether `kill` was called, perhaps before there is a process.
        self.doomed: bool = False
        #: What excuses its end, if that comes now; `restart` hands it on.
        self.expectations: set[ExpectedExit] = set()
        self._stopping = False
        self._told = False  # by us that it is to end
        self._launched = False
        self._failure: BaseException | None = None
        self.begun: Event = Event()  #: Set when there is a process, or never will be.
        self._down = End()
        self._finished = End()
        self._settled = Event()  # it runs, or never will
        # Between threads of ours. Who stops, kills or waits takes none: the handler of a signal that interrupts that may do the same.
        self._deciding = threading.RLock()
        self._finishing = False
        self._timers = Timers()
        self._boot_limit = BootLimit(self.body, self.stacks)

    def start(self, booted: Callable[[], object] | None = None) -> None:
        """Start the process; the boot goes on in the background.

        :param booted: called when it has booted, or failed.
        :raises ExecNotFound: there is no such program.
        :raises NameInUse: a peer of that name is alive.
        """
        name = f"pytest-peer-boot-{self.options.name}"
        # All of it on a thread: an exception that a signal's handler raises here, Ctrl-C or a timeout, cannot lose a process.
        try:
            thread = Thread(target=self._begin, args=(booted,), name=name, daemon=True)
            thread.start()
            while not self.begun.wait(SAME_END):
                if thread.over and not self.begun.is_set():
                    raise failure.thread_died(self.options.name)
        except BaseException as exc:
            self.kill()
            # Not longer, if a fork server has not even started: the process is killed when it is there.
            if self._down.wait(KILLED):
                self._finished.wait(KILLED)
            raise failure.never_started(self.options.name, exc) from exc.__cause__
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    def _begin(self, booted: Callable[[], object] | None) -> None:
        self._launched = True
        if self.doomed:  # in this order, and `kill` in the other: one of both sees it, or both do
            self._never_started()
            self.begun.set()
            return
        try:
            self.record.artifacts = self._prepare()
            directory = self.record.artifacts.path
            self.body.start(directory, self.stacks.begin(directory))
            if self.doomed:
                self.body.kill()
        except BaseException as exc:
            self._failure = failure.never_started(self.options.name, exc)
            self._never_started()
            return
        finally:
            self.begun.set()
        try:
            if (limit := self.options.boot_limit) is not None:
                self._timers.call_later(limit, self._boot_too_long)
            self._boot()
        except BaseException:
            self.body.kill()  # a fault of ours must not leave somebody waiting
            self._finish()
            raise
        if booted is not None:
            booted()

    def _boot(self) -> None:
        body = self.body
        if not body.connect(self.calls.received, self._link_ended):
            self._finish()
            return
        assert body.link is not None and body.interpreter is not None
        running = self.record.manifest(PeerState.RUNNING)  # made while we wait anyway
        self.calls.ready.wait()  # set by the agent's first word, or by the end
        if not self._finishing:
            self.calls.open(body.link, body.interpreter)
        else:  # it may have been too early for `_finish` to close it
            self._finished.wait(KILLED)
            body.link.close()
        with self._deciding:
            late = self._boot_limit.expired  # and about to be killed
            if self.state is PeerState.BOOTING and not self._finishing and not late:
                self.record.write(running)
                self.state = PeerState.RUNNING
                self._settled.set()
        if late:
            self._finished.wait(KILLED)

    def _boot_too_long(self) -> None:
        with self._deciding:
            if self.state is not PeerState.BOOTING:
                return
            self._boot_limit.expired = True
        self._down.begin(self._boot_limit.enforce)  # the watcher may not wait

    def wait_boot(self, timeout: float | None) -> None:
        """Wait until it runs.

        :raises BootError: it will not; or, as `BootTimeout`, it does not yet.
        """
        settled = self._settled.wait(timeout)
        if error := self.record.boot_error or self._failure:
            raise error.with_traceback(None)  # else it would keep the frames of all who have waited
        if not settled:
            raise failure.boot_timeout(self.record.whom(), self.body, timeout)

    def ask_to_stop(self) -> bool:
        """Begin to end it as the option ``shutdown`` says; return whether its end is to be waited for."""
        plan = self.options.shutdown_plan
        self._stopping = self.asked = True
        state = self.state
        if state is PeerState.DOWN:
            return True
        if state is PeerState.BOOTING:
            self.kill()
        elif not self._told:
            if plan.how == "close":
                assert self.body.link is not None
                self.body.link.cut()
                # It may be stuck in C, and not notice.
                self._timers.call_later(_NOTICE, self.body.kill)
            else:
                self.body.process.remember_descendants()
                self.calls.shut_down(plan.how)
            self._told = True  # not before: an interrupt leaves it to whoever stops it next
            return plan.how != "close"
        return True

    def wait_stopped(self, seconds: float | None) -> None:
        """After `ask_to_stop`: wait until the process and all that it started are gone; after `seconds`, kill them."""
        if watcher.runs_here():  # in a finalizer, below which nobody would be told of the end
            self._down.begin(partial(self.wait_stopped, seconds))
            return
        if not self._down.wait(seconds):
            self.kill()
        if not (self._down.wait(KILLED) and self._finished.wait(KILLED)):
            raise failure.not_gone(self.record.whom(), KILLED, self.body.process_state())

    def kill(self) -> None:
        """Kill it and all that it started, and return at once; `wait_stopped` waits."""
        self.asked = self.doomed = True
        if self._launched:
            self.body.kill()  # or `_begin`, when there is a process
        else:
            self._never_started()

    def wait_down(self, timeout: float | None) -> DownReason:
        """Wait for the end, whoever causes it.

        :raises TimeoutError: it did not come in time.
        """
        if not self.await_down(timeout):
            raise TimeoutError(f"{self.record.whom()} is not down after {timeout:g} s")
        assert self.record.reason is not None
        return self.record.reason

    def await_down(self, timeout: float | None) -> bool:
        """Wait for the end, and return whether it came."""
        return self._down.wait(timeout)

    def expect(self, expectation: ExpectedExit) -> None:
        """From now on, until it is removed from `expectations`, the end is excused.

        :raises PeerDown: it has come already.
        """
        self.expectations.add(expectation)
        if self._finishing:  # which is so before `_finish` looks at them
            self._down.wait(KILLED)
            if expectation.life is None:
                raise self.record.down_error()

    def _process_ended(self) -> None:
        # Nearly always the link's end comes at the same moment and is dealt with. Not if somebody holds the pipe.
        self._timers.call_later(SAME_END, lambda: self._down.begin(self._finish))

    def _link_ended(self) -> None:
        self._down.begin(self._finish_without_link)  # who reads the link may not wait

    def _finish_without_link(self) -> None:
        status = self.body.end_without_link()
        self._finish(link_lost=status is None or status.code == messages.LINK_LOST)

    def _never_started(self) -> None:
        # May be done twice at the same time, but only before there is anything to be told.
        stopped = BootError(f"peer {self.options.name!r} was stopped before its boot")
        self._failure = self._failure or stopped
        self._finishing = True
        self.record.reason = DownReason("boot failed")
        if hasattr(self.record, "artifacts"):
            attempt(partial(self._on_down, self), self.record.artifacts.discard)
        self.state = PeerState.DOWN
        self._settled.set()
        self._down.set()
        self.calls.end(self.record.down_error)  # others may have seen it as the present life
        self._finished.set()

    def _finish(self, *, link_lost: bool = False) -> None:
        with self._deciding:
            if self._finishing:
                return
            self._finishing = True
            for expectation in tuple(self.expectations):
                self.asked = True
                if not self._stopping:  # `restart` stops; that is not what is waited for
                    expectation.life = self
        try:
            self._end(link_lost)
        except BaseException:  # of a signal's handler: it is done again
            self._finishing = False
            raise

    def _end(self, link_lost: bool) -> None:
        body = self.body
        body.process.exited.wait(KILLED)
        self._timers.close()
        self.record.close(killed=self._boot_limit.expired)
        with self._deciding:
            if self.state is not PeerState.DOWN:
                self.record.conclude(
                    self.state, stopped=self._stopping, link_lost=link_lost, limit=self._boot_limit
                )
                attempt(partial(self._on_down, self))
                self.state = PeerState.DOWN
        self._settled.set()
        self._down.set()
        self.calls.end(self.record.down_error)
        if body.link is not None:
            attempt(body.link.close)
        self.calls.ready.set()
        self._finished.set()

    def disown(self, null_fd: int) -> None:
        """In a forked child: this life is the parent's. Nothing here can use it, end it, or hide its end from the parent.

        No lock is taken: a thread that is not in the child may have held it when the process forked.
        """
        whose = f"{self.record.whom()} belongs to the process that this one was forked from"
        self.calls = self.calls.successor()
        self.calls.end(lambda: PeerDown(whose))
        self.body.disown(null_fd)
        self.record.reason = DownReason("link lost")
        self.state = PeerState.DOWN
        for event in (self._settled, self._down, self._finished):
            event.set()
