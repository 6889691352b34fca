"""The code under test: a registry of releases, which uses the library semver.

All nodes share its file. A version can be stored as text or as a pickle. This code does not depend
on the version of semver.
"""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import semver


def create(registry: Path) -> None:
    with closing(sqlite3.connect(registry)) as db, db:
        db.execute("CREATE TABLE releases (version)")


def publish_text(registry: Path, version: str) -> None:
    _insert(registry, str(semver.VersionInfo.parse(version)))


def publish_pickle(registry: Path, version: str) -> None:
    _insert(registry, pickle.dumps(semver.VersionInfo.parse(version)))


def releases(registry: Path) -> list[str]:
    """Return the releases of all nodes, from the oldest to the newest."""
    with closing(sqlite3.connect(registry)) as db:
        stored = [value for (value,) in db.execute("SELECT version FROM releases")]
    return [str(version) for version in sorted(map(_loaded, stored))]


def library() -> str:
    """Return the version of semver in this node."""
    return semver.__version__


def _insert(registry: Path, value: str | bytes) -> None:
    with closing(sqlite3.connect(registry)) as db, db:
        db.execute("INSERT INTO releases VALUES (?)", [value])


def _loaded(value: str | bytes) -> semver.VersionInfo:
    return pickle.loads(value) if isinstance(value, bytes) else semver.VersionInfo.parse(value)
