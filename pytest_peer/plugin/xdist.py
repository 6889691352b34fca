"""With pytest-xdist: the artifacts of a worker that died, and peers that end with the controller.

A worker has in ``--peer-artifacts DIR`` a link to the directory of the test that runs, by which the
controller finds it when the worker has died.
"""

import contextlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from . import settings
from .session import CrashReport, left_key, spawned_key


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where artifacts are kept: for it a relative path may be another one."""
    from . import sections  # not at the top: a suite without xdist does not pay for it

    sections.register(node.config)
    root = settings.artifacts(node.config)
    if root is not None:
        given = node.workerinput
        # The ids of a run and of a worker in it: no other run's mark is ever taken for this one.
        mark = root / f".running-{given['testrunuid']}-{given['workerid']}"
        given.update(peer_artifacts=str(root), peer_mark=str(mark))
        node.config.add_cleanup(partial(mark.unlink, missing_ok=True))  # the worker does, if it can


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the crashes that no report of a worker carries."""
    crashes, reason = getattr(node, "workeroutput", {}).get("peers", ([], ""))
    node.config.stash.setdefault(left_key, []).extend(crashes)
    node.config.stash[spawned_key] = reason or node.config.stash.get(spawned_key, "")


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: Any) -> None:
    """Add, in the controller, the peers that ran to the report for a worker that died."""
    node = report.node
    mark = node.workerinput.get("peer_mark")
    if mark is None:
        return
    crashes: list[CrashReport] = []
    with contextlib.suppress(OSError):  # no test with peers ran
        for path in sorted(Path(mark).with_name(os.readlink(mark)).iterdir()):
            with contextlib.suppress(OSError, ValueError):  # it was just being started
                peer = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
                if peer["state"] != "down":
                    reason = f"ended with its worker {node.gateway.id}"
                    crashes.append((report.nodeid, peer["name"], reason, peer["pid"], str(path)))
    if crashes:
        report.peer_crashes = crashes


def watch_controller(config: pytest.Config) -> None:
    """End all peers of a worker with the controller; execnet ends the worker 5 to 15 s later."""
    if not hasattr(config, "workerinput"):
        return
    try:
        fd = os.pidfd_open(os.getppid())
    except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
        return
    # Not at the top: a suite without peers does not pay for it.
    from ..core.loop import loop
    from ..core.worker import run_all, start_thread
    from ..peers import supervisor

    why = "the controller of this pytest-xdist worker has ended"

    def ended() -> None:
        loop.remove(fd)
        # On a thread: the event loop must not wait for a peer that is just being started.
        start_thread(partial(supervisor.abandon, why), "pytest-peer-end")

    loop.add(fd, ended)
    config.add_cleanup(partial(run_all, partial(loop.remove, fd), partial(os.close, fd)))
