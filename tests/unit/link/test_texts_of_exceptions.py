"""An exception as the text that travels with it."""

from __future__ import annotations

from pytest_peer.link.protocol import codec
from pytest_peer.link.protocol.exceptions import formatted


def failure_of_ours() -> BaseException:
    try:
        codec.resolved("no_such_module:f")
    except ImportError as exc:
        return exc
    raise AssertionError


def test_frames_of_ours_are_left_out() -> None:
    text = formatted(failure_of_ours())
    assert "in failure_of_ours" in text
    assert "in resolved" not in text


def test_frames_of_ours_stay_where_there_are_no_others() -> None:
    exc = failure_of_ours()
    assert exc.__traceback__ is not None
    assert "in resolved" in formatted(exc.with_traceback(exc.__traceback__.tb_next))


def test_frames_of_ours_are_left_out_of_causes_and_members() -> None:
    group = ExceptionGroup("several", [failure_of_ours(), KeyError("other")])
    group.__cause__ = failure_of_ours()
    text = formatted(group)
    assert text.count("in failure_of_ours") == 2
    assert "in resolved" not in text


def test_long_chain_is_told() -> None:
    last: BaseException | None = None
    for _ in range(400):
        try:
            raise KeyError("again") from last
        except KeyError as exc:
            last = exc
    assert last is not None
    assert formatted(last).count("KeyError: 'again'") == 400
