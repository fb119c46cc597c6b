"""A Slurm cluster of one node on the loopback interface: real daemons, started and stopped here, without systemd."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = Path("/etc/slurm")  # nowhere else: the executor plugin takes SLURM_CONF out of the environment of jobs
MARK = "# One node on the loopback interface, written by tests/slurm/cluster.py.\n"
SOCKET = Path("/run/munge/munge.socket.2")
# The node says that it has more than it has, so that jobs of any size start; GPUs are files that stand for them.
SETTINGS = """\
ClusterName=regrow
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=1
JobRequeue=1
KillWait=30
MinJobAge=3600
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
GresTypes=gpu
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=200000 Gres=gpu:2 Feature=a100,h100
PartitionName=cpu Nodes=ALL Default=YES State=UP
PartitionName=gpu Nodes=ALL State=UP
"""
GPUS = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def reason_to_refuse() -> str | None:
    """Return why no cluster may be started here, or None."""
    config = CONFIG / "slurm.conf"
    if config.exists() and not config.read_text().startswith(MARK):
        return f"this machine has a Slurm of its own ({config}), which is left alone: run this in a container"
    for daemon in ("slurmctld", "slurmd"):
        if _is_running(daemon):
            return f"a {daemon} runs here already and is left alone: stop it, or run this in a container"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Start munged, slurmctld and slurmd; stop them at the end and leave no configuration behind."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    CONFIG.mkdir(exist_ok=True)
    (CONFIG / "slurm.conf").write_text(MARK + SETTINGS.format(host=host, folder=folder))
    (CONFIG / "gres.conf").write_text(GPUS)
    munged = None if _is_running("munged") else _start_munged(folder)
    daemons = [munged] if munged else []
    try:
        for command in (["slurmctld", "-D"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.out").open("wb") as out:
                daemons.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
        _wait_until(lambda: _state_of_node() == "idle", f"no idle node; see {folder}/slurmctld.log and slurmd.log")
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], check=False, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=60)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIG / name).unlink()


def _start_munged(folder: Path) -> subprocess.Popen:
    """Start munged as its own user, as it insists on; the package made the user and the key."""
    for name in ("run", "log", "lib"):
        place = Path("/run/munge") if name == "run" else Path("/var") / name / "munge"
        place.mkdir(parents=True, exist_ok=True)
        shutil.chown(place, "munge", "munge")
        place.chmod(0o755 if name == "run" else 0o700)
    if not Path("/etc/munge/munge.key").exists():
        subprocess.run(["mungekey", "--create"], user="munge", check=True)
    with (folder / "munged.out").open("wb") as out:
        daemon = subprocess.Popen(["munged", "--foreground"], user="munge", stdout=out, stderr=subprocess.STDOUT)
    _wait_until(SOCKET.exists, f"munged did not start; see {folder}/munged.out")
    return daemon


def _wait_until(done, failure: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(failure)
        time.sleep(0.2)


def _state_of_node() -> str:
    found = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False)
    return found.stdout.split("\n")[0]


def _is_running(name: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == name:
                return True
        except OSError:  # it ended meanwhile
            continue
    return False


if __name__ == "__main__":
    sys.exit(reason_to_refuse())
