"""A failing assert in a peer explains itself as in the test.

pytest rewrites the asserts of test modules when it imports them. There is no public way to have that without a run of pytest, so
this is the one place that uses its private parts. If they are not as expected, asserts are plain.
"""

from __future__ import annotations

import sys
import types

#: Set by `main`: asks the origin, whose pytest compares.
ask = None
_loader = []


def loader():
    """A loader that rewrites, and has the rewritten code cached beside Python's own; ``None`` where there is no pytest."""
    if not _loader:
        try:
            from _pytest.assertion import rewrite

            _loader.append(rewrite.AssertionRewritingHook(_config(rewrite)))
        except Exception:  # not there, or not as expected
            _loader.append(None)
        watch()
    return _loader[0]


def rewritten(source, filename):
    """Code from source; ``None`` where there is no pytest."""
    try:
        import ast  # here: a tenth of a spawned boot

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
    """Have failing comparisons explained, if pytest has been imported; returns whether."""
    util = sys.modules.get("_pytest.assertion.util")
    if util is None:
        return False
    if getattr(util, "_reprcompare", None) is None:
        util._reprcompare = _explanation
    return True


def _explanation(op, left, right):
    # By the origin's pytest: it knows the verbosity, and the hooks of the conftests.
    try:
        return ask("compare", op, left, right)
    except Exception:
        return None  # what cannot travel is shown without its differences


def _config(rewrite):
    stash = {rewrite.assertstate_key: types.SimpleNamespace(trace=lambda _text: None)}
    return types.SimpleNamespace(stash=stash, getini=_ini)


def _ini(name):
    if name == "python_files":
        raise ValueError(name)  # then it has a default
    return False
