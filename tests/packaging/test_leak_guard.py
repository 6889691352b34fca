"""The guard of the root conftest fails a test that leaves something behind, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from inner_pytest import load_only

ROOT_CONFTEST = Path(__file__).parents[2] / "conftest.py"


@pytest.fixture
def guarded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory of tests under the guard, which knows nothing of this package."""
    pytester.makeconftest(
        ROOT_CONFTEST.read_text().replace("SECONDS_TO_SETTLE = 2.0", "SECONDS_TO_SETTLE = 0.3")
    )
    load_only(monkeypatch, "xdist")
    return pytester


def assert_leaks(
    guarded: pytest.Pytester, source: str, *patterns: str, arguments: str = ""
) -> None:
    guarded.makepyfile(source)
    result = guarded.runpytest_subprocess(*arguments.split())
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_leak*", "left behind by the test:", *patterns]
    )


LEAKED_PROCESS = """
    import subprocess, sys
    kept = []
    def test_leak():
        # reads the other end of a pipe of this process: ends with it
        code = "import sys; sys.stdin.read()  # left over"
        kept.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE))
"""


@pytest.mark.parametrize("arguments", ["", "-n 1"])
def test_process(guarded: pytest.Pytester, arguments: str) -> None:
    assert_leaks(guarded, LEAKED_PROCESS, "  process *: * -c *# left over'", arguments=arguments)


@pytest.mark.parametrize(("title", "allowed"), [("reaper", 0), ("spare", 2)])
def test_process_with_a_title_of_the_fork_server(
    guarded: pytest.Pytester, title: str, allowed: int
) -> None:
    """A reaper without a peer is of no use; a fork server has two spares, one for a network."""
    source = f"""
        import subprocess, sys
        kept = []
        def leave():
            words = [sys.executable, "-c", "import sys; sys.stdin.read()", "pytest-peer-{title}"]
            kept.append(subprocess.Popen(words, stdin=subprocess.PIPE))
        for _ in range({allowed}):
            leave()
        def test_leak():
            leave()
    """
    assert_leaks(guarded, source, f"  process *: * pytest-peer-{title}")


def test_dead_process_that_was_not_waited_for(guarded: pytest.Pytester) -> None:
    source = """
        import os
        def test_leak():
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, and still not waited for
    """
    assert_leaks(guarded, source, "  process *: dead, not waited for")


def test_thread(guarded: pytest.Pytester) -> None:
    source = """
        import threading
        def test_leak():
            threading.Thread(target=threading.Event().wait, name="left over", daemon=True).start()
    """
    assert_leaks(guarded, source, "  thread 'left over' in *threading.py:*")


def test_thread_unknown_to_threading(guarded: pytest.Pytester) -> None:
    source = """
        import _thread, threading, time
        running = threading.Event()
        def wait_long():
            running.set()
            time.sleep(60)
        def test_leak():
            _thread.start_new_thread(wait_long, ())
            running.wait()
    """
    assert_leaks(guarded, source, "  thread 'without a name' in *test_thread_unknown*:*")


def test_descriptor(guarded: pytest.Pytester) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here: the guard does not see descriptors")
    source = """
        import os
        def test_leak():
            os.open("left_over", os.O_CREAT)
    """
    assert_leaks(guarded, source, "  descriptor *: */left_over")


def test_directory(guarded: pytest.Pytester) -> None:
    source = """
        import tempfile
        def test_leak():
            tempfile.mkdtemp(prefix="pytest-peer-", suffix="-left-over")
    """
    assert_leaks(guarded, source, "  directory */pytest-peer-*-left-over")


def test_leak_of_a_fixture(guarded: pytest.Pytester) -> None:
    source = """
        import os, pytest
        @pytest.fixture(autouse=True)
        def leaky():
            yield
            os.pipe()
        def test_leak(): pass
    """
    assert_leaks(guarded, source, "  descriptor *: pipe:*", "  descriptor *: pipe:*")


def test_nothing_is_left(guarded: pytest.Pytester) -> None:
    """Neither a test that cleans up late is failed, nor the first user of a wider fixture."""
    guarded.makeconftest(ROOT_CONFTEST.read_text())  # with its own patience
    guarded.makepyfile(
        """
        import os, subprocess, sys, tempfile, threading, pytest

        SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]

        @pytest.fixture(scope="module")
        def server():
            with tempfile.TemporaryDirectory(prefix="pytest-peer-"):
                with subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as process:
                    yield process

        @pytest.fixture(scope="session")
        def session_peer_factory():
            started = []
            def start():
                started.append(subprocess.Popen(SLEEPER, stdin=subprocess.PIPE))
            yield start
            for process in started:
                process.communicate()

        @pytest.fixture
        def process():
            with subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as process:
                yield process

        def test_wider_fixture(server): pass
        def test_wider_factory(session_peer_factory): session_peer_factory()
        def test_fixture(process): pass
        def test_after(): pass

        def test_late():
            threading.Timer(0.1, lambda: None).start()
        """
    )
    guarded.runpytest_subprocess().assert_outcomes(passed=5)


def test_own_failure_is_shown_beside_the_leak(guarded: pytest.Pytester) -> None:
    guarded.makepyfile(
        """
        import os
        def test_leak():
            os.pipe()
            assert 1 == 2
        """
    )
    result = guarded.runpytest_subprocess()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])
