"""The code under test: a key-value store, replicated with PySyncObj.

Each peer runs one member of the cluster, in the module globals.
"""

from __future__ import annotations

from pathlib import Path

from pysyncobj import SyncObj, SyncObjConf, SyncObjConsumer, replicated

ROLES = ["follower", "candidate", "leader"]  # PySyncObj numbers them


class Store(SyncObjConsumer):
    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, str] = {}

    @replicated
    def put(self, key: str, value: str) -> None:
        self._values[key] = value

    def get(self, key: str) -> str | None:
        return self._values.get(key)


store: Store
node: SyncObj


def start(address: str, everyone: list[str], directory: Path, patience: float = 0.4) -> None:
    """Make this process the member of the cluster that has `address`; its log is in `directory`.

    It is a candidate when it has heard no leader for `patience` seconds, or up to three times that.
    """
    global store, node
    store = Store()
    conf = SyncObjConf(
        bindAddress=address,
        journalFile=str(directory / f"{address.replace(':', '-')}.journal"),
        appendEntriesPeriod=0.05,
        raftMinTimeout=patience,
        raftMaxTimeout=3 * patience,
        connectionRetryTime=0.1,
        onStateChanged=lambda old, new: print(f"{ROLES[old]} -> {ROLES[new]}", flush=True),
    )
    node = SyncObj(address, everyone, conf, consumers=[store])


def leader() -> str | None:
    """Return the address of the leader in this member's view."""
    found = node.getStatus()["leader"]
    return found and found.address


def put(key: str, value: str, timeout: float | None = 2) -> None:
    """Write, and return when a majority has the entry in its log."""
    store.put(key, value, sync=True, timeout=timeout)


def get(key: str) -> str | None:
    """Return the value that this member has, without asking the others."""
    return store.get(key)
