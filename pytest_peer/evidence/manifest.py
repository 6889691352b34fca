"""The content of ``manifest.json``; pure."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

from ..core.options import PeerOptions
from ..core.states import DownReason, PeerState, signal_name

# Bound at import: a test may replace `json.dumps` while peers boot and die.
# Without `indent`: the C encoder does not support it, and the Python one is slow.
_encode = json.JSONEncoder(default=repr).encode


def manifest_text(
    options: PeerOptions,
    *,
    started: float,
    ended: float | None,
    state: PeerState,
    last_state: PeerState | None,
    reason: DownReason | None,
    **facts: Any,
) -> str:
    """Return what helps after the death of a peer, as JSON with a line for each key.

    :param started: as ``time.time``, like `ended`; the manifest has UTC.
    :param last_state: its state before it went down.
    :param facts: more that the manifest has under the same names.
    """
    content = {
        "name": options.name,
        "node": f"{options.name}@{options.host}",
        **facts,
        "env": dict(options.env),
        "options": {
            field.name: getattr(options, field.name) for field in dataclasses.fields(options)
        },
        "started": _iso(started),
        "ended": _iso(ended) if ended else None,
        "state": str(state),
        "last_state": str(last_state) if last_state else None,
        "kind": reason.kind if reason else None,
        "exit_status": reason.exit_status if reason else None,
        "signal": signal_name(reason.signal) if reason and reason.signal else None,
    }
    lines = [f"  {_encode(key)}: {_encode(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
