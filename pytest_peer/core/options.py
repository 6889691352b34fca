"""The options of a peer: what they may be, and the refusal of everything else before anything is started.

The words are Erlang's (``peer:start_options()``), except ``cwd``, ``call_timeout``, ``link`` and multiprocessing's ``start_method``.
Those of ``connection`` are checked in `connections`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeAlias
from typing import cast

from . import addresses
from . import launchers
from . import names
from .start_methods import FORKSERVER
from .start_methods import START_METHODS
from .start_methods import refusal
from .timeouts import seconds

if TYPE_CHECKING:
    from ..peers.peer import Peer

__tracebackhide__ = True

#: ``"halt"``, ``("halt", seconds)``, seconds, ``None`` or ``"close"``.
Shutdown: TypeAlias = str | tuple[str, float] | float | None

#: How long a peer told to halt may take before it is killed; Erlang's ``{halt, 5000}``.
HALT_SECONDS = 5.0
#: Erlang's default for `wait_boot`.
BOOT_SECONDS = 15.0
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
PEER_DOWN = ("stop", "continue", "crash")


@dataclass(frozen=True, slots=True)
class ShutdownPlan:
    """What ``stop()`` does: ``"halt"``, ``"finish"`` or ``"close"``, and how long it waits before it kills."""

    how: str
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOptions:
    """Checked options. Make them with `checked`."""

    name: str = ""
    host: str = ""
    longnames: bool = False
    exec: tuple[str, ...] = field(default_factory=lambda: (sys.executable,))
    args: tuple[str, ...] = ()
    post_process_args: Callable[[list[str]], Sequence[str]] | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    cwd: str | None = None
    connection: addresses.Connection = addresses.STDIO
    detached: bool = False
    wait_boot: float | bool | Callable[[Peer], object] | None = BOOT_SECONDS
    shutdown: Shutdown = "halt"
    peer_down: str = "stop"
    call_timeout: float | None = 60.0
    artifacts: Path | None = None
    start_method: str | None = None

    @property
    def not_forkable(self) -> str:
        """Why a fork server cannot serve; empty if it can."""
        if self.address is not None:
            return "connection is TCP, and a forked peer has its link from the fork server"
        return refusal(self.exec, self.args, self.post_process_args, self.env)

    @property
    def address(self) -> addresses.Address | None:
        """Where the peer connects to its origin; ``None``: it has pipes."""
        return None if isinstance(self.connection, str) else self.connection

    @property
    def awaits_boot(self) -> bool:
        """Whether who starts the peer waits until it has booted."""
        return self.wait_boot is not False and not callable(self.wait_boot)

    @property
    def boot_limit(self) -> float | None:
        """After how many seconds an unfinished boot is ended."""
        if self.wait_boot is False:
            return None
        # Who waits to be called back must be called one day.
        return BOOT_SECONDS if callable(self.wait_boot) else self.wait_boot

    @property
    def shutdown_plan(self) -> ShutdownPlan:
        """`shutdown` without its many spellings."""
        if self.shutdown == "close":
            return ShutdownPlan("close", HALT_SECONDS)
        if self.shutdown == "halt":
            return ShutdownPlan("halt", HALT_SECONDS)
        if isinstance(self.shutdown, tuple):
            return ShutdownPlan("halt", self.shutdown[1])
        return ShutdownPlan("finish", cast("float | None", self.shutdown))


def names_of_options() -> list[str]:
    """The options there are, for messages and for the marker's check."""
    return [option.name for option in fields(PeerOptions)]


def checked(options: Mapping[str, Any]) -> PeerOptions:
    """Check `options` and fill in what is missing.

    :raises TypeError: an unknown option, or a value of the wrong type; names the option and the offending item.
    :raises ValueError: a value outside of what the option allows.
    """
    values = {name: check(name, value) for name, value in options.items()}
    if not values.get("name"):
        values["name"] = names.random_name()
    if not values.get("host"):
        values["host"] = names.full_host() if values.get("longnames") else names.short_host()
    made = PeerOptions(**values)
    if launchers.stdio_launcher(made.exec) is not None:
        if made.address is not None and made.cwd is not None:
            raise ValueError(
                "cwd: cannot be said to a launcher; with connection='stdio' it can to the peer"
            )
        if made.address is None and (why := launchers.refusal(made.exec)):
            raise ValueError(f"exec: {why}")
    elif made.cwd is not None and not os.path.isdir(made.cwd):
        raise ValueError(f"cwd: not a directory: {made.cwd!r}")
    if made.start_method == FORKSERVER and (why := made.not_forkable):
        raise ValueError(f"start_method: the fork server cannot serve: {why}")
    if why := addresses.refusal(made.connection, detached=made.detached):
        raise ValueError(f"detached: {why}")
    return made


def check(name: str, value: object) -> Any:
    """Check one option and return its value in the form in which we keep it; errors as for `checked`."""
    if name not in _CHECKS:
        raise TypeError(f"{name}: unknown option; known are {', '.join(names_of_options())}")
    return _CHECKS[name](value)


def command_words(option: str, value: object) -> tuple[str, ...]:
    """Check what shall be words of a command line; errors as for `checked`."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{option}: expected a list of str, got {value!r}")
    for item in value:
        if not isinstance(item, str):
            raise TypeError(f"{option}: expected only str, got {item!r} in {value!r}")
        if "\0" in item:
            raise ValueError(f"{option}: a NUL character cannot be passed to a program: {item!r}")
    return tuple(value)


def _exec(value: object) -> tuple[str, ...]:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    words = (value,) if isinstance(value, str) else value
    if isinstance(words, Sequence) and not isinstance(words, bytes):
        words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in words]
    program = command_words("exec", words)
    if not program or not program[0]:
        raise ValueError(f"exec: expected a program, got {value!r}")
    return value if isinstance(value, launchers.OverStdio) else program


def _env(value: object) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise TypeError(f"env: expected a mapping, got {value!r}")
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, str | None):
            raise TypeError(f"env: expected str to str or None, got {key!r}: {item!r}")
        if not key or "=" in key or "\0" in key + (item or ""):
            raise ValueError(f"env: not possible in an environment: {key!r}: {item!r}")
    return dict(value)


def _cwd(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"cwd: expected a path, got {value!r}")
    return os.fspath(value)


def _wait_boot(value: object) -> float | bool | Callable[[Peer], object] | None:
    if value is True:
        raise TypeError("wait_boot: expected seconds, None, False or a callable, got True")
    if value is False or callable(value):
        return value
    return seconds("wait_boot", value)


def _shutdown(value: object) -> Shutdown:
    if isinstance(value, str):
        if value not in ("halt", "close"):
            raise ValueError(
                f"shutdown: expected 'halt', ('halt', seconds), seconds, None or 'close', got {value!r}"
            )
        return value
    if isinstance(value, tuple | list):
        if len(value) != 2 or value[0] != "halt":
            raise ValueError(f"shutdown: expected ('halt', seconds), got {value!r}")
        return ("halt", cast("float", seconds("shutdown", value[1])))
    return seconds("shutdown", value)


def _peer_down(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"peer_down: expected a str, got {value!r}")
    if value not in PEER_DOWN:
        raise ValueError(
            f"peer_down: expected one of {', '.join(map(repr, PEER_DOWN))}, got {value!r}"
        )
    return value


def _host(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"host: expected a str, got {value!r}")
    if not _HOST.fullmatch(value):
        raise ValueError(f"host: only letters, digits and any of '_.:-' are allowed, got {value!r}")
    return value


def _bool(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{option}: expected a bool, got {value!r}")
    return value


def _post_process_args(value: object) -> Callable[[list[str]], Sequence[str]] | None:
    if value is not None and not callable(value):
        raise TypeError(f"post_process_args: expected a callable, got {value!r}")
    return value


def _artifacts(value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"artifacts: expected a path, got {value!r}")
    return Path(value)


def _start_method(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"start_method: expected a str, got {value!r}")
    if value is not None and value not in START_METHODS:
        raise ValueError(
            f"start_method: expected one of {', '.join(map(repr, START_METHODS))}, got {value!r}"
        )
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": names.checked,
    "host": _host,
    "longnames": lambda value: _bool("longnames", value),
    "exec": _exec,
    "args": lambda value: command_words("args", value),
    "post_process_args": _post_process_args,
    "env": _env,
    "cwd": _cwd,
    "connection": addresses.connection,
    "detached": lambda value: _bool("detached", value),
    "wait_boot": _wait_boot,
    "shutdown": _shutdown,
    "peer_down": _peer_down,
    "call_timeout": lambda value: seconds("call_timeout", value),
    "artifacts": _artifacts,
    "start_method": _start_method,
}
