"""``--peer-artifacts DIR`` keeps the artifacts of failed tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inner_pytest import DIES

#: Another plugin's part, as far as it matters: a test that failed runs again.
RERUN = """
from pytest import hookimpl

@hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    from _pytest.runner import runtestprotocol
    for again in (True, False):
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
    return True
"""


@pytest.fixture
def kept(inner):
    """A function that runs pytest with the option and returns what is kept, as ``test/peer``."""

    def run(*arguments: str, **outcomes: int) -> list[str]:
        inner.run("--peer-artifacts=kept", *arguments).assert_outcomes(**outcomes)
        return directories(inner.path / "kept")

    return run


def directories(root: Path) -> list[str]:
    """Those of tests."""
    return sorted(str(path.relative_to(root)) for path in root.glob("*test_*/*"))


def test_failing_test_leaves_those_of_all_its_peers(inner, kept):
    inner.write(
        """
        def test_it(peer_factory):
            for name in ("a", "b"):
                peer_factory(name=name).call(print, "I am", name)
            assert False
        """
    )
    assert kept(failed=1) == ["test_inner.py--test_it/a", "test_inner.py--test_it/b"]
    place = inner.path / "kept/test_inner.py--test_it/b"
    assert (place / "stdout.log").read_text() == "I am b\n"
    assert json.loads((place / "manifest.json").read_text())["state"] == "down"


def test_passing_and_skipped_tests_leave_nothing(inner, kept):
    inner.write(
        """
        def test_passing(peer, session_peer_factory): session_peer_factory()
        def test_skipping(peer): pytest.skip()
        @pytest.mark.xfail
        def test_xfailing(peer): assert False
        """
    )
    assert kept(passed=1, skipped=1, xfailed=1) == []
    assert not list((inner.path / "kept").glob("*"))


@pytest.mark.parametrize("mode", ["stop", "continue"])
def test_passing_test_in_which_a_peer_went_down_unasked_is_kept(inner, kept, mode):
    inner.write(
        DIES
        + f"""
@pytest.mark.peer(peer_down={mode!r}, name="db")
def test_it(peer): die(peer)
"""
    )
    assert kept(passed=1, warnings=int(mode == "stop")) == ["test_inner.py--test_it/db"]


def test_excused_death_is_not_kept(inner, kept):
    inner.write(
        """
        def test_it(peer):
            with peer.expect_death():
                peer.cast(os._exit, 3)
        """
    )
    assert kept(passed=1) == []


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_they_are_kept_where_pytest_removes_its_own(inner, kept, phase):
    inner.write(
        f"""
        @pytest.fixture
        def broken(peer_factory):
            peer_factory(name="db")
            if {phase == "setup"}:
                raise ZeroDivisionError
            yield
            raise ZeroDivisionError

        def test_it(broken): pass
        """
    )
    outcomes = {"errors": 1} if phase == "setup" else {"errors": 1, "passed": 1}
    names = kept("-o", "tmp_path_retention_policy=failed", **outcomes)
    assert names == ["test_inner.py--test_it/db"]
    assert (inner.path / "kept/test_inner.py--test_it/db/manifest.json").exists()


def test_failed_boot_is_kept(inner, kept):
    inner.write(
        """
        @pytest.mark.peer(name="db", args=["--no-such-option"])
        def test_it(peer): pass
        """
    )
    assert kept(errors=1) == ["test_inner.py--test_it/db"]


def test_every_life_is_kept(inner, kept):
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.restart()
            assert False
        """
    )
    assert kept(failed=1) == ["test_inner.py--test_it/db", "test_inner.py--test_it/db.2"]


def test_same_name_in_two_scopes_is_kept_apart(inner, kept):
    inner.write(
        """
        def test_it(session_peer_factory, peer_factory):
            session_peer_factory(name="db").stop()
            peer_factory(name="db")
            assert False
        """
    )
    assert kept(failed=1) == ["test_inner.py--test_it/db", "test_inner.py--test_it/db.2"]


def test_second_run_of_a_test_gets_a_directory_of_its_own(inner, kept):
    inner.write(RERUN, "conftest.py")
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer): assert False
        """
    )
    assert kept(failed=2) == ["test_inner.py--test_it.2/db", "test_inner.py--test_it/db"]


def test_what_is_there_already_is_left_alone(inner, kept):
    there = inner.path / "kept/test_inner.py--test_it/db"
    there.mkdir(parents=True)
    inner.write("def test_it(peer_factory): peer_factory(name='db'); assert False")
    names = kept(failed=1)
    assert names == ["test_inner.py--test_it.2/db", "test_inner.py--test_it/db"]
    assert not list(there.iterdir())


def test_those_of_an_interrupted_test_are_kept(inner):
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer): raise KeyboardInterrupt
        """
    )
    assert inner.run_apart("--peer-artifacts=kept").ret == pytest.ExitCode.INTERRUPTED
    assert directories(inner.path / "kept") == ["test_inner.py--test_it/db"]


def test_they_are_there_from_the_start(inner, kept):
    inner.write(
        """
        def test_it(peer_factory, tmp_path):
            place = peer_factory(name="db").artifacts
            assert place == Path("kept/test_inner.py--test_it/db").absolute()
            assert (tmp_path / "peers" / "db").samefile(place)
        """.replace("Path(", "__import__('pathlib').Path(")
    )
    assert kept(passed=1) == []


def test_nothing_of_a_passing_test_leads_nowhere(inner, kept):
    inner.write("def test_it(peer): pass")
    kept("--basetemp=temporary", passed=1)
    assert not [path for path in inner.path.rglob("*") if path.is_symlink() and not path.exists()]


def test_all_that_a_peer_has_put_there_stays(inner, kept):
    inner.write(
        """
        def test_it(peer_factory):
            place = peer_factory(name="db").artifacts
            os.mkfifo(place / "pipe")
            os.symlink("/dev/zero", place / "link")
            assert False
        """
    )
    kept(failed=1)
    names = {path.name for path in (inner.path / "kept/test_inner.py--test_it/db").iterdir()}
    assert names >= {"pipe", "link", "manifest.json"}


def test_a_run_that_is_killed_leaves_them(inner):
    inner.write("def test_it(peer_factory): peer_factory(name='db'); os.kill(os.getpid(), 9)")
    inner.run_apart("--peer-artifacts=kept")
    assert directories(inner.path / "kept") == ["test_inner.py--test_it/db"]


def test_directory_that_cannot_be_made_fails_the_start_of_a_peer(inner):
    inner.write(
        """
        def test_it(peer_factory):
            open("kept", "w").close()
            with pytest.raises(__import__("pytest_peer").BootError, match="kept"):
                peer_factory()
        """
    )
    inner.run("--peer-artifacts=kept").assert_outcomes(passed=1)


# Where


def test_run_without_peers_makes_no_directory(inner):
    inner.write("def test_it(tmp_path): assert False")
    inner.run("--peer-artifacts=kept").assert_outcomes(failed=1)
    assert not (inner.path / "kept").exists()


@pytest.mark.parametrize("where", ["command line", "ini"])
def test_relative_directory_starts_where_pytest_was_started(inner, where):
    inner.write("def test_it(peer_factory): peer_factory(name='db'); assert False", "sub/test_x.py")
    inner.pytester.makeini("[pytest]\n" + "peer_artifacts = kept" * (where == "ini"))
    inner.run("sub", *["--peer-artifacts=kept"] * (where != "ini")).assert_outcomes(failed=1)
    assert directories(inner.path / "kept") == ["sub-test_x.py--test_it/db"]


@pytest.mark.parametrize("where", ["--peer-artifacts", "ini option peer_artifacts"])
def test_directory_that_cannot_be_made_is_a_usage_error(inner, where):
    (inner.path / "file").touch()
    inner.pytester.makeini("[pytest]\n" + "peer_artifacts = file/x" * where.startswith("ini"))
    result = inner.run(*["--peer-artifacts=file/x"] * where.startswith("--"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{where}: nothing can be written to '*file/x'*"])


def test_empty_directory_is_a_usage_error(inner):
    result = inner.run("--peer-artifacts=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--peer-artifacts: expected DIR*"])


# The manifest


def test_manifest_names_the_test(inner):
    inner.write(
        """
        import json, pytest_peer

        def told(peer):
            return json.loads((peer.artifacts / "manifest.json").read_text())["test"]

        @pytest.mark.parametrize("x", ["a b"])
        def test_it(peer, session_peer_factory, x):
            assert told(peer) == told(session_peer_factory()) == "test_inner.py::test_it[a b]"
            with pytest_peer.start() as other:
                assert told(other) is None
        """
    )
    inner.run().assert_outcomes(passed=1)
