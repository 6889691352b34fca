"""One life of a peer as a state machine; `Peer.restart` begins another life.

========== ============ ======================================== ===============================
phase      entered on   meaning                                  what leads out of it
========== ============ ======================================== ===============================
NEW        (made so)    nothing is done yet                      `start`: STARTING
STARTING   boot thread  it makes the process                     made: BOOTING; failed: DOWN
BOOTING    boot thread  process and origin shake hands           the agent is ready: RUNNING;
                                                                 the time is over: TIMED_OUT;
                                                                 a sign of the end: ENDING
TIMED_OUT  event loop   the worker takes stacks, then kills      a sign of the end: ENDING
RUNNING    boot thread  it answers calls                         a sign of the end: ENDING
ENDING     event loop   process or link has ended; the other     both have ended, or the time
                        has a moment to do so too                is over: CONCLUDING
CONCLUDING event loop   the worker takes the last output and     done: DOWN
                        traces, decides the reason
DOWN       worker       the name is free, pending calls fail     done: RELEASED
RELEASED   worker       all descriptors are closed               nothing
========== ============ ======================================== ===============================

Where there never was a process, the boot thread does the worker's part. A *sign of the end* is the
end of the process, that of the link, or a boot that failed; the event loop hears of all three.

Threads of users change no phase. They set a field of `Requests`, wake the event loop by
`EventLoop.call_soon`, and wait for a phase. Every change of it wakes all that wait. So an interrupt
of a user's thread, Ctrl-C or a time limit, cannot lose a process, a name or a waiting thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..core.errors import BootError
from ..core.loop import Timer, loop
from ..core.options import PeerOptions
from ..core.states import PeerState
from ..core.sync import Event
from ..core.unraisable import run_all
from ..core.worker import start_thread, worker
from ..evidence.artifacts import Artifacts
from ..evidence.stacks import Stacks
from ..link.calls import RpcClient
from ..link.protocol import messages
from ..link.protocol.mailbox import Mailboxes
from . import failure, transitions
from .process import PeerProcess
from .record import Record
from .transitions import EndStep, Phase

__tracebackhide__ = True

#: Seconds between the end of a process and that of its link, in either order; milliseconds mostly.
SAME_END = 1.0
#: Seconds for a killed process to be gone. It takes milliseconds, unless the machine itself hangs.
KILLED = 20.0
#: Seconds for a peer to notice that its link was cut, before it is killed.
_NOTICE = 1.0


class Owner(Protocol):
    """The supervisor, as a life sees it. Its methods are called on threads of ours.

    `admit` takes the name and makes the directory, or raises, before the process starts. `down`
    notes the reason before DOWN. `released` forgets the peer: nothing is left of it.
    """

    mailboxes: Mailboxes

    def admit(self, instance: PeerInstance, /) -> Artifacts: ...
    def down(self, instance: PeerInstance, /) -> object: ...
    def released(self, instance: PeerInstance, /) -> object: ...


class ExpectedExit:
    """A block that waits for the peer's death, and excuses it."""

    #: The life that has ended in it.
    instance: PeerInstance | None = None


class PeerInstance:
    """One life of a peer. Nothing is done before `start`.

    :param expectations: Those who wait for the peer's death, in this life or in the next.
    :param publish: Called on the boot thread before it starts the process.
    """

    def __init__(
        self,
        options: PeerOptions,
        owner: Owner,
        expectations: set[ExpectedExit],
        publish: Callable[[PeerInstance], object],
    ) -> None:
        self.options = options
        self.requests: transitions.Requests = transitions.Requests()
        self.process: PeerProcess = PeerProcess(options, lambda: loop.call_soon(self._see_end))
        self.record: Record = Record(options, self.process)
        self.client: RpcClient = RpcClient(
            self.record.whom, owner.mailboxes, lambda: self.stacks.record("a call timed out")
        )
        self.stacks: Stacks = Stacks(self.client.ask_stacks, self.process.local_pid)
        self.owner: Owner = owner
        self._expectations, self._publish = expectations, publish
        self.phase: Phase = Phase.NEW
        self._before_end = self.phase
        self._changed = Event()
        self._lock, self._writing = threading.RLock(), threading.RLock()  # for threads of ours
        self._timers: list[Timer] = []
        # On the event loop
        self._linked = self._patient = True
        self._expected = self._link_lost = False

    @property
    def state(self) -> PeerState:
        return transitions.public_state(self.phase, self._before_end)

    def __repr__(self) -> str:
        return f"<Peer {self.record.in_words(self.state)}>"

    @property
    def excused(self) -> bool:
        """Whether the end was asked for, so that no test fails or warns for it."""
        return transitions.is_excused(self.requests, self._expected, self.process.exit_status)

    def start(self, booted: Callable[[], object] | None = None) -> None:
        """Start the process; the boot goes on in the background.

        :param booted: Called when the peer runs or its boot has failed.
        :raises ExecNotFound: There is no such program.
        :raises NameInUse: A peer of that name is alive.
        """
        try:
            start_thread(partial(self._boot, booted), f"pytest-peer-boot-{self.options.name}")
            self._changed.wait_for(lambda: self.phase > Phase.STARTING, None)
        except BaseException as exc:
            self.kill()
            if self.phase is not Phase.NEW:  # else the thread, if it comes to run, only ends
                self._changed.wait_for(lambda: self.phase is Phase.RELEASED, KILLED)
            raise failure.start_error(self.options.name, exc) from exc.__cause__
        if (error := self.record.boot_error) is not None and not self.process.started:
            raise error.with_traceback(None)

    def wait_boot(self, timeout: float | None) -> None:
        """Wait until the peer runs.

        :raises BootError: It will not; or, as `BootTimeout`, it does not yet.
        """
        settled = self._changed.wait_for(lambda: self.state is not PeerState.BOOTING, timeout)
        if (error := self.record.boot_error) is not None:
            raise error.with_traceback(None)  # without the frames of other waits
        if not settled:
            raise failure.boot_timeout(self.record.whom(), self.process, timeout)

    def wait_down(self, timeout: float | None) -> bool:
        """Wait for the end, whatever causes it; return whether it came."""
        return self._changed.wait_for(lambda: self.phase >= Phase.DOWN, timeout)

    def kill(self) -> None:
        """Have it killed with all that it started, and return at once; `wait_released` waits."""
        self.requests.kill = True
        loop.call_soon(self._heed_requests)

    def stop(self) -> None:
        """Begin to end it as the option ``shutdown`` says; `wait_released` waits."""
        self.requests.stop = True
        plan = self.options.shutdown_plan
        if self.phase is Phase.RUNNING and not self.requests.stop_sent:
            if plan.how == "close":
                self.process.cut_link()
            else:
                self.process.remember_descendants()
                self.client.shut_down(plan.how)
            self.requests.stop_sent = True  # not before: an interrupt leaves it to the next stop
        loop.call_soon(self._heed_requests)

    def wait_released(self) -> None:
        """Wait, after `stop` or `kill`, until the process and all that it started are gone.

        :raises PeerDown: They are not, although they were killed.
        """
        if loop.runs_here() or worker.runs_here():
            return  # a finalizer on a thread that has to go on for the peer to end
        limit = 0.0 if self.requests.kill else self.options.shutdown_plan.seconds
        limit = None if limit is None else limit + KILLED
        if not self._changed.wait_for(lambda: self.phase is Phase.RELEASED, limit):
            raise failure.not_gone(self.record.whom(), KILLED, self.process.kernel_state())

    def signal(self, number: int) -> None:
        """Send a signal. If the peer dies of it, that was asked for."""
        self.requests.signals.add(number)
        self.process.signal(number)

    def _advance(self, to: Phase) -> bool:
        """Enter a phase if the table allows that now; return whether it did."""
        with self._lock:
            if self.phase not in transitions.SOURCES[to]:
                return False
            if to is Phase.ENDING:
                self._before_end = self.phase
            self.phase = to
        self._changed.wake()
        return True

    # On the boot thread

    def _boot(self, booted: Callable[[], object] | None) -> None:
        self._advance(Phase.STARTING)
        self._publish(self)
        try:
            loop.start()
            if self.requests.kill or self.requests.stop:
                raise BootError(f"peer {self.options.name!r} was stopped before its boot")
            self.record.artifacts = self.owner.admit(self)
            directory = self.record.artifacts.path
            self.process.start(directory, self.stacks.begin(directory))
        except BaseException as exc:
            self.record.never_started(exc)
            self._go_down()
            return
        self._advance(Phase.BOOTING)
        if self.requests.kill or self.requests.stop:  # ignored before there was a process
            loop.call_soon(self._heed_requests)
        if self.process.exited.is_set():
            loop.call_soon(self._see_end)
        try:
            self._connect()
        except BaseException:  # a fault of ours: no thread is left waiting
            self.kill()
            raise
        if booted is not None:
            self._changed.wait_for(lambda: self.state is not PeerState.BOOTING, None)
            booted()

    def _connect(self) -> None:
        if (limit := self.options.boot_limit) is not None:
            self._timers.append(loop.call_later(limit, self._boot_time_over))
        link = self.process.connect(self.client.received, self._link_ended)
        if link is None:
            self._link_ended()
            if self.process.unusable is not None:
                loop.call_soon(self._kill)
            return
        assert self.process.interpreter is not None
        self.client.attach(link, self.process.interpreter)
        link.reader.start()
        running = self.record.manifest(PeerState.RUNNING)  # made while we wait anyway
        self.client.ready.wait()  # set by the agent's first word, or by the end
        if self.phase >= Phase.DOWN:
            link.close()  # it may have been too early for `_go_down`
            return
        self.client.open()
        with self._writing:
            if self.phase is Phase.BOOTING:
                self.record.write(running)
        self._advance(Phase.RUNNING)

    # On the event loop

    def _boot_time_over(self) -> None:
        if self._advance(Phase.TIMED_OUT):
            worker.run(self._end_hanging_boot)

    def _heed_requests(self) -> None:
        """Look at all requests: an interrupt may have lost the call for an earlier one."""
        plan = self.options.shutdown_plan
        seconds = _NOTICE if plan.how == "close" else plan.seconds
        if self.requests.kill or not self.requests.stop_sent or self.phase >= Phase.CONCLUDING:
            self._kill()
        elif seconds is not None:
            self._timers.append(loop.call_later(seconds, self.kill))

    def _kill(self) -> None:
        if Phase.STARTING < self.phase < Phase.DOWN:
            self.process.kill()

    def _link_ended(self) -> None:
        self._linked = False
        loop.call_soon(self._see_end)

    def _see_end(self, patient: bool = True) -> None:
        """Look at a sign of the end; the first one makes it ENDING."""
        self._patient &= patient
        if self._advance(Phase.ENDING):  # before the look at what expects it
            for expectation in tuple(self._expectations):
                self._expected = True
                if not self.requests.stop:  # `restart` stops; a block does not wait for that
                    expectation.instance = self
            self._timers.append(loop.call_later(SAME_END, partial(self._see_end, False)))
        step = transitions.end_step(self.process.exited.is_set(), not self._linked, self._patient)
        if step is EndStep.CONCLUDE:
            self._conclude()
        elif step is EndStep.KILL and not self._link_lost:
            self._link_lost = not self.process.ends()
            self.process.kill()
            self._timers.append(loop.call_later(KILLED, self._conclude))

    def _conclude(self) -> None:
        if self._advance(Phase.CONCLUDING):
            loop.cancel(*self._timers)
            worker.run(lambda: run_all(self._complete_record, self._go_down))

    # On the worker

    def _end_hanging_boot(self) -> None:
        self.record.boot_stacks = self.stacks.before_kill(self.process.exited)
        loop.call_soon(self._kill)

    def _complete_record(self) -> None:
        status, last = self.process.exit_status, self._before_end
        # A peer exits with LINK_LOST when it has lost its link.
        self._link_lost |= status is None or status.code == messages.LINK_LOST
        self.record.close(killed_in_boot=last is Phase.TIMED_OUT)
        with self._writing:
            self.record.conclude(
                booted=last is Phase.RUNNING,
                stopped=self.requests.stop,
                link_lost=self._link_lost and not self._linked,
                timed_out=last is Phase.TIMED_OUT,
            )

    def _go_down(self) -> None:
        run_all(partial(self.owner.down, self))
        self._advance(Phase.DOWN)
        run_all(partial(self.client.end, self.record.down_error))
        if self.process.link is not None:
            run_all(self.process.link.close)
        run_all(partial(self.owner.released, self))
        self._advance(Phase.RELEASED)

    def disown(self, null_fd: int) -> None:
        """Give the process up, in a forked child: it is the parent's, and so is its end.

        Takes no lock: a thread that is not in the child may have held it.
        """
        self.client = RpcClient(self.record.whom, self.owner.mailboxes, str)
        self.record.disowned()
        self.client.end(partial(failure.disowned, self.record.whom()))
        self.process.disown(null_fd)
        self.phase = Phase.RELEASED
