"""What each signal makes gunicorn do, with a real arbiter and real workers.

Gunicorn's own tests look for a free port, try to connect until it works, send a signal, sleep for
two seconds, and ask whether the server still answers. Here every step is a fact.

Shows: what a command does, on the main thread of a peer; a port that nobody else gets
(`reserve_port`); hooks in forked workers, and in an arbiter that is a program of its own, that send
to the test (`here`, mailboxes); a moment at which nothing is left to do (`settle`).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from gunicorn.app import wsgiapp

PATIENCE = 20  # seconds
FOLDER = Path(__file__).parent


def serve(port, log):
    """Do what the command `gunicorn` does; it is the command that the arbiter starts anew."""
    command = shutil.which("gunicorn", path=Path(sys.executable).parent)
    config = ["--config", f"{FOLDER}/gunicorn_conf.py", "--chdir", f"{FOLDER}"]
    address = f"127.0.0.1:{port}"
    sys.argv = [command, *config, "--bind", address, "--access-logfile", f"{log}", "greeter:wsgi"]
    wsgiapp.run()


@pytest.fixture
def began(peer_factory):
    """Return a function that waits for so many workers to begin, and gives their pids."""
    began = peer_factory.mailbox("began")
    return lambda count: {began.get(PATIENCE) for _ in range(count)}


@pytest.fixture
def ended(peer_factory):
    ended = peer_factory.mailbox("ended")
    return lambda count: {ended.get(PATIENCE) for _ in range(count)}


@pytest.fixture
def port(peer):
    return peer.reserve_port()


@pytest.fixture
def serving(peer, port, tmp_path):
    return peer.submit(serve, port, tmp_path / "access.log")


@pytest.fixture
def workers(serving, began):
    return began(2)


@contextlib.contextmanager
def request(port, path="/", length=0):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, PATIENCE)) as connection:
        connection.request("POST", path, headers={"Content-Length": str(length)})
        yield connection


def answering(port):
    """Return which process answers."""
    with request(port) as connection:
        return int(connection.getresponse().read())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_ends_with_all_workers(peer, serving, workers, ended, name):
    peer.kill(signal.Signals[name])
    with pytest.raises(SystemExit) as caught:
        serving.result(PATIENCE)
    assert caught.value.code == 0
    assert ended(2) == workers


def test_term_waits_for_a_request(peer, port, workers, ended):
    with request(port, "/echo", length=5) as connection:
        peer.stdout.wait_for("reads the body", PATIENCE)
        peer.kill(signal.SIGTERM)
        idle = ended(1)
        connection.send(b"hello")
        assert connection.getresponse().read() == b"hello"
    assert ended(1) == workers - idle


def test_quit_ends_a_request(peer, port, workers, ended):
    with request(port, "/echo", length=5) as connection:
        peer.stdout.wait_for("reads the body", PATIENCE)
        peer.kill(signal.SIGQUIT)
        assert connection.getresponse().status == 500
    assert ended(2) == workers  # the last one when the client has hung up


def test_hup_replaces_all_workers(peer, port, workers, began, ended):
    peer.kill(signal.SIGHUP)
    new = began(2)
    assert ended(2) == workers
    assert answering(port) in new - workers


def test_ttin_and_ttou_add_and_remove_a_worker(peer, port, workers, began, ended):
    peer.kill(signal.SIGTTIN)
    added = began(1)
    peer.kill(signal.SIGTTOU)
    assert ended(1) < workers  # the oldest
    peer.kill(signal.SIGTTOU)
    assert ended(1) < workers
    peer.kill(signal.SIGTTOU)
    peer.stderr.wait_for("(?s)(Handling signal: ttou.*){3}", PATIENCE)
    peer.settle(PATIENCE)  # nothing is left to do
    assert {answering(port)} == added


def test_usr1_opens_the_log_anew(peer, port, workers, tmp_path):
    log = (tmp_path / "access.log").rename(tmp_path / "access.log.1")
    peer.kill(signal.SIGUSR1)
    peer.stderr.wait_for("Handling signal: usr1", PATIENCE)
    peer.settle(PATIENCE)  # the workers have it open
    answering(port)
    peer.settle(PATIENCE)  # it is written after the answer
    assert log.read_text() == ""
    assert "POST / " in (tmp_path / "access.log").read_text()


def test_usr2_starts_a_second_arbiter(peer, port, workers, began, ended):
    peer.kill(signal.SIGUSR2)
    new = began(2)
    arbiter = int(peer.stderr.wait_for(r"(?s)Listening at.*Listening at: \S+ \((\d+)\)")[1])
    os.kill(arbiter, signal.SIGTERM)  # it was not good
    assert ended(2) == new
    assert answering(port) in workers
