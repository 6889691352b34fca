"""Which timers are written, and what a kernel without them means."""

from __future__ import annotations

from pytest_peer.network import tcp_timers


def test_timers_are_written(tmp_path):
    for name in ("tcp_rto_min_us", "tcp_syn_retries"):
        (tmp_path / name).write_text("")
    assert tcp_timers.shorten(str(tmp_path))
    assert (tmp_path / "tcp_rto_min_us").read_text() == "5000"


def test_kernel_without_the_least_time_is_told(tmp_path):
    (tmp_path / "tcp_syn_retries").write_text("")
    assert not tcp_timers.shorten(str(tmp_path))
