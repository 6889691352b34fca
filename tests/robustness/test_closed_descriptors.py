"""Code under test closes descriptors of its own process, the origin, that are not its own."""

from __future__ import annotations

import pytest

SILENT = "threading.excepthook = lambda args: None  # it tells of each"


def test_a_peer_whose_descriptors_were_closed_in_the_origin_is_stopped_all_the_same(run):
    said = run(
        SILENT,
        """
        start()  # and with it what is there for all peers
        index = 0
        while True:
            before = descriptors()
            peer = start()
            own = sorted(descriptors() - before)
            if index == len(own):
                break
            os.close(own[index])
            begun = time.monotonic()
            failed = told(peer.stop)
            print(failed, peer.state, time.monotonic() - begun < 15, flush=True)
            index += 1
    """,
    )
    assert len(said) >= 5
    assert set(said) == {"None down True"}


CALLS = {
    "before": """
        def outcome():
            os.close(own)
            return told(peer.call_within, 20, int)
    """,
    "before, from a thread": """
        def outcome():
            os.close(own)
            said = []
            thread = threading.Thread(target=lambda: said.append(told(peer.call_within, 20, int)))
            thread.start()
            thread.join()
            return said[0]
    """,
    "before, and nobody waits": """
        def outcome():
            os.close(own)
            try: future = peer.submit(int)
            except pytest_peer.PeerDown as exc: return repr(exc)
            while not future.done(): time.sleep(0.01)
            return told(future.result)
    """,
    "while it waits": """
        def answer_later():
            print("waiting", flush=True)
            time.sleep(0.5)
            return 0
        def outcome():
            threading.Timer(0.1, os.close, [own]).start()
            return told(peer.call_within, 20, answer_later)
    """,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_has_its_answer_or_is_told_of_the_end_when_the_origin_closes_a_descriptor(run, call):
    said = run(
        SILENT,
        "start()  # and with it what is there for all peers",
        call,
        """
        index = 0
        while True:
            before = descriptors()
            peer = start()
            owned = sorted(descriptors() - before)
            if index == len(owned):
                break
            own = owned[index]
            answer = outcome()
            print(str(answer).partition("(")[0], flush=True)
            told(peer.stop)
            index += 1
        """,
    )
    assert len(said) >= 5
    assert set(said) == {"0", "PeerDown"}


# All at once

CLOSED = """
    peers = [start(start_method=method) for method in ("forkserver", "spawn")]
    waiting = peers[0].submit(time.sleep, 60)
    os.closerange(3, 256)
"""


def test_all_peers_are_told_down_when_the_origin_has_closed_all_descriptors(run):
    said = run(
        CLOSED,
        """
        begun = time.monotonic()
        print(told(waiting.result, 20), told(peers[1].call_within, 20, int))
        for peer in peers:
            print(peer.down_reason, told(peer.stop))
        print(time.monotonic() - begun < 15)
    """,
    )
    assert said[0].count("PeerDown(") == 2
    why = "link lost: something in the process that started it has closed its descriptors"
    assert said[1:] == [f"{why} None"] * 2 + ["True"]


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize("first", ["start", "stop"])
def test_new_peers_live_when_the_origin_has_closed_all_descriptors_of_others(
    run, start_method, first
):
    said = run(
        CLOSED,
        f"new = lambda: start(start_method={start_method!r})",
        "stop = lambda: [told(peer.stop) for peer in peers]",
        {"start": "peer = new(); stop()", "stop": "stop(); peer = new()"}[first],
        "print(told(peer.call_within, 20, int), told(peer.stop))",
        "print(told(peer.wait_down, 20))",
    )
    assert said == ["0 None", "stopped (exited with status 0)"]


def test_files_that_were_opened_since_are_not_closed_with_the_peers_that_lost_theirs(run):
    said = run(
        CLOSED,
        """
        told(waiting.result, 20)
        opened = [os.open(__file__, os.O_RDONLY) for _ in range(50)]
        for peer in peers:
            told(peer.stop)
        print({os.fstat(fd).st_ino for fd in opened} == {os.stat(__file__).st_ino})
    """,
    )
    assert said == ["True"]
