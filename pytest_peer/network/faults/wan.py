"""What joins two segments of a network, as a test has it in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ...core.errors import FaultNotEffective
from ...core.locks import Lock
from ..switch.filters import Pair
from ..switch.verdicts import Settings
from .settings import checked

if TYPE_CHECKING:
    from ..fabric import Fabric

_MODULE = "pytest_peer.network.holder.control"


class Wan:
    """Both ways between two segments; also a context manager, which heals it after its block."""

    def __init__(self, fabric: Fabric, what: str, segments: Pair) -> None:
        """:private: use ``peer_network.wan``."""
        self._fabric = fabric
        self._what = what
        self.segments: Pair = segments
        #: What each of its ways does to packets.
        self.settings: Settings = Settings()
        # Who has it changes them: what is not named stays.
        self._turn = Lock()

    def __repr__(self) -> str:
        return f"<{self}: {self.hits} packets hit>"

    def __str__(self) -> str:
        return f"{self._what}: {self.settings.described()}"

    def set(
        self,
        *,
        delay: float | None = None,
        jitter: float | None = None,
        loss: float | None = None,
        duplicate: float | None = None,
        corrupt: float | None = None,
        reorder: float | None = None,
        rate: str | float | None = None,
    ) -> Self:
        """Have both ways delay, lose or change packets; what is not named stays as it is.

        The values are those of ``peer_network.link(...).set``, each of them for one way: with
        ``delay=0.08`` an answer comes after 0.16 seconds. All hosts share the `rate` of a way.

        :raises FaultNotEffective: packets do not meet what was set.
        :raises TypeError, ValueError: a value outside of what it can be.
        """
        given = checked(
            delay=delay,
            jitter=jitter,
            loss=loss,
            duplicate=duplicate,
            corrupt=corrupt,
            reorder=reorder,
            rate=rate,
        )
        with self._turn:
            settings = replace(self.settings, **given)
            wrong = self._change(settings)
        if wrong:
            why = self._fabric.doubted(settings, wrong)
            raise FaultNotEffective(f"{self._what} is without effect: {why}")
        return self

    def heal(self) -> None:
        """Delay and lose nothing any more; the segments stay joined.

        :raises FaultNotEffective: packets still do not pass, though no fault stops them.
        """
        with self._turn:
            wrong = self._change(Settings())
        if wrong:
            stopped = {pair: why for each in wrong.values() for pair, why in each.items()}
            raise FaultNotEffective(f"{self._what} is healed, but {self._fabric.outcomes(stopped)}")

    @property
    def hits(self) -> int:
        """How many packets of programs it has touched."""
        return self.counts["hits"]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many packets it has hit, dropped, delayed, and so on."""
        found: Mapping[str, int] = self._ask("wan_counts", self.segments)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    def _change(self, settings: Settings) -> Mapping[str, Mapping[Pair, str]]:
        wrong: Mapping[str, Mapping[Pair, str]] = self._ask(
            "wan", self.segments, settings, self._fabric.seed
        )
        self.settings = settings
        self._fabric.wans.setdefault(self.segments, self)  # now they are joined
        return wrong

    def _ask(self, function: str, *args: Any) -> Any:
        return self._fabric.ask(f"{_MODULE}:{function}", *args)
