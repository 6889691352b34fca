"""The marks of a factory's peers, which the test waits for; all are kept, to look back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.clock import Periods
from ...link.pickling import decode
from ...link.protocol.messages import Payload
from . import where

if TYPE_CHECKING:
    from ..supervisor import Supervisor

#: Marks that an error names, the last ones.
_SHOWN = 10


class Mark(NamedTuple):
    """A place to which a peer has come."""

    #: What ``here.mark`` was given.
    name: str
    #: The name of the peer.
    peer: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        fields = "".join(f", {key}={value!r}" for key, value in self.fields.items())
        return f"{self.peer}: {self.name}{fields}"


class Marks:
    """All marks so far, in the order in which they came."""

    def __init__(self, owner: Supervisor) -> None:
        self._owner = owner
        # The fields are encoded until somebody waits for a mark of that name.
        self._marks: list[tuple[str, str, Payload]] = []

    def add(self, name: str, peer: str, fields: Payload) -> None:
        """Note one; on the thread that reads the link."""
        self._marks.append((name, peer, fields))
        self._owner.mail.wake()

    def wait(self, name: str, timeout: float | None, fields: Mapping[str, Any]) -> Mark:
        """Return the first mark of that name that has these fields; see `PeerFactory.wait_mark`."""
        if not isinstance(name, str):
            raise TypeError(f"wait_mark: expected a name, got {name!r}")
        found: list[Mark] = []
        seen = 0
        cause: Any = None
        failure: BaseException | None = None  # of a service

        def reached() -> bool:
            nonlocal seen, cause, failure
            # Before the look at marks: what they have sent has come then.
            none_left = not (self._owner.left() or self._owner.restarting)
            cause = self._owner.first_ended if none_left else None
            while seen < len(self._marks) and not found:
                if self._marks[seen][0] == name and _has(mark := self._decoded(seen), fields):
                    found.append(mark)
                seen += 1
            failure = self._owner.services.failure()
            return bool(found) or cause is not None or failure is not None

        wait = partial(self._owner.mail.wait_for, reached)
        any(map(wait, Periods(timeout, self._owner.held)))
        if found:
            return found[0]
        if failure is not None:
            raise failure
        wanted = "".join([name, *(f", {key}={value!r}" for key, value in fields.items())])
        if cause is None:
            told = where.after(timeout, self._owner.left(), "a mark was awaited")
            raise TimeoutError(f"no mark {wanted!r} within {timeout:g} s{self._hints()}{told}")
        error = cause.record.down_error()
        error.args = (f"no mark {wanted!r}{self._hints()}",)
        raise error

    def _decoded(self, index: int) -> Mark:
        name, peer, payload = self._marks[index]
        return Mark(name, peer, decode(payload, "a mark"))

    def _hints(self) -> str:
        count = len(self._marks)
        last = [str(self._decoded(index)) for index in range(max(0, count - _SHOWN), count)]
        return f"; marks so far: {'; '.join(last)}" if last else "; no marks so far"


def _has(mark: Mark, fields: Mapping[str, Any]) -> bool:
    return all(key in mark.fields and mark.fields[key] == fields[key] for key in fields)
