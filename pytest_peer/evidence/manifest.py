"""The content of ``manifest.json``; pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any

from ..core.options import PeerOptions
from ..core.states import DownReason
from ..core.states import PeerState
from ..core.states import signal_name

# Bound at import: a test may replace `json.dumps` while peers boot and die.
# Without `indent`: the C encoder does not support it, and the Python one is slow.
_encode = json.JSONEncoder(default=repr).encode


def manifest_text(options: PeerOptions, **facts: Any) -> str:
    """Return `manifest` as JSON, with a line for each key."""
    facts = manifest(options, **facts)
    lines = [f"  {_encode(key)}: {_encode(value)}" for key, value in facts.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def manifest(
    options: PeerOptions,
    *,
    test: str | None,
    argv: Sequence[str],
    start_method: str,
    start_method_reason: str,
    cwd: str,
    python: str | None,
    pid: int | None,
    launcher_pid: int | None,
    started: float,
    ended: float | None,
    state: PeerState,
    last_state: PeerState | None,
    core: str | None,
    reason: DownReason | None,
) -> dict[str, Any]:
    """Return the facts about a peer that help after its death; times are UTC.

    :param test: the test that ran when the peer was started; ``None`` without pytest.
    :param cwd: the directory in which the peer was started.
    :param last_state: its state before it went down.
    :param core: after a crash, the file with its core, or why there is none.
    """
    return {
        "name": options.name,
        "node": f"{options.name}@{options.host}",
        "test": test,
        "argv": list(argv),
        "env": dict(options.env),
        "cwd": cwd,
        "options": {
            field.name: getattr(options, field.name) for field in dataclasses.fields(options)
        },
        "python": python,
        "pid": pid,
        "launcher_pid": launcher_pid,
        "start_method": start_method,
        "start_method_reason": start_method_reason,
        "started": _iso(started),
        "ended": _iso(ended) if ended else None,
        "state": str(state),
        "last_state": str(last_state) if last_state else None,
        "kind": reason.kind if reason else None,
        "exit_status": reason.exit_status if reason else None,
        "signal": signal_name(reason.signal) if reason and reason.signal else None,
        "core": core,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
