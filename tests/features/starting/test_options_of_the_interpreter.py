"""Peers have the options of the origin's interpreter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from timeouts import LONGER

#: What an interpreter tells of its options.
TELL = (
    "(lambda s: (tuple(s.flags), s.warnoptions, s._xoptions, s.dont_write_bytecode,"
    " s.get_int_max_str_digits(), __debug__))(__import__('sys'))"
)
PROGRAM = f"""
import sys
import pytest_peer
options = dict(word.split("=") for word in sys.argv[1:])
exec, env = options.pop("exec", sys.executable).split(" "), {{}}
args = [options.pop("args")] if "args" in options else []
if "env" in options:
    env[options.pop("env")] = None
with pytest_peer.start(exec=exec, args=args, env=env, **options) as peer:
    print([{TELL}, peer.call("builtins:eval", {TELL!r}), peer.call("sys:orig_argv.__str__")])
"""


def told(*options: str, words: tuple[str, ...] = (), **environ: str):
    """Return what an origin with these options tells, and its peer with those, and its words."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    start = f"import sys\nsys.path[:] = {path!r}.split({os.pathsep!r})\n{PROGRAM}"
    ended = subprocess.run(
        [sys.executable, *options, "-c", start, *words],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        timeout=LONGER,
        check=True,
        text=True,
    )
    origin, peer, argv = ast.literal_eval(ended.stdout)
    return origin, peer, ast.literal_eval(argv)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize(
    "options",
    [
        "-O",
        "-OOBs",
        "-I",
        "-E",
        "-P",
        "-bb",
        "-X dev",
        "-Xint_max_str_digits=700",
        "-B -X pycache_prefix=/nowhere -X no_debug_ranges",
        "-X warn_default_encoding",
        "--check-hash-based-pycs never -O",
        "-v",
        "-S",
    ],
)
def test_they_are_those_of_the_origin(options, method):
    origin, peer, _ = told(*options.split(" "), words=(f"start_method={method}",))
    assert peer == origin


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_pytests_peers_have_them(pytester, method):
    pytester.makepyfile(
        """
        import sys

        def test_it(peer):
            assert peer.call("builtins:eval", "__import__('sys').flags.optimize") == 1
            assert sys.flags.optimize == 1
            open("ran", "w").close()
        """
    )
    pytester.run(sys.executable, "-Om", "pytest", f"--peer-start-method={method}")
    assert (pytester.path / "ran").exists()


def test_options_of_the_user_come_after():
    _, peer, argv = told("-O", "-X", "a=1", words=("args=-OO",))
    assert argv[1:5] == ["-O", "-X", "a=1", "-OO"]
    assert peer[-1] is False


def test_program_in_front_changes_nothing():
    origin, peer, _ = told("-O", words=(f"exec=env {sys.executable}",))
    assert peer == origin


def test_another_interpreter_has_its_own(tmp_path):
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    assert told("-O", words=(f"exec={other}",))[1][-1] is True


def test_variable_can_be_removed():
    origin, peer, _ = told(words=("env=PYTHONOPTIMIZE",), PYTHONOPTIMIZE="1")
    assert (origin[-1], peer[-1]) == (False, True)


@pytest.mark.parametrize("option", ["-I", "-E"])
def test_variables_of_the_option_env_reach_the_peer_all_the_same(option):
    program = """
import pytest_peer
with pytest_peer.start(env={"PYTHONPATH": "/no/such/directory"}) as peer:
    assert "/no/such/directory" in peer.call("builtins:eval", "__import__('sys').path")
"""
    subprocess.run([sys.executable, option, "-c", program], check=True, timeout=LONGER)


WARNED = """
import pytest, warnings

def warn():
    warnings.warn("a warning", DeprecationWarning)
    return 3

@pytest.mark.parametrize("again", [1, 2])
def test_warns(peer, again):
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match="a warning"):
            assert peer.call(warn) == 3

@pytest.mark.filterwarnings("ignore")
def test_ignores(peer):
    assert peer.call(warn) == 3
"""


@pytest.mark.parametrize("option", ["-Xdev", "-bb", "-Werror"])
def test_filters_of_the_test_rule_warnings_of_peers_all_the_same(pytester, option):
    pytester.makepyfile(WARNED)
    words = [sys.executable, option, "-m", "pytest", "-p", "no:cacheprovider"]
    pytester.run(*words, timeout=LONGER).assert_outcomes(passed=3)
