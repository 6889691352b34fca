"""Reading ``manifest.json``."""

from __future__ import annotations

import json

import pytest_peer


def manifest(peer: pytest_peer.Peer) -> dict[str, object]:
    return json.loads((peer.artifacts / "manifest.json").read_text())
