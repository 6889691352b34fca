"""The examples pass wherever their peers run; `examples/run` passes them on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import engines
import pytest
import sshds
import ways
from timeouts import LONGER
from ways import available

ROOT = Path(__file__).parents[2]
SECONDS = 280  # for a run that takes ten to twenty seconds on a quiet machine
#: What the examples import, all in the dependency group of that name.
NEEDED = ("filelock", "pysyncobj", "semver", "websockets")
#: Not elsewhere: they are about pools, servers, debuggers and networks of one machine.
LOCAL = (
    *("ide_debuggers", "joblib_pools", "soft_assertions", "task_queues", "web_workers"),
    *("dask_cluster", "discovery", "heartbeats", "lossy_network", "raft/test_split_brain.py"),
)
#: Its peers have interpreters of their own on this machine, whatever the launcher is.
NOT_MIXED = "--ignore=examples/mixed_versions"
#: The reason for which an example may skip: the origin cannot make these interpreters.
NO_INDEX = "cannot be installed"

pytestmark = pytest.mark.timeout(SECONDS + 60)  # services are started within it

Manifest = dict[str, object]


@pytest.fixture
def examples(tmp_path: Path) -> Callable[..., list[Manifest]]:
    """Return a function that runs them with more options and returns their peers' manifests."""
    with available():
        for package in NEEDED:
            if importlib.util.find_spec(package) is None:
                raise ways.Missing(f"no {package}: the dependency group `examples` has it")

    def run(*options: str) -> list[Manifest]:
        base, report, log = tmp_path / "base", tmp_path / "report.xml", tmp_path / "log"
        command = [sys.executable, "-m", "pytest", "examples", "-q", "--durations=5"]
        command += [f"--ignore=examples/{name}" for name in LOCAL]
        command += [f"--basetemp={base}", f"--junitxml={report}", *options]
        # This run's, and those of a worker of pytest-xdist, are not theirs.
        env = {name: os.environ[name] for name in os.environ if not name.startswith("PYTEST_")}
        began = time.monotonic()
        with log.open("wb") as output:
            try:
                status: object = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=SECONDS,
                ).returncode
            except subprocess.TimeoutExpired:
                status = f"none after {SECONDS} s"
        took = f"{shlex.join(command)}\ntook {time.monotonic() - began:.1f} s"
        told = f"{took}, exit status {status}:\n{log.read_text(errors='replace')}"
        print(told)
        assert status == 0, told
        skips = [each.get("message", "") for each in ElementTree.parse(report).iter("skipped")]
        assert [reason for reason in skips if NO_INDEX not in reason] == [], told
        found = [json.loads(path.read_text()) for path in base.rglob("manifest.json")]
        assert found, told
        return found

    return run


def programs(peers: list[Manifest]) -> set[tuple[str, ...]]:
    """What was executed for them."""
    return {tuple(peer["options"]["exec"]) for peer in peers}


def test_examples_pass_over_tcp(examples):
    peers = examples("--peer-connection=0")
    assert [peer for peer in peers if peer["options"]["connection"] != ["127.0.0.1", 0]] == []


def test_examples_pass_behind_srun(examples, srun):
    peers = examples(f"--peer-exec={shlex.join(srun.exec)}", NOT_MIXED)
    assert programs(peers) == {tuple(srun.exec)}


def test_examples_pass_in_containers(examples, dockerd, tmp_path):
    """They need what several machines of one cluster have: a network, and a directory for all."""
    shared = ["--network", "host", "-v", f"{tmp_path}:{tmp_path}"]
    options = ["--rm", *engines.mounts(sys.executable), *shared]
    words = [*dockerd, "run", "-i", *options, engines.IMAGE, sys.executable]
    patience = f"--peer-boot-timeout={LONGER}"
    peers = examples(f"--peer-exec={shlex.join(words)}", patience, NOT_MIXED)
    assert programs(peers) == {tuple(words)}


def test_examples_pass_on_three_hosts(examples, three_hosts):
    words = [ways.found("ssh"), "-F", str(three_hosts), "{host}", sys.executable]
    hosts = f"--peer-hosts={','.join(sshds.HOSTS)}"
    peers = examples(f"--peer-exec={shlex.join(words)}", hosts, NOT_MIXED)
    assert {peer["options"]["host"] for peer in peers} == set(sshds.HOSTS)
    assert programs(peers) == {
        tuple(word.format(host=host) for word in words) for host in sshds.HOSTS
    }
