"""What plugins have collected in peers, for the test: pytest-check, pytest-assume, others by a hook.

They collect failures instead of raising them. The agent's module of this name sends these.
"""

import sys
import traceback
from collections import deque
from functools import partial
from typing import Any

_PLUGINS = "pytest_assume.plugin pytest_check.check_log pytest_check.check_raises"
_PLUGINS += " pytest_check.context_manager pytest_check.pseudo_traceback"
_PLAIN = (bool, int, str, type(None))

#: The name of a peer, a failure, and the plugin, with what that keeps of it; of a hook none.
collected: deque[tuple[Any, ...]] = deque()
_texts: list[str] = []


def settings() -> dict[str, dict[str, object]]:
    """Return the plain values in the modules of pytest-check and pytest-assume, for a peer's."""
    modules = {name: sys.modules.get(name) for name in _PLUGINS.split()}
    found = {name: dict(vars(module)) for name, module in modules.items() if module is not None}
    return {
        name: {k: v for k, v in values.items() if type(v) in _PLAIN and k[:2] != "__"}
        for name, values in found.items()
    }


def collect(_: object, *failure: Any) -> bool:
    """Respond to a peer that has a failure; on a thread of ours."""
    collected.append(failure)
    return True


def take(over: bool = False) -> None:
    """Give to the plugins what was collected, on the thread of the test.

    What they raise ends its body, as the limits of pytest-check do, unless that is `over`.
    """
    while True:
        try:
            peer, failure, *plugin = collected.popleft()
        except IndexError:
            return
        try:
            _give(failure, f"in peer {peer!r}", *plugin)
        except BaseException as exc:
            if not over or isinstance(exc, KeyboardInterrupt | SystemExit):
                raise
            if not plugin:  # else it has kept the failure
                _texts.append("".join(traceback.format_exception(exc)))


def left(when: str) -> str:
    """Do so, and return the texts of what is no plugin's, or too late for it, after a phase."""
    take(over=True)
    if when == "teardown":  # pytest-assume has looked: the next test would have these
        late = getattr(sys.modules.get("pytest_assume.plugin"), "_FAILED_ASSUMPTIONS", [])
        _texts.extend(each.repr().rstrip() for each in late)
        late.clear()
    text, _texts[:] = "\n\n".join(_texts), ()
    return text


def _give(failure: Any, where: str, plugin: str = "", more: Any = None) -> None:
    modules: Any = sys.modules
    if plugin == "check" and "pytest_check.plugin" in modules:  # else it is switched off
        give = partial(modules["pytest_check.check_log"].log_failure, f"{failure}\n{where}")
        # Its traceback ends at the frame of `exec`; the peer's is in the text.
        exec("(lambda: give(**more))()", {"give": give, "more": {"xfail": more} if more else {}})
    elif plugin == "assume" and "pytest_assume.plugin" in modules:
        assume = modules["pytest_assume.plugin"]
        entry = f"{failure.rstrip()}\n{where}\n\n"
        assume._FAILED_ASSUMPTIONS.append(assume.Assumption(entry, None, more))
    elif callable(failure):
        failure()
    else:
        _texts.append(f"{failure}\n{where}")
