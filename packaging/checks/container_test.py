"""The container: an image of the packages on a clean Debian, run as the Quadlet sample says, by podman.

Not seen here: Quadlet's generator itself, and systemd that starts what it makes.
"""

import json
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import time

import pytest

import quadlet

CONTAINER = pathlib.Path(__file__).resolve().parents[1] / "container"
BASE = "localhost/sluice-check-base"
CONFIGURATION = """
gateway: { name: contained, workers: [%d], eal: ["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"], flow_table_entries: 4096 }
ports: [{ name: edge0, device: "net_af_packet0,iface=edge0", kernel: true, addresses: ["198.18.10.1/24"] }]
pools: [{ name: web, backends: [{ address: "198.18.10.11", port: 8080 }] }]
services: [{ name: web, address: "203.0.113.10", port: 80, protocol: tcp, forward: dnat, pool: web }]
"""


class Podman:
    """One with a store of its own, and with limits that a process may set that has not all of root's rights."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.runtime = ""
        (directory / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        (directory / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/graph"\nrunroot = "{directory}/run"\n'
        )
        (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        }
        self.policy = ["--signature-policy", str(directory / "policy.json")]

    def __call__(self, *words, check=True, prefix=(), **options) -> subprocess.CompletedProcess:
        done = subprocess.run([*prefix, "podman", f"--runtime={self.runtime}", *map(str, words)], env={**self.environment, **options},
                              capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"podman {shlex.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def remove(self) -> None:
        self("rm", "--all", "--force", "--volumes", check=False)
        self("system", "reset", "--force", check=False)
        subprocess.run(["umount", "--lazy", self.directory / "graph/overlay"], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture(scope="module")
def podman(root, tmp_path_factory):
    """One that can run a container of the clean root on this machine."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    made = Podman(tmp_path_factory.mktemp("podman"))
    said = []
    try:
        for made.runtime in filter(shutil.which, ("crun", "runc")):
            if not said:
                made("import", root.archive, BASE)
            tried = made("run", "--rm", "--network=host", BASE, "/bin/true", check=False)
            if tried.returncode == 0:
                break
            said.append(tried.stderr)
        else:
            pytest.skip(f"no container runs on this machine: {said}")
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def image(podman, packages):
    """Built from the Containerfile, on the clean root in the place of Debian's image."""
    podman("build", *podman.policy, "--format=docker", "--network=host", "--pull-never", f"--build-arg=BASE={BASE}", "--tag=localhost/sluice:latest",
           "--file", CONTAINER / "Containerfile", packages)  # fmt: skip


def eventually(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return found


def fitted(arguments, configuration: pathlib.Path) -> list:
    """The sample's arguments, with what is this machine's: its CPUs, the configuration, and the limits that it allows."""
    cpu = min(os.sched_getaffinity(0))
    changed = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]  # podman's own are left out once one is named
    for argument in arguments:
        if argument.startswith("--cpuset-cpus="):
            argument = f"--cpuset-cpus={cpu}"
        if argument == "--ulimit=memlock=-1:-1":
            continue  # it takes CAP_SYS_RESOURCE, which a test need not have
        changed.append(argument.replace("/etc/sluice:/etc/sluice", f"{configuration}:/etc/sluice"))
    assert any(argument.startswith(f"--volume={configuration}") for argument in changed)
    return changed


def test_the_quadlet_sample_starts_a_gateway_that_says_when_it_is_ready(podman, image, tmp_path):
    cpu = min(os.sched_getaffinity(0))
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    (folder / "sluice.yaml").write_text(CONFIGURATION % cpu)
    tmp_path.chmod(0o755)
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    (tmp_path / "notify").mkdir()
    told.bind(str(tmp_path / "notify/socket"))
    told.settimeout(120)
    arguments = fitted(quadlet.run_arguments(CONTAINER / "sluice.container"), folder)
    # The host's network is one that is made for this, and goes with the container.
    script = 'ip link add edge0 type veth peer name wire0 && ip link set edge0 up && ip link set wire0 up && ip link set lo up && exec "$@"'
    podman("run", "--detach", "--replace", *arguments, prefix=("unshare", "--net", "sh", "-c", script, "sh"),
           NOTIFY_SOCKET=str(tmp_path / "notify/socket"))  # fmt: skip
    try:
        words = ""
        while "READY=1" not in words:
            words += told.recv(4096).decode() + "\n"
        listed = json.loads(podman("exec", "sluice", "sluicectl", "-o", "json", "backend", "list").stdout)
        assert [row["address"] for row in listed] == ["198.18.10.11"]
        assert podman("exec", "sluice", "stat", "-c", "%u %U", "/proc/1").stdout == "960 sluice\n"
        assert podman("exec", "sluice", "touch", "/usr/written", check=False).returncode != 0
        podman("healthcheck", "run", "sluice")
        generation = lambda: json.loads(podman("exec", "sluice", "sluicectl", "-o", "json", "call", "system.info").stdout)["generation"]
        assert generation() == 1
        (folder / "sluice.yaml").write_text(CONFIGURATION.replace("8080", "8081") % cpu)
        (reload,) = [value for key, value in quadlet.sections(CONTAINER / "sluice.container")["Service"] if key == "ExecReload"]
        assert shlex.split(reload)[0] == "/usr/bin/podman"
        podman(*shlex.split(reload)[1:])
        eventually(lambda: generation() == 2, "SIGHUP has it read its configuration")
        podman("stop", "--time", "30", "sluice")
        state = podman("inspect", "--format", "{{.State.ExitCode}}", "sluice").stdout
        log = podman("logs", "sluice")
        assert state == "0\n" and "stopped: received=" in log.stdout + log.stderr
    except BaseException:
        print(podman("logs", "sluice", check=False))
        raise
    finally:
        podman("rm", "--force", "sluice", check=False)
        told.close()
