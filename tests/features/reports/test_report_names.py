"""Titles of sections have short names for peers that were given none."""

from __future__ import annotations


def test_title_has_a_default_name_without_module_and_process(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer = peer_factory()
            peer.call(print, "hello")
            assert False, peer.name.split("-")[2]
        """
    )
    result = inner.run()
    result.stdout.re_match_lines([r"-+ Captured stdout \[test_it-\d+\] call -+"])
    result.stdout.re_match_lines([r"<Peer test_it-\d+ pid \d+: running>"])
    result.stdout.fnmatch_lines(["    */peers/test_inner-test_it-*-*"])


def test_name_of_the_users_is_never_shortened(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer_factory(name="test_inner-db-1").call(print, "hello")
            assert False
        """
    )
    inner.run().stdout.fnmatch_lines(["*Captured stdout [[]test_inner-db-1] call*"])


def test_name_that_another_has_stays_whole(inner):
    inner.write(
        """
        def test_it(peer_factory):
            peer = peer_factory()
            number = peer.name.split("-")[2]
            for each in peer, peer_factory(name=f"test_it-{number}"):
                each.call(print, "hello")
            assert False
        """
    )
    result = inner.run()
    result.stdout.re_match_lines(
        [
            r"-+ Captured stdout \[test_inner-test_it-\d+-\d+\] call -+",
            "hello",
            r"-+ Captured stdout \[test_it-\d+\] call -+",
        ]
    )
