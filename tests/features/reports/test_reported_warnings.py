"""Warnings of a peer are in the summary of pytest, and in the report of a test that they fail."""

from __future__ import annotations

import zipfile

WARNING = """\
import warnings

def warn():
    warnings.warn("careful", DeprecationWarning)

def test_it(peer):
    peer.call(warn)
    peer.call(warn)
"""


def test_warning_is_in_the_summary(inner):
    inner.write(WARNING)
    result = inner.run()
    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(
        [
            "test_inner.py::test_it",
            "test_inner.py::test_it",
            "  *test_inner.py:7: DeprecationWarning: careful",
            '    warnings.warn("careful", DeprecationWarning)',
        ],
        consecutive=True,
    )


def test_warning_is_in_the_summary_of_xdist(inner):
    inner.write(WARNING)
    result = inner.run("-n", "1")
    result.stdout.fnmatch_lines(["  *test_inner.py:7: DeprecationWarning: careful"])


def test_warning_as_error_fails_the_test_where_it_was_issued(inner):
    inner.write(WARNING)
    result = inner.run("-W", "error", "--tb=short")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "test_inner.py:10: in test_it",
            "    peer.call(warn)",
            "test_inner.py:7: in warn",
            '    warnings.warn("careful", DeprecationWarning)',
            "E   DeprecationWarning: careful",
            "E   warned of in peer *",
        ],
        consecutive=True,
    )


def test_source_of_a_warning_that_only_the_peer_has(inner):
    # Inner runs of this process share what they know of the sources of a file name.
    with zipfile.ZipFile(inner.path / "warning.zip", "w") as archive:
        archive.writestr("remote_store.py", "import warnings\nwarnings.warn('old store')\n")
    inner.write(
        """
        def found():
            sys.path.insert(0, "warning.zip")
            import remote_store

        def test_it(peer):
            peer.call(found)
        """
    )
    inner.run().stdout.fnmatch_lines(
        [
            "  *warning.zip/remote_store.py:2: UserWarning: old store",
            "    warnings.warn('old store')",
        ],
        consecutive=True,
    )
