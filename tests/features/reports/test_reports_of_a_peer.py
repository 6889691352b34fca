"""Reports show what only the peer has: its source, its locals, values that cannot travel."""

from __future__ import annotations

import zipfile

import pytest

NAMED = '@pytest.mark.peer(name="db")\n'

THERE_ONLY = """\
class Store:
    def open(self, path):
        # of no use
        names = [path]
        raise OSError(
            f"no {names}",
        )


def run():
    Store().open("disk")
"""

CALLING = (
    """
def found():
    sys.path.insert(0, "there.zip")
    import remote_store
    remote_store.run()

"""
    + NAMED
    + """def test_it(peer):
    peer.call(found)
"""
)


@pytest.fixture
def there_only(inner):
    """A module that only the peer imports, from where no file is."""
    with zipfile.ZipFile(inner.path / "there.zip", "w") as archive:
        archive.writestr("remote_store.py", THERE_ONLY)
    inner.write(CALLING)
    return inner


def test_source_that_only_the_peer_has_long(there_only):
    there_only.run("--tb=long").stdout.fnmatch_lines(
        [
            "    def run():",
            ">       Store().open('disk')".replace("'", '"'),
            "",
            "*there.zip/remote_store.py:11: ",
            "_ _*",
            "",
            "    def open(self, path):",
            "        # of no use",
            "        names = [[]path]",
            ">       raise OSError(",
            '            f"no {names}",',
            "        )",
            "E       OSError: no [[]'disk']",
            "E       raised in peer 'db' (pid *)",
            "",
            "*there.zip/remote_store.py:5: OSError",
        ],
        consecutive=True,
    )


def test_source_that_only_the_peer_has_short(there_only):
    there_only.run("--tb=short").stdout.fnmatch_lines(
        [
            "test_inner.py:8: in found",
            "    remote_store.run()",
            "*there.zip/remote_store.py:11: in run",
            '    Store().open("disk")',
            "*there.zip/remote_store.py:5: in open",
            "    raise OSError(",
            "E   OSError: no [[]'disk']",
            "E   raised in peer 'db' (pid *)",
        ],
        consecutive=True,
    )


def test_source_that_only_the_peer_has_native(there_only):
    there_only.run("--tb=native").stdout.fnmatch_lines(
        [
            '  File "*there.zip/remote_store.py", line 11, in run',
            '    Store().open("disk")',
            '  File "*there.zip/remote_store.py", line 5, in open',
            "    raise OSError(",
            "OSError: no [[]'disk']",
            "raised in peer 'db' (pid *)",
        ]  # newer Pythons show more between these
    )


def test_source_of_a_name_that_is_something_else_here(inner):
    inner.write(
        """
        import linecache

        def make(text):
            linecache.cache["<made>"] = len(text), None, text.splitlines(True), "<made>"
            namespace = {}
            exec(compile(text, "<made>", "exec"), namespace)
            return namespace["run"]

        def run_there():
            make("def run():\\n    raise ValueError('there')\\n")()

        @pytest.mark.peer(name="db")
        def test_it(peer):
            here = make("def run():\\n    raise KeyError('here')\\n")
            try:
                peer.call(run_there)
            finally:
                here()
        """
    )
    result = inner.run("--tb=short")
    result.stdout.fnmatch_lines(
        [
            "<made> (peer 'db' (pid *)):2: in run",
            "    raise ValueError('there')",
            "E   ValueError: there",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(
        ["<made>:2: in run", "    raise KeyError('here')"], consecutive=True
    )


def test_locals_of_the_peer_s_frames(inner):
    inner.write(
        """
        class Speechless:
            def __repr__(self):
                raise RuntimeError("no words")

        def explode(number, *rest):
            thing = Speechless()
            text = "x" * 1000
            raise ValueError("boom")

        def test_it(peer):
            peer.call(explode, 42, "more")
        """
    )
    result = inner.run("--tb=short", "--showlocals")
    result.stdout.fnmatch_lines(
        [
            "E   ValueError: boom",
            "E   raised in *",
            "        number     = 42",
            "        rest       = ('more',)",
            "        text       = 'xxx*x...x*xxx'",
            "        thing      = <[[]RuntimeError('no words') raised in repr()[]] Speechless object at 0x*>",
        ],
        consecutive=True,
    )
    assert len(max(result.outlines, key=len)) < 300
    assert f"'{'x' * 1000}'" in inner.run("--tb=short", "-l", "-vv").stdout.str()
    assert "number     = 42" not in inner.run("--tb=short").stdout.str()


def test_no_repr_is_made_that_is_not_shown(inner):
    inner.write(
        """
        class Counted:
            def __repr__(self):
                print("looked at")
                return "counted"

        def explode():
            thing = Counted()
            raise ValueError("boom")

        def test_it(peer):
            with pytest.raises(ValueError):
                peer.call(explode)
            assert peer.stdout.text == ""
        """
    )
    inner.run().assert_outcomes(passed=1)


def test_exception_with_an_argument_that_cannot_travel(inner):
    inner.write(
        """
        def explode():
            raise ValueError(threading.Lock())

        @pytest.mark.peer(name="db")
        def test_it(peer):
            peer.call(explode)
        """
    )
    inner.run("--tb=short").stdout.fnmatch_lines(
        [
            "test_inner.py:10: in test_it",
            "    peer.call(explode)",
            "test_inner.py:6: in explode",
            "    raise ValueError(threading.Lock())",
            "E   ValueError: <unlocked _thread.lock object at 0x*>",
            "E   could not travel: args[[]0]; there it was ValueError(<unlocked _thread.lock object at 0x*>)",
            "E   raised in peer 'db' (pid *)",
        ],
        consecutive=True,
    )
