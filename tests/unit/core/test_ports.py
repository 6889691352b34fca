"""Which ports may be reserved: those that the kernel gives to nobody by itself."""

from __future__ import annotations

import pytest

from pytest_peer.core import ports


def test_those_of_the_kernel_are_left_out() -> None:
    found = ports.candidates((32768, 60999), ())
    assert (found[0], found[-1]) == (20000, 65535)
    assert not set(found) & set(range(32768, 61000))


def test_those_of_the_administrator_are_left_out() -> None:
    assert ports.candidates((20000, 65533), {65534}) == [65535]


def test_common_ones_are_the_last_resort() -> None:
    assert ports.candidates((10000, 65535), ()) == list(range(1024, 10000))


def test_kernel_may_have_all_of_them() -> None:
    assert ports.candidates((1024, 65535), ()) == []
    assert ports.candidates((1, 65535), ()) == []


def test_list_of_the_administrator_has_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_setting", lambda _: "8080,10000-10002\n")
    assert ports._reserved() == {8080, 10000, 10001, 10002}


def test_nothing_is_known_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_setting", lambda _: "")
    assert ports._kernels() == (49152, 65535)
    assert ports._reserved() == set()


def test_byte_of_a_file_is_a_lock_too(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(ports.sys, "platform", "darwin")
    monkeypatch.setattr(ports, "_FILE", f"{tmp_path}/ports")
    lock = ports.reserve("127.0.0.1")
    try:
        with pytest.raises(OSError, match="has the port"):
            ports.Lock(lock.port)
        lock.release()
        ports.Lock(lock.port).release()
    finally:
        ports.os.close(ports._file)
        monkeypatch.setattr(ports, "_file", -1)
