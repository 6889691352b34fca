"""One life of a peer as a state machine; `Peer.restart` begins another life.

========== ============ ======================================== ===============================
phase      entered on   meaning                                  what leads out of it
========== ============ ======================================== ===============================
NEW        (made so)    nothing is done yet                      `start`: STARTING
STARTING   boot thread  it makes the process                     made: BOOTING; failed: DOWN
BOOTING    boot thread  process and origin shake hands           the agent is ready: RUNNING;
                                                                 the time is over: TIMED_OUT;
                                                                 a sign of the end: ENDING
TIMED_OUT  worker       it takes stacks, then kills              a sign of the end: ENDING
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

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ..core.clock import Periods
from ..core.down_reason import PeerState, down_reason
from ..core.errors import BootError, PeerDown
from ..core.locks import Lock
from ..core.loop import Timer, loop
from ..core.options import PeerOptions
from ..core.worker import run_all, start_thread, worker
from ..evidence.logs import LogRelay
from ..evidence.stacks import Stacks
from ..launch import procfs
from ..link.calls import RpcClient
from ..link.protocol import messages
from . import transitions
from .boot_errors import start_error, still_booting
from .coverage import PeerCoverage
from .process import PeerProcess
from .record import Record
from .transitions import Phase

if TYPE_CHECKING:
    from .restart import Lives
    from .supervisor import Supervisor

#: Seconds between the end of a process and that of its link, in either order; milliseconds mostly.
OTHER_END_SECONDS = 1.0
#: Seconds for a killed process to be gone. It takes milliseconds, unless the machine itself hangs.
KILLED = 20.0
_COLLECT = "pytest_peer_agent.agent.soft_assertions:collectors.append"


class PeerLife:
    """One life of a peer.

    Before the process starts, its owner's `admit` takes the name and makes the directory, or
    raises; `down` notes the reason before DOWN; `released` forgets the peer.
    """

    def __init__(self, options: PeerOptions, lives: "Lives") -> None:
        self.options = options
        self.requests: transitions.Requests = transitions.Requests()
        self.owner: Supervisor = lives.owner
        self.process: PeerProcess = PeerProcess(
            options, lambda: loop.call_soon(self._see_end), self.held, lives.owner.place
        )
        self.record: Record = Record(options, self.process)
        self.client: RpcClient = RpcClient(
            self.record.whom,
            self.owner.mailboxes,
            lambda: self.owner.with_deadlock(self.stacks.record("a call timed out")),
            self.held,
        )
        self.client.unhandled = self.owner.unhandled
        self.client.logs = LogRelay(options.name, self.client.levels.handled)
        self.client.debugged = self.owner.debugged
        self.client.wait_blocked = partial(self.owner.wait_blocked, self)
        self.client.relay = partial(self.owner.relay.received, self)
        agent = self.client.agent
        self.stacks: Stacks = Stacks(agent.stacks, agent.has_debugger, self.process.local_pid)
        self.lives = lives
        self._course = transitions.Course()
        self._writing = Lock()  # for threads of ours
        self._timers: list[Timer] = []
        self._coverage = PeerCoverage(self, self._timers, self._kill)
        self._link_ended = False  # or there will be none
        # These change on the event loop only.
        self._patient = True  # the other of process and link still has time to end by itself
        self._link_lost = False  # it has ended alone, so that the process had to be killed
        self._expected = False  # a block of `expect_death` waited for the end

    @property
    def phase(self) -> Phase:
        return self._course.phase

    @property
    def state(self) -> PeerState:
        return self._course.state

    def __repr__(self) -> str:
        pid, words = self.process.pid, str(self.state)
        if self.state is PeerState.DOWN:
            seconds = self.record.ended - self.process.start_time
            words = f"{self.record.reason} after {seconds:.1f} s"
        elif self.process.paused:
            words = "paused"
        return f"<Peer {self.options.name} pid {pid}: {words}>"

    @cached_property
    def died_unasked(self) -> bool:
        """Whether it has ended after its boot, and nobody had asked for that; for all to agree."""
        status = self.process.exit_status
        excused = transitions.is_excused(self.requests, self._expected, status)
        return not excused and self.record.reason.kind != "boot failed"

    def start(self) -> None:
        """Start the process, or raise why there is none; the boot goes on in the background."""
        try:
            start_thread(self._boot, f"pytest-peer-boot-{self.options.name}")
            self._course.wait(lambda: self.phase > Phase.STARTING, None)
        except BaseException as exc:
            self.kill()
            if self.phase is not Phase.NEW:  # else the thread, if it comes to run, only ends
                self._course.wait(lambda: self.phase is Phase.RELEASED, KILLED)
            raise start_error(self.options.name, exc) from exc.__cause__
        if (error := self.record.boot_error) is not None and not self.process.started:
            raise error.with_traceback(None)

    def wait_boot(self, timeout: float | None) -> None:
        """Wait until the peer runs; raise a `BootError` if it will not or does not yet."""
        settled = self._wait(lambda: self.state is not PeerState.BOOTING, timeout)
        if (error := self.record.boot_error) is not None:
            raise error.with_traceback(None)  # without the frames of other waits
        if not settled:
            raise still_booting(self.record, self.process, timeout)

    def wait_down(self, timeout: float | None) -> bool:
        """Wait for the end, whatever causes it; return whether it came."""
        return self._wait(lambda: self.phase >= Phase.DOWN, timeout)

    def held(self) -> bool:
        """Return whether a debugger holds it, so that no limit passes; see `Stacks.held`."""
        return self.stacks.held()

    def _wait(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        wait = partial(self._course.wait, reached)
        return any(map(wait, Periods(timeout, self.held)))

    def kill(self, save: bool = True) -> None:
        """Have it killed, perhaps after a `save` of its coverage; `wait_released` waits."""
        self._coverage.save_last(save)
        self.requests.kill = True
        loop.call_soon(self._heed_requests)

    def stop(self) -> None:
        """Begin to end it as the option ``shutdown`` says; `wait_released` waits."""
        self.requests.stop = True
        how, _ = self.options.shutdown_plan
        if self.phase is Phase.RUNNING and not self.requests.stop_sent:
            if how != "close":
                self.process.os_process.remember_descendants()
                self.client.agent.shut_down(how)
            elif self.process.link is not None:
                self._coverage.save()
                self.process.link.stream.close_write()
            self.requests.stop_sent = True  # not before: an interrupt leaves it to the next stop
        loop.call_soon(self._heed_requests)

    def wait_released(self) -> None:
        """Wait, after `stop` or `kill`, until process and descendants are gone; PeerDown if not."""
        if loop.runs_here() or worker.runs_here():
            return  # a finalizer on a thread that has to go on for the peer to end
        limit = 0.0 if self.requests.kill else self.options.shutdown_plan[1]
        limit = None if limit is None else limit + KILLED
        if not self._course.wait(lambda: self.phase is Phase.RELEASED, limit):
            # The kernel waits for something, a debugger holds it, or the fault is ours.
            state = procfs.of_process(self.process.os_process.pid if self.process.started else 0)
            what = f"{self.record.whom()} was killed and is not gone after {KILLED:g} s"
            raise PeerDown(what if state is None else f"{what}: {state}")

    # On the boot thread

    def _boot(self) -> None:
        self._course.enter(Phase.STARTING)
        self.lives.publish(self)
        try:
            loop.start()
            if self.requests.kill or self.requests.stop:
                raise BootError(f"peer {self.options.name!r} was stopped before its boot")
            self.record.artifacts = self.owner.admit(self)
            directory = self.record.artifacts.path
            self.process.start(directory, self.stacks.begin(directory))
            for output in self.process.streams.outputs:
                output.where = partial(self.owner.where, self)
            run_all(partial(self.owner.started, self))
        except BaseException as exc:
            self.record.end("boot failed", start_error(self.options.name, exc))
            if hasattr(self.record, "artifacts"):
                run_all(self.record.artifacts.discard)
            self._go_down()
            return
        self._course.enter(Phase.BOOTING)
        if self.requests.kill or self.requests.stop:  # ignored before there was a process
            loop.call_soon(self._heed_requests)
        if self.process.os_process.exited.is_set():
            loop.call_soon(self._see_end)
        try:
            self._connect()
        except BaseException:  # a fault of ours: no thread is left waiting
            self.kill()
            raise
        if callable(wait_boot := self.options.wait_boot):
            self._course.wait(lambda: self.state is not PeerState.BOOTING, None)
            wait_boot(self.lives.peer)

    def _connect(self) -> None:
        self._boot_limits = Periods(self.options.boot_limit, self.held)
        self._limit_boot()
        link = self.process.connect(self.client.received, self._end_link)
        if link is None:
            self._end_link()
            if self.process.unusable is not None:
                loop.call_soon(self._kill)
            return
        assert self.process.interpreter is not None
        self.client.attach(link, self.process.interpreter)
        link.reader.start()
        self.record.missing = "the agent did not start"
        running = self.record.manifest(PeerState.RUNNING)  # made while we wait anyway
        self.client.ready.wait()  # set by the agent's first word, or by the end
        if self.phase >= Phase.DOWN:
            link.close()  # it may have been too early for `_go_down`
            return
        try:
            for fn in self.options.setup:
                self.record.missing = "its setup did not end"
                self.client.call(fn, (), {}, None, in_boot=True)
            for fn in self.owner.collectors(self.lives.peer):
                self.client.call(_COLLECT, (fn,), {}, None, in_boot=True)
            for point in tuple(self.lives.points):
                point.set_in(self, in_boot=True)
        except BaseException as exc:
            if not isinstance(exc, PeerDown):  # else it has ended
                self.record.setup_error = exc
                self.kill()
            return
        self.client.open()
        with self._writing:
            if self.phase is Phase.BOOTING:
                self.record.write(running)
        self._course.enter(Phase.RUNNING)

    # On the event loop

    def _heed_requests(self) -> None:
        """Look at all requests: an interrupt may have lost the call for an earlier one."""
        _, seconds = self.options.shutdown_plan
        cannot_answer = not self.requests.stop_sent or self.process.paused
        if self.requests.kill or cannot_answer or self.phase >= Phase.CONCLUDING:
            self._kill()
        elif seconds is not None:
            self._timers.append(loop.call_later(seconds, self.kill))

    def _kill(self) -> None:
        if Phase.STARTING < self.phase < Phase.DOWN and not self._coverage.saves():
            self.process.os_process.kill_all()

    def _end_link(self) -> None:
        self._link_ended = True
        loop.call_soon(self._see_end)

    def _see_end(self) -> None:
        """Look at a sign of the end; the first one makes it ENDING."""
        if self._course.enter(Phase.ENDING):  # before the look at what expects it
            self._expected = self.lives.ending(self)
            self._timers.append(loop.call_later(OTHER_END_SECONDS, self._lose_patience))
        if self.process.os_process.exited.is_set() and (self._link_ended or not self._patient):
            self._conclude()

    def _lose_patience(self) -> None:
        self._patient = False
        process = self.process.os_process
        if not process.exited.is_set():
            self._link_lost = not procfs.ends(process.pid)  # else its parent is slow to report how
            process.kill_all()
            self._timers.append(loop.call_later(KILLED, self._conclude))
        self._see_end()

    def _conclude(self) -> None:
        if self._course.enter(Phase.CONCLUDING):
            loop.cancel(*self._timers)
            steps = self.process.end_container, self._coverage.take, self._complete_record
            worker.run(partial(run_all, *steps, self._go_down))

    # On the worker

    def _limit_boot(self) -> None:
        """Give the boot the first part of its limit, or the next, or end it; see `Periods`."""
        if self.phase is not Phase.BOOTING or (limit := next(self._boot_limits, -1.0)) is None:
            return
        if limit >= 0:
            again = partial(worker.run, self._limit_boot)
            self._timers.append(loop.call_later(limit, again))
        elif self._course.enter(Phase.TIMED_OUT):
            self.record.boot_stacks = self.stacks.before_kill(self.process.os_process.exited)
            loop.call_soon(self._kill)

    def _complete_record(self) -> None:
        status = self.process.exit_status
        # A peer exits with LINK_LOST when it has lost its link.
        alone = self._link_lost or status is None or status.code == messages.LINK_LOST
        reason = down_reason(
            stopped=self.requests.stop,
            booted=self._course.booted,
            link_lost=self._link_ended and alone,
            exit_status=status,
            detail=self.requests.why or self.process.os_process.child.status_lost,
        )
        with self._writing:
            self.record.conclude(reason, booted=self._course.booted)

    def _go_down(self) -> None:
        run_all(partial(self.owner.down, self), self.client.logs.finish)
        self._course.enter(Phase.DOWN)
        run_all(partial(self.client.end, self.record.down_error))
        if self.process.link is not None:
            run_all(self.process.link.close)
        run_all(partial(self.owner.released, self))
        loop.leave()
        self._course.enter(Phase.RELEASED)

    def disown(self, null_fd: int) -> None:
        """Give the process up, in a forked child; takes no lock, which may be held for ever."""
        self.client = RpcClient(self.record.whom, self.owner.mailboxes, str, bool)
        self.record.end("link lost", PeerDown("this process was forked from the peer's origin"))
        self.client.end(self.record.down_error)
        self.process.disown(null_fd)
        self._course.phase = Phase.RELEASED
