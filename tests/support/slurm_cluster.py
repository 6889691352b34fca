"""A Slurm cluster of one machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from daemons import daemon, free_port
from ways import Way, found, needs_root


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
