"""Hooks around the phases of a test, for tests that have peers.

Registered when the first of them is found: each of a hundred tests without a peer would pay for every one of these.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import pytest

from . import crash
from . import reporting
from .fixtures import retention_key
from .fixtures import supervisors_key

_shown_key = pytest.StashKey[reporting.Shown]()


# A wrapper: of an error in the setup of a peer this leaves one frame to show, and pytest shows no error without one.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if retention_key in item.config.stash:
        item.config.stash[retention_key].begin(item.nodeid)
    supervisors = item.config.stash.get(supervisors_key, ())
    if supervisors:
        shown = item.stash[_shown_key] = reporting.Shown()
        shown.start(peer for supervisor in supervisors for peer in supervisor.started)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    supervisors = item.config.stash.get(supervisors_key, [])
    if not supervisors:
        return (yield)
    with crash.failing_at_once(supervisors):
        result = yield
    # Only after a body that passed: a failing one has its own tale, and the report tells of the peers anyway.
    for supervisor in supervisors:
        supervisor.raise_crashes()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    for supervisor in item.config.stash.get(
        supervisors_key, ()
    ):  # of wider scopes: those of the test are closed, and have warned
        supervisor.warn_of_deaths()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    supervisors = item.config.stash.get(supervisors_key, ())
    peers = [peer for supervisor in supervisors for peer in supervisor.started]
    if peers:
        shown = item.stash.setdefault(_shown_key, reporting.Shown())
        for title, text in shown.sections(peers):
            item.add_report_section(call.when, title, text)
        if call.excinfo is not None:
            item.add_report_section(call.when, "peers", reporting.state_section(peers))
    made = yield
    if peers and made.failed:  # which is known only now; nothing has been stopped yet
        with contextlib.suppress(pytest.fail.Exception):  # a time limit's signal, but it has failed
            occasion = f"{item.nodeid} failed in {call.when}"
            for title, text in reporting.stacks_sections(peers, occasion):
                made.sections.append((f"Captured {title} {call.when}", text))
    if retention_key in item.config.stash:
        told = item.config.stash[retention_key].phase_over(call.when, made.outcome)
        if told is not None:
            vars(made)["peer_aftermath"] = told  # xdist carries it to the controller
    return made
