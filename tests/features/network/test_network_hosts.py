"""Each peer is a host: it has a name, addresses, a loopback, and so has what it starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from network_calls import LONG, ask, start_server


def test_host_name_is_that_of_the_peer(peer_network):
    a, b = peer_network.many(2)
    assert [each.call(socket.gethostname) for each in (a, b)] == [a.host, b.host]
    assert a.host != b.host


def test_own_host_name_can_be_chosen(peer_network):
    peer = peer_network(host="store")
    assert (peer.host, peer.call(socket.gethostname)) == ("store", "store")


def test_host_name_that_is_taken_is_refused(peer_network):
    peer_network(host="store")
    with pytest.raises(ValueError, match="host: there is a host named 'store'"):
        peer_network(host="store")


@pytest.mark.parametrize("address", ["address", "address6"])
def test_peers_reach_each_other_by_address(peer_network, address):
    a, b = peer_network.many(2)
    b.cast(serve_both)
    b.stdout.wait_for("listening")
    assert a.call(ask, getattr(b, address)) == b.host


def serve_both():
    with socket.create_server(("", 80), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            client.sendall(socket.gethostname().encode())
            client.close()


def test_loopback_is_ones_own(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    with pytest.raises(ConnectionRefusedError):
        a.call(ask, "127.0.0.1")
    assert b.call(ask, "localhost") == b.host


def name_of_a_program():
    program = "import socket; print(socket.gethostname())"
    return subprocess.check_output([sys.executable, "-c", program], text=True).strip()


def test_what_a_peer_starts_is_on_its_host(peer_network):
    peer = peer_network()
    assert peer.call(name_of_a_program) == peer.host


def identity():
    return os.getuid(), os.getgid(), os.getgroups(), os.getcwd()


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_user_and_directory_are_those_of_the_test(peer_network, peer, start_method):
    inside = peer_network(start_method=start_method)
    assert inside.call(socket.gethostname) == inside.host
    uid, gid, _, cwd = inside.call(identity)
    assert (uid, gid, cwd) == (os.getuid(), os.getgid(), os.getcwd())


def rights():
    with open("/proc/self/status") as file:
        return [line for line in file if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb"))]


def test_peer_has_no_more_rights_than_the_test(peer_network):
    assert peer_network().call(rights) == rights()


def test_restart_keeps_host_and_address(peer_network):
    a, b = peer_network.many(2)
    before = b.address
    b.restart()
    start_server(b)
    assert b.address == before
    assert a.call(ask, b.host) == b.host


def test_file_of_the_test_is_there(peer_network, tmp_path):
    (tmp_path / "file").write_text("text")
    assert peer_network().call((tmp_path / "file").read_text) == "text"


def test_machine_cannot_be_reached_from_a_host(peer_network):
    peer = peer_network()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConnectionRefusedError),
    ):
        peer.call(ask, "127.0.0.1", server.getsockname()[1])


def test_privileged_ports_are_for_all(peer_network):
    start_server(peer_network(), 80)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"connection": 0}, "connection"),
        ({"link": False}, "link"),
        ({"exec": ["ssh", "host", "python3"]}, "ssh"),
        ({"exec": ["docker", "run", "image", "python3"]}, "docker"),
    ],
)
def test_what_is_outside_of_the_network_is_refused(peer_network, options, why):
    with pytest.raises(ValueError, match=why):
        peer_network(**options)


def test_peer_that_is_refused_leaves_no_host(peer_network):
    with pytest.raises(TypeError, match="nonsense"):
        peer_network(name="one", nonsense=1)
    assert peer_network(name="one").host == "one"


def test_calls_and_deaths_are_those_of_any_peer(peer_network):
    peer = peer_network()
    with peer.expect_death():
        peer.kill()
    assert peer.wait_down(LONG).signal == 9


def test_fork_server_starts_while_pytest_collects(inner):
    inner.write(
        """
        import psutil

        def test_before():
            assert len(psutil.Process().children()) == 1

        def test_with(peer_network):
            assert psutil.Process(peer_network().pid).parents()[2] in psutil.Process().children()
        """
    )
    inner.run_apart().assert_outcomes(passed=2)
