"""What travels between test and peer: arguments, results, exceptions; and what becomes of what cannot."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import operator
import os
import sys
import threading
import traceback
import types
from typing import Any

import pytest

from pytest_peer import DecodeError
from pytest_peer import EncodeError
from pytest_peer import Peer
from pytest_peer import RemoteError

LONG = 30.0
MEGABYTE = 1 << 20


class OwnError(Exception):
    """An exception that only this module has."""


class TwoArguments(Exception):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} failed with {code}")
        self.name = name
        self.code = code


class KeywordsOnly(Exception):
    def __init__(self, *, path: str) -> None:
        super().__init__()
        self.path = path


class NoArguments(Exception):
    def __init__(self) -> None:
        super().__init__("always", "these")


class Formatting(Exception):
    """Its `args` can be given to `__init__` again, with another result."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name}")


class CodedOSError(OSError):
    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code), "some/file")


class CodedExit(SystemExit):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(code)
        self.name = name


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class ReducedToAnother(Exception):
    def __reduce__(self) -> Any:
        return ValueError, ("another",)


class ManyErrors(Exception):
    """Has what an exception group has, and is none."""

    def __init__(self, text: str, exceptions: Any) -> None:
        super().__init__(text)
        self.exceptions = exceptions


class Speechless(Exception):
    def __repr__(self) -> str:
        raise ValueError("no repr")

    __str__ = __repr__


class OwnGroup(ExceptionGroup[Exception]):
    def derive(self, excs: Any) -> OwnGroup:
        return OwnGroup(self.message, excs)


class RefusesPickling:
    def __reduce__(self) -> Any:
        raise LookupError("this one stays")


class RefusesUnpickling:
    def __init__(self, place: str) -> None:
        self.place = place

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise LookupError(f"not in {state['place']}")


class EndsProgramsWhenUnpickled:
    def __setstate__(self, state: object) -> None:
        raise SystemExit(3)

    def __init__(self) -> None:
        self.state = 1


def innermost(exc: BaseException) -> None:
    raise exc


def outer(exc: BaseException) -> None:
    innermost(exc)


async def outer_later(exc: BaseException) -> None:
    await asyncio.sleep(0)
    innermost(exc)


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


def with_lock_inside() -> None:
    exc = OwnError("no")
    exc.lock = threading.Lock()  # type: ignore[attr-defined]
    exc.code = 7  # type: ignore[attr-defined]
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


def made_here(name: str) -> Any:
    """A class whose module exists in this process only."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec("class Here(Exception): pass", module.__dict__)
    return module.Here


def raise_made_here(name: str) -> None:
    raise made_here(name)("only here")


def instance_made_here(name: str) -> Any:
    return made_here(name)("only here")


def deep_list(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def recurse(depth: int = 0) -> None:
    recurse(depth + 1)


def remote_frames(exc: BaseException) -> list[str]:
    """The functions of this file in the traceback, without the test's."""
    frames = traceback.extract_tb(exc.__traceback__)
    return [frame.name for frame in frames if frame.filename == __file__][1:]


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    return module_peer_factory()


def is_usable(peer: Peer) -> bool:
    return peer.call(os.getpid) == peer.pid


# Arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "where"),
    [
        ((threading.Lock(),), {}, "argument 0"),
        ((1, threading.Lock()), {}, "argument 1"),
        ((), {"a": 1, "b": threading.Lock()}, "argument 'b'"),
        (({"a": [0, threading.Lock()]},), {}, "['a'][1]"),
    ],
)
def test_argument_that_cannot_be_sent_is_named(
    shared: Peer, args: tuple[Any, ...], kwargs: dict[str, Any], where: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(repr, *args, **kwargs)
    assert where in str(caught.value)
    assert "lock" in str(caught.value)
    assert is_usable(shared)


def test_attribute_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"lock.* at \.inner\.deep"):
        shared.call(repr, types.SimpleNamespace(inner=types.SimpleNamespace(deep=threading.Lock())))


def test_function_that_cannot_be_sent_is_named(shared: Peer) -> None:
    lock = threading.Lock()
    with pytest.raises(EncodeError, match=r"the function.*lock"):
        shared.call(lambda: lock)


def test_argument_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"RefusesPickling.*this one stays"):
        shared.call(repr, RefusesPickling())


def test_argument_that_cannot_be_rebuilt_in_the_peer(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the peer"):
        shared.call(repr, RefusesUnpickling("the peer"))
    assert is_usable(shared)


def test_argument_that_ends_programs_when_rebuilt(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="SystemExit"):
        shared.call(repr, EndsProgramsWhenUnpickled())
    assert is_usable(shared)


def test_argument_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="argument 0"):
        shared.call(len, deep_list(100_000))
    assert is_usable(shared)


def test_argument_is_a_copy(shared: Peer) -> None:
    items = [1]
    assert shared.call(operator.iadd, items, [2]) == [1, 2]
    assert items == [1]


def test_argument_of_64_megabytes(shared: Peer) -> None:
    assert shared.call(len, b"\xab" * (64 * MEGABYTE)) == 64 * MEGABYTE


# Results


def test_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the result.*lock"):
        shared.call(threading.Lock)
    assert is_usable(shared)


def test_part_of_a_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(lambda: {"a": [0, threading.Lock()]})
    assert "['a'][1]" in str(caught.value)


def test_result_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="this one stays"):
        shared.call(RefusesPickling)
    assert is_usable(shared)


def test_result_that_cannot_be_rebuilt_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the test") as caught:
        shared.call(RefusesUnpickling, "the test")
    assert isinstance(caught.value.__cause__, LookupError)
    assert is_usable(shared)


def test_result_of_a_class_that_is_not_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="only_for_a_result") as caught:
        shared.call(instance_made_here, "only_for_a_result")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_result_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="the result"):
        shared.call(deep_list, 100_000)
    assert is_usable(shared)


def test_result_of_200_megabytes(shared: Peer) -> None:
    result = shared.call(operator.mul, b"\xab\xcd", 100 * MEGABYTE)
    assert len(result) == 200 * MEGABYTE
    assert result.startswith(b"\xab\xcd\xab")
    assert result.endswith(b"\xcd\xab\xcd")


def test_small_calls_are_answered_while_a_big_result_is_on_its_way(shared: Peer) -> None:
    big = shared.submit(operator.mul, b"x", 50 * MEGABYTE)
    assert [shared.call(operator.neg, number) for number in range(50)] == [-n for n in range(50)]
    assert len(big.result(LONG)) == 50 * MEGABYTE


def test_instance_of_a_class_of_this_module(shared: Peer) -> None:
    assert type(shared.call(RefusesUnpickling.__new__, RefusesUnpickling)) is RefusesUnpickling


def test_instance_of_a_local_class_of_the_test(shared: Peer) -> None:
    class Local:
        def __init__(self, value: int) -> None:
            self.value = value

    result = shared.call(Local, 5)
    assert type(result) is Local
    assert result.value == 5


def test_instance_of_a_local_class_of_the_peer(shared: Peer) -> None:
    def make() -> Any:
        class Point:
            def __init__(self, x: int) -> None:
                self.x = x

            def twice(self) -> int:
                return 2 * self.x

        return Point(4)

    assert shared.call(make).twice() == 8


def test_lambda_as_a_result(shared: Peer) -> None:
    assert shared.call(lambda: lambda x: x + 1)(1) == 2


# Exceptions: their classes


@pytest.mark.parametrize(
    ("cls", "args", "kwargs"),
    [
        (TwoArguments, ("disk", 5), {}),
        (KeywordsOnly, (), {"path": "a/b"}),
        (NoArguments, (), {}),
        (Formatting, ("disk",), {}),
        (CodedOSError, (2,), {}),
        (CodedExit, ("disk", 5), {}),
        (Slotted, (5, "slots"), {}),
        (Frozen, (5,), {}),
        (FileNotFoundError, (2, "gone", "some/file"), {}),
        (ImportError, ("no module",), {"name": "db", "path": "some/file"}),
        (UnicodeDecodeError, ("utf-8", b"\xff", 0, 1, "bad"), {}),
        (KeyError, ("key",), {}),
        (StopIteration, (1,), {}),
        (json.JSONDecodeError, ("bad", "{", 1), {}),
    ],
)
def test_exception_of_any_class_comes_back_as_it_was(
    shared: Peer, cls: type[BaseException], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    def fail() -> None:
        raise cls(*args, **kwargs)

    local = cls(*args, **kwargs)
    with pytest.raises(cls) as caught:
        shared.call(fail)
    assert type(caught.value) is cls
    assert (str(caught.value), caught.value.args) == (str(local), local.args)
    for name in ("name", "code", "path", "errno", "filename", "reason", "value", "pos"):
        assert getattr(caught.value, name, None) == getattr(local, name, None)


def test_exception_that_is_pickled_as_another_is_itself(shared: Peer) -> None:
    with pytest.raises(ReducedToAnother, match="itself"):
        shared.call(lambda: innermost(ReducedToAnother("itself")))


def test_exception_without_repr_and_str_is_itself(shared: Peer) -> None:
    with pytest.raises(Speechless):
        shared.call(lambda: innermost(Speechless()))
    assert is_usable(shared)


@pytest.mark.parametrize("kind", [list, tuple], ids=["list", "tuple"])
def test_exception_with_an_attribute_exceptions_is_no_group(shared: Peer, kind: type) -> None:
    with pytest.raises(ManyErrors, match="several") as caught:
        shared.call(lambda: innermost(ManyErrors("several", kind([KeyError("k")]))))
    assert type(caught.value.exceptions) is kind
    assert caught.value.exceptions[0].args == ("k",)


def test_exception_of_a_local_class_of_the_test(shared: Peer) -> None:
    class LocalError(Exception):
        pass

    def fail() -> None:
        raise LocalError("local")

    with pytest.raises(LocalError, match="local"):
        shared.call(fail)


def test_class_of_this_module_is_the_same_for_code_by_value(shared: Peer) -> None:
    def fail() -> None:
        try:
            outer(OwnError("caught"))
        except OwnError as exc:
            raise KeyError("it was") from exc

    with pytest.raises(KeyError, match="it was"):
        shared.call(fail)


@pytest.mark.parametrize("outcome", [pytest.skip, pytest.fail, pytest.xfail])
def test_outcome_of_pytest_is_the_test_s(peer: Peer, outcome: Any) -> None:
    with pytest.raises(outcome.Exception) as caught:
        peer.call(outcome, "because")
    assert caught.value.msg == "because"


# Exceptions that cannot travel


def test_exception_of_a_class_that_is_not_here_is_a_remote_error(shared: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        shared.call(raise_made_here, "only_for_an_exception")
    assert caught.value.type_name == "only_for_an_exception.Here"
    assert caught.value.original_repr == "Here('only here')"
    assert "in raise_made_here" in caught.value.remote_traceback
    assert "Here('only here')" in str(caught.value)
    assert is_usable(shared)


def test_remote_error_has_the_peer_s_frames(shared: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        shared.call(raise_made_here, "only_for_frames")
    assert remote_frames(caught.value) == ["raise_made_here"]


def test_exception_with_an_argument_that_cannot_be_sent_is_a_remote_error(shared: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        shared.call(with_lock_as_argument)
    assert caught.value.type_name.endswith("OwnError")
    assert "OwnError('no', <unlocked _thread.lock object" in str(caught.value)
    assert is_usable(shared)


def test_attribute_that_cannot_be_sent_is_left_out_and_noted(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(with_lock_inside)
    assert caught.value.args == ("no",)
    assert vars(caught.value)["code"] == 7
    assert not hasattr(caught.value, "lock")
    assert any("lock" in note for note in caught.value.__notes__)


# What belongs to an exception


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


def test_cause_that_cannot_travel_is_a_remote_error(shared: Peer) -> None:
    def fail() -> None:
        try:
            with_lock_as_argument()
        except OwnError as exc:
            raise KeyError("effect") from exc

    with pytest.raises(KeyError) as caught:
        shared.call(fail)
    assert isinstance(caught.value.__cause__, RemoteError)


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


def test_group_with_a_member_that_cannot_travel(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call(group_with_lock)
    assert [type(exc) for exc in caught.value.exceptions] == [RemoteError, OwnError]


def test_groups_nested_in_handlers_do_not_explode(shared: Peer) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call_within(LONG, nested_groups, 16)
    exc: BaseException = caught.value
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    assert isinstance(exc, OwnError)


# Tracebacks


def test_traceback_goes_on_with_the_peer_s_frames(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    assert remote_frames(caught.value) == ["outer", "innermost"]


def test_frames_have_file_line_and_source(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == __file__
    assert last.lineno == innermost.__code__.co_firstlineno + 1
    assert last.line == "raise exc"


def test_frames_of_a_coroutine(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer_later, OwnError("deep"))
    assert remote_frames(caught.value) == ["outer_later", "innermost"]


def test_frames_of_code_that_travels_by_value(shared: Peer) -> None:
    def local() -> None:
        outer(OwnError("deep"))

    with pytest.raises(OwnError) as caught:
        shared.call(lambda: local())
    assert remote_frames(caught.value) == ["<lambda>", "local", "outer", "innermost"]
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-3].line == 'outer(OwnError("deep"))'


def test_frames_of_a_library(shared: Peer) -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        shared.call(json.loads, "{")
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-3:] == ["loads", "decode", "raw_decode"]


def test_report_shows_the_test_and_the_peer_and_nothing_between(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(outer, OwnError("deep"))
    shown = caught.traceback.filter(caught)
    assert {str(entry.path) for entry in shown} == {__file__}
    assert [entry.name for entry in shown][-2:] == ["outer", "innermost"]


def test_report_of_a_future_shows_nothing_between(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.submit(outer, OwnError("deep")).result(LONG)
    shown = caught.traceback.filter(caught)
    assert {str(entry.path) for entry in shown} == {__file__}


def test_endless_recursion_is_a_recursion_error(shared: Peer) -> None:
    with pytest.raises(RecursionError) as caught:
        shared.call(recurse)
    frames = remote_frames(caught.value)
    assert frames[0] == frames[-1] == "recurse"
    assert is_usable(shared)
