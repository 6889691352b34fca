"""Launchers that pass on nothing but stdin, stdout and stderr, and what has to run for them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

#: The contract says a second; a busy machine may need some more.
SECONDS = 4.0
READY_SECONDS = 30.0  # for a daemon to serve, on a busy machine too


class Missing(Exception):
    """What the machine lacks."""


#: The most that a boot may take on a busy machine, where a container is made for it.
BOOT_SECONDS = 40.0


@contextlib.contextmanager
def available() -> Iterator[None]:
    """What the machine lacks skips; in CI that is a failure, if CI is root there and could have installed it."""
    try:
        yield
    except Missing as exc:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(str(exc))
        pytest.skip(str(exc))


@dataclass(frozen=True)
class Way:
    """To start a peer: `before` the program, the program, and what holds for peers that come this way."""

    before: tuple[str, ...]
    python: str = sys.executable
    #: Whether a peer runs in a space of process ids of its own.
    container: bool = False
    #: In how many seconds a peer notices that its connection is lost.
    patience: float = SECONDS

    @property
    def exec(self) -> list[str]:
        return [*self.before, self.python]


def found(program: str) -> str:
    """Its path, also where only root looks."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"no {program} on this machine")
    return path


def needs_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Missing(f"{what} needs root")


LOCALHOST = "127.0.0.1"


def free_port(address: str = LOCALHOST) -> int:
    with socket.socket() as listener:
        try:
            listener.bind((address, 0))
        except OSError as exc:  # macOS has only one address of the loopback range
            raise Missing(f"no address {address} on this machine") from exc
        return listener.getsockname()[1]


@contextlib.contextmanager
def daemon(argv: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A process that runs meanwhile; it is not entered before `ready`."""
    with log.open("wb") as output:
        tied = [found("setpriv"), "--pdeathsig", "TERM", *argv]  # also when this process is killed
        process = subprocess.Popen(
            tied, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} does not serve:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def listens(port: int, address: str = LOCALHOST) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def succeeds(*argv: str, **options: object) -> bool:
    return subprocess.run(argv, capture_output=True, check=False, **options).returncode == 0


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


#: Passes nothing on, says something first, and lets its words run as they are.
_BARE = f"""\
#!{sys.executable} -S
import os, sys
sys.stdout.write("banner")
sys.stdout.flush()
sys.stderr.write("motd\\n")
os.closerange(3, 1024)
words = sys.argv[1:]
{{more}}
os.execvp(words[0], words)
"""


def bare(directory: Path) -> Way:
    """A stand-in that needs nothing; with the name of a launcher that takes words as they are."""
    return Way((str(script(directory / "doas", _BARE.format(more=""))),))


def kubectl(directory: Path) -> Way:
    """One that records its words and executes those behind ``--``."""
    record = directory / "record"
    more = f'open({str(record)!r}, "w").write(repr(words))\nwords = words[words.index("--") + 1 :]'
    program = script(directory / "kubectl", _BARE.format(more=more))
    return Way((str(program), "exec", "-i", "pod", "--"))


def sudo(_: Path) -> Way:
    needs_root("sudo without a password")
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        raise Missing(f"no {python}, which every user can run")
    return Way((found("sudo"), "-n", "-u", "nobody"), python)


@contextlib.contextmanager
def sshd(directory: Path, host: str = "far", address: str = LOCALHOST) -> Iterator[Path]:
    """The client's configuration, for that host."""
    server, keygen = found("sshd"), found("ssh-keygen")
    found("ssh")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    port = free_port(address)
    for name in ("host", "id"):
        subprocess.run(
            [keygen, "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True
        )
    shutil.copy(directory / "id.pub", directory / "authorized_keys")
    (directory / "sshd_config").write_text(
        f"""\
Port {port}
ListenAddress {address}
HostKey {directory}/host
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
MaxSessions 100
PrintMotd no
Banner {directory}/banner
"""
    )
    (directory / "banner").write_text("for members only\n")
    config = directory / "ssh_config"
    config.write_text(
        f"""\
Host {host}
  HostName {address}
  Port {port}
  IdentityFile {directory}/id
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  BatchMode yes
"""
    )
    argv = [server, "-D", "-e", "-f", str(directory / "sshd_config")]
    with daemon(argv, directory / "sshd.log", lambda: listens(port, address)):
        yield config


@contextlib.contextmanager
def ssh(directory: Path) -> Iterator[Way]:
    with sshd(directory) as config:
        yield Way((found("ssh"), "-F", str(config), "far"))


@contextlib.contextmanager
def three_hosts(directory: Path) -> Iterator[Path]:
    """The client's configuration, for `HOSTS`: each has an address and an sshd of its own."""
    with contextlib.ExitStack() as stack:
        lines = []
        for number, host in enumerate(HOSTS, start=2):
            own = directory / host
            own.mkdir()
            config = stack.enter_context(sshd(own, host, f"127.0.0.{number}"))
            lines.append(f"Include {config}\n")
        everywhere = directory / "ssh_config"
        everywhere.write_text("Host *\n".join(["", *lines]))
        yield everywhere


HOSTS = ("alpha", "beta", "gamma")

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
    """A daemon that can make networks: in a space of its own, so that this machine's rules and routes stay as they are."""
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


@contextlib.contextmanager
def slurm(directory: Path) -> Iterator[Way]:
    """A cluster of one machine."""
    needs_root("slurmd")
    programs = {name: found(name) for name in ("munged", "slurmctld", "slurmd", "sinfo", "srun")}
    host = socket.gethostname().partition(".")[0]
    key, munge = directory / "munge.key", directory / "munge.sock"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    directory.chmod(0o755)
    for name in ("state", "spool"):
        (directory / name).mkdir()
    config = directory / "slurm.conf"
    config.write_text(
        f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
NodeName={host} NodeAddr=127.0.0.1 CPUs=64
PartitionName=main Nodes=ALL Default=YES OverSubscribe=FORCE:16
SlurmUser=root
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
AuthType=auth/munge
AuthInfo=socket={munge}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
"""
    )
    authentication = [
        programs["munged"],
        "--foreground",
        "--force",
        f"--key-file={key}",
        f"--socket={munge}",
    ]
    authentication += [f"--pid-file={directory}/munged.pid", f"--log-file={directory}/munged.log"]
    authentication += [f"--seed-file={directory}/munged.seed"]
    environ = {**os.environ, "SLURM_CONF": str(config)}

    def idle() -> bool:
        said = subprocess.run(
            [programs["sinfo"], "-h", "-o", "%T"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout.strip() in ("idle", "mixed", "allocated")

    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(authentication, directory / "m.log", munge.exists))
        control = [programs["slurmctld"], "-D", "-f", str(config)]
        stack.enter_context(daemon(control, directory / "ctld.log", lambda: True))
        node = [programs["slurmd"], "-D", "-f", str(config)]
        stack.enter_context(daemon(node, directory / "slurmd.log", idle))
        yield Way(("env", f"SLURM_CONF={config}", programs["srun"], "-n1", "-u"), patience=10.0)
