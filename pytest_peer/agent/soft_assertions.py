"""Sends what plugins collect instead of raising: pytest-check, pytest-assume, those of the hook.

The origin's module of this name gives it to the test.
"""

import sys
from typing import Any, List

from ..core.locks import Lock
from ..link.protocol import exceptions
from ..link.protocol.unpatched import os
from . import runtime

#: What the hook `pytest_peer_outcome` gave.
collectors = []
#: Of pytest-check and pytest-assume at the origin, by module; without those in force here.
settings = {}
_collecting = Lock()  # two calls that end at once must not take the same failure


class _Sent(List[Any]):
    """Where a plugin collects failures. The origin has each at once: this peer may die."""

    def append(self, failure):
        super().append(failure)
        if isinstance(failure, str):
            lines = failure.partition("FAILURE: ")[2].rstrip().split("\n")
            text = "\n".join(each for each in lines if "pytest_peer/agent/" not in each)
            _send(text, "check", sys._getframe(1).f_locals.get("xfail"))  # its reason
        else:
            _send(failure.entry, "assume", failure.locals)


#: For each thread and call pytest-check has an instance of a class with this attribute.
_failures = property(
    lambda state: vars(state).setdefault("sent", _Sent()),
    lambda state, _: vars(state).update(sent=_Sent()),
)


def watch():
    """Let plugins begin anew, and send what they collect: before a call, and at their import."""
    pytest: Any = sys.modules.get("pytest")
    if "pytest_assume.plugin" in settings and hasattr(pytest, "fail"):
        plugin: Any = __import__("pytest_assume.plugin", fromlist=["assume"])
        plugin._FAILED_ASSUMPTIONS = _Sent()
        pytest._hook_assume_fail = pytest._hook_assume_pass = lambda **_: None
        pytest.assume = plugin.assume
        settings.pop("pytest_assume.plugin", None)  # not before: another thread has to find it
    log: Any = sys.modules.get("pytest_check.check_log")
    if hasattr(log, "log_failure"):
        for name in [each for each in settings if sys.modules.get(each)]:
            vars(sys.modules[name]).update(settings.pop(name, {}))
        log.__dict__.get("_CheckState", log).failures = _failures
        log.clear_failures()
        log._failures = _Sent()  # of its versions before 3


def collect():
    """Send what the hook's callables return: after a call, and at the end."""
    if not collectors:
        return
    with _collecting:
        for each in collectors:
            try:
                for failure in each() or ():
                    _send(failure)
            except BaseException as exc:
                _send(exc)


def _send(failure, *plugin):
    peer = runtime.runtime
    if os.getpid() != peer.pid:
        return  # what a forked child collects is lost without a peer, too
    if isinstance(failure, BaseException):
        failure = exceptions.formatted(failure)
    if not peer.ask("collect", peer.name, failure, *plugin):
        # It cannot be rebuilt there. The text is an argument of what should be called.
        text = str((*getattr(failure, "args", ()), failure)[0])
        peer.ask("collect", peer.name, text)
