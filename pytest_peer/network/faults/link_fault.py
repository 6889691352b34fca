"""What a test or a nemesis has set of a link: one fault for each of them, healed without the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ..switch.verdicts import Settings
from .fault import Fault


class LinkFault(Fault):
    """What one way from host to host does to packets.

    A ``with`` block undoes at its end what its ``set`` has changed. What the fault has changed before
    stays; then the block has a fault of its own.
    """

    expect_hits: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._given: dict[str, float] = {}
        # What the last change has replaced, and whether hits were expected before it.
        self._before: dict[str, float | None] = {}
        self._expected_before = self.expect_hits
        self._blocks: list[LinkFault] = []
        self._fabric.remember(self)

    @property
    def settings(self) -> Settings:
        """What it has set."""
        return Settings(**self._given)

    def change(self, given: Mapping[str, float], expect_hits: bool | None = None) -> bool:
        """Set what is named, and leave the rest; return whether it was not healed yet.

        :raises FaultNotEffective: it is without effect; then this change is undone.
        """
        with self._turn:
            if self.healed is not None:
                return False
            self._change(given, expect_hits)
            return True

    def _change(self, given: Mapping[str, float], expect_hits: bool | None) -> None:
        self._before = {name: self._given.get(name) for name in given}
        self._expected_before = self.expect_hits
        self._given.update(given)
        if expect_hits is not None:
            self.expect_hits = expect_hits
        wrong = self._ask("link", self.number, self._pairs, given, self._fabric.seed)
        if wrong:
            refused = self._apart() if self._changed_before else self
            refused.expect_hits = False
            refused._refuse(self._fabric.doubted(refused.settings, wrong))

    def again(self) -> Fault:
        made = LinkFault(self._fabric, self._what, self._pairs, False)
        made.change(self._given)
        return made

    def __enter__(self) -> Self:
        with self._turn:
            block = self._apart() if self._changed_before else self
            self._blocks.append(block)
            return block

    def __exit__(self, *_: object) -> None:
        self._blocks.pop().heal()

    @property
    def _changed_before(self) -> bool:
        """Whether it had settings before its last change."""
        old = self._before.values()
        more = len(self._given) > len(self._before) or any(value is not None for value in old)
        return self.healed is None and bool(self._before) and more

    def _apart(self) -> Self:
        """Return another fault, which has made the last change instead of this one."""
        made = type(self)(self._fabric, self._what, self._pairs, self.expect_hits)
        made._given = {name: self._given[name] for name in self._before}
        made._before = dict.fromkeys(made._given)
        self._ask("part", self.number, made.number, self._before)
        for name, value in self._before.items():
            if value is None:
                del self._given[name]
            else:
                self._given[name] = value
        self._before, self.expect_hits = {}, self._expected_before
        return made

    def __str__(self) -> str:
        return f"{self._what}: {self.settings.described()}"
