"""The terminal is left as it was, whatever ends a session, and Ctrl-C ends no run at a prompt."""

from __future__ import annotations

import os
import signal

import pytest
from at_a_terminal import AROUND, PROMPT

TEST = """
    def long():
        breakpoint()
        for _ in range(300):
            time.sleep(0.01)

    def test_it(peer):
        with open("pid", "w") as file:
            print(os.getpid(), file=file)
        peer.call(long)
"""


@pytest.fixture
def run(at_terminal):
    run = at_terminal(TEST, shell=AROUND)
    run.prompt()
    return run


@pytest.fixture
def check(run, inner):
    """A function that checks, after the end, that the terminal is as it was."""

    def check() -> str:
        return run.left(inner.path)

    return check


@pytest.mark.parametrize("line", ["c", "q"])
def test_by_commands(run, check, line):
    run.child.sendline(line)
    check()


def test_by_the_end_of_file(run, check):
    run.child.sendeof()
    assert "BdbQuit" in check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_by_a_signal(run, check, inner, number):
    os.kill(int((inner.path / "pid").read_text()), number)
    check()


def test_by_the_death_of_the_peer(run, check):
    run.child.sendline("import os; os.kill(os.getpid(), 9)")
    assert "SIGKILL" in check()


def test_interrupts_at_a_prompt_ask_again(run, check):
    for _ in range(3):
        run.child.send("garbage")
        run.child.sendintr()
        run.child.expect(PROMPT)
    assert run.answer("p 1 + 1") == "2"
    run.child.sendline("c")
    assert "1 passed" in check()


def test_an_interrupt_ends_what_a_command_does(run, check):
    run.child.sendline("import time; print('begun'); time.sleep(50)")
    run.child.expect("begun\r\n")
    run.child.sendintr()
    run.child.expect(PROMPT)
    assert "KeyboardInterrupt" in run.child.before
    run.child.sendline("c")
    assert "1 passed" in check()


def test_an_interrupt_behind_continue_ends_the_run(run, check):
    run.child.sendline("c")
    run.child.expect("PDB continue")
    run.child.sendintr()
    assert "KeyboardInterrupt" in check()
