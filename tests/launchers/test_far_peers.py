"""Features of every peer, behind each launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from manifests import manifest

import pytest_peer
from pytest_peer import here

#: More than pipes, sockets and windows hold.
BIG = 20_000_000


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused("not over there")


def shout(word: str) -> str:
    print(word)
    print(word, file=sys.stderr)
    return word.upper()


def last_output() -> None:
    os.write(1, b"out" * 10_000)
    os.write(2, b"my last words\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def flood(size: int) -> None:
    block = b"x" * 99 + b"\n"
    while size > 0:
        size -= os.write(1, block * 1000)


def has_a_child() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def test_orphan_is_not_a_child_of_the_peer(shared_far):
    shared_far.call(subprocess.call, ["/bin/sh", "-c", "true &"])
    assert not shared_far.call(has_a_child)


def test_peer_knows_its_own_pid(shared_far):
    assert shared_far.call(os.getpid) == shared_far.pid


def test_exception_arrives_as_itself(shared_far):
    with pytest.raises(Refused, match="not over there"):
        shared_far.call(refuse)


def test_printed_is_there_when_the_call_returns(shared_far):
    for number in range(20):
        word = f"word {number}"
        assert shared_far.call(shout, word) == word.upper()
        assert shared_far.stdout.text.endswith(f"{word}\n")
        assert shared_far.stderr.text.endswith(f"{word}\n")


def test_stdin_reaches_the_peer_and_ends(far):
    far.stdin.write("one\ntwo\n")
    assert far.call(input) == "one"
    far.stdin.close()
    assert far.call("sys:stdin.read") == "two\n"


def test_stdin_that_is_not_read_blocks_no_call(far):
    far.stdin.write("x" * 1_000_000)
    assert far.call(os.getpid) == far.pid
    assert far.call("sys:stdin.read", 1_000_000) == "x" * 1_000_000


def test_big_data_both_ways(shared_far):
    data = os.urandom(1000) * (BIG // 1000)
    assert shared_far.call(bytes.upper, data) == data.upper()


def test_flood_of_output_is_complete_and_keeps_no_call_waiting(far):
    flooding = far.submit(flood, BIG)
    assert far.call(os.getpid) == far.pid
    flooding.result(60)
    assert far.stdout.text.count("x" * 99 + "\n") == BIG // 100


def test_variable_can_be_removed(way, started):
    assert started(way, env={"PATH": None}).call(os.getenv, "PATH") is None


def test_options_reach_the_interpreter(way, started):
    variables = {"COLOUR": "red 'or' \"blue\" $HOME\n", "PYTHONHASHSEED": "7"}
    far = started(way, env=variables, args=["-X", "of=a b'c", "-O"], cwd="/proc")
    assert far.call(os.getenv, "COLOUR") == variables["COLOUR"]
    assert far.call("sys:flags.__getattribute__", "hash_randomization") == 1
    assert far.call("sys:_xoptions.get", "of") == "a b'c"
    assert far.call(os.getcwd) == "/proc" == manifest(far)["cwd"]


def test_isolated_interpreter_without_site(way, started):
    assert started(way, args=["-I", "-S"]).call(os.getpid)


def test_manifest_names_the_command_and_both_processes(way, shared_far):
    told = manifest(shared_far)
    argv = [word for word in told["argv"] if not word.startswith("--cidfile")]
    assert argv[: len(way.before)] == list(way.before) or way.before[0].endswith("ssh")
    assert told["pid"] == shared_far.pid
    assert os.path.exists(f"/proc/{told['launcher_pid']}")


def test_dump_stacks_returns_the_stacks(shared_far):
    assert "thread" in shared_far.dump_stacks().lower()


# Ends


def test_exit_status_arrives(far):
    far.cast(os._exit, 7)
    assert far.wait_down(20).exit_status == 7


def test_last_output_and_signal_arrive(far):
    with pytest.raises(pytest_peer.PeerDown, match="SIGSEGV"):
        far.call(last_output)
    assert far.down_reason.signal is signal.SIGSEGV
    assert "out" * 10_000 in far.stdout.text
    assert "my last words\n" in far.stderr.text


def test_crash_shows_the_stack(far):
    with pytest.raises(pytest_peer.PeerDown, match="in last_output"):
        far.call(last_output)


@pytest.mark.parametrize("shutdown", ["halt", None, 10])
def test_stopped_peer_ends_in_order_with_its_launcher(way, started, trace, shutdown):
    far = started(way, shutdown=shutdown)
    launcher = manifest(far)["launcher_pid"]
    far.stop()
    assert far.down_reason.kind == "stopped"
    assert far.down_reason.exit_status == 0
    trace.assert_gone(way.patience)
    assert not os.path.exists(f"/proc/{launcher}")


def test_peer_notices_that_its_link_was_closed(way, started, trace):
    started(way, shutdown="close").stop()
    trace.assert_gone(way.patience)


# Faults


def test_killed_peer_is_gone_when_kill_returns(far, trace):
    far.kill()
    assert far.down_reason.kind == "stopped" or far.down_reason.signal is signal.SIGKILL
    trace.assert_gone(0.5)


def test_signal_reaches_the_peer(far):
    far.kill(signal.SIGTERM)
    assert far.wait_down(20).signal is signal.SIGTERM


def test_paused_peer_does_not_answer_and_goes_on(shared_far):
    shared_far.pause()
    with pytest.raises(pytest_peer.CallTimeout):
        shared_far.call_within(0.1, os.getpid)
    answer = shared_far.submit(os.getpid)
    shared_far.resume()
    assert answer.result(20) == shared_far.pid


def fork_and_answer() -> int:
    if (child := os.fork()) == 0:
        here.origin.send("answers", (here.name, here.mailbox("questions").get(20)))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_child_of_a_far_peer_takes_and_sends(shared_far, module_peer_factory):
    shared_far.send("questions", BIG * "x")
    assert shared_far.call(fork_and_answer) == 0
    answer = module_peer_factory.mailbox("answers").get(20)
    assert answer == (shared_far.name, BIG * "x")


def test_peer_that_was_sent_more_than_it_can_take_goes_on(shared_far):
    shared_far.pause()
    sent = shared_far.submit(len, bytes(BIG))
    shared_far.resume()
    assert sent.result(40) == BIG


def test_restarted_peer_is_another_process(far, trace):
    before = trace.pids()
    far.restart()
    assert far.call(os.getpid) == far.pid
    assert not set(before) & set(trace.pids())
