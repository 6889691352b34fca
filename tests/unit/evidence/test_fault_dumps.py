"""Stacks that faulthandler wrote, made readable."""

from __future__ import annotations

from pytest_peer.evidence.fault_dumps import aborted, readable

OURS = ["/lib/agent/dispatch.py", "/lib/agent/reading.py"]
OURS += ["/lib/agent/points.py", "/lib/agent/point_code.py"]

USER_CALL = """\
Current thread 0x00007f14b9661b80 (most recent call first):
  File "/home/me/test_it.py", line 3 in hold
  File "/lib/agent/dispatch.py", line 98 in _run
  File "/lib/agent/dispatch.py", line 51 in main_loop
  File "<string>", line 1 in <module>
"""
C_CALL = """\
Thread 0x00007f14b9661b80 (most recent call first):
  File "/lib/agent/dispatch.py", line 98 in _run
  File "<string>", line 1 in <module>
"""
HELD_CALL = """\
Thread 0x00007f14b9661b80 (most recent call first):
  File "/lib/agent/points.py", line 142 in wait
  File "/lib/agent/point_code.py", line 93 in stop
  File "/lib/agent/point_code.py", line 4 in commit
  File "/home/me/test_it.py", line 3 in put
  File "/lib/agent/dispatch.py", line 98 in _run
  File "<string>", line 1 in <module>
"""
OWN_THREAD = """\
Thread 0x00007f14b77ff6c0 (most recent call first):
  File "/lib/agent/reading.py", line 115 in _stand_by
"""
USER_THREAD = """\
Thread 0x00007f14b77ff6c1 (most recent call first):
  File "/usr/lib/python3.13/threading.py", line 359 in wait
  File "/home/me/server.py", line 10 in serve
"""
NEW_THREAD = """\
Thread 0x00007f14b77ff6c2 (most recent call first):
  <no Python frame>
"""


def test_frames_below_a_call_are_left_out() -> None:
    assert readable(USER_CALL, OURS) == "\n".join(USER_CALL.splitlines()[:2])


def test_function_in_c_is_described() -> None:
    head, *rest = readable(C_CALL, OURS).splitlines()
    assert head == C_CALL.splitlines()[0]
    assert rest == ["  in a function written in C, called by a call"]


def test_held_call_is_said_to_be_held() -> None:
    head, *_, put, _, _ = HELD_CALL.splitlines()
    assert readable(HELD_CALL, OURS).splitlines() == [head, "  held at a point of commit", put]
    alone = HELD_CALL.replace(f"{put}\n", "")
    assert readable(alone, OURS).splitlines() == [head, "  held at a point of commit"]


def test_code_of_the_user_that_a_point_asks_is_shown() -> None:
    asked = '  File "/home/me/test_it.py", line 9 in __repr__\n'
    head, rest = HELD_CALL.split("\n", 1)
    text = readable(f"{head}\n{asked}{rest}", OURS)
    assert text.splitlines()[1] == asked.rstrip()
    assert "held" not in text


def test_thread_that_sends_an_answer_is_left_out() -> None:
    frame = '  File "/lib/agent/dispatch.py", line 141 in _reply'
    answering = C_CALL.replace("\n", f"\n{frame}\n", 1)
    assert readable(f"{answering}\n{USER_CALL}", OURS) == readable(USER_CALL, OURS)


def test_import_by_a_call_is_shown() -> None:
    importing = USER_CALL.replace(
        '  File "/lib/agent/dispatch.py", line 98',
        '  File "/lib/agent/reading.py", line 7 in loads\n  File "/lib/agent/dispatch.py", line 98',
    )
    assert readable(importing, OURS) == readable(USER_CALL, OURS)


def test_threads_of_ours_are_left_out() -> None:
    text = readable(f"{OWN_THREAD}\n{NEW_THREAD}\n{USER_CALL}", OURS)
    assert text == readable(USER_CALL, OURS)


def test_threads_of_the_users_stay_without_frames_of_threading() -> None:
    text = readable(f"{USER_THREAD}\n{USER_CALL}", OURS)
    head, _, frame = USER_THREAD.splitlines()
    assert text == f"{head}\n{frame}\n\n{readable(USER_CALL, OURS)}"


def test_module_of_that_name_of_the_users_stays() -> None:
    thread = USER_THREAD.replace("/usr/lib/python3.13/", "/home/me/server/")
    assert readable(thread, OURS) == thread.rstrip()


def test_thread_with_such_frames_only_is_described() -> None:
    head, frame, _ = USER_THREAD.splitlines()
    shown = readable(f"{head}\n{frame}\n\n{USER_CALL}", OURS)
    assert shown.startswith(f"{head}\n  in `threading`, or in a function written in C\n\n")


def test_what_is_around_the_threads_stays() -> None:
    text = readable(
        f"Fatal Python error: Bus error\n\n{USER_CALL}\nExtension modules: numpy (total: 1)\n", OURS
    )
    assert text.startswith("Fatal Python error: Bus error\n\nCurrent thread")
    assert text.endswith("line 3 in hold\n\nExtension modules: numpy (total: 1)")


def test_what_would_leave_nothing_is_left_as_it_is() -> None:
    assert readable(OWN_THREAD, OURS) == OWN_THREAD.strip()


def test_nothing_stays_nothing() -> None:
    assert readable("", OURS) == ""


def test_abort_is_found_at_the_end_of_the_output() -> None:
    output = f"banner\nFatal Python error: Aborted\n\n{USER_THREAD}"
    assert aborted(output) == f"Fatal Python error: Aborted\n\n{USER_THREAD}".strip()
    assert aborted("banner\n") == ""
