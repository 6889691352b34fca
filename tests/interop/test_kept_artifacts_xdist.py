"""``--peer-artifacts DIR`` under pytest-xdist, whose workers may die."""

from __future__ import annotations

from pathlib import Path

import pytest

ONE_WORKER = ("-n", "1", "--max-worker-restart=0", "--peer-artifacts=kept")


def directories(root: Path) -> list[str]:
    """Those of tests."""
    return sorted(str(path.relative_to(root)) for path in root.glob("*test_*/*"))


@pytest.fixture
def place(inner) -> Path:
    return inner.path / "kept"


def test_failing_tests_are_kept(inner, place):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(4))
        @pytest.mark.peer(name="db")
        def test_it(number, peer): assert number % 2
        """
    )
    inner.run_apart("-n", "2", "--peer-artifacts=kept").assert_outcomes(passed=2, failed=2)
    assert [Path(name).name for name in directories(place)] == ["db", "db"]
    assert not list(place.glob(".*"))


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_worker_that_dies_leaves_those_of_all_its_peers(inner, place, end):
    inner.write(
        f"""
        @pytest.fixture(scope="session")
        def shared(session_peer_factory): return session_peer_factory(name="shared")

        def test_before(shared, peer): pass

        def test_it(shared, peer_factory):
            peer_factory(name="stopped").stop()
            peer_factory(name="db").call(print, "last words")
            {end}
        """
    )
    result = inner.run_apart(*ONE_WORKER, "-p", "no:randomly")
    assert result.ret != 0
    test = "test_inner.py--test_it"
    assert directories(place) == [f"{test}/db", f"{test}/shared", f"{test}/stopped"]
    assert (place / test / "db/stdout.log").read_text() == "last words\n"
    assert not list(place.glob(".*"))


def test_peers_of_a_worker_that_died_are_listed(inner, place):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory(name="stopped").stop()
            note(peer_factory(name="db"))
            os._exit(3)
        """
    )
    result = inner.run_apart(*ONE_WORKER)
    pid = (inner.path / "pids").read_text().split()[0]
    result.stdout.fnmatch_lines(
        [
            "*= peers that crashed =*",
            "test_inner.py::test_it",
            f"  db (pid {pid}): ended with its worker gw0",
            f"    {place}/test_inner.py--test_it/db",
            "*= short test summary info =*",
        ],
        consecutive=True,
    )


def test_other_workers_go_on(inner, place):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(6))
        def test_it(number, peer_factory):
            peer_factory(name=f"db-{number}")
            if number == 3:
                os._exit(3)
        """
    )
    inner.run_apart("-n", "2", "--peer-artifacts=kept").assert_outcomes(passed=5, failed=1)
    assert [Path(name).name for name in directories(place)] == ["db-3"]
    assert not list(place.glob(".*"))


def test_mark_of_another_run_is_none_of_its_business(inner, place):
    (place / "other/db").mkdir(parents=True)
    mark = place / ".running-0123-gw0"
    mark.symlink_to("other")
    inner.write("def test_it(peer_factory): peer_factory(name='db'); os._exit(3)")
    inner.run_apart(*ONE_WORKER).stdout.fnmatch_lines(["*db *: ended with its worker gw0"])
    assert directories(place) == ["test_inner.py--test_it/db"]
    assert mark.is_symlink()


def test_test_without_peers_is_not_that_of_a_worker_that_died(inner, place):
    inner.write("def test_before(peer): pass\ndef test_it(): os._exit(3)")
    result = inner.run_apart(*ONE_WORKER, "-p", "no:randomly")
    result.stdout.fnmatch_lines(["*crashed while running*test_it*"])
    result.stdout.no_fnmatch_line("*peers that crashed*")
    assert not list(place.iterdir())


def test_run_that_stops_at_a_failure_leaves_no_mark(inner, place):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(8))
        def test_it(session_peer_factory, number):
            session_peer_factory()
            assert number
        """
    )
    inner.run_apart("-n", "2", "-x", "--peer-artifacts=kept")
    assert len(list(place.glob("*"))) >= 1
    assert not list(place.glob(".*"))


def test_death_of_a_worker_without_the_option_is_xdists_report(inner):
    inner.write("def test_it(peer): os._exit(3)")
    result = inner.run_apart("-n", "1", "--max-worker-restart=0")
    result.stdout.fnmatch_lines(["*crashed while running*test_it*"])
    result.stdout.no_fnmatch_line("*peers that crashed*")


def test_worker_in_another_directory_keeps_them_in_the_same(inner, place):
    for name in ("sub", "elsewhere"):
        (inner.path / name).mkdir()
    (inner.path / "sub/test_x.py").write_text(
        "def test_it(peer_factory): peer_factory(name='db'); assert False"
    )
    worker = f"--tx=popen//chdir={inner.path}/elsewhere"
    arguments = ("-d", worker, "--rsyncdir=sub", "--peer-artifacts=kept", f"{inner.path}/sub")
    inner.run_apart("-p", "xdist", *arguments).assert_outcomes(failed=1)
    assert [Path(name).name for name in directories(place)] == ["db"]
