"""Looks at a thread decide whether it waits, polls or runs."""

from __future__ import annotations

from pytest_peer.core.patience import Patience
from pytest_peer.core.syscalls import Wait
from pytest_peer.core.threads import Sight


def seen(times: int, nanoseconds: int = 0, state: str = "S") -> Sight:
    """A thread that has run so many times, and for so long."""
    return Sight(state, f"{nanoseconds} 0 {times}", "230 0x0")


def test_wait_without_a_limit_is_known_at_once() -> None:
    assert Patience().decided(0.0, seen(1), Wait("flock /x")) == "flock /x"


def test_thread_that_runs_waits_for_nothing() -> None:
    assert Patience().decided(0.0, seen(1, state="R"), Wait("flock /x")) == ""
    assert Patience().decided(0.0, seen(1), None) == ""


def test_long_sleep_is_known_at_once_and_a_short_one_never() -> None:
    assert Patience().decided(0.0, seen(1), Wait("sleep", limit=5.0)) == "sleep"
    looks = Patience()
    assert [looks.decided(i, seen(1), Wait("sleep", limit=0.05)) for i in range(3)] == [""] * 3


def test_short_sleeps_of_a_thread_that_rarely_runs_are_polling() -> None:
    looks = Patience()
    every = [
        looks.decided(i * 0.05, seen(i, i * 1000), Wait("sleep", limit=0.05)) for i in range(4)
    ]
    assert every == ["", "", "", "polling"]


def test_thread_that_works_between_short_sleeps_runs() -> None:
    looks = Patience()
    for turn in range(20):
        ran = turn * 40_000_000
        assert looks.decided(turn * 0.05, seen(turn, ran), Wait("sleep", limit=0.01)) == ""


def test_limit_that_is_not_known_takes_longer() -> None:
    looks = Patience()
    wait = Wait("sleep", limit=float("nan"))
    assert [looks.decided(at, seen(1), wait) for at in (0.0, 0.1, 0.2)] == ["", "", "sleep"]


def test_lock_that_others_may_release_takes_longer() -> None:
    looks, nan = Patience(), float("nan")
    assert [beside(looks, at, {7: nan}) for at in (0.0, 0.01, 0.05)] == ["", "", "lock"]


def test_lock_is_left_while_another_thread_gets_no_processor() -> None:
    looks = Patience()
    assert [beside(looks, at, {7: 0.5, 8: at}) for at in (0.0, 0.1, 10.0)] == ["", "", ""]
    assert beside(looks, 10.1, {7: 0.6, 8: 10.1}) == "lock"


def test_thread_that_rests_has_no_part_in_a_lock() -> None:
    looks = Patience()
    assert beside(looks, 0.0, {7: 0.5}) == ""
    assert beside(looks, 0.01, {}) == "lock"


def beside(looks: Patience, at: float, others: dict[int, float]) -> str:
    """Look at a thread that waits for a lock while others run."""
    wait = Wait("lock")
    wait.others = others
    return looks.decided(at, seen(1), wait)
