"""Features of peers in containers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid

import pytest
from engines import IMAGE, mounts
from timeouts import LONG

import pytest_peer


def run(docker: list[str], *options: str, image: str = IMAGE) -> list[str]:
    seen = [*mounts(sys.executable), "--network", "none"]
    return [*docker, "run", "-i", "--rm", *seen, *options, image, sys.executable]


def containers(docker: list[str], name: str) -> str:
    command = [*docker, "ps", "-aq", "--filter", f"name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def name() -> str:
    return f"peer-{uuid.uuid4().hex}"


@pytest.fixture
def peer(dockerd, peer_factory, name) -> pytest_peer.Peer:
    return peer_factory(exec=run(dockerd, "--name", name), peer_down="continue", wait_boot=40)


def assert_removed(docker: list[str], name: str) -> None:
    pytest_peer.eventually(lambda: not containers(docker, name), LONG)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_container_is_gone_after(dockerd, peer, name, end):
    assert containers(dockerd, name)
    getattr(peer, end)()
    assert_removed(dockerd, name)


def test_container_is_gone_with_its_client(dockerd, peer, name):
    subprocess.run([*dockerd, "kill", name], check=True, capture_output=True)
    assert peer.wait_down(LONG).kind == "link lost"
    assert_removed(dockerd, name)


def test_container_that_hangs_ends_with_its_boot(dockerd, peer_factory, name):
    *words, python = run(dockerd, "--name", name, "--entrypoint", "/bin/sh")
    with pytest.raises(pytest_peer.BootTimeout):
        peer_factory(exec=[*words, "-c", "exec sleep 600", python], wait_boot=5)
    assert not containers(dockerd, name)


def test_stopping_the_container_terminates_the_peer(dockerd, peer, name):
    subprocess.run([*dockerd, "stop", "--time", "20", name], check=True, capture_output=True)
    assert peer.wait_down(LONG).signal is signal.SIGTERM


def test_hostname_is_that_of_the_container(dockerd, peer_factory):
    peer = peer_factory(exec=run(dockerd, "--hostname", "box"), wait_boot=40)
    assert peer.call(socket.gethostname) == "box"


@pytest.mark.parametrize("options", [[], ["--init"]])
def test_orphans_are_reaped(dockerd, peer_factory, options):
    peer = peer_factory(exec=run(dockerd, *options), wait_boot=40)
    script = "for i in 1 2 3; do (sleep 0.01 &) ; done"
    peer.call("subprocess:call", ["/bin/sh", "-c", script])
    pytest_peer.eventually(lambda: not peer.call(zombies), LONG)


def zombies() -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/stat") as file:
            told = file.read()
        # Its own are its own business.
        fields = told.rpartition(")")[2].split()
        if fields[0] == "Z" and int(fields[1]) != os.getpid():
            found.append(told)
    return found


def test_user_without_privileges(dockerd, peer_factory):
    options = ["--user", "65534:65534", "--cap-drop", "ALL", "--read-only"]
    peer = peer_factory(exec=[*run(dockerd, *options)[:-1], "/usr/bin/python3"], wait_boot=40)
    assert peer.call(os.getuid) == 65534


def greet(who: str) -> str:
    return f"hello {who}"


@pytest.mark.parametrize("version", ["3.8", "3.12"])
def test_image_with_nothing_but_python(dockerd, peer_factory, requires_python, version):
    python = os.path.realpath(requires_python(version))
    places = ["/lib", "/lib64", "/usr/lib", os.path.dirname(os.path.dirname(python))]
    seen = [word for place in places for word in ("-v", f"{place}:{place}:ro")]
    words = [*dockerd, "run", "-i", "--rm", "--network", "none", *seen, IMAGE, python]
    peer = peer_factory(exec=words, wait_boot=40)
    assert peer.python[:2] == tuple(map(int, version.split(".")))
    assert peer.call(greet, "box") == "hello box"
    assert not peer.call(os.path.exists, "/bin/sh")


def test_error_of_the_client_is_shown(dockerd, peer_factory):
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(
            exec=[*dockerd, "run", "-i", "--rm", "--pull", "never", "no-such:1", "python3"]
        )
    assert "no-such:1" in caught.value.output
    assert caught.value.exit_status in (1, 125)


def test_daemon_that_is_not_there(dockerd, peer_factory, tmp_path):
    words = [dockerd[0], "-H", f"unix://{tmp_path}/none.sock", "run", "-i", IMAGE, "python3"]
    with pytest.raises(pytest_peer.BootError, match=r"none\.sock"):
        peer_factory(exec=words)


# kubectl, whose cluster is a stand-in


RUN = ["run", "db", "-i", "--rm", "--quiet", "--restart=Never", "--image=python:3.12", "--"]


def test_pod_of_its_own(kubectl, peer_factory):
    program = kubectl.before[0]
    peer = peer_factory(exec=[program, *RUN, sys.executable], env={"WORD": "a b"})
    assert peer.call(os.getenv, "WORD") == "a b"
    peer.stop()
    assert peer.down_reason.exit_status == 0


def test_kubectl_gets_its_words_as_they_are(kubectl, peer_factory):
    peer = peer_factory(exec=kubectl.exec, env={"WORD": "a b"}, name="db")
    record = os.path.join(os.path.dirname(kubectl.before[0]), "record")
    with open(record) as file:
        words = file.read()
    assert words.startswith(
        f"['exec', '-i', 'pod', '--', 'env', 'WORD=a b', '{sys.executable}', '-c',"
    )
    assert words.endswith(f"'{peer.node}']")
