"""The origin's hold on a network: it starts the process that has it, and asks it for hosts."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from ..core.errors import PeerDown
from ..core.locks import Lock
from ..core.names import random_name
from ..core.options import PeerOptions
from ..peers.peer import Peer
from ..peers.supervisor import Supervisor
from . import permission
from .addresses import FABRIC_HOST, MOST_HOSTS, MOST_SEGMENTS, ORIGIN, Host
from .faults.rules import Judge
from .names import addressed, named
from .switch import losses
from .switch.capture import FILE, Captured
from .switch.questions import ANSWERS, QUESTIONS

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife
    from .faults.fault import Fault
    from .faults.nemesis import Nemesis
    from .faults.wan import Wan
    from .switch.filters import Pair
    from .switch.verdicts import Settings

_MODULE = "pytest_peer.network.holder.holder"
#: Ways that an error names.
_NAMED = 3


class HolderSupervisor(Supervisor):
    """Starts the process that holds a network, with its files in `directory`."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        #: The life of the process, if that has ended unasked; and who wants to know of it.
        self.died: PeerLife | None = None
        self.on_loss: Callable[[], object] = lambda: None

    def place(self, options: PeerOptions) -> Mapping[str, Any]:  # noqa: ARG002
        return {"isolate": permission.needs_user_namespace()}

    def directory(self) -> Path:
        return self._directory

    def down(self, life: PeerLife) -> None:
        super().down(life)
        if life.died_unasked:
            self.died = life
            self.on_loss()
        else:
            shutil.rmtree(life.record.artifacts.path, ignore_errors=True)


class Fabric:
    """A network, to which hosts and faults can be added."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.seed = seed
        #: Where `close` leaves what the switch has seen, as pcap.
        self.capture: Path = directory / FILE
        self._supervisor = HolderSupervisor(directory)
        self._numbers = itertools.count(1)
        self._faults = itertools.count(1)
        self._lock = Lock()
        #: By name: the files of the namespaces that a process of the host enters.
        self.files: dict[str, list[str]] = {}
        self.hosts: dict[str, Host] = {}
        #: The names of hosts with peers, not of the test's own; and the peers.
        self.of_peers: list[str] = []
        self.peers: list[Peer] = []
        #: The numbers of segments, by name; the default one has none.
        self.segments: dict[str, int] = {"": 0}
        #: What joins segments, by their numbers, the lower one first.
        self.wans: dict[Pair, Wan] = {}
        self._sockets = ""
        #: All faults so far, and those in force.
        self.history: list[Fault] = []
        self.active: list[Fault] = []
        #: All that were made, and what they draw grudges by, by their threads.
        self.nemeses: list[Nemesis] = []
        self.draws: dict[int, random.Random] = {}
        self._began = monotonic()
        self._loss_told = False
        self._holder: Peer = self._supervisor.start({"name": random_name("network")})
        files = str(self._holder.artifacts)
        try:
            self.ask(f"{_MODULE}:start", files, permission.needs_user_namespace())
        except BaseException:
            self._supervisor.close()
            raise

    def ask(self, function: str, *args: Any) -> Any:
        """Call a function in the process that holds the network.

        :raises PeerDown: that process has ended.
        """
        try:
            return self._holder.call(function, *args)
        except PeerDown as exc:
            raise _loss(exc, self._holder) from exc.__cause__

    def on_its_way(self) -> str:
        """Return a text for the packets that go on by themselves, or when a rule has decided."""
        if self.lost:
            return ""
        delayed, asked = self.ask("pytest_peer.network.holder.control:on_its_way")
        text = "a packet is on its way in peer_network" if delayed or asked else ""
        return ": ".join(filter(None, (text, self.judge.waited_for() if asked else "")))

    @property
    def lost(self) -> bool:
        """Whether the process that holds it has ended, and nobody has asked for that."""
        return self._supervisor.died is not None

    def watch(self, on_loss: Callable[[], object]) -> None:
        """Have a function called when it is lost, on a thread that must not wait."""
        self._supervisor.on_loss = on_loss
        if self.lost:
            on_loss()

    def raise_loss(self) -> None:
        """Raise PeerDown if it is lost, and no failure of the test has told of that."""
        if (life := self._supervisor.died) is not None and not self._loss_told:
            self._loss_told = True
            error = life.record.down_error()
            raise _loss(error, self._holder) from error.__cause__

    def forget_loss(self, told: Callable[[PeerLife], bool]) -> None:
        """Note that a failure of the test has told of the loss, if it has."""
        life = self._supervisor.died
        self._loss_told = self._loss_told or (life is not None and told(life))

    @cached_property
    def judge(self) -> Judge:
        """What runs the predicates of rules."""
        questions = self._supervisor.mailboxes[QUESTIONS]
        return Judge(questions, lambda answers: self._holder.send(ANSWERS, answers))

    def clock(self) -> float:
        """Return the seconds since the network was made."""
        return monotonic() - self._began

    # Hosts

    def add(
        self, names: Sequence[tuple[str, tuple[str, ...]]], segment: int = 0, tcp: str = "kernel"
    ) -> list[Host]:
        """Make hosts of these names and aliases; those that are there already stay as they are.

        :raises ValueError: the network is full.
        """
        with self._lock:
            new = [(name, also) for name, also in names if name not in self.hosts]
            if len(self.hosts) + len(new) > MOST_HOSTS:
                raise ValueError(f"peer_network: a network has at most {MOST_HOSTS} hosts")
            made = [Host(name, next(self._numbers), segment, also, tcp) for name, also in new]
            self.files.update(self.ask(f"{_MODULE}:add", made) if made else {})
            self.hosts.update({host.name: host for host in made})
            return [self.hosts[name] for name, _ in names]

    def name_of(self, number: int) -> str:
        """Return the name of the host with that number."""
        return next(host.name for host in self.every() if host.number == number)

    def every(self) -> list[Host]:
        """Return all hosts, also the one that answers what others ask for names."""
        return [*self.hosts.values(), FABRIC_HOST]

    def found(self, text: str) -> Host | None:
        """Return the host of that name or address."""
        every = self.every()
        return named(text, every) or addressed(text, every)

    def origin(self) -> Host:
        """Return the host of the test itself, made when it is first needed."""
        return self.add([(ORIGIN, ())])[0]

    def sockets(self) -> str:
        """Return the directory in which there are sockets of hosts; see `doorway.descriptor`."""
        with self._lock:
            self._sockets = self._sockets or self.ask("pytest_peer.network.holder.sockets:offer")
            return self._sockets

    def segment(self, name: str) -> int:
        """Return the number of the segment of that name, which is new if there is none.

        :raises ValueError: the network has no more.
        """
        with self._lock:
            if name not in self.segments and len(self.segments) == MOST_SEGMENTS:
                raise ValueError(f"lan: a network has at most {MOST_SEGMENTS} segments")
            return self.segments.setdefault(name, len(self.segments))

    def joined(self, one: int, other: int) -> bool:
        """Return whether there is a way between the segments of these numbers."""
        return one == other or (min(one, other), max(one, other)) in self.wans

    def apart(self) -> list[str]:
        """Return the pairs of segments with hosts, as texts, between which there is no way."""
        used = {host.segment for host in self.hosts.values()}
        names = {
            number: f"lan {name}" if name else "the default segment"
            for name, number in self.segments.items()
        }
        return [
            f"{names[one]} and {names[other]}"
            for one, other in itertools.combinations(sorted(used), 2)
            if not self.joined(one, other)
        ]

    def outcomes(self, canaries: Mapping[Pair, str]) -> str:
        """Return a text for what became of canaries."""
        every = [
            f"from {self.name_of(a)} to {self.name_of(b)} a packet {what}"
            for (a, b), what in sorted(canaries.items())
        ]
        rest = f", and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
        return "; ".join(every[:_NAMED]) + rest

    def doubted(self, settings: Settings, doubts: Mapping[str, Mapping[Pair, str]]) -> str:
        """Return a text for settings of a link that are not in force, by what canaries say."""
        return "; ".join(
            f"{name} {getattr(settings, name):g}: {self.outcomes(wrong)}"
            for name, wrong in doubts.items()
        )

    # Faults

    def next_fault(self) -> int:
        return next(self._faults)

    def remember(self, fault: Fault) -> None:
        self.history.append(fault)
        self.active.append(fault)

    def forget(self, fault: Fault) -> None:
        if fault in self.active:
            self.active.remove(fault)

    def end_nemeses(self) -> None:
        """Let no nemesis go on whose block was not left."""
        for nemesis in self.nemeses:
            nemesis.end()

    def losses(self) -> str:
        """Return a text about packets that the network has lost by no fault; empty for none."""
        return losses.described(self.ask("pytest_peer.network.holder.control:lost"))

    # Its end

    def captured(self) -> Captured:
        """Return how much of what the switch has seen is to be in the file `capture`."""
        found: Captured = self.ask(f"{_MODULE}:captured")
        return found

    def close(self) -> None:
        """End the network, with its process; leave what its switch has seen in `capture`.

        :raises PeerDown: it is lost, and no test has been told.
        """
        try:
            if self.lost:
                self.raise_loss()
            else:
                self.ask(f"{_MODULE}:close")
                with contextlib.suppress(FileNotFoundError):  # nothing was sent
                    os.replace(self._holder.artifacts / FILE, self.capture)
        finally:
            self._supervisor.close()


def _loss(error: PeerDown, holder: Peer) -> PeerDown:
    """Say in terms of a test that the process is gone that holds its network."""
    text = (
        f"the network is gone, its hosts reach nobody: its process (pid {holder.pid}) is down: "
        f"{error.reason or error.args[0]}"
    )
    return PeerDown(text, error.reason, error.last_output, error.crash)
