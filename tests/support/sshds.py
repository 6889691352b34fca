"""Hosts that ssh reaches; all are this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from daemons import LOCALHOST, daemon, free_port, listens
from ways import Way, found


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
