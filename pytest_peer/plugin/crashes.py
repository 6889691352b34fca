"""What the end of a run shows: the peers that crashed, and why peers were spawned."""

import pytest

from .session import CrashReport, left_key, spawned_key


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show two lines for each crash, below the test in which it happened."""
    if reason := config.stash.get(spawned_key, ""):
        terminalreporter.line(f"peers were spawned, not forked: {reason}", yellow=True)
    crashes: list[CrashReport] = []
    for reports in terminalreporter.stats.values():  # which are not only reports
        for report in reports:
            crashes += getattr(report, "peer_crashes", ())
    crashes = [*crashes, *config.stash.get(left_key, ())]
    if crashes:
        terminalreporter.section("peers that crashed")
    above = None
    for test, peer, reason, pid, path in crashes:
        if test != above:
            terminalreporter.line(test)
            above = test
        terminalreporter.line(f"  {peer} (pid {pid}): {reason}")
        terminalreporter.line(f"    {path}")
