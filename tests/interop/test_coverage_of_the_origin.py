"""Data of peers are where those of the test process are, however that is measured and ends."""

from __future__ import annotations

import os
import sys

import pytest

SELL = """
    import shop

    def test_it(peer):
        assert peer.call(shop.sell, 11) == "wholesale"
"""


def test_measurement_that_a_variable_has_started(measured, monkeypatch):
    measured.settings("source = .")
    measured.inner.write(SELL)
    monkeypatch.setenv("COVERAGE_PROCESS_START", str(measured.path / ".coveragerc"))
    measured.inner.run_apart().assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


@pytest.mark.parametrize("end", ["stop(); found.save()", "stop(); found.get_data()", "save()"])
def test_measurement_of_a_program_of_the_users(measured, end):
    measured.inner.write(SELL)
    program = f"""
import coverage, pytest
found = coverage.Coverage(source=["."])
found.start()
status = pytest.main()
found.{end}
raise SystemExit(status)
"""
    measured.inner.pytester.run(sys.executable, "-c", program).assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.files() == [".coverage"]


def test_old_data_file_stays_where_nothing_is_saved(measured):
    measured.inner.write(SELL)
    measured.test().assert_outcomes(passed=1)
    before = (measured.path / ".coverage").read_bytes()
    program = "import coverage, pytest; coverage.Coverage(source=['.']).start(); pytest.main()"
    measured.inner.pytester.run(sys.executable, "-c", program).assert_outcomes(passed=1)
    assert (measured.path / ".coverage").read_bytes() == before
    assert measured.files() == [".coverage"]


def test_data_are_added_to_those_of_an_earlier_run(measured):
    measured.inner.write(SELL)
    measured.test_below("--source=.").assert_outcomes(passed=1)
    measured.inner.write("def test_it(peer): peer.call('shop:deliver')")
    measured.test_below("--source=.", "--append").assert_outcomes(passed=1)
    assert measured.has("wholesale")
    assert measured.has("delivered")


@pytest.mark.parametrize("end", ["assert 0", "raise KeyboardInterrupt", "pytest.exit('enough')"])
def test_files_that_nobody_combines_are_removed(measured, end):
    """This pytest-cov saves nothing of a run that ends like this."""
    measured.inner.write(
        f"""
        import shop

        def test_it(peer_factory, session_peer_factory):
            peer_factory().call(shop.sell, 11)
            session_peer_factory().call(shop.sell, 1)
            killed = peer_factory()
            killed.call(shop.deliver)
            killed.kill()
            {end}
        """
    )
    measured.test("-x")
    assert [file for file in measured.files() if file != ".coverage"] == []


def test_data_file_in_another_directory(measured):
    (measured.path / "data").mkdir()
    measured.settings("data_file = data/measured\nsource = .")
    measured.inner.write(SELL)
    for run in (lambda: measured.test("--cov"), measured.test_below):
        run().assert_outcomes(passed=1)
        assert os.listdir(measured.path / "data") == ["measured"]
        assert measured.files() == []


def test_limit_of_pytest_cov_counts_peers(measured):
    measured.module("own", "def run():\n    return 1\n")
    measured.inner.write("def test_it(peer): assert peer.call('own:run') == 1")
    limit = ("--cov-fail-under=100", "--cov=own")
    assert measured.test(*limit).ret == pytest.ExitCode.OK
    assert measured.test(*limit, "-k", "not test_it").ret != pytest.ExitCode.OK
