"""The report of a failing test shows what its peers have printed."""

from __future__ import annotations

import re

import pytest

NAMED = '@pytest.mark.peer(name="db")\n'


def lines_with(result: pytest.RunResult, text: str) -> list[int]:
    return [number for number, line in enumerate(result.outlines) if text in line]


TALKATIVE = (
    """
def talk(word="said"):
    print(word, "out")
    print(word, "err", file=sys.stderr)

"""
    + NAMED
    + """def test_it(peer):
    peer.call(talk)
    assert False
"""
)


def test_output_has_a_section_for_each_stream(inner):
    inner.write(TALKATIVE)
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- Captured stdout [[]db] call -*", "said out"])
    result.stdout.fnmatch_lines(["*- Captured stderr [[]db] call -*", "said err"])


def test_peer_that_said_nothing_has_no_section(inner):
    inner.write(NAMED + "def test_it(peer): assert False")
    result = inner.run()
    result.stdout.no_fnmatch_line("*Captured std*db*")


def test_passing_test_shows_nothing(inner):
    inner.write(TALKATIVE.replace("assert False", "pass"))
    result = inner.run()
    result.assert_outcomes(passed=1)
    assert "said" not in result.stdout.str()


def test_output_of_a_passing_test_can_be_asked_for(inner):
    inner.write(TALKATIVE.replace("assert False", "pass"))
    inner.run("-rP").stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "said out"])


@pytest.mark.parametrize(("what", "shown"), [("no", []), ("stdout", ["out"]), ("stderr", ["err"])])
def test_show_capture_chooses(inner, what, shown):
    inner.write(TALKATIVE)
    result = inner.run(f"--show-capture={what}")
    result.assert_outcomes(failed=1)
    assert [stream for stream in ("out", "err") if f"said {stream}" in result.outlines] == shown


def test_output_of_every_peer_has_its_own_section(inner):
    inner.write(
        """
        def test_it(peer_factory):
            group = peer_factory.many(2, name="rank")
            group.map(print, ["from zero", "from one"])
            assert False
        """
    )
    result = inner.run()
    for name, text in (("rank-0", "from zero"), ("rank-1", "from one")):
        result.stdout.fnmatch_lines([f"*Captured stdout [[]{name}] call*", text])


def test_output_in_the_setup_has_a_section_of_the_setup(inner):
    inner.write(
        """
        @pytest.fixture
        def server(peer):
            peer.call(print, "from setup")

        @pytest.mark.peer(name="db")
        def test_it(server, peer):
            peer.call(print, "from call")
            assert False
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] setup*", "from setup"])
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "from call"])
    assert len(lines_with(result, "from setup")) == 1


def test_output_of_a_peer_that_crashed_is_shown(inner):
    inner.write(
        """
        def crash():
            print("last word")
            os.kill(os.getpid(), signal.SIGKILL)

        @pytest.mark.peer(name="db", peer_down="continue")
        def test_it(peer):
            peer.call(crash)
        """
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["E*PeerDown*SIGKILL*"])
    result.stdout.fnmatch_lines(["*Captured stdout [[]db] call*", "last word"])


def test_output_of_a_boot_that_failed_is_in_the_error(inner):
    inner.write(
        """
        @pytest.mark.peer(exec=["/bin/sh", "-c", "echo sorry; exit 3"])
        def test_it(peer): pass
        """
    )
    result = inner.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E*BootError*", "E*command line: *", "E*exit status: 3", "E*sorry"]
    )


def test_wider_scoped_peer_shows_the_output_of_this_test_only(inner):
    inner.write(
        """
        @pytest.fixture(scope="module")
        def shared(module_peer_factory):
            return module_peer_factory(name="db")

        def test_one(shared):
            shared.call(print, "from one")

        def test_two(shared):
            shared.call(print, "from two")
            assert False

        def test_three(shared):
            shared.call(print, "from three")
            assert False
        """
    )
    result = inner.run()
    result.assert_outcomes(passed=1, failed=2)
    assert not lines_with(result, "from one")
    two, three = lines_with(result, "from two"), lines_with(result, "from three")
    headings = lines_with(result, "_ test_three _")
    assert len([line for line in two if result.outlines[line] == "from two"]) == 1
    assert two[-1] < headings[0] < three[0]


def test_output_that_is_not_text_is_shown_escaped(inner):
    inner.write(
        NAMED
        + """
def test_it(peer):
    peer.call(os.write, 1, b"caf\\xe9 \\xc3\\xa9\\n")
    assert False
"""
    )
    inner.run().stdout.fnmatch_lines(["*Captured stdout [[]db] call*", r"caf\xe9 é"])


def test_report_names_the_artifacts_of_the_peers(inner):
    inner.write(NAMED + "def test_it(peer): assert False")
    assert re.search(r"/peers/db\b", inner.run().stdout.str())


def test_every_life_of_a_peer_has_its_sections_and_its_state(inner):
    inner.write(
        NAMED
        + """
def test_it(peer):
    peer.call(print, "the first")
    peer.restart().call(print, "the second")
    assert False
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(
        [
            "*- Captured stdout [[]db] (life 1 of 2) call -*",
            "the first",
            "*- Captured stdout [[]db] (life 2 of 2) call -*",
            "the second",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "<Peer db pid *: stopped * after *>",
            "*peers/db",
            "<Peer db pid *: running>",
            "*peers/db.2",
        ],
        consecutive=True,
    )
