"""The options of a peer, and their checks before anything is started.

The words are Erlang's (``peer:start_options()``), except ``cwd``, ``call_timeout``, ``link`` and
multiprocessing's ``start_method``.
"""

import ipaddress
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias, cast

from . import launchers, names
from .clock import seconds
from .start_methods import FORKSERVER, read_at_start

#: ``"halt"``, ``("halt", seconds)``, seconds, ``None`` or ``"close"``.
Shutdown: TypeAlias = str | tuple[str, float] | float | None

#: After which a peer that has to halt is killed, as Erlang's ``{halt, 5000}``; and one that has
#: to notice that its link was cut.
_SHUTDOWN_SECONDS = {"halt": 5.0, "close": 1.0}
BOOT_SECONDS = 15.0  # Erlang's default for `wait_boot`
TERMINAL_SIZE = (24, 80)  # rows and columns, as they have always been
STDIO = "stdio"  # pipes, which the peer inherits; Erlang's word, where they are stdin and stdout
#: What a peer connects to by TCP: an IP address, and a port or 0 for any.
Address: TypeAlias = tuple[str, int]
_ADDRESS = re.compile(r"(?:(\[[^\[\]]*\]|[^:\[\]]*):)?([0-9]+)")


class Setup(tuple[Callable[[], object], ...]):
    """What a peer runs in its boot: first what hooks gave, which a restart keeps, then its `own`."""

    own: tuple[Callable[[], object], ...]
    hooked: tuple[Callable[[], object], ...]

    def __new__(cls, own: Iterable[Any] = (), hooked: Iterable[Any] = ()) -> "Setup":
        own, hooked = tuple(own), tuple(hooked)
        self = super().__new__(cls, hooked + own)
        self.own, self.hooked = own, hooked
        return self


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
    connection: str | Address = STDIO
    detached: bool = False
    wait_boot: float | bool | Callable[[Any], object] | None = BOOT_SECONDS  # called with the peer
    shutdown: Shutdown = "halt"
    peer_down: str = "stop"
    call_timeout: float | None = 60.0
    artifacts: Path | None = None
    start_method: str | None = None
    setup: Setup = field(default_factory=Setup)
    terminal: tuple[int, int] | None = None  # its size: rows, columns

    @property
    def not_forkable(self) -> str:
        """Why a fork server cannot start this peer; empty if it can."""
        at_start = sorted(read_at_start(self.env))
        env = f"env has variables that an interpreter reads at its start: {', '.join(at_start)}"
        reasons = {
            "connection is TCP, and a forked peer gets its link from the fork server": self.address,
            "exec is not the origin's interpreter": self.exec != (sys.executable,),
            "args are read at the start of an interpreter": self.args,
            "post_process_args changes the start of the program": callable(self.post_process_args),
            env: at_start,
        }
        return next((why for why, given in reasons.items() if given), "")

    @property
    def address(self) -> Address | None:
        """Where the peer connects to its origin; ``None`` if it has pipes."""
        return None if isinstance(self.connection, str) else self.connection

    @property
    def awaits_boot(self) -> bool:
        """Whether the start waits until the peer has booted."""
        return self.wait_boot is not False and not callable(self.wait_boot)

    @property
    def boot_limit(self) -> float | None:
        """After how many seconds an unfinished boot is ended; ``None`` for never."""
        # A callback must be called one day.
        limit = BOOT_SECONDS if callable(self.wait_boot) else self.wait_boot
        return None if limit is False else limit

    @property
    def shutdown_plan(self) -> tuple[str, float | None]:
        """What ``stop()`` does, ``"halt"``, ``"finish"`` or ``"close"``, and when it kills."""
        if isinstance(self.shutdown, str):
            return self.shutdown, _SHUTDOWN_SECONDS[self.shutdown]
        return self.shutdown if isinstance(self.shutdown, tuple) else ("finish", self.shutdown)


def of_each(count: int, each: object) -> list[Mapping[str, Any]]:
    """Return the options that each of `count` peers has of its own; raises as `checked`."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        error = ValueError if type(count) is int else TypeError
        raise error(f"many: expected a number of peers, got {count!r}")
    if each is None:
        return [{}] * count
    if isinstance(each, str | bytes) or not isinstance(each, Sequence):
        raise TypeError(f"each: expected a list of options, got {each!r}")
    for item in each:
        if not isinstance(item, Mapping):
            raise TypeError(f"each: expected options of a peer, got {item!r} in {each!r}")
    if len(each) != count:
        raise ValueError(f"each: expected options for {count} peers, got {len(each)}: {each!r}")
    return list(each)


def checked(options: Mapping[str, Any]) -> PeerOptions:
    """Check `options` and fill in the defaults; a TypeError or ValueError names option and item."""
    values = {name: check(name, value) for name, value in options.items()}
    if not values.get("name"):
        values["name"] = names.random_name()
    if not values.get("host"):
        short = socket.gethostname().partition(".")[0] or "localhost"
        values["host"] = socket.getfqdn() if values.get("longnames") else short
    made = PeerOptions(**values)
    found = launchers.stdio_launcher(made.exec)
    if made.terminal is not None and (found or made.detached):
        what = f"behind {os.path.basename(found.name)}" if found else "for a detached peer"
        raise ValueError(f"terminal: there can be none {what}")
    if found is not None:
        if made.address is not None and made.cwd is not None:
            raise ValueError("cwd: a launcher cannot set it over TCP; use connection='stdio'")
        if not made.detached and (why := launchers.refusal(made.exec)):
            raise ValueError(f"exec: {why}")
    elif made.cwd is not None and not os.path.isdir(made.cwd):
        raise ValueError(f"cwd: not a directory: {made.cwd!r}")
    if made.start_method == FORKSERVER and (why := made.not_forkable):
        raise ValueError(f"start_method: the fork server cannot serve: {why}")
    if made.detached and made.address is None:
        raise ValueError("detached: not possible on pipes; use connection=0, which is TCP")
    return made


def changed(options: PeerOptions, changes: Mapping[str, Any]) -> PeerOptions:
    """Return the options with some `changes`, checked; raises as `checked`."""
    values = {name: getattr(options, name) for name in PeerOptions.__slots__} | dict(changes)
    values["setup"] = Setup(check("setup", values["setup"]).own, options.setup.hooked)
    return checked(values)


def check(name: str, value: object) -> Any:
    """Check one option and return its normal form; raises as `checked`."""
    if name not in _CHECKS:
        raise TypeError(f"{name}: unknown option; known are {', '.join(_CHECKS)}")
    return _CHECKS[name](name, value)


def command_words(option: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{option}: expected a list of str, got {value!r}")
    for item in value:
        if not isinstance(item, str):
            raise TypeError(f"{option}: expected only str, got {item!r} in {value!r}")
        if "\0" in item:
            raise ValueError(f"{option}: a NUL character cannot be passed to a program: {item!r}")
    return tuple(value)


def _exec(option: str, value: object) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str | os.PathLike) else value
    if isinstance(words, Sequence) and not isinstance(words, bytes):
        words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in words]
    program = command_words(option, words)
    if not program or not program[0]:
        raise ValueError(f"{option}: expected a program, got {value!r}")
    return value if isinstance(value, launchers.OverStdio) else program


def _env(option: str, value: object) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{option}: expected a mapping, got {value!r}")
    for key, item in value.items():
        what = f"{option}: {key!r}: {item!r}"
        if not isinstance(key, str):
            raise TypeError(f"{what} has a name of type {type(key).__name__}; write a str")
        if not isinstance(item, str | None):
            text = os.fsdecode(item) if isinstance(item, bytes | os.PathLike) else str(item)
            kind = type(item).__name__
            raise TypeError(
                f"{what} has a value of type {kind}; write {text!r}, or None to remove the variable"
            )
        if not key or "=" in key or "\0" in key + (item or ""):
            raise ValueError(f"{what} is not possible in an environment")
    return dict(value)


def _wait_boot(option: str, value: object) -> float | bool | Callable[[Any], object] | None:
    if value is True:
        raise TypeError(f"{option}: expected seconds, None, False or a callable, got True")
    return value if value is False or callable(value) else seconds(option, value)


def _setup(option: str, value: object) -> Setup:
    if value is None or isinstance(value, Setup):
        return value or Setup()
    several = value if isinstance(value, tuple | list) else (value,)
    return Setup(_callable(option, each) for each in several)


def _shutdown(option: str, value: object) -> Shutdown:
    match value:
        case "halt" | "close":
            return cast("str", value)
        case ("halt", limit):
            return "halt", cast("float", seconds(option, limit))
        case str() | tuple() | list():
            known = "'halt', ('halt', seconds), seconds, None or 'close'"
            raise ValueError(f"{option}: expected {known}, got {value!r}")
    return seconds(option, value)


def _terminal(option: str, value: object) -> tuple[int, int] | None:
    if isinstance(value, bool) or value is None:
        return TERMINAL_SIZE if value else None
    if not isinstance(value, tuple | list):
        raise TypeError(f"{option}: expected a bool or (rows, columns), got {value!r}")
    if len(value) != 2 or not all(type(each) is int and 0 < each < 1 << 16 for each in value):
        raise ValueError(f"{option}: rows and columns are numbers from 1 to 65535, got {value!r}")
    return value[0], value[1]


def _connection(option: str, value: object) -> str | Address:
    if value == STDIO:
        return STDIO
    ip, port = "127.0.0.1", value  # a bare port, to which no other machine can connect
    if isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str):
        ip, port = value
        try:
            known = ipaddress.ip_address(ip)
        except ValueError:
            raise ValueError(f"{option}: not an IP address: {ip!r} in {value!r}") from None
        if known.is_unspecified or known.is_multicast:
            raise ValueError(
                f"{option}: a peer cannot connect to {ip!r} in {value!r}; give one address"
            )
        ip = str(known)
    if isinstance(port, bool) or not isinstance(port, int):
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{option}: expected 'stdio', a port, or (ip, port), got {value!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"{option}: a port is a number from 0 (any) to 65535, got {value!r}")
    return ip, port


def connection_of_text(text: str) -> str | Address:
    """Parse ``stdio``, ``4711``, ``10.0.0.1:4711`` or ``[fe80::1]:4711``; may raise ValueError."""
    if (text := text.strip()) == STDIO:
        return text
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError("expected 'stdio', PORT, IP:PORT or [IPV6]:PORT")
    ip, port = match[1], int(match[2])
    return _connection("connection", port if ip is None else (ip.strip("[]"), port))


_Check = Callable[[str, Any], Any]


def _instance(
    kind: type | UnionType, called: str, convert: Callable[[Any], Any] = lambda value: value
) -> _Check:
    def check(option: str, value: object) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{option}: expected {called}, got {value!r}")
        return convert(value)

    return check


def _or_none(check: _Check) -> _Check:
    return lambda option, value: None if value is None else check(option, value)


def _text(pattern: str, rule: str) -> _Check:
    def check(option: str, value: object) -> Any:
        if not re.fullmatch(pattern, _instance(str, "a str")(option, value)):
            raise ValueError(f"{option}: {rule}, got {value!r}")
        return value

    return check


_bool = _instance(bool, "a bool")
_callable = _instance(Callable, "a callable")  # type: ignore[arg-type]
_CHECKS: dict[str, _Check] = {
    "name": lambda _, value: names.checked(value),
    "host": _text(r"[A-Za-z0-9_.:-]{1,253}", "only letters, digits and any of '_.:-'"),
    "longnames": _bool,
    "exec": _exec,
    "args": command_words,
    "post_process_args": _or_none(_callable),
    "env": _env,
    "cwd": _or_none(_instance(str | os.PathLike, "a path", os.fspath)),
    "connection": _connection,
    "detached": _bool,
    "wait_boot": _wait_boot,
    "shutdown": _shutdown,
    "peer_down": _text("stop|continue|crash", "expected one of 'stop', 'continue', 'crash'"),
    "call_timeout": seconds,
    "artifacts": _or_none(_instance(str | os.PathLike, "a path", Path)),
    "start_method": _or_none(_text("forkserver|spawn", "expected one of 'forkserver', 'spawn'")),
    "setup": _setup,
    "terminal": _terminal,
}
