"""The code under test: a registry of releases in a file that all nodes share, with the library semver.

A version can be stored as text or as a pickle. Nothing here knows which version of semver it has.
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
    """All that were published, by whichever node, from the oldest to the newest."""
    with closing(sqlite3.connect(registry)) as db:
        stored = [value for (value,) in db.execute("SELECT version FROM releases")]
    return [str(version) for version in sorted(map(_loaded, stored))]


def library() -> str:
    """The version of semver that this node runs."""
    return semver.__version__


def _insert(registry: Path, value: str | bytes) -> None:
    with closing(sqlite3.connect(registry)) as db, db:
        db.execute("INSERT INTO releases VALUES (?)", [value])


def _loaded(value: str | bytes) -> semver.VersionInfo:
    return pickle.loads(value) if isinstance(value, bytes) else semver.VersionInfo.parse(value)
