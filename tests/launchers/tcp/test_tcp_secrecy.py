"""Only the peer gets its secrets, and each is good for one connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from strangers import assert_refused, is_closed
from timeouts import LONGER

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="environments of processes are read in /proc"
)


def environ_of_a_child() -> str:
    return subprocess.run(["env"], stdout=subprocess.PIPE, check=True, text=True).stdout


def environ_of_a_fork() -> str:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, json.dumps(dict(os.environ)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        return told.read()


def own_environ() -> str:
    return json.dumps(dict(os.environ))


def own_globals() -> str:
    return repr(vars(sys.modules["__main__"]))


def test_secrets_are_two_of_256_bits(besieged):
    one, other = besieged.secrets()
    assert len(one) == len(other) == 64
    assert len({*one, *other} | set("0123456789abcdef")) == 16
    assert one != other
    besieged.boot()


def test_secrets_are_on_no_command_line(besieged):
    secrets = besieged.secrets()
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    besieged.boot()
    lines.append(Path(f"/proc/{besieged.peer.pid}/cmdline").read_bytes())
    assert not [line for line in lines for secret in secrets if secret.encode() in line]


@pytest.mark.parametrize("look", [environ_of_a_child, environ_of_a_fork, own_environ, own_globals])
def test_secrets_are_not_left_in_the_peer(besieged, look):
    secrets = besieged.secrets()
    besieged.boot()
    told = besieged.peer.call(look)
    assert told
    assert not [secret for secret in secrets if secret in told]
    assert "PYTEST_PEER_SECRET" not in told


def test_secrets_are_not_in_the_artifacts(besieged):
    secrets = besieged.secrets()
    besieged.boot()
    besieged.peer.stop()
    files = [path for path in besieged.peer.artifacts.rglob("*") if path.is_file()]
    assert {"manifest.json", "stdout.log", "stderr.log"} <= {path.name for path in files}
    assert not [
        path for path in files for secret in secrets if secret.encode() in path.read_bytes()
    ]


def test_post_process_args_does_not_see_them(peer_factory):
    seen: list[str] = []
    peer_factory(connection=0, post_process_args=lambda argv: seen.extend(argv) or argv)
    code = seen[seen.index("-c") + 1]
    assert "PYTEST_PEER_SECRET" in code  # the name
    assert not [
        word for word in code.replace("'", " ").split() if len(word) >= 64 and word.isalnum()
    ]


def test_origin_itself_has_no_such_variable(peer_factory):
    peer_factory(connection=0)
    assert "PYTEST_PEER_SECRET" not in os.environ


def test_port_is_closed_when_the_peer_has_connected(besieged):
    besieged.boot()
    assert_refused(besieged.address)


def test_replayed_secret_of_another_boot_is_worth_nothing(besieged, peer_factory, tmp_path):
    from gates import Gate
    from strangers import Besieged

    old, _ = besieged.secrets()
    besieged.boot()
    gate = Gate(tmp_path / "other")
    with Besieged(peer_factory, gate) as other:
        stranger = other.connect()
        stranger.sendall(old.encode())
        assert is_closed(stranger)
        assert old not in other.secrets()
        other.boot()
    gate.close()


def test_peer_refuses_an_origin_that_does_not_know_its_secret(besieged, tmp_path):
    """Somebody has got the port, after the origin has died, say."""
    import socket

    argv = besieged.process.cmdline()
    python = argv.index(sys.executable)
    host, port = besieged.address
    evidence = tmp_path / "ran"
    code = f"open({str(evidence)!r}, 'w')".encode()
    with socket.create_server((host, 0)) as false_origin:
        words = [word.replace(str(port), str(false_origin.getsockname()[1])) for word in argv]
        environ = {**os.environ, "PYTEST_PEER_SECRET": "a" * 64 + " " + "b" * 64}
        with subprocess.Popen(
            words[python:], env=environ, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as process:
            false_origin.settimeout(LONGER)
            connected, _ = false_origin.accept()
            with connected:
                connected.sendall(b"c" * 64 + b"%d\n" % len(code) + code)
                assert process.wait(LONGER) == 1
            assert process.stderr is not None
            assert b"not the origin" in process.stderr.read()
    assert not evidence.exists()
    besieged.boot()
