"""Makes a failing assert in a peer show the same comparison as in the test.

pytest has no public function for that, so this is the one module that uses its private ones. Where
they are not as expected, asserts are plain.
"""

import functools
import sys
import types
from typing import Any

#: Sends a request to the origin, whose pytest compares; set by `main`.
ask: Any = None


@functools.lru_cache(None)
def loader():
    """Return a loader that rewrites asserts and caches the code; ``None`` without pytest."""
    try:
        from _pytest.assertion import rewrite

        watch()
        return rewrite.AssertionRewritingHook(_config(rewrite))
    except Exception:  # not installed, or not as expected
        return None


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
    """Explain failing comparisons, if pytest has been imported."""
    util: Any = sys.modules.get("_pytest.assertion.util")
    if util is not None and getattr(util, "_reprcompare", None) is None:
        util._reprcompare = _explanation


def _explanation(op, left, right):
    # The origin's pytest knows the verbosity and the hooks of the conftests.
    try:
        return ask("compare", op, left, right)
    except Exception:
        return None  # a value cannot be pickled: pytest shows no differences


def _config(rewrite):
    stash = {rewrite.assertstate_key: types.SimpleNamespace(trace=lambda _text: None)}
    settings = {"python_files": ["test_*.py", "*_test.py"]}  # pytest's default
    return types.SimpleNamespace(stash=stash, getini=settings.get)
