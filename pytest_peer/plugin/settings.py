"""The plugin's settings: one table for the command line, the ini file and the precedence.

Precedence: call argument > marker > command line > ini > default. A bad value is a
`pytest.UsageError`, which says where it was written.
"""

import os
from collections import ChainMap
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest


class Setting(NamedTuple):
    """A setting, and the option of a peer for which it is the default."""

    name: str  # in the ini file; with dashes, on the command line
    metavar: str
    help: str
    option: str | None = None

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


ARTIFACTS = Setting(
    "peer_artifacts",
    "DIR",
    "Keep the artifacts of peers of failed tests, and of those in which a peer crashed, in DIR",
)
EXEC = Setting(
    "peer_exec",
    "CMD",
    "Program that runs the peers, with leading arguments; quoted as for a shell. Given several"
    " times (ini: one a line), the tests that use peers run once with each",
    "exec",
)
HOSTS = Setting(
    "peer_hosts",
    "HOST,...",
    "Hosts that fill {host} in the program that runs the peers, peer by peer in turn",
)
BOOT_TIMEOUT = Setting(
    "peer_boot_timeout", "SECONDS", "Limit for the boot of a peer (default: 15)", "wait_boot"
)
CALL_TIMEOUT = Setting(
    "peer_call_timeout", "SECONDS", "Limit for a call, or none (default: 60)", "call_timeout"
)
START_METHOD = Setting(
    "peer_start_method",
    "METHOD",
    "How peers start: forkserver or spawn (default: the first where it can serve)",
    "start_method",
)
CONNECTION = Setting(
    "peer_connection",
    "WHERE",
    "Control link of the peers: stdio (default), or TCP: PORT (0: any), IP:PORT or [IPV6]:PORT",
    "connection",
)
DEBUG_TIMEOUT = Setting(
    "peer_debug_timeout",
    "SECONDS",
    "How long a peer at a breakpoint waits for a terminal to attach, where pytest has none"
    " (default: 60), or none",
)
SEED = Setting(
    "peer_seed",
    "NUMBER",
    "Seed of what is drawn at random in peer_network (default: another each run)",
)
REQUIRE = Setting(
    "peer_require",
    "WHAT",
    "What must be possible here: network; without it tests that need it fail, and do not skip",
)
SETTINGS = (
    ARTIFACTS,
    EXEC,
    HOSTS,
    BOOT_TIMEOUT,
    CALL_TIMEOUT,
    START_METHOD,
    CONNECTION,
    DEBUG_TIMEOUT,
    SEED,
    REQUIRE,
)

#: The option of peers that only those of `peer_network` have.
TCP = "tcp"


def _parse(setting: Setting, text: str) -> Any:
    """Return the value of the option for a text that the user wrote, or raise ``ValueError``."""
    import shlex  # not at the top, nor the others: a suite without settings does not pay for them

    from ..core import clock, options

    if not text.strip():
        raise ValueError(f"expected {setting.metavar}")
    if setting is EXEC:
        return shlex.split(text)
    if setting is HOSTS:
        hosts = [options.check("host", host.strip()) for host in text.split(",")]
        if len(set(hosts)) < len(hosts):
            raise ValueError("a host is there twice")
        return hosts
    if setting is CONNECTION:
        return options.connection_of_text(text)
    if setting is SEED:
        return int(text)
    if setting is REQUIRE:
        if text.strip() != "network":
            raise ValueError("expected network")
        return text.strip()
    if setting in (START_METHOD, ARTIFACTS):
        return options.check(setting.name.removeprefix("peer_"), text)
    return None if text.strip().lower() == "none" else clock.seconds("limit", float(text))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare all settings; on the command line the default ``None`` means "unset"."""
    group = parser.getgroup("peer", "peer processes")
    for setting in SETTINGS:
        group.addoption(setting.flag, metavar=setting.metavar, action="append", help=setting.help)
        kind: Literal["linelist", "string"] = "linelist" if setting is EXEC else "string"
        parser.addini(setting.name, setting.help, type=kind, default=None)
    preload = "Modules that the fork server imports once, for all peers"
    parser.addini("peer_preload", preload, type="args", default=[])


def read(config: pytest.Config) -> dict[str, Any]:
    """Return the options of peers that are set; `exec` only if there is one for all peers."""
    written = {setting.option: _written(config, setting)[1] for setting in SETTINGS}
    return {option: found[0] for option, found in written.items() if option and len(found) == 1}


def programs(config: pytest.Config) -> list[list[str]]:
    """Return the programs that run the peers, of which there may be several."""
    return _written(config, EXEC)[1]


def hosts(config: pytest.Config) -> list[str]:
    return next(iter(_written(config, HOSTS)[1]), [])


def debug_timeout(config: pytest.Config) -> float | None:
    """Return the seconds for which a peer at a breakpoint waits for a terminal to attach."""
    limit: float | None = next(iter(_written(config, DEBUG_TIMEOUT)[1]), 60.0)
    return limit


def seed(config: pytest.Config) -> int | None:
    """Return the seed of draws; ``None`` if the user gave none."""
    return next(iter(_written(config, SEED)[1]), None)


def network_required(config: pytest.Config) -> bool:
    """Return whether a test fails where it cannot have a network."""
    return bool(_written(config, REQUIRE)[1])


def _written(config: pytest.Config, setting: Setting) -> tuple[str, list[Any]]:
    """Return where a setting was written, and its values, of which only `EXEC` has several."""
    where, given = setting.flag, config.getoption(setting.name) or []
    if not given and (text := config.getini(setting.name)):
        where = f"ini option {setting.name}"
        given = text if setting is EXEC else [text]
    values: list[Any] = []
    for text in given:
        try:
            value = _parse(setting, str(text))
        except ValueError as exc:
            raise pytest.UsageError(f"{where}: {exc}, got {text!r}") from exc
        # Taking the last would ignore the others.
        if value in values or (values and setting is not EXEC):
            raise pytest.UsageError(f"{where}: given more than once: {', '.join(given)}")
        values.append(value)
    return where, values


def artifacts(config: pytest.Config) -> Path | None:
    """Return the directory of ``--peer-artifacts``, relative to where pytest was started."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    if "peer_artifacts" in given:  # of pytest-xdist's controller
        return Path(given["peer_artifacts"])
    values = _written(config, ARTIFACTS)[1]
    return config.invocation_params.dir / values[0] if values else None


def check_artifacts(config: pytest.Config) -> None:
    """Check that artifacts can be kept in the directory, without making it."""
    path = artifacts(config)
    if path is None:
        return
    parent = next(each for each in (path, *path.parents) if os.path.lexists(each))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        where = _written(config, ARTIFACTS)[0]
        raise pytest.UsageError(f"{where}: nothing can be written to {str(path)!r}: see {parent}")


def marked(node: pytest.Item | pytest.Collector, marker: str = "peer") -> dict[str, Any]:
    """Return the options that markers give to a node; the closest wins option by option."""
    return dict(ChainMap(*(dict(mark.kwargs) for mark in node.iter_markers(marker))))


def check_markers(item: pytest.Item) -> None:
    """Fail a test, in its setup, one of whose markers says what no marker can say."""
    for mark in (each for each in item.iter_markers() if each.name in ("peer", "in_peer")):
        from ..core.options import PeerOptions

        known = [*PeerOptions.__slots__, "link", *([TCP] if mark.name == "peer" else [])]
        if mark.args:
            why = f"takes keyword arguments only, got {mark.args!r}"
        elif unknown := [name for name in mark.kwargs if name not in known]:
            why = f"{unknown[0]}: unknown option; known are {', '.join(known)}"
        else:
            continue
        pytest.fail(f"{item.nodeid}: {mark.name} marker: {why}", pytrace=False)


def check_marked(options: dict[str, Any], marker: str = "peer") -> None:
    """Check the values of a marker's options, when they are used: a ``cwd`` may be made late."""
    from ..core.options import check
    from ..network import tcp_timers

    for name, value in options.items():
        try:
            if name == TCP:
                tcp_timers.checked(value)
            elif name != "link":  # the factory's own
                check(name, value)
        except (TypeError, ValueError) as exc:
            raise type(exc)(f"{marker} marker: {exc}") from None
