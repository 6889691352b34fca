"""Pickling: by reference, by cloudpickle, or refused."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from pytest_peer.link.protocol import codec

REFUSAL = "code cannot travel by value"


class OfMain:
    """A class of ``__main__``, as the other end would look it up."""


@pytest.fixture
def of_main(monkeypatch: pytest.MonkeyPatch) -> type:
    monkeypatch.setattr(OfMain, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "OfMain", OfMain, raising=False)
    return OfMain


def test_path_of_python_3_13_is_a_path() -> None:
    pickled = b"\x80\x05\x8c\x0epathlib._local\x8c\tPosixPath\x93\x8c\x02/a\x85R."
    assert codec.loads(pickled) == Path("/a")


@pytest.mark.parametrize(
    "value",
    [
        'if __name__ == "__main__":',
        "__main__",
        b"__main__",
        {"__main__": "__main__"},
        ["__main__", "__main__", codec.CannotEncode],
        ["__main__" * 20_000, sys.intern("__main__"), codec.CannotEncode, codec.CannotDecode],
    ],
    ids=["source", "name", "bytes", "dict", "class", "big"],
)
def test_text_with_main_travels_without_code(value: Any) -> None:
    assert codec.loads(codec.dumps(value, REFUSAL)) == value
    assert codec.loads(codec.pack(value, REFUSAL, codec.big_buffers((value,)))) == value


@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda cls: cls, ""),
        (lambda cls: [0, cls], r" at \[1\]"),
        (lambda cls: ["__main__", "OfMain", cls], r" at \[2\]"),
        (lambda cls: {"key": ("__main__" * 20_000, cls())}, r" at \['key'\]\[1\]"),
        (lambda cls: [cls(), cls()], r" at \[0\]"),
    ],
)
def test_class_of_main_is_refused_where_it_is(of_main: type, wrap: Any, where: str) -> None:
    with pytest.raises(codec.CannotEncode, match=f"OfMain.*{where} .*refers to __main__") as caught:
        codec.dumps(wrap(of_main), REFUSAL)
    assert str(caught.value).endswith(REFUSAL)


def test_code_needs_no_private_function_of_cloudpickle(monkeypatch: Any) -> None:
    own = cloudpickle.Pickler._dynamic_function_reduce
    monkeypatch.setattr(cloudpickle.Pickler, "_reduce_a_function", own, raising=False)

    def function_reduce(self: Any, fn: Any) -> Any:
        return self._reduce_a_function(fn) if fn.__module__ == __name__ else NotImplemented

    monkeypatch.delattr(cloudpickle.Pickler, "_dynamic_function_reduce")
    monkeypatch.setattr(cloudpickle.Pickler, "_function_reduce", function_reduce)
    made = codec.loads(codec.dumps(lambda number: (number, REFUSAL)))
    assert made(2) == (2, REFUSAL)
    assert made.__globals__ is globals()


class Buffered:
    """Offers a buffer to pickle, and counts how often it is asked."""

    def __init__(self, size: int) -> None:
        self.size, self.asked = size, 0

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.asked += 1
        return bytearray, (pickle.PickleBuffer(bytes(self.size)),)


@pytest.mark.parametrize("size", [1, codec.BIG])
def test_object_with_a_buffer_is_pickled_once(size: int) -> None:
    buffered = Buffered(size)
    assert codec.loads(codec.pack(buffered, REFUSAL, [])) == bytes(size)
    assert buffered.asked == 1


def test_module_that_is_being_imported_hinders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports ``_winapi``, for which a peer asks its origin: by a message of ours."""
    name = "multiprocessing.connection"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    double = lambda number: 2 * number  # noqa: E731
    assert codec.loads(bytes(codec.dumps(double)))(21) == 42
