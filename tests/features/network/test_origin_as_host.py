"""The test is a host of its network too: with sockets of its own, or with all its thread opens."""

from __future__ import annotations

import _socket
import asyncio
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from network_calls import LONG, ask, collect_datagrams, start_server


def received(sock):
    with sock:
        return sock.recv(100).decode()


def test_test_connects_to_a_peer(peer_network):
    peer = peer_network()
    start_server(peer)
    assert received(peer_network.connect(peer, 80)) == peer.host


@pytest.mark.parametrize("how", ["host", "name", "address", "address6"])
def test_test_connects_by_name_and_address(peer_network, how):
    peer = peer_network()
    peer.cast(serve_both)
    peer.stdout.wait_for("listening")
    assert received(peer_network.connect(getattr(peer, how), 80)) == peer.host


def serve_both():
    with socket.create_server(("", 80), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            client.sendall(socket.gethostname().encode())
            client.close()


def test_connecting_tries_both_families(peer_network):
    peer = peer_network()
    peer.cast(serve_on, "::")
    peer.stdout.wait_for("listening")
    assert received(peer_network.connect(peer, 80)) == peer.host


def serve_on(address):
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((address, 80))
        server.listen()
        print("listening", flush=True)
        client, _ = server.accept()
        client.sendall(socket.gethostname().encode())
        client.close()


def test_port_without_a_server_is_refused(peer_network):
    with pytest.raises(ConnectionRefusedError):
        peer_network.connect(peer_network(), 80)


def test_connecting_has_a_limit(peer_network):
    peer = peer_network()
    start_server(peer)
    with (
        peer_network.cut(peer_network.origin, peer),
        pytest.raises(TimeoutError, match=r"no answer from port 80 of .* within 0\.2 s"),
    ):
        peer_network.connect(peer, 80, timeout=0.2)


def test_limit_of_connecting_is_that_of_calls(inner):
    inner.write(
        """
def test_it(peer_network):
    peer = peer_network()
    with peer_network.cut(peer_network.origin, peer):
        peer_network.connect(peer, 80)
"""
    )
    result = inner.run("--peer-call-timeout=0.2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*TimeoutError: connect: no answer*within 0.2 s"])


def test_stranger_cannot_be_connected_to(peer_network, peer):
    with pytest.raises(ValueError, match="no host of this network"):
        peer_network.connect(peer, 80)
    with pytest.raises(ValueError, match="'nowhere' is no host of this network"):
        peer_network.connect("nowhere", 80)


def test_peer_connects_to_the_test(peer_network):
    peer = peer_network()
    with peer_network.socket() as server:
        server.bind(("", 80))
        server.listen()
        answer = peer.submit(ask, peer_network.origin.host)
        client, (address, _) = server.accept()
        with client:
            client.sendall(b"hello")
        assert answer.result(LONG) == "hello"
    assert address == peer.address


def test_socket_sends_datagrams_to_names(peer_network):
    peer = peer_network()
    peer.cast(collect_datagrams)
    peer.stdout.wait_for("bound")
    with peer_network.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"hello", (peer.host, 53))
    peer.stdout.wait_for("hello")


def test_socket_has_the_address_of_the_test(peer_network):
    with peer_network.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((peer_network.origin.address6, 0))
        assert sock.getsockname()[0] == peer_network.origin.address6
        assert sock.type == socket.SOCK_DGRAM


def test_socket_of_no_kind_is_the_kernels_error(peer_network):
    with pytest.raises(OSError, match="not supported"):
        peer_network.socket(socket.AF_INET, socket.SOCK_SEQPACKET)


def test_name_of_the_test_is_not_a_peers(peer_network):
    with pytest.raises(ValueError, match="host: 'origin'"):
        peer_network(host="origin")


def test_test_can_be_partitioned_from_a_peer(peer_network):
    a, b = peer_network.many(2)
    start_server(a)
    start_server(b)
    with peer_network.partition([peer_network.origin], [a]) as cut:
        with pytest.raises(TimeoutError):
            peer_network.connect(a, 80, timeout=0.2)
        assert cut.hits
        assert received(peer_network.connect(b, 80)) == b.host
    assert received(peer_network.connect(a, 80)) == a.host


# Inside


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")


def serve_http():
    with HTTPServer(("", 80), Hello) as server:
        print("listening", flush=True)
        server.serve_forever()


def test_library_in_the_block_is_on_the_host(peer_network):
    peer = peer_network()
    peer.cast(serve_http)
    peer.stdout.wait_for("listening")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with peer_network.inside(), opener.open(f"http://{peer.host}/", timeout=LONG) as answer:
        assert answer.read() == b"hello"


def test_socket_connects_to_a_name_in_the_block(peer_network):
    peer = peer_network()
    start_server(peer)
    with peer_network.inside(), socket.socket() as sock:
        sock.connect((peer.name, 80))
        assert sock.recv(100).decode() == peer.host


def test_asyncio_runs_in_the_block(peer_network):
    peer = peer_network()
    start_server(peer)

    async def read():
        reader, writer = await asyncio.open_connection(peer.host, 80)
        text = await reader.read(100)
        writer.close()
        return text.decode()

    with peer_network.inside():
        assert asyncio.run(read()) == peer.host


def test_server_in_the_block_is_that_of_the_host(peer_network):
    peer = peer_network()
    with peer_network.inside(), socket.create_server(("", 80)) as server:
        answer = peer.submit(ask, "origin")
        client, _ = server.accept()
        with client:
            client.sendall(b"hello")
        assert answer.result(LONG) == "hello"


def test_block_can_be_on_the_host_of_a_peer(peer_network):
    peer = peer_network()
    start_server(peer)
    with peer_network.inside(peer):
        assert ask("127.0.0.1") == peer.host
        assert socket.gethostname() == peer.host


def test_blocks_can_be_nested(peer_network):
    a, b = peer_network.many(2)
    names = []
    with peer_network.inside(a):
        names.append(socket.gethostname())
        with peer_network.inside(b):
            names.append(socket.gethostname())
        names.append(socket.gethostname())
    assert names == [a.host, b.host, a.host]


def functions():
    return [
        socket.socket.__init__,
        vars(socket.socket).get("connect"),
        socket.getaddrinfo,
        socket.gethostbyname,
        socket.gethostname,
        threading.Thread.start,
        os.readlink("/proc/thread-self/ns/net"),
    ]


def test_all_is_as_it_was_behind_the_block(peer_network):
    before = functions()
    with pytest.raises(ZeroDivisionError), peer_network.inside():
        peer_network()
        raise ZeroDivisionError
    assert functions() == before


def test_other_threads_stay_on_the_machine(peer_network):
    with (
        ThreadPoolExecutor(1) as pool,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        port = server.getsockname()[1]
        pool.submit(int).result()  # its thread is there before the block
        with peer_network.inside():
            pool.submit(socket.create_connection, ("127.0.0.1", port), LONG).result().close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), LONG)


def test_thread_started_in_the_block_is_there(peer_network):
    peer = peer_network()
    start_server(peer)
    with peer_network.inside(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask, peer.host).result(LONG) == peer.host


def test_names_of_the_machine_are_unknown_in_the_block(peer_network):
    with peer_network.inside():
        with pytest.raises(socket.gaierror, match="nowhere"):
            socket.getaddrinfo("nowhere", 80)
        assert socket.gethostbyname("localhost") == "127.0.0.1"


def test_address_leads_to_the_name_in_the_block(peer_network):
    peer = peer_network()
    with peer_network.inside():
        assert socket.gethostbyaddr(peer.address6) == (peer.host, [peer.name], [peer.address6])
        with pytest.raises(socket.herror):
            socket.gethostbyaddr("192.0.2.1")


def test_sockets_within_the_machine_stay_in_the_block(peer_network):
    with peer_network.inside():
        one, other = socket.socketpair()
        with one, other:
            one.send(b"hello")
            assert other.recv(10) == b"hello"


def network_namespace():
    return os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_peer_started_in_the_block_is_not_there(peer_network, peer_factory, start_method):
    with peer_network.inside():
        peers = peer_factory.many(2, start_method=start_method)
    assert {peer.call(network_namespace) for peer in peers} == {network_namespace()}


# As they are before a block.
resolve, socket_connect = _socket.getaddrinfo, socket.socket.connect


@pytest.mark.parametrize(
    "name", ["gethostname", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"]
)
def test_functions_of_names_can_be_sent_in_the_block(peer_network, name):
    peer = peer_network()
    arguments = () if name == "gethostname" else (peer.host,)
    with peer_network.inside():
        found = peer.call(getattr(socket, name), *arguments)
    assert peer.host in found or peer.address in found


def test_function_that_is_replaced_in_the_block_can_be_sent(peer_network):
    peer = peer_network()
    with peer_network.inside():
        for each in (resolve, _socket.getaddrinfo, socket.getaddrinfo):
            addresses = {found[4][0] for found in peer.call(each, peer.host, 80)}
            assert addresses == {peer.address, peer.address6}
        assert peer.call(repr, socket.socket.connect) == repr(socket_connect)


def test_network_grows_from_within_the_block(peer_network):
    with peer_network.inside():
        a, b = peer_network.many(2)
        start_server(b)
        assert a.call(ask, b.host) == ask(b.host) == b.host


@pytest.mark.skipif(os.geteuid() != 0, reason="a process of an ordinary user stays on the machine")
def test_program_started_in_the_block_is_on_the_host(peer_network):
    program = "import socket; print(socket.gethostname())"
    with peer_network.inside():
        text = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert text.strip() == "origin"
