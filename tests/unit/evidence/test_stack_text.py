"""What a text of stacks says is found in it."""

from __future__ import annotations

from pytest_peer.evidence.stack_text import merged, parts

LIB = "/usr/lib/python3.13"
WAITS = "Thread MainThread:\n  waits for a call"
POOL = f"""\
Thread worker_0 blocked on lock (most recent call last):
  File "{LIB}/concurrent/futures/thread.py", line 90, in _worker
    work_item = work_queue.get(block=True)"""
POOL_BY_SIGNAL = f"""\
Thread 0x00007f14b9661b80 (most recent call first):
  File "{LIB}/queue.py", line 180 in get
  File "{LIB}/multiprocessing/pool.py", line 114 in worker"""
WORKING = f"""\
{POOL}
  File "{LIB}/concurrent/futures/thread.py", line 58, in run
    result = self.fn(*self.args, **self.kwargs)
  File "/home/me/server.py", line 10, in serve
    queue.get()
  File "{LIB}/queue.py", line 180, in get
    self.not_empty.wait()"""


def thread(name: str, line: int = 3) -> str:
    return f'{name} (most recent call first):\n  File "/me/test_it.py", line {line} in hold'


def shown(text: str) -> list[bool]:
    return [not part.idle for part in parts(text)]


def test_thread_that_waits_for_work_idles() -> None:
    assert shown(f"{WAITS}\n\n{POOL}\n\n{POOL_BY_SIGNAL}") == [False, False, False]


def test_thread_that_works_does_not() -> None:
    assert shown(f"{WORKING}\n\n{thread('Thread a')}") == [True, True]


def test_text_that_is_no_stack_is_shown() -> None:
    assert shown("no stacks: it is stopped (SIGSTOP)") == [True]


def test_empty_text_has_no_parts() -> None:
    assert shown("") == []


def test_stack_in_c_is_left_out() -> None:
    of_c = "Current thread's C stack trace (most recent call first):\n  Binary file x, at a [0x1]"
    text = f"Fatal Python error: Aborted\n\n{thread('Current thread 0x1')}\n\n{of_c}\n\ncore: none"
    found = [part.text for part in parts(text)]
    assert found == ["Fatal Python error: Aborted", thread("Current thread 0x1"), "core: none"]


def sections(**texts: str) -> dict[tuple[str, ...], str]:
    return dict(merged({name: list(parts(text)) for name, text in texts.items()}))


def test_equal_stacks_of_peers_are_one_section() -> None:
    found = sections(a=thread("Thread 0x01"), b=thread("Thread 0x02"), c=thread("Thread 0x03", 4))
    assert found == {
        ("a", "b"): thread("Thread 0x01, Thread 0x02"),
        ("c",): thread("Thread 0x03", 4),
    }


def test_what_only_one_of_them_has_is_its_own_section() -> None:
    both, own = thread("Thread main"), thread("Thread other", 4)
    found = sections(a=f"{both}\n\n{own}", b=both)
    assert found == {("a", "b"): both, ("a",): own}


def test_many_equal_threads_are_counted() -> None:
    text = "\n\n".join(thread(f"Thread {number}") for number in range(5))
    assert sections(a=text) == {("a",): thread("Thread 0, Thread 1, Thread 2 and 2 more")}
