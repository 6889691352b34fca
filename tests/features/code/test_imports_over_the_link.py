"""Modules that a peer gets from the origin work as others do."""

from __future__ import annotations

import py_compile
import subprocess
import sys
import sysconfig
import time
from importlib.machinery import EXTENSION_SUFFIXES

import pytest
from timeouts import LONG

from pytest_peer import DecodeError

OTHER_VERSION = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"


def test_it_has_the_origins_file_and_source(far, origin):
    file = origin.write("told.py", "def fail():\n    raise ValueError('this line')\n")
    origin.write(
        "telling.py",
        """
        import inspect
        import traceback
        import told

        def tell():
            try:
                told.fail()
            except ValueError:
                return told.__file__, inspect.getsource(told.fail), traceback.format_exc()
        """,
    )
    name, source, text = far().call("telling:tell")
    assert name == str(file)
    assert source == "def fail():\n    raise ValueError('this line')\n"
    assert f"File \"{file}\", line 2, in fail\n    raise ValueError('this line')\n" in text


def test_it_is_imported_once(far, origin):
    origin.write("counted.py", "print('imported')\ndef again():\n    import counted\n")
    peer = far()
    for _ in range(3):
        peer.call("counted:again")
    assert peer.stdout.lines == ["imported"]


def test_import_in_a_function_that_runs_later(far, origin):
    origin.write(
        "lazy/__init__.py", "def first():\n    from . import part\n    return part.second()\n"
    )
    origin.write("lazy/part.py", "def second():\n    from .more import value\n    return value\n")
    origin.write("lazy/more.py", "value = 3")
    assert far().call("lazy:first") == 3


@pytest.mark.parametrize("version", [None, OTHER_VERSION])
@pytest.mark.parametrize("module", ["spread.part_two", "spread.deep.part_one"])
def test_modules_of_namespace_packages_of_several_directories(
    far, origin, monkeypatch, module, version
):
    for place in ("one", "two"):
        for package in ("spread", "spread/deep"):
            origin.write(f"{place}/{package}/part_{place}.py", "def name(): return __name__\n")
        monkeypatch.syspath_prepend(origin.path / place)
    assert far(version).call(f"{module}:name") == module
    assert "spread" not in sys.modules


def test_modules_that_import_each_other(far, origin):
    origin.write("hen.py", "import egg\ndef origin(): return egg.hen.__name__, egg.__name__\n")
    origin.write("egg.py", "import hen\n")
    assert far().call("hen:origin") == ("hen", "egg")


@pytest.mark.parametrize("where", ["here", "away"])
def test_module_that_is_nowhere(far, peer_factory, where):
    peer = far() if where == "away" else peer_factory()
    started = time.monotonic()
    with pytest.raises(DecodeError) as caught:
        peer.call("no_such_module:f")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert caught.value.__cause__.name == "no_such_module"
    assert peer.call(try_import, "no.such.thing") == "No module named 'no'"
    assert time.monotonic() - started < LONG


def try_import(name):
    import importlib

    try:
        importlib.import_module(name)
    except ImportError as exc:
        return str(exc)


def test_module_that_fails_over_there(far, origin):
    file = origin.write(
        "fragile.py",
        "import sys\nif 'pytest_peer_agent' in sys.modules:\n    1 / 0\ndef f(): pass\n",
    )
    import fragile

    with pytest.raises(DecodeError, match="ZeroDivisionError") as caught:
        far().call(fragile.f)
    cause = caught.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    trace, places = cause.__traceback__, []
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    assert places[-1] == (str(file), 3)
    assert [file for file, _ in places if "importlib" in file] == []


def test_compiled_module_is_refused(far, origin):
    """Its file may not even fit to the other machine."""
    suffix = EXTENSION_SUFFIXES[0]
    file = origin.write("compiled.c", COMPILED)
    command = ["cc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(file)]
    target = file.with_name(f"compiled{suffix}")
    try:
        subprocess.run([*command, "-o", str(target)], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"no C compiler, or no headers of Python: {exc}")
    import compiled

    with pytest.raises(DecodeError, match=r"compiled .*install it in the peer's environment"):
        far().call(compiled.value)


def test_module_without_source(far, origin):
    source = origin.write("sourceless.py", "def value(): return 3\n")
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")))
    source.unlink()
    import sourceless

    assert far().call(sourceless.value) == 3
    with pytest.raises(DecodeError, match=r"sourceless .*cannot come from the origin"):
        far(OTHER_VERSION).call(sourceless.value)


def test_module_of_another_encoding(far, origin):
    origin.write("latin.py", "# coding: latin-1\nvalue = 'größer'\n".encode("latin-1"))
    assert far().call("latin:value.upper") == "GRÖSSER"


def test_import_in_a_coroutine(far, origin):
    origin.write("later.py", "async def value():\n    import part\n    return part.value\n")
    origin.write("part.py", "value = 3\n")
    assert far().call_within(LONG, "later:value") == 3


COMPILED = """
#include <Python.h>
static PyObject *value(PyObject *self, PyObject *args) { return PyLong_FromLong(3); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "compiled", "", -1, methods};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&definition); }
"""


def test_result_of_a_class_that_the_origin_does_not_know_yet(far, origin):
    origin.write("there_first.py", "class Made:\n    value = 3\ndef make(): return Made()\n")
    made = far().call("there_first:make")
    assert made.value == 3
    assert type(made) is sys.modules["there_first"].Made


def test_reload(far, origin):
    file = origin.write("reloaded.py", "value = 1\n")
    origin.write(
        "reloading.py",
        "import importlib\nimport reloaded\ndef reload(): return importlib.reload(reloaded).value\n",
    )
    peer = far()
    assert peer.call("reloading:reload") == 1
    file.write_text("value = 23\n")
    assert peer.call("reloading:reload") == 23


def test_module_that_the_origin_imports_when_the_peer_runs(peer_factory, far, origin, monkeypatch):
    peers = [peer_factory(), far()]
    origin.write("late.py", "def value(): return 3\n")
    import late

    assert [peer.call(late.value) for peer in peers] == [3, 3]


def test_path_that_a_test_changes_before_the_peer_starts(
    origin, peer_factory, tmp_path, monkeypatch
):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/changed.py").write_text("def value(): return 3\n")
    monkeypatch.syspath_prepend(tmp_path / "more")
    assert peer_factory().call("changed:value") == 3


def test_package_of_a_hundred_modules(far, origin):
    imports = "\n".join(f"from . import part{number}" for number in range(100))
    for number in range(100):
        origin.write(f"many/part{number}.py", "import os\n")
    origin.write("many/__init__.py", imports + "\ndef f(): return part99.__name__\n")
    assert far().call_within(LONG, "many:f") == "many.part99"
