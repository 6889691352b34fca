"""`--peer-exec` given several times: the tests that use peers run once with each."""

from __future__ import annotations

import sys

import pytest
from pythons import NEWEST

#: What a test sees of the interpreter that its peers run on.
SOURCES = """
def source(peer):
    return peer.call(os.getenv, "FROM")

def note(*words):
    with open("notes", "a") as notes:
        print(*words, file=notes)
"""


def launcher(source: str) -> str:
    return f"env FROM={source} '{sys.executable}'"


def exec_options(*sources: str) -> list[str]:
    return [f"--peer-exec={launcher(source)}" for source in sources]


ONE_AND_TWO = exec_options("one", "two")


def notes(inner) -> list[str]:
    return sorted((inner.path / "notes").read_text().splitlines())


def ids(inner, *arguments: str) -> list[str]:
    """Those that pytest collects, in its order."""
    lines = inner.run("--collect-only", "-q", *arguments).stdout.lines
    return [line.partition("::")[2] for line in lines if "::" in line]


def test_every_test_with_a_peer_runs_once_with_each(inner):
    inner.write(
        SOURCES
        + """
def test_peer(peer): note("peer", source(peer))
def test_factory(peer_factory): note("factory", *map(source, peer_factory.many(2)))
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=4)
    assert notes(inner) == ["factory one one", "factory two two", "peer one", "peer two"]


def test_every_test_with_a_network_runs_once_with_each(inner):
    inner.write(
        SOURCES
        + """
def test_segments(peer_network):
    peers = peer_network(), peer_network.lan("eu")(), peer_network(exec=sys.executable)
    note("segments", *map(source, peers))

@pytest.mark.peer(exec=sys.executable)
def test_marked(peer_network): note("marked", source(peer_network()))
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=3)
    assert notes(inner) == ["marked None", "segments one one None", "segments two two None"]


@pytest.mark.parametrize(("first", "second"), [("3.8", NEWEST), ("3.12", "3.9")])
def test_interpreters_may_be_other_pythons(inner, requires_python, first, second):
    programs = [requires_python(first), requires_python(second)]
    inner.write(
        SOURCES
        + """
def test(peer): note(peer.call("platform:python_version"))
"""
    )
    inner.run(*(f"--peer-exec={each}" for each in programs)).assert_outcomes(passed=2)
    told = [note.rpartition(".")[0] for note in notes(inner)]
    assert sorted(told) == sorted([first, second])


def test_tests_without_peers_run_once(inner):
    inner.write("def test_without(tmp_path): pass\ndef test_with(peer): pass")
    assert ids(inner, *ONE_AND_TWO) == [
        "test_without",
        "test_with[env-FROM_one-python]",
        "test_with[env-FROM_two-python]",
    ]


def test_name_of_the_interpreter_comes_last_in_the_id(inner):
    inner.write(
        """
        @pytest.mark.parametrize("x", ["a", "b"])
        def test(x, peer): pass
        """
    )
    found = ids(inner, "--peer-exec=/old/python", "--peer-exec=/new/python")
    assert found == [
        "test[a-old-python]",
        "test[b-old-python]",
        "test[a-new-python]",
        "test[b-new-python]",
    ]


def test_one_interpreter_is_not_in_the_id(inner):
    inner.write("def test(peer): pass")
    assert ids(inner, exec_options("one")[0]) == ["test"]


def test_peers_of_a_fixture_count(inner):
    inner.write(
        SOURCES
        + """
@pytest.fixture
def server(peer_factory):
    return peer_factory()

@pytest.fixture(autouse=True)
def used(server):
    note(source(server))

def test(): pass
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=2)
    assert notes(inner) == ["one", "two"]


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_wider_factories_are_there_once_for_each(inner, scope):
    inner.write(
        SOURCES
        + f"""
@pytest.fixture(scope={scope!r})
def server({scope}_peer_factory):
    return {scope}_peer_factory()

class TestServer:
    def test_one(self, server): note(source(server), server.pid)
    def test_two(self, server): note(source(server), server.pid)
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=4)
    found = notes(inner)
    assert [note.split()[0] for note in found] == ["one", "one", "two", "two"]
    assert len(set(found)) == 2


# Who chooses an interpreter


@pytest.mark.parametrize("place", ["function", "class", "module"])
def test_marker_that_gives_exec_is_not_repeated(inner, place):
    words = launcher("marker").replace("'", "").split()
    mark = f"pytest.mark.peer(exec={words!r})"
    marks = {each: f"@{mark}" if each == place else "" for each in ("function", "class")}
    inner.write(
        SOURCES
        + f"""
{f"pytestmark = {mark}" if place == "module" else ""}
{marks["class"]}
class TestMarked:
    {marks["function"]}
    def test(self, peer): assert source(peer) == "marker"
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=1)


def test_exec_of_a_test_does_not_choose_for_a_wider_factory(inner):
    inner.write(
        SOURCES
        + f"""
@pytest.mark.peer(exec={sys.executable!r})
def test(peer, module_peer_factory): note(source(peer), source(module_peer_factory()))
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=2)
    assert notes(inner) == ["None one", "None two"]


def test_exec_of_a_class_chooses_for_its_factory(inner):
    inner.write(
        SOURCES
        + f"""
@pytest.mark.peer(exec={sys.executable!r})
class TestMarked:
    def test(self, class_peer_factory): assert source(class_peer_factory()) is None
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=1)


def test_argument_of_the_call_wins(inner):
    inner.write(
        SOURCES
        + f"""
def test(peer_factory): assert source(peer_factory(exec={sys.executable!r})) is None
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=2)


def test_in_peer_is_repeated(inner):
    inner.write(
        SOURCES
        + """
@pytest.mark.in_peer
@pytest.mark.parametrize("x", ["a", "b"])
def test(x): note(os.getenv("FROM"), x)
"""
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=4)
    assert notes(inner) == ["one a", "one b", "two a", "two b"]


@pytest.mark.parametrize("marker", ["in_peer", "peer"])
def test_in_peer_with_exec_is_not_repeated(inner, marker):
    inner.write(
        f"""
        @pytest.mark.in_peer
        @pytest.mark.{marker}(exec=sys.executable)
        def test(): assert "FROM" not in os.environ
        """
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=1)


def test_late_getfixturevalue_is_an_error_with_advice(inner):
    inner.write("def test(request): request.getfixturevalue('peer')")
    result = inner.run(*ONE_AND_TWO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *UsageError: --peer-exec names several*name the fixture in the signature*"]
    )


def test_late_getfixturevalue_may_start_a_peer_with_its_own_exec(inner):
    inner.write(
        """
        def test(request):
            request.getfixturevalue("peer_factory")(exec=sys.executable)
        """
    )
    inner.run(*ONE_AND_TWO).assert_outcomes(passed=1)


# Where they are given


def write_ini(inner, *programs: str) -> None:
    lines = "".join(f"\n    {each}" for each in programs)
    inner.pytester.makeini(f"[pytest]\npeer_exec ={lines}\n")


def test_ini_file_has_one_a_line(inner):
    write_ini(inner, "/a/python3.12", "", "nice -n 1 '/a b/python'")
    inner.write("def test(peer): pass")
    assert ids(inner) == ["test[python3.12]", "test[nice-n-1-python]"]


@pytest.mark.parametrize("section", ["tool.pytest.ini_options", "tool.pytest"])
@pytest.mark.skipif(pytest.version_tuple < (9,), reason="there is no section tool.pytest")
def test_pyproject_has_a_list(inner, section):
    inner.pytester.makepyprojecttoml(f'[{section}]\npeer_exec = ["one", "two"]')
    inner.write("def test(peer): pass")
    assert ids(inner) == ["test[one]", "test[two]"]


@pytest.mark.parametrize("given", [["three"], ["three", "four"]])
def test_command_line_takes_the_place_of_the_ini_file(inner, given):
    write_ini(inner, launcher("one"), launcher("two"))
    inner.write(SOURCES + "def test(peer): note(source(peer))")
    inner.run(*exec_options(*given)).assert_outcomes(passed=len(given))
    assert notes(inner) == sorted(given)


@pytest.mark.parametrize("where", ["--peer-exec", "ini option peer_exec"])
def test_same_one_twice_is_a_usage_error(inner, where):
    inner.write("def test(): pass")
    programs = ["nice python", "python", "nice  'python'"]
    arguments = [f"--peer-exec={each}" for each in programs]
    if where.startswith("ini"):
        arguments = []
        write_ini(inner, *programs)
    result = inner.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{where}: given more than once: *nice*"])


def test_bad_one_among_several_is_a_usage_error_that_names_it(inner):
    inner.write("def test(): pass")
    result = inner.run("--peer-exec=python", "--peer-exec='unbalanced")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--peer-exec: *'unbalanced*"])


# With other things


def test_workers_of_xdist_agree(inner):
    inner.write(
        SOURCES
        + """
@pytest.mark.parametrize("x", [1, 2])
def test(peer, x): note(source(peer), x)
"""
    )
    inner.run("-n", "2", *ONE_AND_TWO).assert_outcomes(passed=4)
    assert notes(inner) == ["one 1", "one 2", "two 1", "two 2"]


@pytest.mark.skipif(sys.platform != "linux", reason="there are fork servers on Linux only")
@pytest.mark.parametrize(("last", "servers"), [(sys.executable, 1), (launcher("two"), 0)])
def test_fork_server_starts_if_one_of_them_is_this_interpreter(inner, last, servers):
    inner.write(
        f"""
        import psutil

        def test_before():
            assert len(psutil.Process().children()) == {servers}

        def test_with(peer): pass
        """
    )
    result = inner.run_apart(*exec_options("one"), f"--peer-exec={last}")
    result.assert_outcomes(passed=3)
