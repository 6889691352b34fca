"""The handle of a peer."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from signal import SIGKILL
from typing import Any
from typing import NoReturn
from typing import TypeVar
from typing import final
from typing import overload

from ..core.options import PeerOptions
from ..core.options import checked
from ..core.states import DownReason
from ..core.states import PeerState
from ..core.sync import Condition
from ..core.timeouts import seconds
from ..evidence.output import InputStream
from ..evidence.output import OutputStream
from ..link.futures import PeerFuture
from ..link.futures import results
from . import shutdown
from .lifecycle import ExpectedExit
from .lifecycle import Owner
from .lifecycle import PeerInstance

__tracebackhide__ = True

T = TypeVar("T")

#: How long `pause` waits for the process to have stopped; it takes microseconds unless something is wrong.
_PAUSE_SECONDS = 1.0


@final
class Peer(Executor):
    """A Python process that this one started and controls.

    Get one from the fixtures `peer` and `peer_factory`, or from `pytest_peer.start`. It is also a
    `concurrent.futures.Executor`, and a context manager that stops it. Calls do not wait for each other: the first runs on the
    peer's main thread, others that come meanwhile on threads of their own. Erlang's ``peer``.
    """

    def __init__(self, owner: Owner) -> None:
        """:private: made by a supervisor, its owner."""
        self._owner = owner
        self._expectations: set[ExpectedExit] = set()
        # The life that had a process last, and the one that was begun after it.
        self._lives: tuple[PeerInstance, ...] = ()
        # One for each process: a thread that is not in a forked child may have held the parent's.
        self._turns: dict[int, Condition] = {}

    @property
    def instance(self) -> PeerInstance:
        """:private: the present life: the last one that has or had a process."""
        for life in reversed(self._lives):
            if life.process.started:
                return life
        raise AssertionError("a peer without a process")

    @property
    def has_process(self) -> bool:
        """:private: whether there is a present life."""
        return any(life.process.started for life in self._lives)

    def begin(self, options: PeerOptions) -> PeerInstance:
        """:private: begin a life, which is the present one when it has a process."""
        instance = PeerInstance(options, self._owner, self._expectations, self._publish)
        wait = options.wait_boot
        instance.start(functools.partial(wait, self) if callable(wait) else None)
        return instance

    def _publish(self, instance: PeerInstance) -> None:
        # On the boot thread: whichever comes to that can be stopped and killed from now on.
        present = [life for life in self._lives if life.process.started]
        self._lives = (*present[-1:], instance)

    def abort(self) -> None:
        """:private: kill it if it has begun."""
        shutdown.kill(self._lives)

    # What it is

    @property
    def name(self) -> str:
        """Its name; unique among the living peers of this process."""
        return self.instance.options.name

    @property
    def host(self) -> str:
        """The part after ``@`` in `node`."""
        return self.instance.options.host

    @property
    def node(self) -> str:
        """``name@host``."""
        return f"{self.name}@{self.host}"

    @property
    def options(self) -> PeerOptions:
        """The options it was started with."""
        return self.instance.options

    @property
    def pid(self) -> int | None:
        """Its own process id, as ``os.getpid()`` returns there; ``None`` before it has said so."""
        interpreter = self.instance.process.interpreter
        return interpreter.pid if interpreter else None

    @property
    def python(self) -> tuple[int, int, int] | None:
        """Its Python version, as ``(3, 13, 0)``; ``None`` before it has said so."""
        interpreter = self.instance.process.interpreter
        return interpreter.version if interpreter else None

    @property
    def state(self) -> PeerState:
        """``"booting"``, ``"running"`` or ``"down"``."""
        return self.instance.state

    @property
    def down_reason(self) -> DownReason | None:
        """Why it is down; ``None`` while it is not."""
        life = self.instance
        return life.record.reason if life.state is PeerState.DOWN else None

    @property
    def artifacts(self) -> Path:
        """The directory with ``stdout.log``, ``stderr.log``, ``manifest.json``, and ``stacks.txt``, ``crash.txt`` when there was a reason."""
        return self.instance.record.artifacts.path

    @property
    def stdout(self) -> OutputStream:
        """What it wrote to its stdout, descendants and C code included."""
        return self.instance.process.streams.stdout

    @property
    def stderr(self) -> OutputStream:
        """What it wrote to its stderr."""
        return self.instance.process.streams.stderr

    @property
    def stdin(self) -> InputStream:
        """What it reads from its stdin."""
        return self.instance.process.streams.stdin

    def __repr__(self) -> str:
        return repr(self.instance)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a peer's handle cannot be sent to another process")

    # Calls

    @overload
    def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...
    @overload
    def call(self, fn: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``fn(*args, **kwargs)`` there and return its value or raise its exception; ``peer:call``.

        A coroutine function runs on an event loop that lives as long as the peer. ``"module:qualname"`` names what cannot be
        imported here. The limit is the option ``call_timeout``.

        :raises CallTimeout: no answer in time; the function goes on, its answer is dropped, the peer stays usable.
        :raises PeerDown: the peer has ended.
        :raises EncodeError: the call or its result cannot be sent.
        """
        _check_callable(fn)
        life = self.instance
        return life.client.call(fn, args, kwargs, life.options.call_timeout)

    def call_within(
        self, timeout: float | None, fn: Callable[..., T] | str, /, *args: Any, **kwargs: Any
    ) -> T:
        """`call` with a limit of its own, in seconds; ``None`` for no limit."""
        _check_callable(fn)
        result: T = self.instance.client.call(fn, args, kwargs, seconds("call_within", timeout))
        return result

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> PeerFuture:
        """`call` without waiting: a future, whose ``result(timeout)`` is what `call` returns or raises.

        :raises PeerDown: the peer has ended.
        """
        return self._submit(fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., Any] | str,
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,  # noqa: ARG002 - Executor's; there is nothing to be gained by it
    ) -> Iterator[Any]:
        """``Executor.map``: submit a call for every row of the iterables, and give the results in order."""
        futures = [self._submit(fn, row, {}) for row in zip(*iterables, strict=False)]
        return results(futures, seconds("timeout", timeout))

    async def acall(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """`call` for asyncio: await the outcome."""
        calls = self.instance.client
        future = self._submit(fn, args, kwargs)
        try:
            return await future.aresult(self.options.call_timeout)
        finally:
            calls.drop(future)

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run it there and do not wait; ``peer:cast``. An exception is written to the peer's stderr.

        :raises PeerDown: the peer has ended.
        :raises EncodeError: it cannot be sent.
        """
        _check_callable(fn)
        self.instance.client.cast(fn, args, kwargs)

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into a mailbox of the peer, where ``pytest_peer.here.mailbox(name)`` gets it; ``peer:send``.

        :raises PeerDown: the peer has ended.
        :raises EncodeError: it cannot be sent.
        """
        self.instance.client.send(mailbox, message)

    def _submit(
        self, fn: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> PeerFuture:
        _check_callable(fn)
        return self.instance.client.submit(fn, args, kwargs)

    def dump_stacks(self) -> str:
        """Every thread's Python stack in the peer, as text.

        Also of one that holds the GIL in C, which is asked by a signal; its C frames are told too if ``py-spy`` or ``pystack`` is
        installed.

        :raises TimeoutError: nothing could be found; says in which state the process is.
        :raises PeerDown: the peer has ended.
        """
        return self.instance.stacks.take()

    # Life and death

    def wait_boot(self, timeout: float | None = None) -> None:
        """Wait until it runs.

        :param timeout: seconds, ``None`` for no limit; after it the peer goes on booting.
        :raises BootError: it failed.
        :raises BootTimeout: it still boots.
        """
        self.instance.wait_boot(seconds("timeout", timeout))

    def wait_down(self, timeout: float | None = None) -> DownReason:
        """Wait until it is down, and return why.

        :raises TimeoutError: it is not, within `timeout` seconds.
        """
        instance, limit = self.instance, seconds("timeout", timeout)
        if not instance.wait_down(limit):
            raise TimeoutError(f"{instance.record.whom()} is not down after {limit:g} s")
        assert instance.record.reason is not None
        return instance.record.reason

    def stop(self) -> None:
        """End it as the option ``shutdown`` says; ``peer:stop``.

        When this returns, the process and everything it started is gone. Harmless when it is down already.
        """
        shutdown.stop(self._lives)

    def kill(self, signal: int = SIGKILL) -> None:
        """Send a signal to the peer. If it dies of that signal, its death was asked for.

        With SIGKILL the peer, and all that it started, is gone when this returns.
        """
        if signal == SIGKILL:
            shutdown.kill(self._lives)
        else:
            self.instance.signal(signal)

    def pause(self) -> None:
        """Stop the peer and all that it started (SIGSTOP), as if their machine hung.

        `resume` lets them go on.
        """
        self.instance.process.pause(_PAUSE_SECONDS)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.instance.process.resume()

    def restart(self, **changes: Any) -> Peer:
        """Stop it if necessary, start it again under its name and options, with `changes`, and return it.

        The same handle has a new process; ``down_reason`` is cleared, output and artifacts begin anew in another directory. Of
        several threads that restart it at once, each stops what the one before has started, be it only booting.
        """
        instance = self._renew(changes)
        if instance.options.awaits_boot:
            instance.wait_boot(None)
        return self

    def _renew(self, changes: Mapping[str, Any]) -> PeerInstance:
        while True:
            ended = self.instance
            values = {name: getattr(ended.options, name) for name in PeerOptions.__slots__}
            options = checked({**values, **changes})  # before anything is stopped
            shutdown.stop([ended], wait_closed=True)
            # Threads take turns to begin a life, but none waits for the boot of another's.
            with self._turns.setdefault(os.getpid(), Condition()):
                if self.instance is ended:
                    return self.begin(options)

    @contextlib.contextmanager
    def expect_death(self, timeout: float | None = 5.0) -> Iterator[Peer]:
        """A block in which the peer goes down by what the test does in it: such a death counts as asked for, whatever `peer_down` is.

        Gives the peer, whose `down_reason` says afterwards how it died. Calls that the death interrupts raise `PeerDown` as ever;
        an exception leaves the block at once. A peer that died in the block and was restarted there has died.

        :param timeout: seconds from the end of the block to the death, ``None`` for no limit.
        :raises TimeoutError: it still runs then; with its stacks.
        :raises PeerDown: it was down before the block.
        """
        limit = seconds("timeout", timeout)
        with shutdown.expected_death(lambda: self.instance, self._expectations, limit):
            yield self

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """``Executor.shutdown``: pending calls finish, then `stop`; without `wait`, or with `cancel_futures`, just `stop`."""
        if wait and not cancel_futures:
            self.instance.client.wait_pending()
        self.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _check_callable(fn: object) -> None:
    if not callable(fn) and not isinstance(fn, str):
        raise TypeError(f"expected a callable or 'module:qualname', got {fn!r}")
    if isinstance(fn, str) and not all(fn.partition(":")):
        raise ValueError(f"expected 'module:qualname', got {fn!r}")
