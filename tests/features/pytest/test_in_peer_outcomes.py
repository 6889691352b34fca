"""`@pytest.mark.in_peer`: the outcome of the body is the outcome of the test."""

from __future__ import annotations

import pytest


@pytest.fixture
def marked(inner):
    """Writes a module of tests of which all are marked."""

    def write(source: str, options: str = "") -> None:
        inner.write(f"pytestmark = pytest.mark.in_peer({options})\n{source}")

    return write


def test_failure_shows_the_test(inner, marked):
    marked("""
def test():
    word = "there"
    assert word == "here"
""")
    result = inner.run("-W", "error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ['> *assert word == "here"', "E *AssertionError*", "test_inner.py:*: AssertionError"]
    )
    result.stdout.no_fnmatch_line("*pytest_peer/*.py:*")


def test_exception_is_itself(inner, marked):
    marked("""
class Refused(Exception): pass

@pytest.mark.xfail(raises=Refused, strict=True)
def test_refused(): raise Refused("not today")

@pytest.mark.xfail(raises=Refused)
def test_other(): raise KeyError("other")
""")
    result = inner.run("-W", "error")
    result.assert_outcomes(xfailed=1, failed=1)


def test_outcomes_of_pytest_are_those_of_the_test(inner, marked):
    marked("""
def test_skip(): pytest.skip("not here")
def test_importorskip(): pytest.importorskip("no_such_module")
def test_xfail(): pytest.xfail("not yet")
def test_fail(): pytest.fail("no")

@pytest.mark.xfail(strict=True)
def test_passes_strictly(): pass

@pytest.mark.xfail
def test_passes(): pass

@pytest.mark.skip
def test_skipped(): raise AssertionError

@pytest.mark.xfail(run=False)
def test_not_run(): os._exit(0)
""")
    result = inner.run("-W", "error", "-ra")
    result.assert_outcomes(skipped=3, xfailed=2, failed=2, xpassed=1)
    result.stdout.fnmatch_lines(["SKIPPED*: not here", "XFAIL*test_xfail - not yet"])


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os._exit(0)", "exited with status 0"),
        ("os._exit(3)", "exited with status 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    ],
)
def test_body_that_ends_the_process_fails(inner, marked, end, told):
    marked(f"""
def test_ends():
    {end}

def test_after():
    pass
""")
    result = inner.run("-W", "error")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            ">   def test_ends():",
            f"E *PeerDown: peer * is down: {told}*",
            "test_inner.py:*: PeerDown",
        ]
    )


def test_death_can_be_expected(inner, marked):
    marked("""
from pytest_peer import PeerDown

@pytest.mark.xfail(raises=PeerDown, strict=True)
def test(): os._exit(0)
""")
    inner.run("-W", "error").assert_outcomes(xfailed=1)


def test_sys_exit_is_a_failure(inner, marked):
    marked("def test(): sys.exit(0)")
    result = inner.run("-W", "error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *SystemExit: 0"])


def test_body_that_takes_too_long_fails_with_its_stacks(inner, marked):
    marked(
        """
def wait_for_ever(): threading.Event().wait()

def test(): wait_for_ever()
""",
        "call_timeout=0.5",
    )
    result = inner.run("-W", "error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [">   def test()*", "E *CallTimeout: no answer*within 0.5 s", "E *in wait_for_ever"]
    )


def test_result_is_treated_as_without_the_marker(inner, marked):
    inner.write("def test(): return 1", "test_without_marker.py")
    marked("def test(): return 1")
    expected = inner.run("test_without_marker.py").parseoutcomes()
    result = inner.run("test_inner.py")
    assert result.parseoutcomes() == expected != {"passed": 1}
    result.stdout.fnmatch_lines(["*should return None, but test_inner.py::test returned 1*"])


def test_output_is_in_the_report(inner, marked):
    marked("""
def test():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.system("echo from a child")
    raise ValueError
""")
    result = inner.run()
    result.stdout.fnmatch_lines(
        [
            "*Captured stdout [[]test-*] call*",
            "to stdout",
            "from a child",
            "*Captured stderr [[]test-*] call*",
            "to stderr",
        ]
    )


def test_artifacts_are_in_tmp_path(inner, marked):
    marked("""
def test(tmp_path):
    print("hello", flush=True)
    (log,) = tmp_path.glob("peers/test_inner-test-*/stdout.log")
    (tmp_path / "found").touch()

def test_after(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    (log,) = base.glob("test0/peers/*/stdout.log")
    assert log.read_text() == "hello\\n"
""")
    inner.run().assert_outcomes(passed=2)


def test_peer_down_crash_fails_the_test_whatever_the_body_does(inner, marked):
    marked(
        """
def test():
    threading.Timer(0, os._exit, [3]).start()
    threading.Event().wait()
""",
        "peer_down='crash'",
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *PeerDown: * is down: exited with status 3"])


def test_nothing_is_left(inner, marked):
    marked("""
import subprocess

def test():
    child = subprocess.Popen(["sleep", "600"])
    with open(os.environ["PIDS"], "a") as pids:
        print(os.getpid(), child.pid, file=pids)
""")
    inner.write("os.environ['PIDS'] = os.path.abspath('pids')", "conftest.py")
    inner.run().assert_outcomes(passed=1)
    inner.assert_nothing_left(within=0)


# What other plugins document


def test_example_of_pytest_forked_leaky_state(inner, marked):
    # `@pytest.mark.forked def test_with_leaky_state(): run_some_monkey_patches()`
    marked("""
def test_with_leaky_state():
    os.getcwd = lambda: "leaked"
    assert os.getcwd() == "leaked"

def test_after():
    assert os.getcwd() != "leaked"
""")
    inner.write(
        """
        def test_in_the_process_of_pytest():
            assert os.getcwd() != "leaked"
        """,
        "test_last.py",
    )
    inner.run().assert_outcomes(passed=3)


def test_example_of_pytest_forked_crash(inner, marked):
    # `pytest -n3 --forked`: survives tests that crash the process, and reports them.
    marked("""
import ctypes

def test_crash(): ctypes.string_at(0)
def test_terminated(): os.kill(os.getpid(), signal.SIGTERM)
def test_survives(): pass
""")
    result = inner.run("-n", "2")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines_random(
        [
            "E *PeerDown: * is down: killed by SIGSEGV",
            "E *in test_crash",
            "E *PeerDown: * is down: killed by SIGTERM",
        ]
    )


def test_example_of_pytest_isolate_timeout_and_memory(inner, marked):
    # `@pytest.mark.isolate(timeout=10, mem_limit=10**6)`; a limit of memory is a launcher's here.
    marked(
        """
limited = ["sh", "-c", 'ulimit -v 1000000; exec "$0" "$@"', sys.executable]

def test_something(): pass

def test_too_long():
    while True: pass

@pytest.mark.in_peer(exec=limited, call_timeout=60)
def test_too_much():
    with pytest.raises(MemoryError):
        bytearray(10**9)
""",
        "call_timeout=1, shutdown=('halt', 0)",
    )
    result = inner.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E *CallTimeout: *within 1 s", "E *in test_too_long"])


def test_example_of_dd_trace_subprocess(inner):
    # `@pytest.mark.subprocess(env={...})`: the body imports the library with this environment.
    inner.write("import os\nSETTING = os.getenv('SETTING', 'unset')", "library.py")
    inner.write(
        """
        import library

        @pytest.mark.parametrize("setting", ["one", "two"])
        @pytest.mark.in_peer
        def test_env_of_a_fixture(setting, env):
            import library
            assert library.SETTING == setting

        @pytest.fixture
        def env(setting, monkeypatch):
            monkeypatch.setenv("SETTING", setting)

        @pytest.mark.in_peer(env={"SETTING": "marker"})
        def test_env():
            import library
            assert library.SETTING == "marker"
            library.SETTING = "changed"

        def test_after():
            assert library.SETTING == "unset"
            assert "SETTING" not in os.environ
        """
    )
    inner.run().assert_outcomes(passed=4)


def test_interrupt_of_a_peer_fails_the_test_and_not_the_run(inner):
    inner.write(
        """
        def serve():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
            print("serving", flush=True)
            while True:  # one long wait that begins just after the signal would last
                time.sleep(0.01)

        def test_it(peer):
            serving = peer.submit(serve)
            peer.stdout.wait_for("serving")
            peer.kill(signal.SIGINT)
            serving.result(30)

        def test_next():
            pass
        """
    )
    result = inner.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E *PeerInterrupted: KeyboardInterrupt"])
