"""Two pipes to a new process, and the handshake over them."""

from __future__ import annotations

import ast
import functools
import marshal
import os
import select
import sys
import threading
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

from . import gateway
from .pickling import PythonVersion
from .pickling import by_value_refusal

#: The oldest Python that the agent and execnet run on.
OLDEST = (3, 8)
#: How often a boot that hears nothing looks whether the process is still there.
_GONE_POLL_MS = 200
_AGENT = "pytest_peer_agent"
_HERE = Path(__file__).parent
_SHARED = ("wire", "stream", "outbox", "mailbox", "codec")
_AGENT_FOLDER = _HERE.parent / "agent"


class LinkClosed(Exception):
    """The other end closed the link before it had said what was expected."""


class Unusable(Exception):
    """What answered is no interpreter we can use; the text says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What the peer said about itself."""

    version: PythonVersion
    implementation: str
    pid: int
    executable: str
    prefix: str
    magic: bytes

    def __str__(self) -> str:
        return f"{self.implementation} {'.'.join(map(str, self.version))}"

    @property
    def by_value(self) -> str:
        """Why code cannot be sent to it by value; empty if it can."""
        return by_value_refusal(self.implementation, self.version)


class Pipes:
    """The control link of a local peer: nothing else is on it, so nothing that the peer prints can be mistaken for it."""

    def __init__(self) -> None:
        #: The ends of the peer, which inherits them.
        self.peer_read: int
        self.peer_write: int
        self._read, self.peer_write = os.pipe()
        self.peer_read, self._write = os.pipe()
        os.write(
            self._write, _loader()
        )  # fits into an empty pipe, so it does not wait for a reader

    def close_peer_ends(self) -> None:
        """After the process was started: its end of file must reach us."""
        os.close(self.peer_read)
        os.close(self.peer_write)

    def close(self) -> None:
        """Give up our ends, unless `hand_over` has given them away."""
        for fd in (self._read, self._write):
            if fd >= 0:
                os.close(fd)
        self._read = self._write = -1

    def hand_over(self) -> tuple[int, int]:
        """The descriptors for reading and writing; the caller closes them from now on."""
        ends = self._read, self._write
        self._read = self._write = -1
        return ends

    def hello(self, gone: threading.Event) -> Interpreter:
        """Wait for the peer's first line.

        :param gone: set when the process has ended: then nothing more comes, even if something it started holds the pipe.
        :raises LinkClosed: it will never come.
        :raises Unusable: not a Python that the agent runs on.
        """
        line = b""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not line.endswith(b"\n"):
            ended = gone.is_set()
            if poll.poll(_GONE_POLL_MS):
                data = os.read(self._read, 4096)
                if not data:
                    raise LinkClosed
                line += data
            elif ended:
                raise LinkClosed
        try:
            fields = ast.literal_eval(line.decode("ascii"))
            interpreter = Interpreter(**fields)
        except (ValueError, SyntaxError, TypeError) as exc:
            raise Unusable(f"unexpected first line on the control link: {line!r}") from exc
        if interpreter.version < OLDEST:
            version = ".".join(map(str, interpreter.version))
            raise Unusable(
                f"Python {version} ({interpreter.executable}) is too old: a peer needs 3.8 or newer"
            )
        return interpreter

    def send_agent(self, interpreter: Interpreter, name: str) -> None:
        """Send our code and what it has to know. May wait until the peer has read."""
        compiled = interpreter.magic == MAGIC_NUMBER
        same = Path(interpreter.prefix) == Path(sys.prefix) and compiled
        config: dict[str, Any] = {
            "name": name,
            "by_value": interpreter.by_value,
            "path": list(sys.path) if same else _portable_path(),
            "replace_path": same,
            "own_files": [filename for _, filename, _, _ in _modules(False)],
        }
        data = marshal.dumps(
            {"compiled": compiled, "modules": _modules(compiled), "config": config}, 2
        )
        view = memoryview(b"%d\n" % len(data) + data)
        while view:
            view = view[os.write(self._write, view) :]


def _portable_path() -> list[str]:
    """The entries of ``sys.path`` that mean something to another interpreter: not the standard library, not site-packages."""
    ours = tuple(
        {os.path.join(prefix, "") for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    )
    return [
        entry for entry in sys.path if not os.path.join(os.path.abspath(entry), "").startswith(ours)
    ]


@functools.cache
def _loader() -> bytes:
    source = (_AGENT_FOLDER / "boot.py").read_bytes()
    return b"%d\n" % len(source) + source


@functools.cache
def _modules(compiled: bool) -> list[tuple[str, str, bool, bytes | str]]:
    """What the peer loads, in this order: name, file, whether it is a package, code."""
    base_file, base_code, base_source = gateway.base_code()
    modules: list[tuple[str, str, bool, bytes | str]] = [
        (
            gateway.BASE_MODULE,
            base_file,
            False,
            marshal.dumps(base_code) if compiled else base_source,
        )
    ]
    files = [_AGENT_FOLDER / "__init__.py"]
    files += [_HERE / f"{name}.py" for name in _SHARED]
    files += [_AGENT_FOLDER / f"{name}.py" for name in ("here", "dispatch", "main")]
    for file in files:
        source = file.read_text(encoding="utf-8")
        is_package = file.stem == "__init__"
        name = _AGENT if is_package else f"{_AGENT}.{file.stem}"
        code = marshal.dumps(compile(source, str(file), "exec")) if compiled else source
        modules.append((name, str(file), is_package, code))
    return modules
