"""While a prompt is there, no limit passes: of calls, boots, mailboxes, in the test and in peers."""

from __future__ import annotations

import pytest


def test_no_limit_passes_at_a_prompt(at_terminal, inner):
    run = at_terminal(
        """
    def test_it(peer_factory):
        stopped, other = peer_factory(), peer_factory(call_timeout=1)
        later = other.submit(time.sleep, 1.5)
        result = stopped.submit(work, 3)
        with pytest.raises(TimeoutError):
            peer_factory.mailbox("nothing").get(0.5)
        assert later.result(1) is None
        assert result.result() == 5
    """
    )
    run.prompt()
    assert run.answer("import time; time.sleep(2)") == ""
    run.child.sendline("c")
    assert "1 passed" in run.end()


#: A message comes, or a value is there, after the prompt only.
WAITS = """
    from pytest_peer import eventually, here

    def wait():
        return here.mailbox("late").get(1)

    def wait_in_child():
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(wait)

    def boot_slowly():
        time.sleep(1.5)

    def test_it(peer_factory):
        stopped, other = peer_factory(), peer_factory()
        other.call(int)
        {prepare}
        result = stopped.submit(work, 3)
        {wait}
        result.result()
    """


@pytest.mark.parametrize(
    ("prepare", "wait"),
    [
        ("got = other.submit(wait)", "result.result(); other.send('late', 5); got.result()"),
        (
            "got = other.submit(wait_in_child)",
            "result.result(); other.send('late', 5); got.result()",
        ),
        ("booting = peer_factory(wait_boot=False, setup=boot_slowly)", "booting.wait_boot(1)"),
        ("begun = time.time()", "eventually(result.done, timeout=1)"),
        (
            "block = other.hold_at('posixpath:join'); point = block.__enter__()",
            "result.add_done_callback(lambda _: other.submit('posixpath:join', 'a')); point.wait(1)",
        ),
    ],
    ids=["mailbox of a peer", "mailbox of its child", "boot", "eventually", "point"],
)
def test_waits_elsewhere_stand_still(at_terminal, prepare, wait):
    run = at_terminal("    import multiprocessing\n" + WAITS.format(prepare=prepare, wait=wait))
    run.prompt()
    assert run.answer("import time; time.sleep(2)") == ""
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_no_limit_passes_post_mortem(at_terminal):
    run = at_terminal(
        """
    from pytest_peer import here

    def wait():
        return here.mailbox("late").get(1)

    @pytest.fixture
    def other(peer_factory):
        other = peer_factory()
        got = other.submit(wait)
        yield
        other.send("late", 5)
        assert got.result() == 5

    def test_it(peer, other):
        peer.call(deep, 1)
    """,
        "--pdb",
    )
    run.prompt()
    assert run.answer("import time; time.sleep(2)") == ""
    run.child.sendline("c")
    assert "1 failed in" in run.end()
