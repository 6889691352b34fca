"""Log records of peers in what pytest shows of logs: by peer.

In a report each is in the section of its peer, and only there. On the terminal and in the log file
it stands behind the name of its peer.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from ..evidence.logs import LogRelay, handled, pause
from ..link import log_levels
from . import live_output
from .session import SECTION_CHARACTERS, lives

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife


class _Text:
    """The end of what a peer has logged in a phase, as pytest formats it."""

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._size = self._left_out = 0

    def add(self, text: str) -> None:
        # A lone surrogate, of a file's name mostly, would end a run of pytest-xdist.
        text = text.encode("utf-8", "backslashreplace").decode()
        self._parts.append(text)
        self._size += len(text)
        while self._size > SECTION_CHARACTERS and len(self._parts) > 1:
            gone = len(self._parts.popleft())
            self._size, self._left_out = self._size - gone, self._left_out + gone

    def __str__(self) -> str:
        text = "\n".join(self._parts)
        if not self._left_out:
            return text
        return f"... {self._left_out} characters before; --log-file has all records\n{text}"


_hooks = sys.modules[__name__]  # also when pytester has forgotten it
_logged_key = pytest.StashKey[dict[LogRelay, _Text]]()


def taken(config: pytest.Config, life: "PeerLife") -> str:
    """Return what it has logged since the last time."""
    relay = life.client.logs
    if not isinstance(relay, LogRelay):
        return ""
    return str(config.stash.get(_logged_key, {}).pop(relay, ""))


def taken_of_others(config: pytest.Config) -> Iterator[tuple[str, str]]:
    """Return names and texts of peers that no scope has any more."""
    logged = config.stash.get(_logged_key, {})
    while logged:
        relay, text = logged.popitem()
        yield relay.peer, str(text)


def expect(config: pytest.Config) -> None:
    """Register these hooks, and keep the records of peers out of pytest's own section."""
    config.pluginmanager.register(_hooks, "peer-logs")
    # The handler has no public name. Without it, that section has them.
    plugin = config.pluginmanager.get_plugin("logging-plugin")
    handler = getattr(plugin, "report_handler", None)
    if not isinstance(handler, logging.Handler):
        return
    logged = config.stash[_logged_key] = {}
    format_record = handler.format

    def is_ours(record: logging.LogRecord) -> bool:
        relay = handled(record)
        if relay is not None:
            logged.setdefault(relay, _Text()).add(format_record(record))
        return relay is None

    handler.addFilter(is_ours)
    _show_live(config, getattr(plugin, "log_cli_handler", None))
    _name_in_file(getattr(plugin, "log_file_handler", None))


def _show_live(config: pytest.Config, handler: object) -> None:
    """Have records of peers shown behind their names, among what they print.

    pytest's own handler lets through what the test prints meanwhile. So it must not run on another
    thread than that of the test.
    """
    live = live_output.of(config)
    if live is None or not isinstance(handler, logging.StreamHandler):
        return
    format_record: Callable[[logging.LogRecord], str] = handler.format

    def is_of_the_test(record: logging.LogRecord) -> bool:
        relay = handled(record)
        if relay is not None:
            live.log(relay.peer, format_record(record))
        return relay is None

    handler.addFilter(is_of_the_test)


def _name_in_file(handler: object) -> None:
    """Have the names of peers before their records, unless the format has them."""
    if not isinstance(handler, logging.FileHandler) or "%(peer)" in _format_of(handler):
        return
    format_record = handler.format

    def format_with_name(record: logging.LogRecord) -> str:
        relay = handled(record)
        text = format_record(record)
        return text if relay is None else f"[{relay.peer}] {text}"

    handler.format = format_with_name  # type: ignore[method-assign]


def _format_of(handler: logging.Handler) -> str:
    return str(getattr(handler.formatter, "_fmt", ""))


def _begin_phase(config: pytest.Config) -> None:
    """Handle what has come since the last phase, with the handlers and levels of this one."""
    log_levels.release()
    pause.end()
    for life in lives(config):
        life.client.logs.catch_up()


def _end_phase(config: pytest.Config) -> None:
    """Handle what has come, and keep back the rest until the next phase."""
    log_levels.hold()
    pause.begin()
    for life in lives(config):
        life.client.logs.catch_up(anyway=True)


# Within those of pytest, which take their handlers away.


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    _begin_phase(item.config)
    try:
        return (yield)
    finally:
        _end_phase(item.config)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    _begin_phase(item.config)
    try:
        return (yield)
    finally:
        _end_phase(item.config)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    _begin_phase(item.config)
    try:
        return (yield)
    finally:
        _end_phase(item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    log_levels.release()
    pause.end()
