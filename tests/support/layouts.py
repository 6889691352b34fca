"""Directories with tests, and with modules everywhere an import may find them; and runs of
pytest there."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paths import SUPPORT

KINDS = (SUPPORT / "kinds_of_callables.py").read_text()
ACTING = KINDS.partition("# ---")[0]

#: Of a run, which takes about one; on a busy machine more.
SECONDS = 120


@dataclass(frozen=True)
class Layout:
    """How pytest imports the tests, and whether their directory is a package."""

    mode: str
    package: bool

    def __str__(self) -> str:
        return f"{self.mode}-{'package' if self.package else 'directory'}"

    def write(self, root: Path) -> None:
        """Make the directories in `root`, which is to be the root directory of pytest."""
        paths = "lib" if self.beside else "lib checks"
        (root / "pytest.ini").write_text(f"[pytest]\npythonpath = {paths}\n")
        for place in (
            "lib/onpath",
            "lib/spaced/part",
            "elsewhere/hooked",
            "by_pth/pthed",
            "checks/beside_it/part",
        ):
            file = root / f"{place}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(ACTING)
        (root / "site").mkdir()
        (root / "site/one.pth").write_text(str(root / "by_pth"))
        with zipfile.ZipFile(root / "zipped.zip", "w") as archive:
            archive.writestr("zipped.py", ACTING)
            archive.writestr("zippedpkg/__init__.py", "")
            archive.writestr("zippedpkg/part.py", ACTING)
        (root / "conftest.py").write_text(ACTING + (SUPPORT / "outer_conftest.py").read_text())
        (root / "checks/beside_it/__init__.py").touch()
        if self.package:
            (root / "checks/__init__.py").touch()
        conftest = ACTING + (SUPPORT / "inner_conftest.py").read_text()
        (root / "checks/conftest.py").write_text(conftest)
        tests = KINDS.replace("from beside_it", "from .beside_it") if self.package else KINDS
        (root / "checks/test_kinds.py").write_text("import pytest\n" + tests)

    @property
    def beside(self) -> bool:
        """Whether pytest makes modules beside the tests importable."""
        return self.package or self.mode != "importlib"


def told(place: Path, layout: Layout, file: str, options: dict[str, Any]) -> dict[str, str]:
    """Return the outcome of each test in a file, run with a peer.

    :param place: for the run; if it exists, another worker has run the same.
    """
    outcomes = place.with_suffix(".json")
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outcomes.exists():
            assert not place.exists(), "the run has failed, as the first of its tests tells"
            place.mkdir()
            layout.write(place)
            # `python -m` puts the current directory into the path; it is not the root in all runs.
            apart = layout.package and layout.mode != "append"  # which finds another conftest first
            cwd = place.parent if apart else place
            tests = str(place / "checks" / file)
            peer = json.dumps(options)
            run(place, outcomes, layout.mode, tests, cwd=cwd, PEER_TESTS_PEER=peer)
    return read(outcomes)


def read(outcomes: Path) -> dict[str, str]:
    """What became of each test of a run."""
    lines = [json.loads(line) for line in outcomes.read_text().splitlines()]
    return {test: words for test, words, _, _ in lines}


def run(
    root: Path, outcomes: Path, mode: str, *arguments: str, cwd: Path | None = None, **env: str
) -> None:
    """Run pytest in that directory."""
    inherited = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    env |= {
        "PEER_TESTS_OUTCOMES": str(outcomes),
        "PYTHONPATH": str(SUPPORT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = ["-p", "peer", "-p", "outcome_recorder", "-p", "no:cacheprovider"]
    apart = ["--rootdir", str(root), "--basetemp", str(outcomes.with_suffix(".temp"))]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *apart, f"--import-mode={mode}", *arguments],
        cwd=cwd or root,
        env=inherited | env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert outcomes.exists(), result.stdout + result.stderr
