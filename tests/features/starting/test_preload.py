"""The fork server under pytest: when it starts, and which modules it imports."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are fork servers on Linux only"
)


def test_it_starts_while_pytest_collects(inner):
    inner.write(
        """
        import psutil

        def test_before():
            (server,) = psutil.Process().children()
            while not (words := server.cmdline()):
                time.sleep(0.001)  # it is just being executed
            assert words[-1].strip() == "pytest-peer-forkserver"

        def test_with(peer):
            assert psutil.Process(peer.pid).parents()[2] == psutil.Process().children()[0]
        """
    )
    inner.run_apart().assert_outcomes(passed=2)


def test_it_takes_no_thread_before_the_first_peer(inner):
    """Beside one, Python 3.12 warns of a fork."""
    inner.write(
        """
        import psutil

        def test_before():
            assert len(psutil.Process().children()) == 1
            assert os.listdir("/proc/self/task") == [str(os.getpid())]

        def test_with(peer):
            assert peer.call(os.getpid) == peer.pid
        """
    )
    inner.run_apart().assert_outcomes(passed=2)


def test_server_that_no_peer_has_used_ends_silently(inner):
    inner.write(
        """
        def test_before():
            pytest.exit("enough")

        def test_with(peer):
            pass
        """
    )
    result = inner.pytester.run(sys.executable, "-X", "dev", "-m", "pytest")
    assert result.stderr.str() == ""


@pytest.mark.parametrize(
    "arguments",
    [["--collect-only"], ["--peer-start-method=spawn"], [f"--peer-exec={sys.prefix}/bin/python3"]],
)
def test_it_does_not_start_where_it_cannot_be_of_use(inner, arguments):
    inner.write(
        """
        import psutil

        def test_before():
            assert psutil.Process().children() == []

        def test_with(peer):
            pass
        """
    )
    result = inner.run_apart(*arguments)
    assert result.ret == 0


def test_pytest_is_imported_there_already(inner):
    inner.write(
        """
        import sys

        def test_it(peer):
            assert peer.call(lambda: "pytest" in __import__("sys").modules)
        """
    )
    inner.run_apart().assert_outcomes(passed=1)


def test_peer_preload_is_imported_there_once(inner):
    inner.pytester.makeini("[pytest]\npeer_preload = colorsys slow_to_import\n")
    inner.write(
        """
        import os
        imported_in = os.getpid()
        """,
        "slow_to_import.py",
    )
    inner.write(
        """
        import psutil

        def test_it(peer_factory):
            peers = peer_factory.many(2)
            pids = peers.call("slow_to_import:imported_in.__int__")
            assert pids == [psutil.Process(peer.pid).parents()[2].pid for peer in peers]
            assert peers[0].call(lambda: "colorsys" in __import__("sys").modules)
        """
    )
    inner.run_apart().assert_outcomes(passed=1)


def test_module_that_cannot_be_imported_is_named(inner):
    inner.pytester.makeini("[pytest]\npeer_preload = no_such_module\n")
    inner.write("def test_it(peer): pass")
    result = inner.run_apart()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*BootError: *fork server did not start: cannot import no_such_module: ModuleNotFoundError*"
        ]
    )


def test_module_that_starts_a_thread_is_refused(inner):
    inner.pytester.makeini("[pytest]\npeer_preload = threaded\n")
    inner.write(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "threaded.py",
    )
    inner.write("def test_it(peer): pass")
    result = inner.run_apart()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the import of threaded started a thread*"])


def test_what_is_no_module_name_is_a_usage_error(inner):
    inner.pytester.makeini("[pytest]\npeer_preload = a-b\n")
    inner.write("def test_it(peer): pass")
    result = inner.run_apart()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ini option peer_preload: not the name of a module: 'a-b'"])


def test_start_method_that_does_not_exist_is_a_usage_error(inner):
    inner.write("def test_it(): pass")
    result = inner.run_apart("--peer-start-method=fork")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--peer-start-method: start_method: expected one of*"])


def test_monkey_patched_origin_fails_the_test(inner):
    inner.write(
        """
        import subprocess

        def replacement(*arguments, **options):
            raise AssertionError("used")

        replacement.__module__ = "gevent.subprocess"
        subprocess.Popen = replacement
        """,
        "conftest.py",
    )
    inner.write("def test_it(peer): pass\n")
    result = inner.run_apart()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*BootError: peer * is not started: gevent has monkey-patched*"])


@pytest.mark.parametrize(
    ("lack", "limit"),
    [
        ("os.pidfd_open = refused", "RLIMIT_NOFILE"),
        ("threading.stack_size(1 << 47)  # no system has that", "pids.max"),
    ],
)
def test_error_of_the_system_during_collection_fails_the_test(inner, lack, limit):
    inner.write(
        f"""
        import errno, os, threading

        def refused(*_):
            raise OSError(errno.EMFILE, "Too many open files")

        {lack}
        """,
        "conftest.py",
    )
    inner.write("def test_it(peer): pass\n")
    result = inner.run_apart()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E*BootError: peer * could not be started: *{limit}*"])


def test_gc_thresholds_are_those_of_a_new_interpreter(inner):
    inner.write(
        """
        import gc

        def test_it(peer_factory):
            forked, spawned = peer_factory(), peer_factory(start_method="spawn")
            assert forked.call(gc.get_threshold) == spawned.call(gc.get_threshold)
        """
    )
    inner.run().assert_outcomes(passed=1)


def test_gc_threshold_of_a_preloaded_module_stays(inner):
    inner.pytester.makeini("[pytest]\npeer_preload = its_own_threshold\n")
    inner.write("import gc; gc.set_threshold(4321, 10, 10)\n", "its_own_threshold.py")
    inner.write(
        """
        import gc

        def test_it(peer):
            assert peer.call(gc.get_threshold) == (4321, 10, 10)
        """
    )
    inner.run_apart().assert_outcomes(passed=1)
