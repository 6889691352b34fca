"""The faults of a network, as a test has them in hand. Each is in force when it is returned."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ...core.errors import FaultNotEffective
from ...core.locks import Lock
from ...link.futures import users_level
from ..switch.filters import Pair
from ..switch.packets import Packet

if TYPE_CHECKING:
    from ..fabric import Fabric

_MODULE = "pytest_peer.network.holder.control"


class Fault:
    """A fault between hosts; also a context manager, which heals it at the end of its block."""

    #: What its hits are.
    unit: str = "packets"

    def __init__(
        self, fabric: Fabric, what: str, pairs: frozenset[Pair], expect_hits: bool = True
    ) -> None:
        self._fabric = fabric
        self._pairs = pairs
        self._counts: Mapping[str, int] = {}
        # Who has it ends the fault or asks for its counts: a nemesis has a thread of its own.
        self._turn = Lock()
        self._what = what
        #: The file and line of the test that began it.
        self.place: str = _place()
        self.number: int = fabric.next_fault()
        #: Whether the test fails if it touches no packet.
        self.expect_hits: bool = expect_hits
        #: When it began, and when it was healed: seconds since the network was made.
        self.began: float = fabric.clock()
        self.healed: float | None = None

    def __repr__(self) -> str:
        state = "" if self.healed is None else ", healed"
        return f"<{self._what}: {self.hits} {self.unit} hit{state}>"

    def __str__(self) -> str:
        return self._what

    @property
    def ways(self) -> frozenset[tuple[str, str]]:
        """The ways that it is on: the names of the hosts from and to which packets go."""
        name = self._fabric.name_of
        return frozenset((name(a), name(b)) for a, b in self._pairs)

    @property
    def hits(self) -> int:
        """How many packets of programs it has touched, and of what kernels answer to those.

        Such answers are acknowledgements of TCP, or an ICMP error that says that a port is closed.
        """
        return self.counts.get("hits", 0)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many packets it has hit, dropped, delayed, and so on."""
        with self._turn:
            if self.healed is None:
                self._counts = self._ask("counts").get(self.number, {})
            return self._counts

    @property
    def last_counts(self) -> Mapping[str, int]:
        """The `counts` as they were asked for last, without asking."""
        return self._counts

    def heal(self) -> None:
        """End it; what is healed already stays so.

        :raises FaultNotEffective: packets still do not pass, though no other fault stops them.
        """
        with self._turn:
            if self.healed is not None:
                return
            counts, wrong = self._ask("heal", self.number)
            self.healed, self._counts = self._fabric.clock(), counts
            self._fabric.forget(self)
        if wrong:
            raise FaultNotEffective(f"{self._what} is healed, but {self._fabric.outcomes(wrong)}")

    def again(self) -> Fault:
        """Begin another one like it, between the same hosts, which need not touch a packet."""
        return type(self)(self._fabric, self._what, self._pairs, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    def _ask(self, function: str, *args: Any) -> Any:
        return self._fabric.ask(f"{_MODULE}:{function}", *args)

    def _refuse(self, wrong: str) -> NoReturn:
        """End it, as it is not in force."""
        self._counts, _ = self._ask("heal", self.number)
        self.healed = self._fabric.clock()
        self._fabric.forget(self)
        raise FaultNotEffective(f"{self._what} is without effect: {wrong}")


def _place() -> str:
    frame = sys._getframe(users_level() - 1)
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


class Cut(Fault):
    """Nothing passes, in one direction or in several."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if wrong := self._ask("cut", self.number, self._pairs):
            self._refuse(self._fabric.outcomes(wrong))
        self._fabric.remember(self)


class Hold(Fault):
    """Keeps packets in flight, until it is healed; then what is left goes on in order."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if wrong := self._ask("hold", self.number, self._pairs):
            self._refuse(self._fabric.outcomes(wrong))
        self._fabric.remember(self)

    @property
    def packets(self) -> Sequence[Packet]:
        """What it holds, oldest first."""
        name = self._fabric.name_of
        found = self._ask("packets", self.number)
        return [Packet(frame, name(pair[0]), name(pair[1])) for frame, pair in found]

    def release(self, *, reverse: bool = False) -> int:
        """Let go on what it holds, the newest first with `reverse`; it goes on holding what comes.

        :returns: how many packets that were.
        """
        count: int = self._ask("release", self.number, reverse, False)
        return count

    def drop(self) -> int:
        """Lose what it holds; return how many packets that were."""
        count: int = self._ask("release", self.number, False, True)
        return count


class Abort(Fault):
    """The end of the connections between some hosts; over as soon as it is there."""

    unit = "connections"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        count, left = self._ask("abort", self.number, self._pairs)
        self._counts = {"hits": count, "reset": count if not left else 0}
        self.healed: float | None = self.began
        self._fabric.remember(self)
        self._fabric.forget(self)
        if left:
            raise FaultNotEffective(f"{self._what}: still open: {', '.join(left)}")
