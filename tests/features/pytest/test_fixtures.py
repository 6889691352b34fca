"""`peer`, `peer_factory` and its wider scopes."""

from __future__ import annotations

import os
import re

import pytest

from pytest_peer import PeerGroup, here

# peer, peer_factory


def test_peer_is_another_process(peer):
    assert peer.call(os.getpid) == peer.pid != os.getpid()


def test_peer_is_the_same_all_over_the_test(peer, request):
    assert request.getfixturevalue("peer") is peer


def test_factory_starts_as_many_as_it_is_asked_for(peer_factory):
    one, other = peer_factory(), peer_factory()
    assert one.call(os.getpid) != other.call(os.getpid)


def test_factory_takes_options(peer_factory):
    assert peer_factory(env={"A": "1"}).call(os.getenv, "A") == "1"


@pytest.mark.parametrize("how", ["factory", "many"])
def test_factory_refuses_an_unknown_option(peer_factory, how):
    start = peer_factory if how == "factory" else lambda **options: peer_factory.many(1, **options)
    with pytest.raises(TypeError, match="colour"):
        start(colour="red")


@pytest.mark.parametrize("link", [None, 1, "yes"])
def test_factory_refuses_a_link_that_is_no_bool(peer_factory, link):
    with pytest.raises(TypeError, match="link"):
        peer_factory(link=link)


def test_many_is_a_group_in_order(peer_factory):
    group = peer_factory.many(3)
    assert isinstance(group, PeerGroup)
    assert group.call(os.getpid) == [peer.pid for peer in group]


@pytest.mark.parametrize(
    ("count", "error"), [(-1, ValueError), ("3", TypeError), (True, TypeError)]
)
def test_many_refuses_a_number_that_is_none(peer_factory, count, error):
    with pytest.raises(error, match="many"):
        peer_factory.many(count)


# Names


def test_name_has_the_test_in_it(peer):
    assert re.fullmatch(rf"test_fixtures-test_name_has_the_test_in_it-\d+-{os.getpid()}", peer.name)


def test_factory_makes_a_fresh_name_each_time(peer_factory):
    assert peer_factory.name("db") != peer_factory.name("db")
    assert re.fullmatch(rf"test_fixtures-db-\d+-{os.getpid()}", peer_factory.name("db"))


@pytest.mark.parametrize("awkward", ["a/b c[ü]" * 20])
def test_name_of_a_test_with_an_awkward_id_is_a_name(peer, awkward):
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", peer.name)


def test_name_may_be_used_again(peer_factory):
    name = peer_factory.name("db")
    peer_factory(name=name).stop()
    assert peer_factory(name=name, args=["-O"]).name == name


def test_many_number_the_name_that_is_given(peer_factory):
    group = peer_factory.many(3, name="rank")
    assert [peer.name for peer in group] == ["rank-0", "rank-1", "rank-2"]


def test_explicit_name_that_is_too_long_is_a_value_error(peer_factory):
    with pytest.raises(ValueError, match="name"):
        peer_factory(name="x" * 64)


# Mailboxes


def send_to_origin(message: str) -> None:
    here.origin.send("box", message)


def test_mailbox_gets_what_the_peers_of_this_factory_send(peer_factory):
    peer_factory().call(send_to_origin, "hello")
    assert peer_factory.mailbox("box").get(timeout=5) == "hello"


def test_mailbox_is_not_that_of_another_factory(peer_factory, class_peer_factory):
    peer_factory().call(send_to_origin, "hello")
    assert peer_factory.mailbox("box").get(timeout=5) == "hello"
    with pytest.raises(TimeoutError):
        class_peer_factory.mailbox("box").get(timeout=0)


# When they end


def test_peers_end_with_their_test(inner):
    inner.write(
        """
        from processes import is_running
        kept = []

        def test_one(peer, peer_factory):
            kept.extend([peer, peer_factory(), *peer_factory.many(2)])
            note(*kept)

        def test_two():
            assert [peer.state for peer in kept] == ["down"] * 4
            assert not any(is_running(int(pid)) for pid in open("pids").read().split())
        """
    )
    inner.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("start", ["factory()", "factory.many(2)", "peer.restart()"])
def test_no_peer_starts_after_the_end_of_its_scope(inner, start):
    inner.write(
        f"""
        kept = []

        def test_one(peer, peer_factory):
            kept.extend((peer, peer_factory))

        def test_two():
            peer, factory = kept
            with pytest.raises(RuntimeError, match="after the end of its scope"):
                {start}
            assert peer.state == "down"
        """
    )
    inner.run().assert_outcomes(passed=2)


def test_peers_of_a_class_end_with_it(inner):
    inner.write(
        """
        kept = []

        class TestOne:
            @pytest.fixture(scope="class")
            def shared(self, class_peer_factory):
                kept.append(class_peer_factory())
                return kept[-1]

            def test_one(self, shared): assert shared.call(os.getpid) == shared.pid
            def test_two(self, shared): assert shared.call(os.getpid) == kept[0].pid

        class TestTwo:
            def test_three(self): assert kept[0].state == "down"
        """
    )
    inner.run().assert_outcomes(passed=3)


def test_peers_of_a_module_end_with_it(inner):
    inner.write(
        """
        kept = []

        @pytest.fixture(scope="module")
        def shared(module_peer_factory):
            kept.append(module_peer_factory())
            return kept[-1]

        class TestOne:
            def test_one(self, shared): assert shared.call(os.getpid) == shared.pid

        def test_two(shared): assert shared.call(os.getpid) == kept[0].pid
        """,
        "test_a.py",
    )
    inner.write(
        "import test_a\ndef test_three(): assert test_a.kept[0].state == 'down'", "test_b.py"
    )
    inner.run().assert_outcomes(passed=3)


def test_peers_of_a_package_end_with_it(inner):
    inner.write("", "package/__init__.py")
    inner.write(
        """
        kept = []

        @pytest.fixture(scope="package")
        def shared(package_peer_factory):
            kept.append(package_peer_factory())
            return kept[-1]
        """,
        "package/conftest.py",
    )
    inner.write("def test_one(shared): assert shared.call(os.getpid)", "package/test_a.py")
    inner.write("def test_two(shared): assert shared.call(os.getpid)", "package/test_b.py")
    inner.write(
        """
        def test_three():
            (shared,) = sys.modules["package.conftest"].kept
            assert shared.state == "down"
        """,
        "test_c.py",
    )
    inner.run("package", "test_c.py").assert_outcomes(passed=3)


def test_peers_of_the_session_live_to_its_end(inner):
    inner.write(
        """
        @pytest.fixture(scope="session")
        def shared(session_peer_factory):
            return session_peer_factory()
        """,
        "conftest.py",
    )
    for module in "ab":
        inner.write(
            "def test(shared):\n    note(shared)\n    assert shared.call(os.getpid) == shared.pid",
            f"test_{module}.py",
        )
    inner.run().assert_outcomes(passed=2)
    assert len(set(inner.pids()[::2])) == 1
    inner.assert_nothing_left(within=0)


def test_peer_that_is_not_linked_lives_to_the_end_of_the_session(inner):
    inner.write(
        """
        kept = []

        def test_one(peer_factory):
            kept.append(peer_factory(link=False))
            note(*kept)

        def test_two():
            assert kept[0].call(os.getpid) == kept[0].pid
        """
    )
    inner.run().assert_outcomes(passed=2)
    inner.assert_nothing_left(within=0)
