"""Modules come from the origin on any thread, at the same time, and in spite of signals."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest
from timeouts import LONG


def test_imports_on_many_threads(far, origin):
    names = [f"part{number}" for number in range(8)]
    for name in names:
        origin.write(f"threaded/{name}.py", "from . import shared\nfrom .shared import value\n")
    origin.write("threaded/shared.py", "import time\ntime.sleep(0.05)\nvalue = 1\n")
    origin.write(
        "threaded/__init__.py",
        """
        import importlib
        from concurrent.futures import ThreadPoolExecutor

        def all_of(names):
            with ThreadPoolExecutor(len(names)) as pool:
                modules = pool.map(importlib.import_module, ["threaded." + name for name in names])
                return [module.shared.value for module in modules]
        """,
    )
    assert far().call_within(LONG, "threaded:all_of", names) == [1] * 8


def test_imports_in_calls_at_the_same_time(far, origin):
    for number in range(8):
        origin.write(f"same{number}.py", "import common\ndef value(): return common.value\n")
    origin.write("common.py", "import time\ntime.sleep(0.05)\nvalue = 1\n")
    peer = far()
    answers = [peer.submit(f"same{number}:value") for number in range(8)]
    assert [answer.result(LONG) for answer in answers] == [1] * 8


@pytest.mark.parametrize("when", ["cast", "thread", "end"])
def test_import_while_the_origin_waits_for_nothing(far, origin, when):
    origin.write("part.py", "print('imported', flush=True)\n")
    origin.write(
        "now.py",
        """
        import atexit
        import threading

        event = threading.Event()

        def load():
            import part

        def load_later():
            event.wait()
            load()

        def start():
            threading.Thread(target=load_later, daemon=True).start()

        def load_at_end():
            atexit.register(load)
        """,
    )
    peer = far()
    if when == "cast":
        peer.cast("now:load")
    elif when == "thread":
        peer.call("now:start")
        peer.cast("now:event.set")
    else:
        peer.call("now:load_at_end")
        peer.stop()
        assert peer.down_reason.exit_status == 0
    peer.stdout.wait_for("imported", LONG)


def test_import_in_a_forked_child_fails_at_once(far, origin):
    origin.write("other.py")
    origin.write(
        "forking.py",
        """
        import os

        def fork():
            pid = os.fork()
            if pid == 0:
                try:
                    import other
                except ImportError as exc:
                    os.write(1, str(exc).encode())
                finally:
                    os._exit(3)
            return os.waitpid(pid, 0)[1]
        """,
    )
    peer = far()
    assert peer.call_within(LONG, "forking:fork") == 3 << 8
    assert "a forked child of a peer cannot ask the origin" in peer.stdout.text
    import other  # noqa: F401

    assert peer.call("forking:fork") == 3 << 8


# A signal that comes in a callback of the import system's is ignored by Python.
@pytest.mark.filterwarnings("ignore:.*exception ignored in <function _get_module_lock")
def test_import_that_a_signal_interrupts(far, origin):
    """Wherever it comes, the peer stays usable and the module can be imported later."""
    for number in range(40):
        origin.write(f"slowly/part{number}.py", f"value = {number}\n")
    origin.write(
        "slowly/__init__.py",
        """
        import importlib
        import signal

        class Interrupt(BaseException):
            pass

        def interrupt(signum, frame):
            raise Interrupt

        def load(seconds):
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                for number in range(40):
                    importlib.import_module("slowly.part%d" % number)
            except Interrupt:
                return False
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return True

        def values():
            return [importlib.import_module("slowly.part%d" % number).value for number in range(40)]
        """,
    )
    peer = far()
    for round in range(40):
        peer.call_within(LONG, "slowly:load", 0.0005 + 0.0002 * round)
    assert peer.call_within(LONG, "slowly:values") == list(range(40))


def test_origin_that_a_signal_interrupts_while_it_waits(far, origin):
    """It has to reply to the requests of the peer meanwhile."""
    for number in range(30):
        origin.write(f"asked/part{number}.py", f"value = {number}\n")
    origin.write(
        "asked/__init__.py",
        """
        import importlib
        import sys

        def load():
            for number in range(30):
                sys.modules.pop("asked.part%d" % number, None)
                importlib.import_module("asked.part%d" % number)
            return "loaded"
        """,
    )

    class Interrupt(Exception):
        pass

    def interrupt(signum, frame):
        if calling:
            calling.clear()
            raise Interrupt

    peer = far()
    calling = []
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        for round in range(40):
            delay = 0.0005 + 0.0002 * round
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            with contextlib.suppress(Interrupt):
                calling.append(True)
                peer.call_within(LONG, "asked:load")
                calling.clear()
            timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert peer.call_within(LONG, "asked:load") == "loaded"


def test_several_peers_ask_at_the_same_time(far, origin):
    imports = "\n".join(f"from . import part{number}" for number in range(20))
    for number in range(20):
        origin.write(f"wanted/part{number}.py", f"value = {number}\n")
    origin.write("wanted/__init__.py", imports + "\ndef value(): return part19.value\n")
    answers = [far().submit("wanted:value") for _ in range(3)]
    assert [answer.result(LONG) for answer in answers] == [19] * 3
