"""Coverage of peers that end, by whatever is asked for, and of what they have started."""

from __future__ import annotations

import pytest

ENDS = {
    "stop": "peer.stop()",
    "stop_of_a_group": "group.stop()",
    "kill": "peer.kill()",
    "kill_of_a_group": "group.kill()",
    "restart": "peer.restart()",
    "teardown": "pass",
}
SHUTDOWN = {"halt": "halt", "close": "close", "graceful": 5}


def test_what_ran_before_the_end_counts(measured):
    """Each peer runs a function of its own, in its first line."""
    names = [f"{end}_{how}" for end in ENDS for how in SHUTDOWN]
    module = measured.module("own", "".join(f"def {name}(): pass\n" for name in names))
    for end, code in ENDS.items():
        for how, shutdown in SHUTDOWN.items():
            measured.inner.write(
                f"""
                import own

                @pytest.mark.peer(shutdown={shutdown!r})
                def test_{end}_{how}(peer_factory):
                    group = peer_factory.many(1)
                    peer = group[0]
                    peer.call(own.{end}_{how})
                    {code}
                """,
                f"test_{end}_{how}.py",
            )
    measured.test("--cov-branch").assert_outcomes(passed=len(names))
    arcs = measured.arcs(module)  # into the functions, whose definitions all have run
    ran = [name for line, name in enumerate(names, 1) if (-line, line) in arcs]
    assert ran == names
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_killed_peers_that_are_busy_count(measured, method):
    measured.inner.write(
        f"""
        import shop

        @pytest.mark.peer(start_method={method!r})
        def test_it(peer_factory):
            for busy in (shop.calculate, shop.sell_for_ever, time.sleep):
                peer = peer_factory()
                for _ in range(3):
                    peer.submit(busy, *([600] if busy is time.sleep else []))
                while busy is not time.sleep and not peer.call(shop.turned):
                    pass
                assert peer.call(shop.sell, 1) == "retail"
                peer.kill()
                assert peer.down_reason.signal == signal.SIGKILL
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.has("retail")
    assert measured.has("calculated")
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


def test_threads_of_a_killed_peer_stand_still_while_it_saves(measured):
    # It measures so much that a data file takes long to write.
    function = "def run():\n" + 98 * "    pass\n" + "run()\n"
    measured.module("big", 1000 * function)
    measured.inner.write(
        """
        import shop

        def test_it(peer):
            peer.call("importlib:import_module", "big")
            peer.submit(shop.tick, "ticks")
            while not os.path.exists("ticks"):
                time.sleep(0.01)
            begin = time.time()
            peer.kill()
            half = (begin + time.time()) / 2
            assert os.stat("ticks").st_mtime < half  # later the file is written, here
        """
    )
    measured.test("--cov-branch").assert_outcomes(passed=1)
    assert len(measured.lines(measured.path / "big.py")) == 100_000


def test_kill_without_a_save(measured):
    measured.inner.write(
        """
        import shop

        def test_it(peer_factory):
            first, second = peer_factory.many(2)
            first.call(shop.sell, 11)
            second.call(shop.sell, 11)
            first.kill(save=False)
            peer_factory.many(0).kill(save=False)
            second.kill(signal.SIGKILL, save=False)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert not measured.has("wholesale")
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("state", ["peer.pause()", "peer.submit(stuck)"])
def test_kill_of_a_peer_that_cannot_save(measured, state):
    measured.inner.write(
        f"""
        import ctypes

        def stuck():
            with open("stuck", "w"):
                ctypes.PyDLL(None).sleep(600)

        def test_it(peer):
            {state}
            while peer.state == "running" and not (os.path.exists("stuck") or "pause" in {state!r}):
                time.sleep(0.01)
            peer.kill()
            assert peer.down_reason.signal == signal.SIGKILL
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.files() == [".coverage"]


#: A peer that cannot write where the test process looks writes a data file itself.
NO_PLACE = """
        import shutil
        import shop

        def hang():
            import coverage
            coverage.Coverage.current().save = lambda: time.sleep(600)

        def test_it(peer):
            peer.call(shop.sell, 11)
            shutil.rmtree(peer.artifacts)
            peer.kill()
            assert peer.down_reason.signal == signal.SIGKILL
"""


def test_killed_peer_whose_artifacts_were_removed_counts(measured):
    measured.inner.write(NO_PLACE)
    measured.test().assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


def test_save_that_hangs_is_given_up(measured):
    measured.inner.write(NO_PLACE.replace("peer.kill", "peer.call(hang); peer.kill"))
    measured.test().assert_outcomes(passed=1)
    assert not measured.has("wholesale")


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_patches_of_coverage_work_in_peers(measured, method):
    measured.settings("patch = _exit, subprocess\nsource = .")
    measured.inner.write(
        f"""
        import subprocess

        def start_child():
            code = "import shop; shop.sell(11)"
            subprocess.run([sys.executable, "-c", code], check=True)

        @pytest.mark.peer(start_method={method!r})
        def test_it(peer):
            peer.call(start_child)
            with peer.expect_death():
                peer.cast("shop:leave")
        """
    )
    measured.test("--cov").assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.has("left")
    assert measured.files() == [".coverage"]  # and none of the fork server


def test_exit_handlers_of_a_peer_count(measured):
    measured.module(
        "late",
        "def register():\n    import atexit\n    atexit.register(run)\n\n\ndef run():\n    pass\n",
    )
    measured.inner.write(
        """
        def test_idle(peer):
            peer.call("late:register")

        def test_busy(peer):
            peer.submit(time.sleep, 600)
            peer.call("late:register")
        """
    )
    for name in ("test_idle", "test_busy"):
        measured.test("-k", name).assert_outcomes(passed=1, deselected=1)
        assert 7 in measured.lines(measured.path / "late.py")


@pytest.mark.parametrize(
    "torn", ["file.truncate(20)", "file.seek(-8192, 2), file.write(bytes(8192))"]
)
def test_file_of_a_peer_that_died_while_it_wrote_is_removed(measured, torn):
    measured.inner.write(
        f"""
        import shop

        def tear():
            import coverage
            coverage.Coverage.current().save()
            name = coverage.Coverage.current().get_data().data_filename()
            with open(name, "r+b") as file:
                {torn}

        def test_it(peer_factory):
            first, second = peer_factory.many(2)
            first.call(shop.sell, 11)
            second.call(shop.sell, 1)
            second.call(tear)
            second.kill(save=False)
        """
    )
    measured.test("-W", "error").assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert not measured.has("retail")
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("busy", [False, True])
def test_termination_with_the_setting_for_it(measured, busy):
    measured.settings("sigterm = true")
    measured.inner.write(
        f"""
        import shop

        def test_it(peer):
            if {busy}:
                peer.submit(time.sleep, 600)
            peer.call(shop.sell, 11)
            with peer.expect_death():
                peer.kill(signal.SIGTERM)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


def test_test_that_times_out(measured, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p peer -p timeout -p no:cacheprovider")
    measured.inner.write(
        """
        import shop

        @pytest.mark.timeout(2, method="signal", func_only=True)
        def test_it(peer):
            peer.call(shop.sell, 11)
            peer.call(time.sleep, 600)
        """
    )
    measured.test().assert_outcomes(failed=1)
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


def test_twenty_peers_at_once(measured):
    names = [f"run_{index}" for index in range(20)]
    module = measured.module("own", "".join(f"def {name}(): pass\n" for name in names))
    measured.inner.write(
        """
        @pytest.mark.parametrize("end", ["kill", "stop"])
        def test_it(peer_factory, end):
            group = peer_factory.many(20)
            half = group[:10] if end == "kill" else group[10:]
            for peer in half:
                peer.submit(f"own:run_{group.index(peer)}").result()
            getattr(group, end)()
        """
    )
    measured.test("--cov-branch").assert_outcomes(passed=2)
    arcs = measured.arcs(module)
    assert [name for line, name in enumerate(names, 1) if (-line, line) not in arcs] == []
    assert measured.files() == [".coverage"]
