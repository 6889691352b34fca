"""The directory in which a peer's evidence is kept, and its ``manifest.json``."""

import contextlib
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.down_reason import DownReason, signal_name
from ..core.options import PeerOptions

# Bound at import: a test may replace `json.dumps` while peers boot and die.
# Without `indent`: the C encoder does not support it, and the Python one is slow.
_encode = json.JSONEncoder(default=repr).encode


def new(parent: Path, name: str, make: Callable[[Path], object] = Path.mkdir) -> Path:
    """Make ``<parent>/<name>``, or ``<name>.2`` and so on if that exists; return the path.

    No two callers get the same one, in any process. `make` makes it, or raises FileExistsError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        path = parent / (f"{name}.{number}" if number > 1 else name)
        with contextlib.suppress(FileExistsError):
            make(path)
            return path


class Artifacts:
    """The files of one life of a peer, in a new directory in `parent`, or in a temporary one."""

    def __init__(self, parent: Path | None, name: str) -> None:
        self._temporary = parent is None
        prefix = f"pytest-peer-{name}-"
        self.path: Path = new(parent, name) if parent else Path(tempfile.mkdtemp(prefix=prefix))
        #: The test that ran when the peer was started.
        self.test: str | None = None

    def write_manifest(self, text: str) -> None:
        """Write ``manifest.json`` in one step: a reader sees the old text or the new one."""
        half = self.path / "manifest.json.new"
        half.write_text(text, encoding="utf-8")
        half.replace(self.path / "manifest.json")

    def discard(self) -> None:
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def manifest_text(options: PeerOptions, reason: DownReason | None, facts: dict[str, Any]) -> str:
    """Return a manifest as JSON, a line for each key; `facts` has times as ``time.time``, or 0."""
    content = {
        "name": options.name,
        "node": f"{options.name}@{options.host}",
        **facts,
        "versions": _versions(),
        "env": dict(options.env),
        "options": {name: getattr(options, name) for name in PeerOptions.__slots__},
        "started": _iso(facts["started"]),
        "ended": _iso(facts["ended"]) if facts["ended"] else None,
        "kind": reason.kind if reason else None,
        "exit_status": reason.exit_status if reason else None,
        "signal": signal_name(reason.signal) if reason and reason.signal else None,
    }
    lines = [f"  {_encode(key)}: {_encode(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions of what controls the peers; what is not installed is left out."""
    found = {"python": sys.version.partition(" ")[0]}
    for name in ("pytest-peer", "execnet", "pytest", "cloudpickle"):
        with contextlib.suppress(Exception):  # also of a test that has replaced something there
            # Not at the top: pytest has imported it, and otherwise it takes longer than a boot.
            from importlib import metadata

            found[name] = metadata.version(name)
    return found


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
