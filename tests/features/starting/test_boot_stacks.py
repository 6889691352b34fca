"""An interpreter that hangs before our code runs shows where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pytest_peer

#: For an interpreter to come to its first line, on a busy machine too; the tests take so long.
BOOT = 3.0

HANGING = """
import time

def hang_at_start():
    time.sleep(600)

hang_at_start()
"""


@pytest.fixture
def hanging(tmp_path: Path) -> dict[str, str]:
    """The environment of an interpreter that hangs while it starts."""
    directory = tmp_path / "hanging"
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(HANGING)
    return {"PYTHONPATH": str(directory)}


def boot_timeout(peer_factory, **options) -> pytest_peer.BootTimeout:
    with pytest.raises(pytest_peer.BootTimeout) as caught:
        peer_factory(wait_boot=BOOT, **options)
    return caught.value


def test_timeout_shows_where_it_hangs(peer_factory, hanging):
    error = boot_timeout(peer_factory, env=hanging)
    assert "in hang_at_start" in error.stacks
    assert str(error).count("in hang_at_start") == 1


def test_core_is_not_written_for_that(peer_factory, hanging, tmp_path):
    script = 'ulimit -c unlimited 2>/dev/null; exec "$@"'
    boot_timeout(
        peer_factory,
        env=hanging,
        cwd=tmp_path,
        exec=["/bin/sh", "-c", script, "launcher", sys.executable],
    )
    assert not list(tmp_path.glob("core*"))
    assert not list((tmp_path / "peers").glob("*/core*"))


def test_interpreter_without_faulthandler_dies_without_stacks(peer_factory, hanging):
    error = boot_timeout(peer_factory, env={**hanging, "PYTHONFAULTHANDLER": None})
    assert error.stacks == ""
    assert "Fatal" not in error.output


def test_waiting_no_longer_does_not_end_it(peer_factory, hanging):
    peer = peer_factory(env=hanging, wait_boot=False)
    with pytest.raises(pytest_peer.BootTimeout) as caught:
        peer.wait_boot(0.05)
    assert caught.value.stacks == ""
    assert peer.state == "booting"
    peer.kill()


def test_program_that_is_no_interpreter_has_none(peer_factory, program):
    assert boot_timeout(peer_factory, exec=program("exec sleep 600")).stacks == ""
