"""Exceptions travel with their attributes, notes, causes and group members."""

from __future__ import annotations

import threading
import traceback
from typing import Any

import pytest
from timeouts import LONG
from unusual_exceptions import TwoArguments

from pytest_peer import Peer


class OwnError(Exception):
    """An exception that only this module has."""


class OwnGroup(ExceptionGroup[Exception]):
    def derive(self, excs: Any) -> OwnGroup:
        return OwnGroup(self.message, excs)


def innermost(exc: BaseException) -> None:
    raise exc


def with_cause(exc: BaseException, cause: BaseException) -> None:
    try:
        innermost(cause)
    except type(cause) as caught:
        raise exc from caught


def with_context(exc: BaseException, context: BaseException) -> None:
    try:
        innermost(context)
    except type(context):
        raise exc  # noqa: B904


def without_context(exc: BaseException, context: BaseException) -> None:
    try:
        innermost(context)
    except type(context):
        raise exc from None


def with_notes(*notes: str) -> None:
    exc = OwnError("noted")
    for note in notes:
        exc.add_note(note)
    raise exc


def with_attributes(**attributes: object) -> None:
    exc = OwnError("no")
    vars(exc).update(attributes)
    raise exc


def with_lock_as_argument() -> None:
    raise OwnError("no", threading.Lock())


def group_with_frames() -> None:
    members = []
    for exc in (OwnError("one"), TwoArguments("two", 2)):
        try:
            innermost(exc)
        except Exception as caught:
            members.append(caught)
    raise ExceptionGroup("both", members)


def group_with_lock() -> None:
    raise ExceptionGroup("both", [OwnError(threading.Lock()), OwnError("fine")])


def nested_groups(depth: int) -> None:
    """Each raised in the handler of the one before, which is its context and its member."""
    try:
        if depth == 0:
            innermost(OwnError("core"))
        nested_groups(depth - 1)
    except Exception as exc:
        raise ExceptionGroup(f"level {depth}", [exc])  # noqa: B904


# Attributes, notes, causes


def test_attributes_of_an_exception(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_attributes, code=7, where=["a", "b"])
    assert vars(caught.value)["code"] == 7
    assert vars(caught.value)["where"] == ["a", "b"]


def test_notes_are_kept_in_order(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_notes, "first", "second")
    assert caught.value.__notes__[:2] == ["first", "second"]
    assert shared.name in caught.value.__notes__[2]
    assert len(caught.value.__notes__) == 3


def test_cause(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(lambda: with_cause(OwnError("effect"), TwoArguments("disk", 5)))
    cause = caught.value.__cause__
    assert isinstance(cause, TwoArguments)
    assert (cause.name, cause.code) == ("disk", 5)
    assert caught.value.__suppress_context__


def test_context(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_context, OwnError("second"), KeyError("first"))
    assert isinstance(caught.value.__context__, KeyError)
    assert caught.value.__context__.args == ("first",)
    assert caught.value.__cause__ is None
    assert not caught.value.__suppress_context__


def test_context_that_was_suppressed_is_not_shown(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(without_context, OwnError("second"), KeyError("first"))
    assert "During handling" not in "".join(traceback.format_exception(caught.value))


def test_cause_has_frames(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_cause, OwnError("effect"), KeyError("cause"))
    assert caught.value.__cause__ is not None
    frames = traceback.extract_tb(caught.value.__cause__.__traceback__)
    assert [frame.name for frame in frames] == ["with_cause", "innermost"]


def test_cause_with_an_unsendable_argument_keeps_its_class(shared: Peer) -> None:
    def fail() -> None:
        try:
            with_lock_as_argument()
        except OwnError as exc:
            raise KeyError("effect") from exc

    with pytest.raises(KeyError) as caught:
        shared.call(fail)
    assert isinstance(caught.value.__cause__, OwnError)
    assert caught.value.__cause__.args[0] == "no"


def test_exception_that_is_its_own_cause_does_not_hang(shared: Peer) -> None:
    def fail() -> None:
        exc = OwnError("snake")
        raise exc from exc

    with pytest.raises(OwnError, match="snake"):
        shared.call(fail)


# Exception groups


def test_group_is_a_group(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call(group_with_frames)
    assert caught.value.message == "both"
    one, two = caught.value.exceptions
    assert isinstance(one, OwnError)
    assert one.args == ("one",)
    assert isinstance(two, TwoArguments)
    assert two.code == 2


def test_group_is_split_by_except_star(shared: Peer) -> None:
    seen: list[str] = []
    try:
        shared.call(group_with_frames)
    except* OwnError as group:
        seen += [str(exc) for exc in group.exceptions]
    except* TwoArguments as group:
        seen += [str(exc) for exc in group.exceptions]
    assert seen == ["one", "two failed with 2"]


def test_members_of_a_group_have_frames(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call(group_with_frames)
    for member in caught.value.exceptions:
        frames = traceback.extract_tb(member.__traceback__)
        assert [frame.name for frame in frames] == ["group_with_frames", "innermost"]


def test_group_of_an_own_class(shared: Peer) -> None:
    with pytest.raises(OwnGroup) as caught:
        shared.call(lambda: innermost(OwnGroup("own", [OwnError("one")])))
    assert caught.value.message == "own"
    assert isinstance(caught.value.exceptions[0], OwnError)


def test_group_of_what_ends_programs(shared: Peer) -> None:
    def fail() -> None:
        raise BaseExceptionGroup("ends", [KeyboardInterrupt("now"), OwnError("too")])

    with pytest.raises(BaseExceptionGroup) as caught:
        shared.call(fail)
    assert [type(exc) for exc in caught.value.exceptions] == [KeyboardInterrupt, OwnError]


def test_group_with_a_member_that_has_an_unsendable_argument(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call(group_with_lock)
    assert [type(exc) for exc in caught.value.exceptions] == [OwnError, OwnError]


def test_groups_nested_in_handlers_do_not_explode(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call_within(LONG, nested_groups, 16)
    exc: BaseException = caught.value
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    assert isinstance(exc, OwnError)
