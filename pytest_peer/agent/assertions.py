"""Makes a failing assert in a peer show the same comparison as in the test.

pytest rewrites the asserts of test modules when it imports them. It has no public function for
that, so this is the one module that uses its private ones. Where they are not as expected, asserts
are plain.
"""

import sys
import types
from typing import Any

#: Sends a request to the origin, whose pytest compares; set by `main`.
ask: Any = None
_loader = []


def loader():
    """Return a loader that rewrites asserts and caches the code; ``None`` without pytest."""
    if not _loader:
        try:
            from _pytest.assertion import rewrite

            _loader.append(rewrite.AssertionRewritingHook(_config(rewrite)))
        except Exception:  # not installed, or not as expected
            _loader.append(None)
        watch()
    return _loader[0]


def rewritten(source, filename):
    """Compile source with rewritten asserts; ``None`` without pytest."""
    try:
        import ast  # not at the top: its import is a tenth of a spawned boot

        from _pytest.assertion import rewrite

        tree = ast.parse(source, filename=filename)
        rewrite.rewrite_asserts(tree, source, filename, _config(rewrite))
        code = compile(tree, filename, "exec", dont_inherit=True)
    except SyntaxError:
        raise
    except Exception:  # as above
        return None
    watch()
    return code


def watch():
    """Explain failing comparisons, if pytest has been imported; return whether it has."""
    util: Any = sys.modules.get("_pytest.assertion.util")
    if util is None:
        return False
    if getattr(util, "_reprcompare", None) is None:
        util._reprcompare = _explanation
    return True


def _explanation(op, left, right):
    # The origin's pytest knows the verbosity and the hooks of the conftests.
    try:
        return ask("compare", op, left, right)
    except Exception:
        return None  # a value cannot be pickled: pytest shows no differences


def _config(rewrite):
    stash = {rewrite.assertstate_key: types.SimpleNamespace(trace=lambda _text: None)}
    return types.SimpleNamespace(stash=stash, getini=_ini)


def _ini(name):
    if name == "python_files":
        raise ValueError(name)  # pytest then uses its default
    return False
