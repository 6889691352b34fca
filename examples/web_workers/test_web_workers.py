"""Gunicorn and uvicorn with worker processes, each server in a peer.

Shows: a server on a peer's main thread, where its handlers of signals work; a port that the server
chose; a worker that crashes while the server goes on; a graceful end in the middle of a request;
waiting for what a worker prints; a hook that sends to the test (`here`, mailbox).
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket

import greeter
import pytest
import uvicorn

from pytest_peer import eventually

PATIENCE = 20  # seconds


def port_of(server):
    """Return the port that gunicorn or uvicorn has chosen, when it listens."""
    said = server.stderr.wait_for(r"(?:Listening at:|running on) http://127.0.0.1:(\d+)", PATIENCE)
    port = int(said[1])
    # Uvicorn with workers says it before they listen.
    eventually(lambda: socket.create_connection(("127.0.0.1", port)).close(), PATIENCE)
    return port


def start_gunicorn(peer):
    """Start it, wait for both workers, and return the future of its call."""
    serving = peer.submit(greeter.serve)
    peer.stdout.wait_for("(?s)(worker ready.*){2}", PATIENCE)
    return serving


def get(port, path="/"):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, PATIENCE)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


@contextlib.contextmanager
def half_a_request(server):
    """Send a request whose body is yet to come, and wait until a worker has it."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), PATIENCE)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/echo")
        connection.putheader("Content-Length", "5")
        connection.endheaders()
        server.stdout.wait_for("reads the body", PATIENCE)
        yield connection


def rest_of_it(connection):
    connection.send(b"hello")
    return connection.getresponse().read().decode()


def test_gunicorn_replaces_a_worker_that_crashed(peer, peer_factory):
    start_gunicorn(peer)
    with pytest.raises(http.client.RemoteDisconnected):
        get(port_of(peer), "/crash")
    dead = peer_factory.mailbox("dead").get(PATIENCE)
    peer.stderr.wait_for(rf"\(pid:{dead}\) was sent SIGSEGV", PATIENCE)
    assert "in wsgi" in peer.stderr.text  # the stack
    peer.stdout.wait_for("(?s)(worker ready.*){3}", PATIENCE)
    assert int(get(port_of(peer))) not in (dead, peer.pid)


def test_gunicorn_ends_after_the_request(peer):
    serving = start_gunicorn(peer)
    with half_a_request(peer) as connection:
        peer.kill(signal.SIGTERM)
        peer.stderr.wait_for("Handling signal: term", PATIENCE)
        assert rest_of_it(connection) == "hello"
    with pytest.raises(SystemExit) as caught:
        serving.result(PATIENCE)
    assert caught.value.code == 0


def test_gunicorn_reloads_its_workers(peer):
    start_gunicorn(peer)
    old = get(port_of(peer))
    peer.kill(signal.SIGHUP)
    peer.stderr.wait_for(rf"Worker exiting \(pid: {old}\)", PATIENCE)
    assert get(port_of(peer)) != old


@pytest.mark.peer(peer_down="crash")
def test_uvicorn_ends_after_the_request(peer, caplog):
    peer.cast(uvicorn.run, "greeter:asgi", port=0)
    with half_a_request(peer) as connection:
        peer.kill(signal.SIGTERM)
        peer.stderr.wait_for("Shutting down", PATIENCE)
        assert rest_of_it(connection) == "hello"
    assert peer.wait_down(PATIENCE).signal == signal.SIGTERM  # raised again, after the end
    assert "shutdown of" in caplog.text


def test_uvicorn_replaces_a_worker_that_crashed(peer):
    peer.cast(uvicorn.run, "greeter:asgi", port=0, workers=2)
    with pytest.raises(http.client.RemoteDisconnected):
        get(port_of(peer), "/crash")
    peer.stderr.wait_for(r"Child process \[\d+\] died", PATIENCE)
    assert "in asgi" in peer.stderr.text  # the stack
    peer.stderr.wait_for("(?s)(startup complete.*){3}", PATIENCE)
    assert int(get(port_of(peer))) != peer.pid


def test_uvicorn_ends_its_workers(peer):
    peer.cast(uvicorn.run, "greeter:asgi", port=0, workers=2)
    peer.stderr.wait_for("(?s)(startup complete.*){2}", PATIENCE)
    peer.kill(signal.SIGTERM)
    peer.stderr.wait_for("Stopping parent process", PATIENCE)
    assert peer.stderr.text.count("shutdown of") == 2
