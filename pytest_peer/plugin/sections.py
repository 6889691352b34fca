"""The sections of peers, for what shows a report otherwise than pytest's terminal does.

``--junitxml`` and allure-pytest ask a report for all its stdout and all its stderr, and show only
these: there each part gets its title. pytest-json-report shows no section of another plugin: its
stages get those of peers.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from .reporting import Sections
from .session import lives

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife

_TITLE_WIDTH = 80
_hooks = sys.modules[__name__]
_run_key = pytest.StashKey[Sections]()


class TestReport(pytest.TestReport):  # xdist wants it to have this name
    """A report whose output tells of each part what it is."""

    __test__ = False

    @property
    def capstdout(self) -> str:
        return _joined(self, "stdout")

    @property
    def capstderr(self) -> str:
        """Return stderr, and what of peers has no place of its own: their states and stacks."""
        return _joined(self, "stderr")

    @property
    def caplog(self) -> str:
        return _joined(self, "log")


def _joined(report: pytest.TestReport, kind: str) -> str:
    titles = vars(report)["peer_titles"]
    parts = [
        (title, text)
        for title, text in [*report.sections, *vars(report)["peer_earlier"]]
        if _kind(title, titles) == kind
    ]
    if not any(title in titles for title, _ in parts):
        return "".join(text for _, text in parts)
    lines = []
    for title, text in parts:
        lines += [f" {title} ".center(_TITLE_WIDTH, "-"), text.removesuffix("\n")]
    return "\n".join([*lines, ""])


def _kind(title: str, titles: list[str]) -> str:
    for kind in ("stdout", "stderr", "log"):
        if title.startswith(f"Captured {kind}"):
            return kind
    return "stderr" if title in titles else ""


def register(config: pytest.Config) -> None:
    """Register these hooks: where tests with peers run, and where their reports go."""
    if not config.pluginmanager.is_registered(_hooks):
        config.pluginmanager.register(_hooks, "peer-sections")


def of_run(item: pytest.Item) -> Sections:
    """Return the sections of this run of the test; a plugin may report one that never began."""
    return item.stash.setdefault(_run_key, Sections(item, ()))


def begin(item: pytest.Item, before: Iterable[PeerLife]) -> None:
    """Begin a run of the test, `before` which these peers have run already."""
    item.stash[_run_key] = Sections(item, before)


def end(item: pytest.Item) -> None:
    """Forget the run: it keeps lives, and the session keeps the test."""
    del item.stash[_run_key]


@pytest.hookimpl(wrapper=True, trylast=True)  # other plugins see the output in what it returns
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    made = yield
    run = of_run(item)
    found = [(f"{title} {made.when}", text) for title, text in run.output(lives(item.config))]
    if not (run.in_body and made.failed):  # the report of a subtest has its own output only
        run.kept += found
        found = [] if run.in_body else run.kept
    add(item, made, found)
    return made


def add(item: pytest.Item, report: pytest.TestReport, found: Iterable[tuple[str, str]]) -> None:
    """Add titles and texts to a report that is made; the titles have the phase."""
    run = of_run(item)
    for title, text in found:
        report.sections.append((f"Captured {title}", text))
        run.titles.add(f"Captured {title}")
    # xdist carries both to the controller.
    vars(report).update(peer_titles=sorted(run.titles), peer_earlier=list(run.once))
    _adopt(report)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Make what came from a worker of xdist such a report again."""
    if "peer_titles" in vars(report):
        _adopt(report)


def _adopt(report: pytest.TestReport) -> None:
    if type(report) is pytest.TestReport:
        report.__class__ = TestReport  # not another object: other plugins hold this one


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_json_runtest_stage(
    report: pytest.TestReport,
) -> Generator[None, dict[str, Any], dict[str, Any]]:
    """Add to a stage of pytest-json-report the sections of peers from this phase."""
    stage = yield
    titles = vars(report).get("peer_titles", ())
    found = [
        {"title": title, "text": text}
        for title, text in report.sections
        if title in titles and title.endswith(f" {report.when}")
    ]
    return {**stage, "peers": found} if found else stage
