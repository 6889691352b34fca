"""A plugin that writes the outcome of each test to the file named by ``PEER_TESTS_OUTCOMES``.

For tests here that run pytest once and look at many of its tests. A line of JSON for each:
``[test, "passed" or the report of a failure or skip, seconds, warnings]``.
"""

from __future__ import annotations

import json
import os

warned: dict[str, list[str]] = {}
told: dict[str, tuple[str, float]] = {}


def pytest_warning_recorded(warning_message, when, nodeid, location) -> None:
    warned.setdefault(nodeid, []).append(
        f"{warning_message.category.__name__}: {warning_message.message}"
    )


def pytest_runtest_logreport(report) -> None:
    words, seconds = told.get(report.nodeid, ("passed", 0.0))
    if report.failed or report.skipped:
        words = report.longreprtext if words == "passed" else f"{words}\n{report.longreprtext}"
    told[report.nodeid] = words, seconds + report.duration


def pytest_sessionfinish() -> None:
    lines = [
        json.dumps([nodeid.partition("::")[2], words, seconds, warned.get(nodeid, [])])
        for nodeid, (words, seconds) in told.items()
    ]
    with open(os.environ["PEER_TESTS_OUTCOMES"], "w") as file:
        file.write("\n".join(lines))
