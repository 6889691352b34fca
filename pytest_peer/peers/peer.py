"""The handle of a peer."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from ..core.clock import seconds
from ..core.down_reason import DownReason, PeerState
from ..evidence.output import OutputStream
from ..evidence.standard_streams import InputStream
from ..link.pickling import check_callable
from .choreography.relay import handles
from .choreography.settle import Settling
from .executor import PeerExecutor
from .restart import Lives, kill_all, stop_all

if TYPE_CHECKING:
    from .choreography.point_options import Target
    from .choreography.points import FailPoint, HoldPoint
    from .choreography.running import Service
    from .supervisor import Supervisor

_numbers = itertools.count(1)
_ORIGIN = os.urandom(4).hex()  # a peer that starts peers has handles of both origins


class Peer(PeerExecutor):
    """A Python process that this one started and controls. Erlang's module ``peer``.

    The fixtures `peer` and `peer_factory` give peers, and `pytest_peer.start`. A peer is also a
    `concurrent.futures.Executor`, and a context manager that stops it. Calls do not wait for each
    other: the first runs on the peer's main thread, others meanwhile on threads of their own.
    """

    def __init__(self, owner: Supervisor) -> None:
        """:private: made by a supervisor, its owner."""
        self.lives: Lives = Lives(owner, self)
        #: :private: its handles in peers have it
        self.key: str = f"{_ORIGIN}-{next(_numbers)}"
        handles[self.key] = self

    @property
    def name(self) -> str:
        """Its name; unique among the living peers of this process."""
        return self.life.options.name

    @property
    def host(self) -> str:
        """The part after ``@`` in `node`."""
        return self.life.options.host

    @property
    def node(self) -> str:
        """``name@host``."""
        return f"{self.name}@{self.host}"

    @property
    def pid(self) -> int | None:
        """Its own process id, as ``os.getpid()`` returns there; ``None`` before it has said so."""
        interpreter = self.life.process.interpreter
        return interpreter.pid if interpreter else None

    @property
    def python(self) -> tuple[int, int, int] | None:
        """Its Python version, as ``(3, 13, 0)``; ``None`` before it has said so."""
        interpreter = self.life.process.interpreter
        return interpreter.version if interpreter else None

    @property
    def state(self) -> PeerState:
        """``"booting"``, ``"running"`` or ``"down"``."""
        return self.life.state

    @property
    def down_reason(self) -> DownReason | None:
        """Why it is down; ``None`` while it is not."""
        life = self.life
        return life.record.reason if life.state is PeerState.DOWN else None

    @property
    def artifacts(self) -> Path:
        """The directory with ``stdout.log``, ``stderr.log``, ``manifest.json``.

        ``stacks.txt`` and ``crash.txt`` are there when there was a reason for them.
        """
        return self.life.record.artifacts.path

    @property
    def stdout(self) -> OutputStream:
        """What it wrote to its stdout, descendants and C code included."""
        return self.life.process.streams.stdout

    @property
    def stderr(self) -> OutputStream:
        """What it wrote to its stderr; with a terminal, that is `stdout`."""
        return self.life.process.streams.stderr

    @property
    def stdin(self) -> InputStream:
        """What it reads from its stdin."""
        return self.life.process.streams.stdin

    def __repr__(self) -> str:
        return repr(self.life)

    def __reduce__(self) -> Any:
        from .. import here

        return here._handle, (self.name, self.key, self.options.call_timeout)

    def dump_stacks(self) -> str:
        """Return the Python stack of every thread of the peer, as text.

        A thread that holds the GIL in C is asked by a signal; its C frames are shown as well if
        ``py-spy`` or ``pystack`` is installed.

        :raises TimeoutError: Nothing could be found; says in which state the process is.
        :raises PeerDown: The peer has ended.
        """
        return self.life.stacks.take()

    def running(
        self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> AbstractContextManager[Service]:
        """Run `fn` in the peer as long as the block, which it must not end before: a server.

        Whatever waits for this peer in the block (`OutputStream.wait_for` and ``expect``, those of
        the service, mailboxes, marks and barriers of the test, points) and `eventually` raise at
        once what `fn` has raised, or `ServiceEnded` if it has returned. So does the block's end.

        Leaving the block cancels a coroutine, and waits for its end, 5 s at most. A function that
        is no coroutine goes on until the peer ends. A death of the peer that was asked for is no
        failure; after a restart in the block, `fn` does not run again.

        :param fn: See `call`.
        :returns: A context manager. It gives the service, with the methods ``wait_for`` and
            ``expect`` for both streams together.
        :raises ServiceEnded: `fn` has returned. What it has raised is raised as itself.
        :raises PeerDown: The peer has ended.
        :raises EncodeError: The call cannot be sent.
        """
        from .choreography.running import running  # most never need it

        check_callable(fn)
        return running(self.life, fn, args, kwargs)

    def reserve_port(self, host: str = "127.0.0.1") -> int:
        """Return a port for code in the peer to bind, which nobody else gets until it is stopped.

        It is outside the range from which the kernel gives ports by itself, and no other test of
        this machine is given it. It is free for IPv4 and IPv6, TCP and UDP, on every address, and
        stays reserved over `restart`. It is not bound.

        :param host: An address of the peer's machine, default ``"127.0.0.1"``.
        :raises OSError: `host` is none, or no such port is free.
        :raises PeerDown: The peer, on another machine, has ended.
        """
        return self.lives.owner.ports.reserve(self, host)

    def debug(self) -> None:
        """Stop the call that runs on its main thread, in the debugger; wait until that is left.

        :raises TimeoutError: No call runs there, or C code that keeps the GIL does for 5 s.
        :raises PeerDown: The peer has ended.
        """
        from ..debugger.requests import stop_running  # most never need it

        life = self.life
        life.wait_boot(None)
        if not stop_running(life.client, lambda: life.state is PeerState.DOWN):
            raise life.record.down_error()

    def settle(self, timeout: float | None = 5.0, *, ignore_timers: bool = True) -> None:
        """Wait until the peer and all that it has started are at rest, by the word of the kernel.

        There was a moment at which no thread ran or could run, and no message was on its way
        between test and peer.

        :param timeout: Seconds, 5 by default; ``None`` for no limit.
        :param ignore_timers: Whether a thread that waits with a limit of its own, as in
            ``time.sleep``, is at rest.
        :raises NotSettled: There was none in time; says which threads kept running.
        """
        Settling(lambda: [self.life], (), ignore_timers).wait(timeout)

    def hold_at(
        self,
        target: Target,
        at: str = "entry",
        when: Callable[..., object] | None = None,
        nth: int = 1,
        required: bool = True,
    ) -> HoldPoint:
        """Hold the nth call of a function while a ``with`` block lasts; its end lets it go on.

        The block gives the point: `HoldPoint.wait` waits for the call, `HoldPoint.release` lets it
        go on. A coroutine is held without its event loop. A life of the peer that begins in the
        block has the point too, and so have children that the peer forks there.

        :param target: A Python function, by ``"module:function"``, ``"module:Class.method"``, or
            itself. It stays the same object, so it is held by whatever name it is called.
        :param at: ``"entry"``, ``"return"``, or ``"raise"``.
        :param when: Only calls are counted for which this returns something true, in the peer; it
            gets their arguments, ``self`` included.
        :param nth: Which call is held, from 1 on.
        :param required: Whether it is an error at the end of the block that none was.
        :raises PointNotFound: There is no such function; before anything runs.
        :raises PointNotReached: No call came to it, at the end of the block.
        :raises PeerDown: The peer has ended.
        """
        from .choreography.points import HoldPoint  # most never need it

        return HoldPoint(self.lives, target, at=at, when=when, nth=nth, required=required)

    def point(self, target: Target, **options: Any) -> HoldPoint:
        """Return a point for ``peer_factory.order``; it takes what `hold_at` takes."""
        return self.hold_at(target, **options)

    def fail_at(
        self,
        target: Target,
        exc: BaseException | type[BaseException],
        nth: int = 1,
        times: int = 1,
        *,
        when: Callable[..., object] | None = None,
        required: bool = True,
    ) -> FailPoint:
        """Have a function raise `exc` instead of running, while a ``with`` block lasts.

        :param exc: An exception, or a class of exceptions that needs no arguments; each call raises a
            new one.
        :param nth: The first call that fails, from 1 on.
        :param times: How many do, from there on.

        The other parameters, and the errors, are those of `hold_at`.
        """
        from .choreography.points import FailPoint

        options = {"nth": nth, "times": times, "when": when, "required": required}
        return FailPoint(self.lives, target, exc, **options)

    # Life and death

    def wait_boot(self, timeout: float | None = None) -> None:
        """Wait until the peer runs.

        :param timeout: Seconds, ``None`` for no limit. After it the peer goes on booting.
        :raises BootError: The boot has failed.
        :raises BootTimeout: The peer still boots.
        """
        self.life.wait_boot(seconds("timeout", timeout))

    def wait_down(self, timeout: float | None = None) -> DownReason:
        """Wait until the peer is down, and return why.

        :param timeout: Seconds, ``None`` for no limit.
        :raises TimeoutError: It is not down in time; with its stacks.
        """
        life, limit = self.life, seconds("timeout", timeout)
        if not life.wait_down(limit):
            stacks = life.owner.with_deadlock(life.stacks.record("its end was awaited"))
            raise TimeoutError(f"{life.record.whom()} is not down after {limit:g} s\n{stacks}")
        return life.record.reason

    def stop(self) -> None:
        """End the peer as the option ``shutdown`` says. Erlang's ``peer:stop/1``.

        When this returns, the process and everything it started is gone, unless the option is
        ``"close"``. Does nothing to a peer that is down.

        :raises PeerDown: The process is not gone 20 seconds after it was killed.
        """
        stop_all(self.lives.stoppable)
        self.lives.owner.ports.release([self])
        self.lives.owner.stopped()

    def kill(self, signal: int = SIGKILL, *, save: bool = True) -> None:
        """Send a signal to the peer. If it dies of that signal, its death was asked for.

        :param signal: With SIGKILL, the default, the peer and all that it started is gone when
            this returns. Another signal has been sent then.
        :param save: Whether a peer that measures coverage writes its data before SIGKILL, for which
            it has one second. Its other threads stand still meanwhile.
        :raises PeerDown: The process is not gone 20 seconds after it was killed.
        :raises OSError: There is no such signal.
        """
        if signal == SIGKILL:
            kill_all(self.lives.stoppable, save=save)
        else:
            life = self.life
            life.requests.signals.add(signal)
            life.process.signal(signal)

    def pause(self) -> None:
        """Stop it and all that it started (SIGSTOP) until `resume`, as if their machine hung."""
        self.life.process.pause()

    def resume(self) -> None:
        """Let the peer and all that it started go on after `pause`."""
        self.life.process.resume()

    def restart(self, **changes: Any) -> Peer:
        """Stop the peer if necessary, start it again under its name, and return it.

        The same handle has a new process. ``down_reason`` is cleared; output and artifacts begin
        anew in another directory. Of several threads that restart it at once, each stops what the
        one before has started.

        :param changes: Options that differ from those it has.
        :raises BootError: The peer did not boot.
        """
        life = self.lives.renew(changes)
        if life.options.awaits_boot:
            life.wait_boot(None)
            self.lives.owner.ports.renew(self)
        return self

    def expect_death(self, timeout: float | None = 5.0) -> AbstractContextManager[Peer]:
        """Expect the peer to go down in the block: its death counts as asked for.

        Gives the peer, whose `down_reason` says afterwards how it died. Calls that the death
        interrupts raise `PeerDown` as ever, and an exception leaves the block at once. A peer that
        died in the block and was restarted there has died.

        :param timeout: Seconds from the end of the block to the death, 5 by default; ``None`` for
            no limit.
        :raises TimeoutError: The peer still runs then; with its stacks.
        :raises PeerDown: The peer was down before the block.
        """
        return self.lives.expect_death(seconds("timeout", timeout))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let pending calls finish, and stop the peer: ``Executor.shutdown``.

        :param wait: Whether to wait for pending calls.
        :param cancel_futures: Whether to stop at once all the same.
        """
        if wait and not cancel_futures:
            self.life.client.wait_pending()
        self.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()
