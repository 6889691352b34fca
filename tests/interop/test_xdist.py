"""Peers under pytest-xdist."""

from __future__ import annotations

import pytest

from pytest_peer import eventually


def test_names_are_unique(inner):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(6))
        def test_it(number, peer, peer_factory):
            with open("names", "a") as names:
                for each in (peer, peer_factory(name=peer_factory.name("db")), peer_factory()):
                    print(each.name, file=names, flush=True)
        """
    )
    inner.run_apart("-n", "2").assert_outcomes(passed=6)
    names = (inner.path / "names").read_text().split()
    assert len(set(names)) == len(names) == 18


def test_artifacts_are_apart(inner):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(4))
        def test_it(number, session_peer_factory):
            peer = session_peer_factory(name=f"db-{number}")
            with open("places", "a") as places:
                print(peer.artifacts, file=places, flush=True)
        """
    )
    inner.run_apart("-n", "2").assert_outcomes(passed=4)
    places = (inner.path / "places").read_text().split()
    assert len(set(places)) == 4


def test_nothing_is_left(inner):
    inner.write(
        """
        @pytest.mark.parametrize("number", range(4))
        def test_it(number, peer, session_peer_factory, peer_factory):
            note(peer, session_peer_factory(), peer_factory(link=False))
            assert number % 2
        """
    )
    inner.run_apart("-n", "2").assert_outcomes(passed=2, failed=2)
    inner.assert_nothing_left(within=0)


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_worker_that_dies_leaves_nothing(inner, end):
    inner.write(
        f"""
        def test_it(peer, session_peer_factory):
            note(peer, session_peer_factory())
            {end}
        """
    )
    result = inner.run_apart("-n", "1", "--max-worker-restart=0")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*crashed while running*test_it*"])
    inner.assert_nothing_left()


def test_timeout_of_the_thread_method_leaves_nothing(inner):
    inner.write(
        """
        @pytest.mark.timeout(4, method="thread")
        def test_it(peer):
            note(peer)
            peer.call(time.sleep, 600)
        """
    )
    assert inner.run_apart("-n", "1", "--max-worker-restart=0").ret != 0
    inner.assert_nothing_left()


@pytest.mark.parametrize("start", ["forkserver", "spawn"])
def test_peers_end_with_the_controller(inner, start):
    """Long before the worker, whose test is in the middle of something."""
    inner.write(
        f"""
        @pytest.mark.peer(start_method="{start}", peer_down="continue")
        def test_it(peer, peer_factory):
            note(peer, peer_factory())
            os.kill(os.getppid(), signal.SIGKILL)
            peer.wait_down(20)
            with open("refused", "w") as file:
                try:
                    peer_factory()
                except RuntimeError as exc:
                    file.write(str(exc))
        """
    )
    inner.run_apart("-n", "1")
    inner.assert_nothing_left(within=10)
    eventually((inner.path / "refused").exists, 20)
    refused = eventually((inner.path / "refused").read_text, 20)
    assert "not started: the controller of this pytest-xdist worker has ended" in refused


def test_output_has_its_sections(inner):
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.call(print, "said out")
            peer.call("sys:stderr.write", "said err\\n")
            assert False
        """
    )
    result = inner.run_apart("-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "said out"])
    result.stdout.fnmatch_lines(["*Captured stderr [[]db] call*", "said err"])


def test_frames_of_the_peer_are_shown(inner):
    inner.write(
        """
        def explode(number):
            raise ValueError(f"boom {number}")

        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.call(explode, 42)
        """
    )
    result = inner.run_apart("-n", "1")
    result.stdout.fnmatch_lines(
        ["*peer.call(explode, 42)*", '*raise ValueError(f"boom {number}")*', "E*boom 42"]
    )
    result.stdout.fnmatch_lines(["E*raised in peer 'db'*"])


def test_settings_reach_the_workers(inner):
    inner.write("def test_it(peer): assert peer.options.call_timeout == 7")
    inner.run_apart("-n", "1", "--peer-call-timeout=7").assert_outcomes(passed=1)


def test_unasked_death_is_warned_of(inner):
    inner.write(
        """
        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.cast(os._exit, 3)
            peer.wait_down(20)
        """
    )
    result = inner.run_apart("-n", "1")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*PeerDownWarning*'db'*exited with status 3*"])
