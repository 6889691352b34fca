"""The terminal as pytest writes on it, for lines that come while a test runs."""

import contextlib
import functools
import os
from typing import Any, TextIO

import pytest


def shows_output(config: pytest.Config) -> bool:
    """Whether pytest lets through what a test prints."""
    return config.getoption("capture", "no") in ("no", "tee-sys")


def shows_logs(config: pytest.Config) -> bool:
    """Whether pytest shows log records as they come."""
    if not config.pluginmanager.has_plugin("logging"):
        return False
    return config.getoption("log_cli_level") is not None or bool(config.getini("log_cli"))


class Terminal:
    """Where pytest writes; not what a fixture of the test, such as `capfd`, has put there."""

    def __init__(self, config: pytest.Config, file: TextIO) -> None:
        self._file = file
        self._fd = -1
        with contextlib.suppress(OSError, ValueError):  # a file in memory
            self._fd = os.dup(file.fileno())
        self._config = config
        self._left = 0  # the width that the writer thinks the line has, which we have ended

    @functools.cached_property
    def _writer(self) -> Any:
        """pytest's own, if it has one; not before it is configured."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter and self._config.get_terminal_writer()

    def markup(self, text: str, markup: dict[str, bool]) -> str:
        return self._writer.markup(text, **markup) if self._writer else text

    def write(self, text: str) -> None:
        """Write whole lines, which begin on one of their own."""
        encoding = self._file.encoding or "utf-8"
        data = text.encode(encoding, "backslashreplace")
        width = self._writer.width_of_current_line if self._writer else 0
        if self._redirected():
            begin, self._left = b"\n" if width != self._left else b"", width
            data = begin + data
            while data:
                data = data[os.write(self._fd, data) :]
            return
        self._left = 0
        write = self._writer.write if self._writer else self._file.write
        write(("\n" if width else "") + data.decode(encoding))
        self._file.flush()

    def _redirected(self) -> bool:
        if self._fd < 0:
            return False
        try:
            return not os.path.sameopenfile(self._fd, self._file.fileno())
        except OSError:  # the test has closed it
            return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
