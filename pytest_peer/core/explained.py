"""A lambda as source, and as a function that fails as an assert does: with the values in it.

Also served to peers. Asserts are explained by pytest's own rewriting, which has no public name;
where that is not imported, or not as expected, there is the source alone.
"""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Callable
from typing import Any

__tracebackhide__ = True

#: What encloses the lambda, so that its free variables are free in the copy too.
_TEMPLATE = "def outer(%s):\n    def explained():\n        assert 1\n"


def described(fn: object) -> str:
    """Return the source of a lambda in one line; of anything else what `repr` says."""
    found = _lambda(fn)
    if found is None:
        return repr(fn)
    node, source = found
    return " ".join((ast.get_source_segment(source, node) or repr(fn)).split())


def explaining(fn: Callable[[], Any]) -> Callable[[], Any] | None:
    """Return a lambda that raises an explained AssertionError in place of a false value.

    It returns ``None`` as it is. ``None`` if that is not possible.
    """
    rewrite: Any = sys.modules.get("_pytest.assertion.rewrite")
    if rewrite is None:
        return None
    try:
        found = _lambda(fn)
        return None if found is None else _rewritten(fn, *found, rewrite)
    except Exception:  # pytest is not as expected, or the code cannot stand alone
        return None


def is_own(exc: BaseException, fn: object) -> bool:
    """Return whether an exception was raised by `fn` itself, and not by what it has called."""
    tb = exc.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and tb.tb_frame.f_code is getattr(fn, "__code__", None)


def _lambda(fn: object) -> tuple[ast.Lambda, str] | None:
    """Return the node of a lambda, and the source of its file."""
    if not isinstance(fn, types.FunctionType) or fn.__name__ != "<lambda>":
        return None
    code = fn.__code__
    source = "".join(linecache.getlines(code.co_filename, fn.__globals__))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    if hasattr(code, "co_positions"):  # Python 3.11
        places = {each for each in code.co_positions() if None not in each and each[2] != each[3]}
        nodes = [node for node in nodes if all(_contains(node.body, each) for each in places)]
        nodes.sort(key=lambda node: _size(node.body, source))
    elif len(nodes) > 1:
        return None
    return (nodes[0], source) if nodes else None


def _contains(node: Any, place: Any) -> bool:
    line, end_line, column, end_column = place
    begins = (node.lineno, node.col_offset) <= (line, column)
    return begins and (end_line, end_column) <= (node.end_lineno, node.end_col_offset)


def _size(node: ast.expr, source: str) -> int:
    return len(ast.get_source_segment(source, node) or source)


def _rewritten(fn: Any, node: ast.Lambda, source: str, rewrite: Any) -> Callable[[], Any]:
    code = fn.__code__
    tree: Any = ast.parse(_TEMPLATE % ", ".join(code.co_freevars))
    inner = tree.body[0].body[0]
    inner.args = node.args
    inner.body[0].test = node.body
    for each in ast.walk(tree):
        name = getattr(each, "attr", getattr(each, "id", ""))
        if name.startswith("__") and not name.endswith("__"):
            raise ValueError("a name of a class's own")
    for statement in (tree.body[0], inner, *inner.body):
        ast.copy_location(statement, node.body)
    rewrite.rewrite_asserts(tree, source.encode())
    _return_value(inner)
    names = dict(fn.__globals__)
    exec(compile(tree, code.co_filename, "exec", dont_inherit=True), names)
    (made,) = (each for each in names["outer"].__code__.co_consts if isinstance(each, type(code)))
    cells = dict(zip(code.co_freevars, fn.__closure__ or ()))  # noqa: B905 - not in Python 3.8
    copy = types.FunctionType(
        made.replace(co_name=code.co_name),
        names,
        fn.__name__,
        fn.__defaults__,
        tuple(cells[each] for each in made.co_freevars),
    )
    copy.__kwdefaults__ = fn.__kwdefaults__
    return copy


def _return_value(inner: Any) -> None:
    """Have the rewritten assert let ``None`` pass, and its function return the value."""
    # Those before it evaluate the parts of ``and`` and ``or``.
    check: Any = [each for each in inner.body if isinstance(each, ast.If)][-1]
    value = check.test.operand
    if not (isinstance(value, ast.Name) and isinstance(check.body[-1], ast.Raise)):
        raise TypeError("the value of the assert has no name")
    load = ast.Name(value.id, ast.Load())
    is_none = ast.Compare(load, [ast.Is()], [ast.Constant(None)])
    passes, result = ast.BoolOp(ast.Or(), [load, is_none]), ast.Return(load)
    for node in (*ast.walk(passes), result):
        if isinstance(node, (ast.expr, ast.stmt)):
            ast.copy_location(node, inner)
    check.test.operand, check.orelse = passes, [result]
