"""The switch between the hosts: it forwards frames by their IP addresses, in user space."""

from __future__ import annotations

import heapq
import itertools
import os
import select
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from ..addresses import FABRIC, Host, broadcast4
from .filters import Filter, Filters, Pair, through
from .joints import Joints
from .packets import CANARY_END, IPV4, IPV6, Packet
from .questions import Answer, Questions

T = TypeVar("T")
#: Frames that are taken from one host before the others have their turn.
_TURN = 64
#: So many turns has a host at once before something that was asked: all that its socket can hold.
_MOST_TURNS = 64
_LONGEST_FRAME = 1 << 16
#: With the header of Ethernet, and that of IP.
_SHORTEST = {IPV4: 34, IPV6: 54}
#: Seconds for the thread to do what another one asks.
_ASKED_SECONDS = 10.0


@dataclass(slots=True)
class Port:
    """Where a host is plugged in."""

    host: Host
    sock: socket.socket
    #: The beginning of each frame to the host: its hardware address, and the fabric's.
    head: bytes = field(init=False)
    #: The address of all hosts in its segment.
    broadcast: bytes = field(init=False)
    #: How many frames its socket had no room for, and how many could not be sent to the host.
    missed: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self.head = self.host.mac + b"\x02\0\xff\0\0\0"
        self.broadcast = socket.inet_aton(broadcast4(self.host.segment))

    def send(self, frame: bytes) -> None:
        try:
            self.sock.send(frame if frame[0] & 1 else self.head + frame[12:])
        except OSError:  # what does not fit in is lost, as on a wire
            self.failed += 1


class Switch:
    """A thread that forwards frames. Only it touches `filters`, `joints`; `run` has it do it."""

    def __init__(self, missed: Callable[[socket.socket], int] = lambda _: 0) -> None:
        """`missed` says how many frames a socket had no room for, since it was asked last."""
        self._missed = missed
        self.filters: Filters = Filters()
        self.questions: Questions = Questions(self.filters)
        self.joints: Joints = Joints()
        #: Called with each canary behind the filters, and the port that it was for.
        self.on_canary: Callable[[Packet, Port], object] = lambda *_: None
        self.captured: Callable[[bytes], object] | None = None
        self._ports: dict[int, Port] = {}  # by the socket's descriptor
        self._by_number: dict[int, Port] = {}
        self._by_address: dict[bytes, Port] = {}
        #: A heap: when it is due; a number that keeps the order; the packet, and its way.
        self._later: list[tuple[float, int, Packet, Pair]] = []
        self._order = itertools.count()
        self._asked: deque[Callable[[], object]] = deque()
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="switch", daemon=True)
        self._thread.start()

    # For other threads

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function on the switch's thread, between two packets; return what it returns."""
        result: list[Any] = []
        done = threading.Event()

        def call() -> None:
            try:
                result[:] = True, function(*args)
            except Exception as exc:
                result[:] = False, exc
            done.set()

        self._asked.append(call)
        os.eventfd_write(self._wake, 1)
        if not done.wait(_ASKED_SECONDS):
            raise TimeoutError(f"the switch has not answered for {_ASKED_SECONDS:g} s")
        if not result[0]:
            raise result[1]
        found: T = result[1]
        return found

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function run on the switch's thread, and do not wait for that."""
        self._asked.append(partial(function, *args))
        os.eventfd_write(self._wake, 1)

    def plug(self, hosts: Mapping[Host, socket.socket]) -> None:
        """Connect hosts, with the sockets that have their frames."""
        self.run(self._plug, [Port(host, sock) for host, sock in hosts.items()])

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._closed = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(_ASKED_SECONDS)

    # For what is run on its thread

    def deliver(self, packet: Packet, pair: Pair, at: float) -> None:
        """Send a packet that has met all faults to its host, now or when its time has come."""
        if at > monotonic():
            passed = packet.having_passed(self.filters.made)
            heapq.heappush(self._later, (at, next(self._order), passed, pair))
        else:
            self._by_number[pair[1]].send(packet.frame)

    @property
    def delayed(self) -> int:
        """How many packets wait for their time, without canaries."""
        return sum(not packet.frame.endswith(CANARY_END) for _, _, packet, _ in self._later)

    def inject(self, frame: bytes, number: int) -> None:
        """Send a frame that no host has sent."""
        if self.captured is not None:
            self.captured(frame)
        self._by_number[number].send(frame)

    def answered(self, answers: Iterable[Answer]) -> None:
        """Send on what has waited for these answers of the origin, unless it is cut off by now."""
        for packet, pair, at in self.questions.take(answers, monotonic()):
            self._arrive(packet, pair, at)

    def let_go(self, kept: Filter, packets: Iterable[tuple[Packet, Pair]]) -> None:
        """Send on what a filter has kept: through what has been put behind it meanwhile.

        The filter is still among the others.
        """
        for packet, pair in packets:
            behind = self.filters.behind(kept, pair, packet.passed)
            for at, frame in through(behind, packet, pair, monotonic()):
                self._go_on(packet.with_frame(frame), pair, at)

    def lost(self, number: int) -> tuple[int, int]:
        """Return how many frames from the host of that number were missed, and how many to it."""
        port = self._by_number[number]
        port.missed += self._missed(port.sock)
        return port.missed, port.failed

    def _plug(self, ports: Iterable[Port]) -> None:
        for port in ports:
            host = port.host
            self._by_number[host.number] = port
            self._by_address[socket.inet_aton(host.address)] = port
            self._by_address[socket.inet_pton(socket.AF_INET6, host.address6)] = port
            self._ports[port.sock.fileno()] = port
            self._poll.register(port.sock, select.EPOLLIN)

    # Its thread

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException:
            # A switch that has stopped would look like a network that loses all. So that the test
            # is told that the network is gone, its process ends, with this traceback.
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    def _loop(self) -> None:
        while not self._closed:
            wait = max(0.0, self._later[0][0] - monotonic()) if self._later else None
            ready = {fd for fd, _ in self._poll.poll(wait)}
            asked = self._wake in ready
            for fd in ready - {self._wake}:
                more = self._take(self._ports[fd])
                turns = _MOST_TURNS
                while more and asked and turns:  # what is asked comes behind what was there before
                    more, turns = self._take(self._ports[fd]), turns - 1
            if asked:
                os.eventfd_read(self._wake)
                while self._asked:
                    self._asked.popleft()()
            now = monotonic()
            while self._later and self._later[0][0] <= now:
                _, _, packet, pair = heapq.heappop(self._later)
                self._arrive(packet, pair, now)

    def _take(self, port: Port) -> bool:
        """Forward what a host has sent; return whether there may be more."""
        recv = port.sock.recv
        for _ in range(_TURN):
            try:
                frame = recv(_LONGEST_FRAME)
            except BlockingIOError:
                return False
            except OSError:  # told once, when its interface has gone down; it may have lost frames
                port.missed += 1
                return False
            if self.captured is not None:
                self.captured(frame)
            for target in self._targets(port, frame):
                source, host = port.host, target.host
                if (
                    self.filters.between((source.number, host.number)) is None
                    and source.segment == host.segment
                    and not (self.questions.open or frame.endswith(CANARY_END))
                ):
                    target.send(frame)
                else:
                    self._filter(Packet(frame, source.name, host.name), source, target)
        return True

    def _targets(self, source: Port, frame: bytes) -> list[Port]:
        kind = frame[12:14]
        if len(frame) < _SHORTEST.get(kind, 0):
            return []
        if kind == IPV4:
            address = frame[30:34]
            many = frame[30] >= 224 or address == source.broadcast
        elif kind == IPV6:
            address, many = frame[38:54], frame[38] == 255
        else:
            return []
        if many:
            return [
                port
                for port in self._ports.values()
                if port is not source
                and port.host.segment == source.host.segment
                and port.host.number != FABRIC
            ]
        target = self._by_address.get(address)
        return [] if target is None else [target]

    def _filter(self, packet: Packet, source: Host, target: Port) -> None:
        host = target.host
        if self.joints.reach(source, host):
            found = self.joints.pass_on(packet, source, host, self.filters, monotonic())
            pair = source.number, host.number
            for at, frame in found:
                self._go_on(packet.with_frame(frame), pair, at)
        if packet.canary:
            self.on_canary(packet, target)

    def _go_on(self, packet: Packet, pair: Pair, at: float) -> None:
        """Send on a packet that has met all faults; it meets the rules once."""
        asked = packet.passed >= 0
        if self.questions.open and not (asked or packet.canary or packet.chatter):
            self.questions.put(packet.having_passed(self.filters.made), pair, at)
        else:
            self.deliver(packet, pair, at)

    def _arrive(self, packet: Packet, pair: Pair, at: float) -> None:
        """Have a packet that has waited meet what has closed its way meanwhile, or deliver it."""
        # Its other faults it has met: it would be delayed, or counted, a second time.
        for then, _ in through(self.filters.closed_since(pair, packet.passed), packet, pair, at):
            self.deliver(packet, pair, then)
