"""The plugin's settings: one table, from which the command line, the ini file and the precedence are made.

Precedence: call argument > marker > command line > ini > default.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Literal
from typing import NamedTuple

import pytest

# `options` is imported where it is needed: a suite that has no setting of ours and no peer does not pay for it.


class Setting(NamedTuple):
    """A setting, and the option of a peer that it is the default of."""

    #: Of the ini file; with dashes, of the command line.
    name: str
    option: str | None
    metavar: str
    help: str
    #: From the text that the user wrote to a value of the option; raises ValueError.
    parse: Callable[[str], Any]

    @property
    def flag(self) -> str:
        """The command line's spelling."""
        return "--" + self.name.replace("_", "-")


def _program(text: str) -> list[str]:
    import shlex  # not at the top, as `options`

    words = shlex.split(text)
    if not words:
        raise ValueError("expected a program")
    return words


def _limit(text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    from ..core.timeouts import seconds

    return seconds("limit", float(text))


def _directory(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a directory")
    return text


def _hosts(text: str) -> list[str]:
    from ..core.options import check

    found = [check("host", host.strip()) for host in text.split(",")]
    if len(set(found)) < len(found):
        raise ValueError("a host is there twice")
    return found


def _connection(text: str) -> str | tuple[str, int]:
    from ..core.addresses import connection_of_text

    return connection_of_text(text)


def _start_method(text: str) -> str | None:
    from ..core.options import check

    method: str | None = check("start_method", text)
    return method


ARTIFACTS = Setting(
    "peer_artifacts",
    None,
    "DIR",
    "Keep the artifacts of peers of failed tests, and of those in which a peer crashed, in DIR",
    _directory,
)

EXEC = Setting(
    "peer_exec",
    "exec",
    "CMD",
    "Program that runs the peers, with leading arguments; quoted as for a shell. Given several times (ini: one a line), the"
    " tests that use peers run once with each",
    _program,
)

HOSTS = Setting(
    "peer_hosts",
    None,
    "HOST,...",
    "Hosts that fill {host} in the program that runs the peers, peer by peer in turn",
    _hosts,
)

SETTINGS = (
    ARTIFACTS,
    EXEC,
    HOSTS,
    Setting(
        "peer_boot_timeout",
        "wait_boot",
        "SECONDS",
        "Limit for the boot of a peer (default: 15)",
        _limit,
    ),
    Setting(
        "peer_call_timeout",
        "call_timeout",
        "SECONDS",
        "Limit for a call, or none (default: 60)",
        _limit,
    ),
    Setting(
        "peer_start_method",
        "start_method",
        "METHOD",
        "How peers start: forkserver or spawn (default: the first where it can serve)",
        _start_method,
    ),
    Setting(
        "peer_connection",
        "connection",
        "WHERE",
        "Control link of the peers: stdio (default), or TCP: PORT (0: any), IP:PORT or [IPV6]:PORT",
        _connection,
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare all settings; the command line's defaults are ``None``, so that "unset" can be told."""
    group = parser.getgroup("peer", "peer processes")
    for setting in SETTINGS:
        group.addoption(
            setting.flag,
            dest=setting.name,
            metavar=setting.metavar,
            action="append",
            help=setting.help,
        )
        kind: Literal["linelist", "string"] = "linelist" if setting is EXEC else "string"
        parser.addini(setting.name, setting.help, type=kind, default=None)
    parser.addini(
        "peer_preload",
        "Modules that the fork server imports once, for all peers",
        type="args",
        default=[],
    )


def read(config: pytest.Config) -> dict[str, Any]:
    """The options of peers that the command line and the ini file set; `exec` only if it is one for all, see `programs`.

    :raises pytest.UsageError: a bad value; says where it was written.
    """
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        written = _written(config, setting)
        if setting.option is not None and written is not None and len(written[1]) == 1:
            found[setting.option] = written[1][0]
    return found


def programs(config: pytest.Config) -> list[list[str]]:
    """All values of ``--peer-exec``, or else of the ini file.

    :raises pytest.UsageError: a bad value, or one that is there twice.
    """
    written = _written(config, EXEC)
    return written[1] if written is not None else []


def hosts(config: pytest.Config) -> list[str]:
    """The hosts for peers, if some are named.

    :raises pytest.UsageError: a bad value.
    """
    written = _written(config, HOSTS)
    return written[1][0] if written is not None else []


def _written(config: pytest.Config, setting: Setting) -> tuple[str, list[Any]] | None:
    """Where the setting was written, and its value or, of `EXEC`, values; ``None`` if it was not.

    :raises pytest.UsageError: a bad value, or several where there can be but one.
    """
    where, given = setting.flag, config.getoption(setting.name) or []
    if not given and (text := config.getini(setting.name)):
        where = f"ini option {setting.name}"
        given = text if setting is EXEC else [text]
    values: list[Any] = []
    for text in given:
        try:
            value = setting.parse(str(text))
        except ValueError as exc:
            raise pytest.UsageError(f"{where}: {exc}, got {text!r}") from exc
        # To take the last would leave out what the others ask for.
        if value in values or (values and setting is not EXEC):
            raise pytest.UsageError(f"{where}: given more than once: {', '.join(given)}")
        values.append(value)
    return (where, values) if values else None


def artifacts(config: pytest.Config) -> Path | None:
    """Where artifacts of peers are to be kept; a relative path starts from the directory in which pytest was started.

    :raises pytest.UsageError: a bad value.
    """
    given: dict[str, Any] = getattr(config, "workerinput", {})
    if "peer_artifacts" in given:  # of pytest-xdist's controller
        return Path(given["peer_artifacts"])
    written = _written(config, ARTIFACTS)
    return config.invocation_params.dir / written[1][0] if written is not None else None


def check_artifacts(config: pytest.Config) -> None:
    """See whether artifacts can be kept there; nothing is made before there are some.

    :raises pytest.UsageError: they cannot; says where the directory was named.
    """
    path = artifacts(config)
    if path is None:
        return
    parent = next(each for each in (path, *path.parents) if os.path.lexists(each))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        written = _written(config, ARTIFACTS)
        where = written[0] if written is not None else ARTIFACTS.flag
        raise pytest.UsageError(f"{where}: nothing can be written to {str(path)!r}: see {parent}")


def marked(node: pytest.Item | pytest.Collector, marker: str = "peer") -> dict[str, Any]:
    """The options that markers of that name give to a node; the closest marker wins option by option.

    :raises pytest.UsageError: a positional argument or an unknown option.
    """
    merged: dict[str, Any] = {}
    for mark in node.iter_markers(marker):
        from ..core.options import names_of_options

        known = [*names_of_options(), "link"]
        where = f"{node.nodeid}: {marker} marker"
        if mark.args:
            raise pytest.UsageError(f"{where}: takes keyword arguments only, got {mark.args!r}")
        for name, value in mark.kwargs.items():
            if name not in known:
                raise pytest.UsageError(
                    f"{where}: {name}: unknown option; known are {', '.join(known)}"
                )
            merged.setdefault(name, value)
    return merged


def check_marked(options: dict[str, Any], marker: str = "peer") -> None:
    """Check the values of a marker's options; only when they are used, because a ``cwd`` may not exist before.

    :raises TypeError: a value of the wrong type; says that it came from the marker.
    :raises ValueError: a value outside of what the option allows; says so too.
    """
    from ..core.options import check

    for name, value in options.items():
        if name == "link":  # the factory's own
            continue
        try:
            check(name, value)
        except (TypeError, ValueError) as exc:
            raise type(exc)(f"{marker} marker: {exc}") from None
