"""A suite without peers does not pay for the plugin, and the plugin can be turned off."""

from __future__ import annotations

import sys

import pytest

#: What costs time to import, and starts threads or exit handlers.
COSTLY = [
    "execnet",
    "cloudpickle",
    *(["asyncio"] if sys.version_info < (3, 14) else []),  # newer ones import it with pdb
    "pytest_peer.plugin.artifacts",
    "pytest_peer.plugin.in_peer",
    "pytest_peer.plugin.runtest",
    "pytest_peer.peers.supervisor",
    "pytest_peer.peers.peer",
    "pytest_peer.core.loop",
    "pytest_peer.link",
]

SUITE = f"""
import sys

def loaded():
    return [name for name in {COSTLY!r} if name in sys.modules]
"""


@pytest.mark.parametrize("arguments", [[], ["--collect-only"], ["--fixtures"], ["--help"]])
def test_nothing_costly_is_imported(inner, arguments):
    inner.write(
        SUITE
        + """
def pytest_unconfigure():
    print("loaded:", loaded())
""",
        "conftest.py",
    )
    inner.write("def test_without_peers(): pass")
    result = inner.run_apart(*arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines([r"*loaded: [[]]"])


def test_first_fixture_of_a_peer_imports_what_peers_need(inner):
    # The fork server starts beside the collection, which takes none of its time.
    inner.write(
        SUITE
        + """
STARTING = ["pytest_peer.core.loop", "pytest_peer.link", "pytest_peer.plugin.runtest"]

def test_before():
    assert [name for name in loaded() if name not in STARTING] == []

def test_with(peer):
    assert "execnet" in loaded()
"""
    )
    inner.run_apart().assert_outcomes(passed=2)


def test_no_thread_and_no_process_is_started(inner):
    inner.write(
        """
        import psutil

        def test_it():
            assert threading.active_count() == 1
            assert psutil.Process().children() == []
        """
    )
    inner.run_apart().assert_outcomes(passed=1)


@pytest.fixture
def installed(monkeypatch):
    """The plugin is there because it is installed."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_ADDOPTS")


def test_plugin_can_be_turned_off(inner, installed):
    inner.write("def test_without_peers(): pass\ndef test_with(peer): pass")
    result = inner.run_apart("-p", "no:peer")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'peer' not found*"])


def test_plugin_that_is_turned_off_has_no_options(inner, installed):
    inner.write("def test_without_peers(): pass")
    assert (
        inner.run_apart("-p", "no:peer", "--peer-call-timeout=7").ret == pytest.ExitCode.USAGE_ERROR
    )


def test_library_works_without_the_plugin(inner):
    inner.write(
        """
        import pytest_peer

        def test_it():
            with pytest_peer.start() as peer:
                assert peer.call(os.getpid) == peer.pid
        """
    )
    inner.run_apart("-p", "no:peer").assert_outcomes(passed=1)
