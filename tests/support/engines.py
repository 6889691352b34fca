"""Containers that have this machine's files: docker and podman."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from daemons import daemon, succeeds
from ways import Missing, Way, found, needs_root

#: The peer has this machine's files, each at its place.
_MOUNTS = ("/bin", "/lib", "/lib64", "/usr", "/etc/passwd")
IMAGE = "empty:1"


def unmount(directory: Path) -> None:
    """All that is mounted below it."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for place in reversed([line.split()[4] for line in lines]):
        if place.startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


_NO_NETWORK = ("--iptables=false", "--ip6tables=false", "--bridge=none")


@contextlib.contextmanager
def dockerd(
    directory: Path, before: Sequence[str] = (), options: Sequence[str] = _NO_NETWORK
) -> Iterator[list[str]]:
    """The words with which a command of its client begins; with an image that is empty.

    :param before: what starts the daemon.
    :param options: of the daemon.
    """
    needs_root("dockerd")
    server, client = found("dockerd"), found("docker")
    address = f"unix://{directory}/d.sock"
    argv = [*before, server, "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"]
    argv += ["--pidfile", f"{directory}/d.pid", "-H", address, *options]
    docker = [client, "-H", address]
    with contextlib.ExitStack() as stack:
        stack.callback(unmount, directory)  # what a killed one leaves
        log = directory / "dockerd.log"
        stack.enter_context(daemon(argv, log, lambda: succeeds(*docker, "version")))
        _import(docker, directory / "empty")
        yield docker


def _import(engine: Sequence[str], empty: Path) -> None:
    """Make the image: directories for what is mounted."""
    for name in (*_MOUNTS[:-1], "/etc", "/dev", "/proc", "/root", "/sys", "/tmp"):
        os.makedirs(f"{empty}{name}", exist_ok=True)
    tar = subprocess.run(["tar", "-C", empty, "-cf", "-", "."], check=True, capture_output=True)
    subprocess.run(
        [*engine, "import", "-", IMAGE], input=tar.stdout, check=True, capture_output=True
    )


@contextlib.contextmanager
def networked_dockerd(directory: Path) -> Iterator[list[str]]:
    """Run a daemon that can make networks, in a network namespace: this machine's routes stay."""
    needs_root("dockerd with networks")
    ip, nsenter = found("ip"), found("nsenter")
    found("iptables")
    space = f"peers{os.getpid()}"
    if not succeeds(ip, "netns", "add", space):
        raise Missing("no network namespaces on this machine")
    try:
        subprocess.run([ip, "-n", space, "link", "set", "lo", "up"], check=True)
        pools = "base=10.98.0.0/16,size=24"
        options = ["--bip", "10.99.0.1/24", "--default-address-pool", pools]
        with dockerd(directory, [nsenter, f"--net=/run/netns/{space}"], options) as docker:
            yield docker
    finally:
        subprocess.run([ip, "netns", "delete", space], check=False)


@contextlib.contextmanager
def podman(directory: Path) -> Iterator[Way]:
    """Without a daemon."""
    needs_root("podman with files of its own")
    engine = [found("podman"), "--cgroup-manager=cgroupfs", "--events-backend=file"]
    engine += [f"--runtime={found('runc')}", "--root", f"{directory}/root", "--runroot"]
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # it takes no more than 50 characters
        engine.append(short)
        try:
            _import(engine, directory / "empty")
            limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
            options = ["--rm", "--network", "none", *limits, *mounts(sys.executable)]
            yield Way((*engine, "run", "-i", *options, f"localhost/{IMAGE}"), container=True)
        finally:
            unmount(directory)
            unmount(Path(short))


def mounts(*python: str) -> list[str]:
    """Options of docker that let it see interpreters, with their environment."""
    places = {*_MOUNTS}
    for each in python:
        places |= {
            os.path.dirname(os.path.dirname(path)) for path in (each, os.path.realpath(each))
        }
    seen = [place for place in places if os.path.exists(place) and not place.startswith("/usr/")]
    return [word for place in sorted(seen) for word in ("-v", f"{place}:{place}:ro")]


def run_options(docker: list[str]) -> tuple[str, ...]:
    """``docker run`` with everything but the interpreter."""
    options = ["--rm", "--network", "none", "--hostname", "box", *mounts(sys.executable)]
    return (*docker, "run", "-i", *options, IMAGE)


@contextlib.contextmanager
def container(docker: list[str]) -> Iterator[str]:
    """The id of a container that runs."""
    options = ["--rm", "--init", "--network", "none", *mounts(sys.executable)]
    command = [*docker, "run", "-d", *options, IMAGE, "sleep", "3600"]
    ident = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield ident
    finally:
        subprocess.run([*docker, "kill", ident], check=True, capture_output=True)
