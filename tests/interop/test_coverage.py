"""Coverage of code that runs in peers, with pytest-cov and ``coverage run``, not configured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import coverage
import pytest
from pythons import NEWEST

ALL = """
    import shop

    def test_it(peer_factory):
        first, second = peer_factory.many(2)
        first.submit(time.sleep, 600)
        assert first.call(shop.sell, 1) == "retail"
        assert second.call(shop.sell, 11) == "wholesale"
        assert second.call(shop.sell_in_a_thread) == ["retail"]
        assert second.call(shop.deliver) == "delivered"
"""
EVERY = ["wholesale", "retail", "thread", "joined", "delivered"]


def test_one_data_file_with_coverage_run(measured):
    measured.inner.write(ALL)
    measured.test_below("--source=.").assert_outcomes(passed=1)
    assert [name for name in EVERY if not measured.has(name)] == []
    assert measured.files() == [".coverage"]


def test_parallel_mode_leaves_the_files_to_combine(measured):
    measured.inner.write(ALL)
    measured.test_below("--source=.", "--parallel-mode").assert_outcomes(passed=1)
    assert len(measured.files()) == 3
    measured.inner.pytester.run(sys.executable, "-m", "coverage", "combine")
    assert [name for name in EVERY if not measured.has(name)] == []


def test_xdist(measured):
    measured.inner.write(ALL + "\n" + ALL.replace("test_it", "test_again"))
    measured.test("-n", "2").assert_outcomes(passed=2)
    assert [name for name in EVERY if not measured.has(name)] == []
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("core", ["ctrace", "pytrace", "sysmon"])
def test_cores(measured, core):
    if core == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("this Python has no sys.monitoring")
    measured.settings(f"core = {core}")
    measured.inner.write(ALL)
    measured.test().assert_outcomes(passed=1)
    assert [name for name in EVERY if not measured.has(name)] == []


@pytest.mark.parametrize("version", ["3.12", NEWEST])
@pytest.mark.parametrize("core", ["", "core = sysmon"])
def test_other_interpreter_that_has_coverage(measured, requires_python, version, core):
    # That of this interpreter, without its C code.
    (measured.path / "there").mkdir()
    os.symlink(Path(coverage.__file__).parent, measured.path / "there" / "coverage")
    measured.settings(f"{core}\ndisable_warnings = no-sysmon")
    measured.inner.write(
        f"""
        import shop

        @pytest.mark.peer(exec={requires_python(version)!r}, env={{"PYTHONPATH": "there"}})
        def test_it(peer):
            peer.submit(time.sleep, 600)
            peer.call(shop.sell, 11)
            peer.call(shop.sell_in_a_thread)
            peer.call(shop.deliver)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert [name for name in EVERY if not measured.has(name)] == []
    assert measured.files() == [".coverage"]


def test_other_interpreter_without_coverage_is_not_measured(measured, requires_python):
    measured.inner.write(
        f"""
        import shop

        @pytest.mark.peer(exec={requires_python("3.10")!r})
        def test_it(peer):
            peer.call(shop.sell, 11)
            peer.kill()
            assert peer.stderr.text == ""
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert not measured.has("wholesale")


#: Patches, and runs greenlets.
GREEN = """
import gevent.monkey


def sell(*counts):
    import shop

    gevent.monkey.patch_all()
    jobs = [gevent.spawn(shop.sell, count) for count in counts]
    gevent.joinall(jobs)
    return shop.sell_in_a_thread()
"""


def test_greenlets_of_gevent(measured):
    pytest.importorskip("gevent")
    measured.settings("concurrency = gevent")
    measured.module("green", GREEN)
    measured.inner.write("def test_it(peer): assert peer.call('green:sell', 11) == ['retail']")
    measured.test().assert_outcomes(passed=1)
    assert [name for name in EVERY[:-1] if not measured.has(name)] == []


def test_call_on_a_thread_of_a_patched_peer(measured):
    pytest.importorskip("gevent")
    measured.settings("concurrency = gevent, thread")
    measured.module("green", GREEN)
    measured.inner.write(
        """
        def test_it(peer):
            peer.call("green:sell")
            peer.submit("gevent:sleep", 600)
            peer.call("shop:sell", 11)
        """
    )
    measured.test().assert_outcomes(passed=1)
    assert measured.has("wholesale")


def test_peer_elsewhere_measures_the_same_files(measured):
    measured.settings("relative_files = true\nsource = .")
    measured.inner.write(
        """
        import shop

        def test_it(peer_factory, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            for method in ("spawn", "forkserver"):
                peer_factory(cwd=str(tmp_path), start_method=method).call(shop.sell, 11)
            killed = peer_factory()
            killed.call(shop.deliver)
            killed.kill()
            assert os.listdir() == ["peers"]
        """
    )
    measured.test("--cov").assert_outcomes(passed=1)
    assert 8 in (measured.data().lines("shop.py") or ())
    assert all(not os.path.isabs(name) for name in measured.data().measured_files())
    assert measured.files() == [".coverage"]


def test_nothing_is_imported_or_written_where_nothing_measures(measured):
    measured.inner.write(
        """
        def test_it(peer):
            assert "coverage" not in sys.modules
            assert not peer.call(eval, "'coverage' in __import__('sys').modules")
            assert peer.call(sys.gettrace) is None
        """
    )
    measured.inner.run_apart().assert_outcomes(passed=1)
    assert measured.files() == []


def test_peers_that_outlive_their_test_count(measured):
    measured.inner.write(
        """
        import shop

        def test_it(peer_factory, session_peer_factory):
            peer_factory(link=False).call(shop.sell, 11)
            session_peer_factory().call(shop.deliver)

        def test_after():
            pass
        """
    )
    measured.test().assert_outcomes(passed=2)
    assert measured.has("wholesale")
    assert measured.has("delivered")
    assert measured.files() == [".coverage"]


def test_peer_that_cannot_measure_says_so(measured, requires_python):
    (measured.path / "there" / "coverage").mkdir(parents=True)
    (measured.path / "there" / "coverage" / "__init__.py").write_text("class Coverage: pass\n")
    measured.inner.write(
        f"""
        @pytest.mark.peer(exec={requires_python("3.10")!r}, env={{"PYTHONPATH": "there"}})
        def test_it(peer):
            assert peer.call(os.getcwd) == os.getcwd()
            peer.kill()
        """
    )
    result = measured.test()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines("*exception of coverage, which does not measure:")
