"""Coverage of what peers start, with the settings by which coverage measures that in any process."""

from __future__ import annotations

import pytest

#: Starts processes as `multiprocessing` does; both must have ended well.
WORK = """
import multiprocessing

import shop


def work(methods=("fork", "spawn")):
    for method, count in zip(methods, (11, 1)):
        process = multiprocessing.get_context(method).Process(target=shop.sell, args=(count,))
        process.start()
        process.join()
        assert process.exitcode == 0
"""
ELSEWHERE = """
    @pytest.mark.peer(start_method={method!r})
    def test_it(peer_factory, tmp_path):
        peer_factory(cwd=str(tmp_path)).call("work:work")
        assert os.listdir(tmp_path) == ["peers"]
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize(
    "setting", ["concurrency = thread, multiprocessing", "patch = fork, _exit\nsource = ."]
)
def test_children_by_multiprocessing(measured, setting, method):
    # The second measures those that were forked, the first also those that were spawned.
    measured.settings(setting)
    measured.module("work", WORK)
    measured.inner.write(ELSEWHERE.format(method=method))
    measured.test("--cov").assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.has("retail") == ("concurrency" in setting)
    assert measured.files() == [".coverage"]


def test_children_that_fork_and_exit_at_once(measured):
    measured.settings("patch = _exit")
    measured.inner.write(
        """
        import shop

        def start_child():
            pid = os.fork()
            if not pid:
                shop.sell(11)
                os._exit(0)
            os.waitpid(pid, 0)

        def test_it(peer):
            peer.call(start_child)
            peer.call(shop.sell, 1)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.has("retail")
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("below", [False, True])
def test_fork_server_leaves_no_file_with_the_patch_of_exit(measured, below):
    measured.settings("patch = _exit\nsource = .")
    measured.inner.write(
        """
        @pytest.mark.peer(start_method="forkserver")
        def test_it(peer_factory):
            leaving, staying = peer_factory.many(2)
            staying.call("shop:deliver")
            with leaving.expect_death():
                leaving.cast("shop:leave")
        """
    )
    run = measured.test_below() if below else measured.test("--cov")
    run.assert_outcomes(passed=1)
    assert measured.has("left")
    assert measured.has("delivered")
    assert measured.files() == [".coverage"]


def test_program_in_place_of_a_peer(measured):
    measured.settings("patch = execv, subprocess")
    measured.inner.write(
        """
        import shop

        def become():
            code = "import shop; shop.sell(11)"
            os.execv(sys.executable, [sys.executable, "-c", code])

        def test_it(peer):
            peer.call(shop.sell, 1)
            with peer.expect_death():
                peer.cast(become)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.has("retail")
    assert measured.files() == [".coverage"]
